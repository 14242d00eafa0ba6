"""Figure 2b: mean R of the traits against the number of ECG patches and the size of the ECG encoder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from eccl.evaluation.conventions import SPLITS
from eccl.evaluation.panels import Panel, empty_panel, make_points
from eccl.evaluation.style import BLUE, GREY, SMALL, drawing, letter, save, write_note
from eccl.models.ecg_vit import EcgEncoder
from eccl.models.scores import mean_defined
from eccl.models.specs import EcgEncoderSpec
from eccl.study.arms import Arm
from eccl.study.figures.data import MISSING, Scene, find_runs, how_to_train, trait_r
from eccl.training.inputs.targets import TRAITS
from eccl.training.runs import Run, load_run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "2b"
GROUP = "figure_2b"
_TITLES = {"patches": "Number of patches", "size": "Size of the encoder"}
_AXES = {
    "patches": "patches per recording (label: leads × samples of a patch)",
    "size": "millions of parameters (label: width × depth)",
}


@dataclass(frozen=True, slots=True)
class _Point:
    arm: str
    spec: EcgEncoderSpec
    run: str
    mean_r: float


def arms_of(scene: Scene) -> list[Arm]:
    """The reference, and the arms of the figure."""
    return [scene.reference, *(arm for arm in scene.table.arms.values() if arm.group == GROUP)]


def collect(scene: Scene) -> list[Panel]:
    """Panels ``patches`` (arms with the reference's width and depth) and ``size`` (arms with its patch), a point per run."""
    points: list[_Point] = []
    lacking: list[str] = []
    for arm in arms_of(scene):
        try:
            runs = find_runs(scene, arm, TRAITS, "trait_prediction")
        except MISSING:
            lacking.append(arm.key)
        else:
            points += [_point(scene, arm.key, run) for run in runs]
    missing = f"no run of {', '.join(lacking)}; {_remedy(scene, lacking, points)}" if lacking else ""
    reference = next((point.spec for point in points if point.arm == scene.reference.key), None)
    if reference is None:
        return [empty_panel(name, title, missing) for name, title in _TITLES.items()]
    alike = {
        "patches": [point for point in points if _shape(point.spec) == _shape(reference)],
        "size": [point for point in points if point.spec.patch == reference.patch],
    }
    return [_panel(name, some, missing, scene.truth.split) for name, some in alike.items()]


def _remedy(scene: Scene, lacking: list[str], points: list[_Point]) -> str:
    """What to run for arms without a run: with the seeds that the others have."""
    # The workspace's own runs, which may stand in for the reference, have no seed of the table.
    found = {load_run(scene.workspace, point.run).record.get("seed") for point in points}
    seeds = [seed for seed in scene.table.seeds if seed in found] or list(scene.table.seeds)
    return how_to_train(scene, lacking, TRAITS, seeds)


def _panel(name: str, points: list[_Point], missing: str, split: str) -> Panel:
    rows: list[dict[str, Any]] = []
    for point in points:
        if np.isnan(point.mean_r):
            continue
        height, width = point.spec.patch
        label = f"{height} × {width}" if name == "patches" else f"{point.spec.width} × {point.spec.depth}"
        x = float(count_patches(point.spec)) if name == "patches" else count_parameters(point.spec) / 1e6
        rows.append({"series": point.arm, "x": x, "y": point.mean_r, "label": label, "run": point.run, "split": split})
    return Panel(name, _TITLES[name], make_points(rows), missing)


def count_patches(spec: EcgEncoderSpec) -> int:
    """Patches of a recording of 12 leads and 5000 samples."""
    from eccl.models.specs import LEADS, SAMPLES

    return (LEADS // spec.patch[0]) * (SAMPLES // spec.patch[1])


def count_parameters(spec: EcgEncoderSpec) -> int:
    """Trained parameters of an encoder."""
    import torch

    with torch.device("meta"):
        return sum(parameter.numel() for parameter in EcgEncoder(spec).parameters() if parameter.requires_grad)


def draw(panels: list[Panel], path: Path) -> list[Path]:
    """Draw both panels: mean and standard deviation over the seeds, and every seed as a small point."""
    with drawing(height=2.7) as figure:
        for axes, panel, mark in zip(figure.subplots(1, 2, sharey=True), panels, "ab", strict=True):
            axes.set_title(panel.title)
            letter(axes, mark)
            if panel.points.is_empty():
                write_note(axes, panel.missing or "R is not defined for any trait")
                continue
            _draw_sizes(axes, panel.points)
            axes.set_xlabel(_AXES[panel.name])
            if axes.get_subplotspec().is_first_col():
                axes.set_ylabel(f"mean R over the traits, {SPLITS[panel.points['split'][0]]} split")
                axes.legend(loc="best")
        lack = next((panel.missing for panel in panels if panel.missing and not panel.points.is_empty()), "")
        if lack:
            figure.supxlabel(lack, fontsize=SMALL, color=GREY)
        return save(figure, path)


def _draw_sizes(axes: Axes, points: pl.DataFrame) -> None:
    by_arm = points.group_by("series").agg(
        pl.col("x").first(), pl.col("y").mean().alias("mean"), pl.col("y").std().fill_null(0), pl.col("label").first()
    )
    by_arm = by_arm.sort("x")
    x, mean, spread = (by_arm[name].to_numpy() for name in ("x", "mean", "y"))
    beside = points["x"].to_numpy() * 1.06
    axes.scatter(beside, points["y"].to_numpy(), s=5, color=GREY, linewidths=0, label="one seed")
    axes.errorbar(
        x,
        mean,
        yerr=spread,
        color=BLUE,
        marker="o",
        markersize=4,
        linewidth=1,
        capsize=2,
        label="mean and SD over the seeds",
    )
    for row in by_arm.iter_rows(named=True):
        axes.annotate(
            row["label"],
            (row["x"], row["mean"] + row["y"]),
            xytext=(0, 5),
            textcoords="offset points",
            ha="center",
            fontsize=SMALL,
            color=GREY,
        )
    axes.set_xscale("log")
    axes.set_xlim(x.min() / 1.6, x.max() * 1.6)
    axes.minorticks_off()
    axes.set_xticks(x, [f"{value:g}" if value >= 10 or float(value).is_integer() else f"{value:.2g}" for value in x])
    axes.margins(y=0.25)


def _point(scene: Scene, arm: str, run: Run) -> _Point:
    name = str(run.record["run"])
    spec = run.read_params(EcgEncoderSpec, "encoder")
    return _Point(arm, spec, name, mean_defined(trait_r(scene, name, "trait_prediction")))


def _shape(spec: EcgEncoderSpec) -> tuple[int, int, int]:
    return spec.width, spec.depth, spec.heads
