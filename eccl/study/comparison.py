"""Rows of Table 1: mean and spread over seeds, and the paired difference to the reference arm with its interval."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import false_discovery_control

from eccl.evaluation.bootstrap import SeedSpread, difference_p, interval, mean_over_seeds, pool_seeds
from eccl.evaluation.predictions import none
from eccl.study.arm_runs import COLUMNS, Cell, competes, list_cells
from eccl.study.arm_scores import Float, Rows, SplitScores, main_metric
from eccl.study.arms import Arm, ArmTable

SCORED, INCOMPLETE, NOT_RUN = "scored", "incomplete", "not run"
NOT_ASKED, NOT_COVERED, UNDEFINED = "not asked for", "not covered", "undefined"
TOO_FEW = "too few"
"""Status for print: scored, but not printed, because fewer than ten participants were scored."""
NOTHING_SCORED = (NOT_COVERED, NOT_ASKED, NOT_RUN, TOO_FEW)


def compare(
    table: ArmTable,
    seeds: Sequence[int],
    requested: Collection[str],
    finished: Collection[str],
    splits: Iterable[SplitScores],
    equal: Collection[str] = (),
) -> list[dict[str, Any]]:
    """Rows of table1_rows: arm, column, split and metric.

    Parameters
    ----------
    seeds
        Requested seeds.
    requested, finished
        Requested runs, and those of them that were scored.
    splits
        Scores of each split.
    equal
        Arms that equal the reference under the preset: they are not tested, and not used for the variance between seeds.

    Returns
    -------
    list of dict
        The main score of every arm and column, also where there is none (`status` is the reason), and of scored runs the other
        metrics, without intervals. `q` corrects `p` for the number of arms that compete with the reference in a column of a split;
        arms that do not (those that read the cine, the points of figure 2b) have none.
    """
    cells = list_cells(table, seeds)
    rows = []
    for split in splits:
        spreads = {column: _spread_of(table, split, column, equal) for column in COLUMNS}
        for arm in table.arms.values():
            for column in COLUMNS:
                mine = [cell for cell in cells if cell.arm.key == arm.key and cell.column == column]
                done = [cell for cell in mine if cell.run in finished]
                is_requested = any(cell.run in requested for cell in mine)
                rows += _rows(table, arm, column, split, mine, done, is_requested, spreads[column])
    return _adjust(table, rows, equal)


def _rows(
    table: ArmTable,
    arm: Arm,
    column: str,
    split: SplitScores,
    expected: Sequence[Cell],
    done: Sequence[Cell],
    is_requested: bool,
    spread: SeedSpread,
) -> list[dict[str, Any]]:
    main = main_metric(column)
    by_metric = _values(split.scores, arm.key, column) if done else {main: []}
    rows = []
    for metric, values in by_metric.items():
        defined = [value for value in values if value is not None]
        # A mean over some of the seeds only would compare other networks than the rest of the row.
        is_defined = bool(values) and len(defined) == len(values)
        row = {
            "arm": arm.key,
            "title": arm.title,
            "arm_group": arm.group,
            "task": column,
            "split": split.split,
            "metric": metric,
            "status": _status(expected, done, is_requested, is_defined),
            **(split.counts.get(column) or {"n": None, "cases": None, "participants": None}),
            "seeds": len(done),
            "seeds_expected": len(expected),
            "mean": float(np.mean(defined)) if is_defined else None,
            "sd": float(np.std(defined, ddof=1)) if is_defined and len(defined) > 1 else None,
            "paper": arm.paper.get(column) if metric == main and split.split == "test" else None,
            "reference": table.reference,
            **_NOTHING,
        }
        if metric == main and is_defined:
            row |= _intervals(split, arm.key, table.reference, column, [cell.seed for cell in done], spread)
        rows.append(row)
    return rows


_NOTHING: Mapping[str, Any] = dict.fromkeys(
    ("lower", "upper", "resamples", "difference", "difference_lower", "difference_upper", "p", "q", "paired_seeds")
)


def _adjust(table: ArmTable, rows: list[dict[str, Any]], equal: Collection[str]) -> list[dict[str, Any]]:
    """Add q after Benjamini and Hochberg: among the arms that compete with the reference in a column of a split."""
    families: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        row["p"] = None if row["arm"] in equal else row["p"]
        if row["p"] is not None and competes(table.arms[row["arm"]]):  # of main scores only
            families.setdefault((row["task"], row["split"]), []).append(row)
    for family in families.values():
        for row, q in zip(family, false_discovery_control([row["p"] for row in family]).tolist(), strict=True):
            row["q"] = q
    return rows


def _intervals(
    split: SplitScores, arm: str, reference: str, column: str, seeds: Sequence[int], spread: SeedSpread
) -> dict[str, Any]:
    own = interval(mean_over_seeds([split.resampled[arm, column, seed] for seed in seeds]))
    found: dict[str, Any] = {"lower": none(own.lower), "upper": none(own.upper), "resamples": own.resamples}
    common = [seed for seed in seeds if (reference, column, seed) in split.resampled]
    if arm == reference or not common:
        return found
    main = main_metric(column)
    pair = [
        {
            row["seed"]: row["value"]
            for row in split.scores
            if (row["arm"], row["task"], row["metric"]) == (key, column, main)
        }
        for key in (arm, reference)
    ]
    if any(by_seed[seed] is None for by_seed in pair for seed in common):
        return found
    differences = _mean(split, arm, column, common) - _mean(split, reference, column, common)
    difference = float(np.mean([pair[0][seed] - pair[1][seed] for seed in common]))
    bounds = interval(differences)
    people = _fewest(split.counts[column])
    return found | {
        "difference": difference,
        "difference_lower": none(bounds.lower),
        "difference_upper": none(bounds.upper),
        "p": none(difference_p(differences, difference, people, len(common), spread)),
        "paired_seeds": len(common),
    }


def _fewest(counts: Mapping[str, int | None]) -> int:
    """Participants that the variance of a score is estimated from: for an AUC those of the rarer class."""
    people, cases, visits = (counts[name] or 0 for name in ("participants", "cases", "n"))
    return people if counts["cases"] is None else min(people, cases, visits - cases)


def _spread_of(table: ArmTable, split: SplitScores, column: str, equal: Collection[str]) -> SeedSpread:
    """Variance between seeds of a column's main score, over all arms that have it for every seed they were trained with."""
    values = [_values(split.scores, arm, column).get(main_metric(column), []) for arm in table.arms if arm not in equal]
    return pool_seeds([[v for v in some if v is not None] for some in values if None not in some])


def _mean(split: SplitScores, arm: str, column: str, seeds: Sequence[int]) -> Float:
    return mean_over_seeds([split.resampled[arm, column, seed] for seed in seeds])


def _status(expected: Sequence[Cell], done: Sequence[Cell], is_requested: bool, is_defined: bool) -> str:
    if not expected:
        return NOT_COVERED
    if not done:
        return NOT_RUN if is_requested else NOT_ASKED
    if not is_defined:
        return UNDEFINED
    return SCORED if len(done) == len(expected) else INCOMPLETE


def _values(scores: Rows, arm: str, column: str) -> dict[str, list[float | None]]:
    found: dict[str, list[float | None]] = {}
    for row in scores:
        if row["arm"] == arm and row["task"] == column:
            found.setdefault(row["metric"], []).append(row["value"])
    return found
