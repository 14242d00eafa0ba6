"""Cells and blocks of Table 1 as Markdown: how a number, a spread, a difference and an absence are written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eccl.evaluation.conventions import NAMES, SIGNIFICANT
from eccl.evaluation.suppression import count_text, is_score_shown, is_small
from eccl.study.arm_runs import COLUMNS, TRAITS
from eccl.study.arm_scores import main_metric
from eccl.study.arms import Arm, ArmTable
from eccl.study.comparison import INCOMPLETE, NOT_COVERED, NOTHING_SCORED, TOO_FEW, UNDEFINED

Row = Mapping[str, Any]
Cells = Mapping[tuple[str, str, str], Row]

DASH = "–"
MINUS = "−"
BLOCKS = (("table", ""), ("beyond", "Beyond the paper"))
"""Groups of arms that the table shows, and what stands above them."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Visits, participants and cases of a row for print, and the cases' share of the visits; a dash where there are none."""

    visits: str = DASH
    participants: str = DASH
    cases: str = DASH
    prevalence: str = DASH


def suppress_counts(rows: Iterable[Row], are_small_shown: bool) -> list[dict[str, Any]]:
    """Rows with their counts for print as `told`; counts and scores that must not be told are null.

    A score of fewer than ten participants, or of fewer than ten visits with or without the disease, is not told of either.

    Parameters
    ----------
    are_small_shown
        Whether counts below ten may be printed: nobody but simulated participants is behind them.
    """
    return [{**row, **_tell(row, are_small_shown)} for row in rows]


def suppress_pairs(retrieval: Iterable[Row], are_small_shown: bool) -> list[dict[str, Any]]:
    """Rows of retrieval with their number of pairs for print as `told`; of fewer than ten pairs no rank is told of."""
    found = []
    for row in retrieval:
        is_hidden = not are_small_shown and is_small(row["n"])
        # What chance gives says how many pairs there are, too.
        ranks = [name for name in row if name.startswith(("recall_", "median_", "chance_"))] if is_hidden else []
        found.append({**row, **dict.fromkeys(ranks), "told": count_text(row["n"], is_hidden)})
    return found


def _tell(row: Row, are_small_shown: bool) -> dict[str, Any]:
    n, people, cases = row["n"], row["participants"], row["cases"]
    if n is None:
        return {"told": Counts()}
    is_hidden = [not are_small_shown and is_small(one) for one in (n, people)]
    # Cases, and visits without the disease: either would tell of the other.
    is_case_hidden = not are_small_shown and cases is not None and (is_small(cases) or is_small(n - cases))
    told = Counts(
        count_text(n, is_hidden[0]),
        count_text(people, is_hidden[1]),
        DASH if cases is None else count_text(cases, is_case_hidden),
        DASH if cases is None else "hidden" if is_case_hidden or is_hidden[0] else share(cases, n),
    )
    gone = {"n": is_hidden[0], "participants": is_hidden[1], "cases": is_case_hidden}
    groups = [people] if cases is None else [people, cases, n - cases]
    hidden = {name: None for name, is_gone in gone.items() if is_gone}
    if are_small_shown or row.get("mean") is None or is_score_shown(*groups):
        return {"told": told, **hidden}
    return {"told": told, **hidden, **_NOT_TOLD, "status": TOO_FEW}


_NOT_TOLD = dict.fromkeys(
    ("mean", "sd", "lower", "upper", "difference", "difference_lower", "difference_upper", "p", "q")
)


def index(rows: Iterable[Row], split: str) -> dict[tuple[str, str, str], Row]:
    """Rows of a split by arm, column and metric."""
    return {(row["arm"], row["task"], row["metric"]): row for row in rows if row["split"] == split}


def score_cell(row: Row, is_marked: bool = False) -> str:
    """``0.702 ± 0.011 (0.705)``: mean and SD over seeds, and the paper's figure."""
    if row["status"] == NOT_COVERED:
        return DASH
    paper = "" if row["paper"] is None else f" ({row['paper']:.3f})"
    if row["status"] in NOTHING_SCORED:
        return f"{row['status']}{paper}"
    if row["status"] == UNDEFINED:
        return f"n/a {counts(row)}"
    text = number(row["mean"]) + ("" if row["sd"] is None else f" ± {row['sd']:.3f}")
    some = f" [{row['seeds']} of {row['seeds_expected']} seeds]" if row["status"] == INCOMPLETE else ""
    return (f"**{text}**" if is_marked else text) + paper + some


def difference_cell(row: Row) -> str:
    """``−0.012* [−0.031, −0.008]``: difference to the reference with its interval; the star marks a small q."""
    if row["arm"] == row["reference"] and row["mean"] is not None:
        return "reference"
    if row["status"] in NOTHING_SCORED:
        return DASH if row["status"] == NOT_COVERED else row["status"]
    if row["difference"] is None or row["difference_lower"] is None:
        return "n/a"
    bounds = f"[{signed(row['difference_lower'])}, {signed(row['difference_upper'])}]"
    few = (
        ""
        if row["paired_seeds"] == row["seeds_expected"]
        else f" [{row['paired_seeds']} of {row['seeds_expected']} seeds]"
    )
    mark = "*" if row["q"] is not None and row["q"] < SIGNIFICANT else ""
    return f"{signed(row['difference'])}{mark} {bounds}{few}"


def counts(row: Row) -> str:
    """``(0/20)``: cases among visits, or ``(20)`` visits."""
    told: Counts = row["told"]
    return f"({told.visits})" if told.cases == DASH else f"({told.cases}/{told.visits})"


def number(value: float | None, digits: int = 3) -> str:
    """A number, or ``n/a`` where there is none."""
    return "n/a" if value is None else f"{value:.{digits}f}".replace("-", MINUS)


def signed(value: float, digits: int = 3) -> str:
    """A difference, always with its sign."""
    return f"{value:+.{digits}f}".replace("-", MINUS)


def lay_out(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A Markdown table whose columns line up as plain text, too."""
    rows = [list(head), *map(list, body)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]]) + "\n"


def heads(metric: str = "") -> list[str]:
    """Names of the columns: ``MI AUC`` ... ``Traits R``, or with another metric's name."""
    return [f"{NAMES[column]} {metric or ('mean R' if column == TRAITS else 'AUC')}" for column in COLUMNS]


def count_rows(cells: Cells, table: ArmTable) -> list[list[str]]:
    """Two rows below the head: visits and participants of every column, cases and prevalence."""
    visits, cases = ["*visits (participants)*"], ["*cases (prevalence)*"]
    for column in COLUMNS:
        known = [cells[arm, column, main_metric(column)] for arm in table.arms]
        told: Counts = next((one["told"] for one in known if one["told"] != Counts()), Counts())
        visits.append(DASH if told == Counts() else f"{told.visits} ({told.participants})")
        cases.append(DASH if told.cases == DASH else f"{told.cases} ({told.prevalence})")
    return [visits, cases]


def share(part: int, whole: int) -> str:
    """A share in percent."""
    return f"{100 * part / whole:.1f} %" if whole else "no visit"


def arm_rows(table: ArmTable, write: Callable[[Arm, str], str]) -> list[list[str]]:
    """Rows of the arms of both blocks, with a cell per column."""
    rows = []
    for group, title in BLOCKS:
        arms = [arm for arm in table.arms.values() if arm.group == group]
        if title and arms:
            rows.append([f"*{title}*", *("" for _ in COLUMNS)])
        rows += [[arm.title, *(write(arm, column) for column in COLUMNS)] for arm in arms]
    return rows
