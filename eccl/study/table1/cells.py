"""Cells and blocks of Table 1 as Markdown: how a number, a spread, a difference and an absence are written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eccl.evaluation.conventions import SIGNIFICANT
from eccl.evaluation.suppression import count_text, is_score_shown, is_small
from eccl.study.arm_runs import COLUMNS
from eccl.study.arm_scores import main_metric
from eccl.study.arms import Arm, ArmTable
from eccl.study.comparison import INCOMPLETE, NOT_COVERED, NOTHING_SCORED, TOO_FEW, UNDEFINED

Row = Mapping[str, Any]
Rows = Sequence[Row]
Cells = Mapping[tuple[str, str, str], Row]

DASH = "–"
MINUS = "−"
BLOCKS = (("table", ""), ("beyond", "Beyond the paper"))
"""Groups of arms in the table, with the heading of each."""
SCORES = ("mean", "sd", "lower", "upper", "difference", "difference_lower", "difference_upper", "p", "q")
"""Columns of table1_rows that are null where too few participants were scored."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Visits, participants and cases of a row for print, and the cases' share of the visits; a dash where there are none."""

    visits: str = DASH
    participants: str = DASH
    cases: str = DASH
    prevalence: str = DASH


def suppress_counts(rows: Iterable[Row], are_small_shown: bool) -> list[dict[str, Any]]:
    """Rows with their counts for print as `shown`; counts and scores that must not be printed are null.

    A score is suppressed if fewer than ten participants, or fewer than ten visits with or without the disease, were scored.

    Parameters
    ----------
    are_small_shown
        Whether counts below ten may be printed: all participants are simulated.
    """
    return [{**row, **_suppressed(row, are_small_shown)} for row in rows]


def suppress_pairs(retrieval: Iterable[Row], are_small_shown: bool) -> list[dict[str, Any]]:
    """Rows of retrieval with their number of pairs for print as `shown`; ranks of fewer than ten pairs are null."""
    found = []
    for row in retrieval:
        is_hidden = not are_small_shown and is_small(row["n"])
        # The number of pairs follows from the values of chance, too.
        ranks = [name for name in row if name.startswith(("recall_", "median_", "chance_"))] if is_hidden else []
        found.append({**row, **dict.fromkeys(ranks), "shown": count_text(row["n"], is_hidden)})
    return found


def _suppressed(row: Row, are_small_shown: bool) -> dict[str, Any]:
    n, people, cases = row["n"], row["participants"], row["cases"]
    if n is None:
        return {"shown": Counts()}

    def is_hidden(*groups: int) -> bool:
        return not are_small_shown and any(map(is_small, groups))

    hidden = {"n": is_hidden(n), "participants": is_hidden(people)}
    cases_shown = prevalence = DASH
    if cases is not None:
        # Cases, or visits without the disease: the number of one follows from that of the other.
        hidden["cases"] = is_hidden(cases, n - cases)
        cases_shown = count_text(cases, hidden["cases"])
        prevalence = "hidden" if hidden["cases"] or hidden["n"] else share(cases, n)
    shown = Counts(count_text(n, hidden["n"]), count_text(people, hidden["participants"]), cases_shown, prevalence)
    found = {"shown": shown, **{name: None for name, is_gone in hidden.items() if is_gone}}
    groups = [people] if cases is None else [people, cases, n - cases]
    if are_small_shown or row.get("mean") is None or is_score_shown(*groups):
        return found
    return {**found, **dict.fromkeys(SCORES), "status": TOO_FEW}


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
    is_whole = row["paired_seeds"] == row["seeds_expected"]
    few = "" if is_whole else f" [{row['paired_seeds']} of {row['seeds_expected']} seeds]"
    mark = "*" if row["q"] is not None and row["q"] < SIGNIFICANT else ""
    return f"{signed(row['difference'])}{mark} {bounds}{few}"


def counts(row: Row) -> str:
    """``(0/20)``: cases among visits, or ``(20)`` visits."""
    shown: Counts = row["shown"]
    return f"({shown.visits})" if shown.cases == DASH else f"({shown.cases}/{shown.visits})"


def number(value: float | None, digits: int = 3) -> str:
    """A number, or ``n/a`` where there is none."""
    return "n/a" if value is None else f"{value:.{digits}f}".replace("-", MINUS)


def signed(value: float, digits: int = 3) -> str:
    """A difference, always with its sign."""
    return f"{value:+.{digits}f}".replace("-", MINUS)


def lay_out(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, head first, whose columns are aligned as plain text, too; without a line break at its end."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def count_rows(cells: Cells, table: ArmTable) -> list[list[str]]:
    """Two rows below the head: visits and participants of every column, cases and prevalence."""
    visits, cases = ["*visits (participants)*"], ["*cases (prevalence)*"]
    for column in COLUMNS:
        known = [cells[arm, column, main_metric(column)] for arm in table.arms]
        shown: Counts = next((one["shown"] for one in known if one["shown"] != Counts()), Counts())
        visits.append(DASH if shown == Counts() else f"{shown.visits} ({shown.participants})")
        cases.append(DASH if shown.cases == DASH else f"{shown.cases} ({shown.prevalence})")
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
