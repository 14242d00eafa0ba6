"""The paper's figures 2a to 2d from trained runs: as PNG and SVG, and every point as data.

::

    reports/figures/figure_2a.png  .svg      ... 2b, 2c, 2d
    reports/figures/points.parquet           columns of schemas/tables/figure_points.sql
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from eccl.data.database import create_tables, fill_table, memory
from eccl.data.parts import write_parquet
from eccl.errors import FeatureError
from eccl.evaluation import trait_figure
from eccl.evaluation.panels import Panel
from eccl.study.arms import ArmTable
from eccl.study.figures import diseases as figure_diseases
from eccl.study.figures import sizes as figure_sizes
from eccl.study.figures import space as figure_space
from eccl.study.figures import traits as figure_traits
from eccl.study.figures.data import MISSING, Scene, find_runs, set_scene
from eccl.training.inputs.targets import TRAITS
from eccl.versioning.gate import require_passed_gate
from eccl.workspace import Workspace

Collect = Callable[[Scene], list[Panel]]
Draw = Callable[[list[Panel], Path], list[Path]]

FIGURES: dict[str, tuple[Collect, Draw]] = {
    figure_space.NAME: (figure_space.collect, figure_space.draw),
    figure_sizes.NAME: (figure_sizes.collect, figure_sizes.draw),
    figure_traits.NAME: (figure_traits.collect, trait_figure.draw),
    figure_diseases.NAME: (figure_diseases.collect, figure_diseases.draw),
}
"""How each figure is collected and drawn."""
POINTS = "points.parquet"


@dataclass(frozen=True, slots=True)
class Drawn:
    """Result of :func:`make_figures`.

    Parameters
    ----------
    paths
        Files written, the points last.
    missing
        Per figure what its panels lack; a figure that lacks nothing is not in it.
    split
        Split of the visits that are shown and scored.
    """

    paths: tuple[Path, ...]
    missing: dict[str, tuple[str, ...]]
    split: str


def make_figures(workspace: Workspace, table: ArmTable) -> Drawn:
    """Draw every figure; a panel without its runs shows what it lacks, and the others are drawn nevertheless.

    Raises
    ------
    FeatureError
        Not one panel could be drawn; nothing is written.
    GateError
        The gate is missing, failed without an override, or belongs to other data.
    """
    require_passed_gate(workspace)
    scene = set_scene(workspace, table)
    collected = {name: collect(scene) for name, (collect, _) in FIGURES.items()}
    missing = {
        name: tuple(dict.fromkeys(panel.missing for panel in panels if panel.missing))
        for name, panels in collected.items()
    }
    missing = {name: lacks for name, lacks in missing.items() if lacks}
    if all(panel.points.is_empty() for panels in collected.values() for panel in panels):
        lacks = "\n  ".join(dict.fromkeys(lack for some in missing.values() for lack in some))
        raise FeatureError(f"no figure can be drawn:\n  {lacks}")
    folder = workspace.reports / "figures"
    paths = [path for name, (_, draw) in FIGURES.items() for path in draw(collected[name], folder / f"figure_{name}")]
    _write_points(collected, folder / POINTS)
    return Drawn((*paths, folder / POINTS), missing, scene.truth.split)


def list_runs(workspace: Workspace, table: ArmTable) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Runs that each figure would show, and what it lacks; nothing is drawn."""
    scene = set_scene(workspace, table)
    reference, sizes = scene.reference, figure_sizes.arms_of(scene)
    needed = {
        figure_space.NAME: [(reference, TRAITS, "ecg_projection")],
        figure_sizes.NAME: [(arm, TRAITS, "trait_prediction") for arm in sizes],
        figure_traits.NAME: [(reference, TRAITS, "trait_prediction"), *figure_traits.cmr_arm(scene)],
        figure_diseases.NAME: [(reference, code, "ecg_embedding") for code in scene.truth.labels],
    }
    answer = {}
    for figure, needs in needed.items():
        found: list[str] = []
        missing: list[str] = []
        for arm, task, view in needs:
            try:
                found += [str(run.record["run"]) for run in find_runs(scene, arm, task, view)]
            except MISSING as error:
                missing.append(str(error))
        answer[figure] = (tuple(found), tuple(missing))
    return answer


def _write_points(collected: dict[str, list[Panel]], path: Path) -> None:
    parts = [
        panel.points.select(pl.lit(figure).alias("figure"), pl.lit(panel.name).alias("panel"), pl.all())
        for figure, panels in collected.items()
        for panel in panels
    ]
    connection = memory()
    try:
        create_tables(connection, ["figure_points"])
        fill_table(connection, "figure_points", pl.concat(parts).to_arrow())
        rows = connection.sql("SELECT * FROM figure_points ORDER BY figure, panel, series, run, eid, instance, x, y")
        write_parquet(rows.to_arrow_table(), path)
    finally:
        connection.close()
