"""Table 1 as a figure: a panel per column, an arm per line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eccl.evaluation import style
from eccl.evaluation.conventions import NAMES
from eccl.study.arm_runs import COLUMNS, TRAITS, reads_ecg
from eccl.study.arm_scores import main_metric
from eccl.study.arms import Arm, ArmTable
from eccl.study.comparison import NOT_ASKED, NOT_COVERED, NOT_RUN, TOO_FEW, UNDEFINED
from eccl.study.table1.cells import BLOCKS, Cells, Counts, index

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rows = Sequence[Mapping[str, Any]]
CHANCE = {"auc": 0.5, "mean_r": 0.0}
ABSENT = {
    NOT_COVERED: "no such task",
    NOT_RUN: "not run",
    NOT_ASKED: "not asked for",
    TOO_FEW: "too few",
    UNDEFINED: "not defined",
}


def draw_table(table: ArmTable, rows: Rows, scores: Rows, path: Path) -> list[Path]:
    """Draw the test split: mean and 95 % interval, every seed, and the paper's figure.

    Parameters
    ----------
    rows, scores
        Rows of table1_rows, with their counts for print, and of table1_scores.
    path
        Where to; the PNG and the SVG are written beside each other.
    """
    arms = [arm for group, _ in BLOCKS for arm in table.arms.values() if arm.group == group]
    cells = index(rows, "test")
    seeds = [row for row in scores if row["split"] == "test" and row["metric"] == main_metric(row["task"])]
    with style.drawing(1.2 + 0.21 * len(arms)) as figure:
        panels = figure.subplots(1, len(COLUMNS), sharey=True)
        for axes, column in zip(panels, COLUMNS, strict=True):
            _draw_column(axes, table, arms, column, cells, [row for row in seeds if row["task"] == column])
        _share_axis([axes for axes, column in zip(panels, COLUMNS, strict=True) if column != TRAITS])
        panels[0].set_yticks(range(len(arms)), [arm.title for arm in arms])
        panels[0].set_ylim(len(arms) - 0.5, -0.5)
        for group, _ in BLOCKS[1:]:
            first = next((place for place, arm in enumerate(arms) if arm.group == group), None)
            if first:
                for axes in panels:
                    axes.axhline(first - 0.5, color=style.LIGHT_GREY, linewidth=0.6)
        handles = [*_legend(table)]
        figure.legend(handles=handles, loc="outside lower center", ncols=(len(handles) + 1) // 2)
        return style.save(figure, path)


def _draw_column(axes: Axes, table: ArmTable, arms: Sequence[Arm], column: str, cells: Cells, seeds: Rows) -> None:
    metric = main_metric(column)
    for place, arm in enumerate(arms):
        row = cells[arm.key, column, metric]
        colour = style.SERIES["ECG"] if reads_ecg(arm) else style.SERIES["CMR"]
        if row["paper"] is not None:
            axes.plot(row["paper"], place, "D", color=style.GREY, fillstyle="none", markersize=4, markeredgewidth=0.7)
        if row["mean"] is None:
            axes.annotate(ABSENT.get(row["status"], ""), (0.03, place), xycoords=("axes fraction", "data"), fontsize=style.SMALL,
                          ha="left", va="center", color=style.GREY)  # fmt: skip
            continue
        mine = [one["value"] for one in seeds if one["arm"] == arm.key]
        axes.plot(mine, [place + 0.28] * len(mine), "|", color=colour, markersize=4, markeredgewidth=0.7)
        if row["lower"] is not None:
            axes.plot([row["lower"], row["upper"]], [place, place], color=colour, linewidth=1)
        axes.plot(row["mean"], place, "o", color=colour, markersize=4)
    reference = cells[table.reference, column, metric]
    if reference["mean"] is not None:
        axes.axvline(reference["mean"], color=style.LIGHT_GREY, linewidth=1.2, zorder=0)
    axes.axvline(CHANCE[metric], color=style.GREY, linewidth=0.6, linestyle=":", zorder=0)
    axes.set_title(NAMES[column])
    axes.set_xlabel(_label(column, reference))


def _share_axis(panels: Sequence[Axes]) -> None:
    """One scale for the diseases, so that an AUC is at the same place in each panel."""
    bounds = [axes.get_xlim() for axes in panels]
    for axes in panels:
        axes.set_xlim(min(left for left, _ in bounds), max(right for _, right in bounds))


def _label(column: str, row: Mapping[str, Any]) -> str:
    shown: Counts = row["shown"]
    if column == TRAITS:
        return f"mean R\n{shown.visits} visits"
    return f"AUC\n{shown.cases} cases of {shown.visits}\n({shown.prevalence})"


def _legend(table: ArmTable) -> Any:
    from matplotlib.lines import Line2D

    for colour, name in ((style.SERIES["ECG"], "from the ECG"), (style.SERIES["CMR"], "from the cine")):
        yield Line2D([], [], color=colour, marker="o", markersize=4, linewidth=1, label=f"{name}: mean, 95 % interval")
    yield Line2D([], [], color=style.BLACK, marker="|", markersize=4, linestyle="none", label="a seed")
    yield Line2D([], [], color=style.GREY, marker="D", fillstyle="none", markersize=4, linestyle="none", label="paper")
    title = table.arms[table.reference].title
    yield Line2D([], [], color=style.LIGHT_GREY, linewidth=1.2, label=f"mean of {title}")
    yield Line2D([], [], color=style.GREY, linewidth=0.8, linestyle=":", label="chance")
