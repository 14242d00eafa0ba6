"""Figure 2c: R of every trait, from the ECG and from the CMR, grouped by what the trait measures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eccl.evaluation.panels import Panel, empty_panel, make_points
from eccl.evaluation.trait_figure import GROUPS
from eccl.study.arms import Arm
from eccl.study.figures.data import MISSING, Scene, find_runs, trait_r
from eccl.study.figures.maps import FEWEST
from eccl.training.inputs.targets import TRAITS

NAME = "2c"
CMR_ARM = "cmr_sup"


def cmr_arm(scene: Scene) -> list[tuple[Arm, str, str]]:
    """The arm that reads the CMR, with its task and view; none where the experiment table has no such arm."""
    arm = scene.table.arms.get(CMR_ARM)
    return [] if arm is None else [(arm, TRAITS, "cmr_trait_prediction")]


def collect(scene: Scene) -> list[Panel]:
    """A panel per group of traits; series are the reference arm and the one that reads the CMR, a point per trait and seed."""
    if len(scene.truth) < FEWEST:
        lack = (
            f"{len(scene.truth)} visits are too few for a correlation, expected at least {FEWEST}; ingest more visits"
        )
        return [empty_panel(title, title, lack) for title, _ in GROUPS]
    scores: list[tuple[str, str, NDArray[np.float64]]] = []
    missing = []
    for arm, task, view in [(scene.reference, TRAITS, "trait_prediction"), *cmr_arm(scene)]:
        try:
            names = [str(run.record["run"]) for run in find_runs(scene, arm, task, view)]
            scores += [(arm.title, name, trait_r(scene, name, view)) for name in names]
        except MISSING as error:
            missing.append(str(error))
    if not scores:
        return [empty_panel(title, title, missing[0]) for title, _ in GROUPS]
    return [_panel(scene, title, fields, scores, missing) for title, fields in GROUPS]


def _panel(
    scene: Scene,
    title: str,
    fields: Sequence[int],
    scores: list[tuple[str, str, NDArray[np.float64]]],
    missing: list[str],
) -> Panel:
    known = scene.truth.fields
    columns = np.flatnonzero(known["field_id"].is_in(list(fields)).to_numpy())
    labels = [short or str(field) for short, field in zip(known["short_name"], known["field_id"], strict=True)]
    rows = [
        {
            "series": arm,
            "x": float(place),
            "y": float(r[column]),
            "label": labels[column],
            "run": run,
            "split": scene.truth.split,
        }
        for arm, run, r in scores
        for place, column in enumerate(columns)
        if not np.isnan(r[column])
    ]
    return Panel(title, title, make_points(rows), missing[0] if missing else "")
