"""Table 1 as Markdown, for a reader of the paper: the values that table1.md.jinja prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from eccl.evaluation.conventions import LONG_NAMES, NAMES, SIGNIFICANT
from eccl.evaluation.retrieval import CUTOFFS, DIRECTIONS
from eccl.evaluation.test_split.access_log import Access
from eccl.evaluation.test_split.selection import Selection
from eccl.study.arm_runs import COLUMNS, DISEASES, TRAITS, reads_ecg
from eccl.study.arm_scores import main_metric
from eccl.study.arms import Arm, ArmTable
from eccl.study.comparison import NOT_ASKED, NOT_COVERED, NOTHING_SCORED
from eccl.study.recipes import best_by_column, can_be_adopted, choose_recipe, describe_changes
from eccl.study.table1.cells import (
    BLOCKS,
    DASH,
    Cells,
    Row,
    Rows,
    arm_rows,
    count_rows,
    difference_cell,
    index,
    lay_out,
    number,
    score_cell,
)
from eccl.templates import render

DIGITS = {"calibration_intercept": 2, "calibration_slope": 2}
HEAD = ["Arm", *(f"{NAMES[column]} {'mean R' if column == TRAITS else 'AUC'}" for column in COLUMNS)]


def to_markdown(
    table: ArmTable,
    selection: Selection,
    accesses: Sequence[Access],
    rows: Sequence[Row],
    retrieval: Sequence[Row],
    seeds: Sequence[int],
    traits: int,
    equal: Sequence[str] = (),
) -> str:
    """Write the report.

    Parameters
    ----------
    accesses
        Every selection that was scored on the test split, this one included.
    rows, retrieval
        Rows of table1_rows and of retrieval, with their counts for print.
    seeds
        Requested seeds.
    traits
        Number of traits.
    equal
        Arms that equal the reference under the preset.
    """
    test, val, best = index(rows, "test"), index(rows, "val"), best_by_column(table, rows)
    recipe = choose_recipe(table, rows)
    rules = Counter(entry["rule"] or "none" for entry in selection.runs.values())
    return render(
        "study/table1/table1.md.jinja",
        lay_out=lay_out,
        tables={
            "test": _scores(table, test, {}),
            "val": _scores(table, val, best),
            "difference": [HEAD, *arm_rows(table, lambda arm, column: difference_cell(_main(test, arm, column)))],
            "more": _more(table, test),
            "calibration": _calibration(table, test),
            "retrieval": _retrieval(table, [row for row in retrieval if row["split"] == "test"]),
        },
        scope=selection.scope,
        sha256=selection.sha256,
        runs=selection.runs,
        rules=sorted(rules.items()),
        accesses=accesses,
        seeds=seeds,
        traits=traits,
        diseases=", ".join(f"{NAMES[code]} {LONG_NAMES[code]} ({code})" for code in DISEASES),
        cine_arms=" and ".join(arm.title for arm in table.arms.values() if not reads_ecg(arm)),
        equal=", ".join(table.arms[key].title for key in equal),
        arms=table.arms,
        reference=table.arms[table.reference],
        names=NAMES,
        dash=DASH,
        significant=f"{SIGNIFICANT:g}",
        incomplete=_incomplete(rows),
        best=best,
        recipe=recipe,
        counted=", ".join(NAMES[column] for column in recipe.columns) if recipe else "",
        differences={c: difference_cell(_main(test, recipe.arm, c)) for c in recipe.columns} if recipe else {},
        changes=describe_changes(table, recipe.arm) if recipe else [],
        can_be_adopted=recipe is not None and can_be_adopted(recipe.arm),
    )


def _main(cells: Cells, arm: Arm, column: str) -> Row:
    return cells[arm.key, column, main_metric(column)]


def _scores(table: ArmTable, cells: Cells, best: Mapping[str, str]) -> list[list[str]]:
    def write(arm: Arm, column: str) -> str:
        return score_cell(_main(cells, arm, column), best.get(column) == arm.key)

    return [HEAD, *count_rows(cells, table), *arm_rows(table, write)]


def _more(table: ArmTable, cells: Cells) -> list[list[str]]:
    def write(arm: Arm, column: str) -> str:
        metrics = ("mean_r2", "mean_mae_sd") if column == TRAITS else ("average_precision",)
        return _joined(cells, arm, column, metrics)

    head = ["Arm", *(f"{NAMES[code]} average precision" for code in DISEASES), "Traits R²; MAE/SD"]
    return [head, *arm_rows(table, write)]


def _calibration(table: ArmTable, cells: Cells) -> list[list[str]]:
    metrics = ("calibration_intercept", "calibration_slope", "ece", "brier")
    body = arm_rows(table, lambda arm, column: _joined(cells, arm, column, metrics))
    head = ["Arm", *(f"{NAMES[code]} intercept; slope; ECE; Brier" for code in DISEASES)]
    return [head, *(row[:-1] for row in body)]  # traits have no probability


def _joined(cells: Cells, arm: Arm, column: str, metrics: Sequence[str]) -> str:
    """Means of several metrics, or the status where there are none."""
    status = _main(cells, arm, column)["status"]
    if status in NOTHING_SCORED:
        return DASH if status == NOT_COVERED else str(status)
    found = [cells.get((arm.key, column, metric)) for metric in metrics]
    return "; ".join(
        number(row["mean"] if row else None, DIGITS.get(metric, 3)) for row, metric in zip(found, metrics, strict=True)
    )


def _retrieval(table: ArmTable, found: Rows) -> list[list[str]]:
    """A row per arm, of the first task that it was scored for, and one for chance; empty where nothing was scored."""
    if not found:
        return []
    kinds = [*(f"R@{k}" for k in CUTOFFS), "median rank"]
    body = [["Arm", "trained on", "pairs", *(f"{way} {kind}" for way in ("ECG→CMR", "CMR→ECG") for kind in kinds)]]
    for arm in (arm for group, _ in BLOCKS for arm in table.arms.values() if arm.group == group):
        by_task = {
            task: [row for row in found if (row["arm"], row["task"]) == (arm.key, task)]
            for task in (TRAITS, "all", *DISEASES)
        }
        task, own = next(((task, rows) for task, rows in by_task.items() if rows), ("", []))
        if own:
            body.append([arm.title, task, own[0]["shown"], *_recalls(own)])
    one = found[0]
    chance = [number(one[f"chance_at_{k}"]) for k in CUTOFFS] + [number(one["chance_median_rank"], 1)]
    return [*body, ["*chance*", "", one["shown"], *chance, *chance]]


def _recalls(rows: Rows) -> list[str]:
    cells = []
    for direction in DIRECTIONS:
        for name, digits in [*((f"recall_at_{k}", 3) for k in CUTOFFS), ("median_rank", 1)]:
            values = [row[name] for row in rows if row["direction"] == direction and row[name] is not None]
            cells.append(number(float(np.mean(values)) if values else None, digits))
    return cells


def _incomplete(rows: Rows) -> dict[str, list[str]]:
    """Title of an arm -> columns of the test split with fewer seeds than were requested."""
    found: dict[str, list[str]] = {}
    for row in rows:
        is_main = row["split"] == "test" and row["metric"] == main_metric(row["task"])
        if is_main and row["seeds"] < row["seeds_expected"] and row["status"] != NOT_ASKED:
            found.setdefault(row["title"], []).append(f"{NAMES[row['task']]} {row['seeds']} of {row['seeds_expected']}")
    return found
