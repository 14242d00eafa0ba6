"""Inputs of the figures: runs of the experiment table, pairs of a split, vectors and scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eccl.config import load_params
from eccl.data.parts import data_version
from eccl.errors import FeatureError, SplitError, VersionError, WorkspaceError
from eccl.evaluation.panels import Panel, empty_panel, make_points
from eccl.evaluation.predictions import Truth, predicted_traits, read_predictions, read_truth, vectors
from eccl.evaluation.test_split.selection import Selection, read_selected, read_selection
from eccl.features.materialized import is_covered
from eccl.models.scores import pearson_per_trait
from eccl.study.arms import Arm, ArmTable
from eccl.study.jobs import scored_run
from eccl.training.inputs.targets import TRAITS
from eccl.training.runs import RECORD, Run, load_run, run_name
from eccl.workspace import Workspace

MISSING = (FeatureError, SplitError, VersionError, WorkspaceError)
"""Errors of one panel; the other panels are drawn nevertheless."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What figures are drawn from.

    Parameters
    ----------
    table
        The experiment table.
    truth
        Pairs of the split that is shown, with labels and traits.
    selection
        The frozen selection; None shows the validation split.
    data_version
        Of the workspace.
    instances
        Visits that are scored.
    """

    workspace: Workspace
    table: ArmTable
    truth: Truth
    selection: Selection | None
    data_version: str
    instances: tuple[int, ...]

    @property
    def reference(self) -> Arm:
        """The arm that the others are compared with."""
        return self.table.arms[self.table.reference]


def set_scene(workspace: Workspace, table: ArmTable) -> Scene:
    """Read the truth of the test split if the reference is in a frozen selection of this data, else of the validation split.

    Decisions must not depend on the test split: it is shown only for a frozen selection, with the visits and labels that were
    scored for it, even if params.yaml has changed since then.
    """
    params = load_params(workspace.params_file)
    version = data_version(workspace.data)
    selection = read_selection(workspace)
    if selection is not None and selection.scope.data_version != version:
        selection = None
    arm = table.arms[table.reference]
    frozen = {} if selection is None else selection.runs
    if not any(scored_run(arm, TRAITS, seed) in frozen for seed in table.seeds):
        selection = None
    definition: str = params.cohort.label_definition
    if selection is None:
        split = "val"
        instances = tuple(params.presets[params.preset]["evaluation"]["instances"])
    else:
        split, definition, instances = "test", selection.scope.label_definition, selection.scope.instances
    truth = read_truth(workspace, split, instances, params.cohort.diseases, definition)
    return Scene(workspace, table, truth, selection, version, instances)


def explain(name: str, title: str, make: Callable[[], Panel]) -> Panel:
    """Make a panel; where something that it needs is missing, a panel with the reason."""
    try:
        return make()
    except MISSING as error:
        return empty_panel(name, title, str(error))


def visit_points(
    pairs: pl.DataFrame, place: NDArray[np.floating[Any]], series: str | Sequence[str], run: str, split: str
) -> pl.DataFrame:
    """Points of visits from their coordinates, (pairs, 2)."""
    names = [series] * len(pairs) if isinstance(series, str) else list(series)
    named = zip(names, pairs["eid"].to_list(), pairs["instance"].to_list(), place.tolist(), strict=True)
    return make_points(
        {"series": name, "eid": eid, "instance": instance, "x": x, "y": y, "label": "", "run": run, "split": split}
        for name, eid, instance, (x, y) in named
    )


def find_runs(scene: Scene, arm: Arm, task: str, view: str) -> list[Run]:
    """Finished runs of an arm, one per seed, in the order of the seeds; of the test split only frozen ones.

    On the validation split the workspace's own run stands in for an arm that changes nothing.

    Raises
    ------
    FeatureError
        There is none; the message names the expected one and the command that trains it.
    """
    table = scene.table
    names = [scored_run(arm, task, seed) for seed in table.seeds]
    # What the workspace trains for itself is what an unchanged arm is: the preset as it stands.
    is_plain = not table.variant(arm.stage, arm.variant).changes
    for some in (names, [run_name(arm.stage, task)] if is_plain and scene.selection is None else []):
        found = [load_run(scene.workspace, name) for name in some if _is_usable(scene, name, view)]
        if found:
            return found
    why = "is not in the frozen selection" if scene.selection else "is not finished on the data as they are"
    raise FeatureError(f"{arm.title}: {names[0]} {why}; {how_to_train(scene, [arm.key], task, table.seeds[:1])}")


def how_to_train(scene: Scene, arms: Sequence[str], task: str, seeds: Sequence[int]) -> str:
    """What to run for arms without a run, in words.

    A call replaces the table by its own runs, so for a table that was scored the command names its other arms and seeds, too.
    """
    chosen = f"eccl table1 --arms {','.join(arms)} --tasks {task} --seeds {','.join(map(str, seeds))} --train-only"
    if scene.selection is None:
        return f"run `{chosen}`"
    entries = scene.selection.runs.values()
    known = {str(entry["variant"]) for entry in entries} | set(arms)
    whole = ",".join(key for key in scene.table.arms if key in known)
    all_seeds = ",".join(map(str, sorted({int(entry["seed"]) for entry in entries} | set(seeds))))
    return f'train it (`{chosen}`), then score it with the others (`eccl table1 --arms {whole} --seeds {all_seeds} --rescore "REASON"`)'


def read_rows(scene: Scene, run: str, view: str, code: str | None = None) -> pl.DataFrame:
    """Rows of a run for the pairs that are shown."""
    if scene.selection is not None and run in scene.selection.runs:
        return read_selected(scene.workspace, scene.selection, view, run, scene.truth.split, code)
    return read_predictions(scene.workspace, view, run, scene.truth.split, scene.instances, code)


def read_vectors(scene: Scene, run: str, view: str) -> NDArray[np.float32]:
    """Vectors of a run at the pairs that are shown, in their order: (pairs, d)."""
    return vectors(read_rows(scene, run, view), scene.truth)


def trait_r(scene: Scene, run: str, view: str) -> NDArray[np.float64]:
    """Pearson R of every trait of a run over the pairs that are shown, in the order of `scene.truth.fields`; NaN where undefined."""
    return pearson_per_trait(scene.truth.traits, predicted_traits(read_rows(scene, run, view), scene.truth))


def draw_some(count: int, limit: int, seed: int = 0) -> NDArray[np.int64]:
    """Positions of at most `limit` of `count`, ascending, always the same ones."""
    if count <= limit:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, limit, replace=False))


def _is_usable(scene: Scene, run: str, view: str) -> bool:
    workspace = scene.workspace
    if scene.selection is not None:
        return run in scene.selection.runs
    if (
        not (workspace.run_folder(run) / RECORD).is_file()
        or not (workspace.features / view / f"{run}.parquet").is_file()
    ):
        return False
    record = load_run(workspace, run).record
    return is_covered(workspace.features, run, str(record["run_id"]), str(record["data_version"]), scene.data_version)
