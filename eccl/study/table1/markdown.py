"""Table 1 as Markdown, for a reader of the paper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

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
    arm_rows,
    count_rows,
    difference_cell,
    heads,
    index,
    lay_out,
    number,
    score_cell,
)

DIGITS = {"calibration_intercept": 2, "calibration_slope": 2}


def to_markdown(
    table: ArmTable,
    selection: Selection,
    looks: Sequence[Access],
    rows: Sequence[Row],
    retrieval: Sequence[Row],
    seeds: Sequence[int],
    traits: int,
    twins: Sequence[str] = (),
) -> str:
    """Write the report.

    Parameters
    ----------
    looks
        Every selection that was scored on the test split, this one included.
    rows, retrieval
        Rows of table1_rows and of retrieval, with their counts for print.
    seeds
        Seeds that were asked for.
    traits
        Number of traits.
    twins
        Arms that are the reference itself under the preset.
    """
    test, val = index(rows, "test"), index(rows, "val")
    best = best_by_column(table, rows)
    parts = [
        _opening(table, selection, seeds, traits),
        "## Test split\n\n" + _scores(table, test),
        _how_to_read(table) + _about_twins(table, selection.scope.preset, twins),
        f"### Difference to {table.arms[table.reference].title}\n\n" + _differences(table, test),
        _about_intervals(table),
        "### More scores\n\n" + _more(table, test),
        "### Calibration of the diseases\n\n" + _calibration(table, test),
        "### Retrieval\n\n" + _retrieval(table, retrieval, "test"),
        "## Validation split\n\n" + _validation(table, val, best),
        "## Recipe\n\n" + _recipe(table, rows, test, best),
        "## Selection\n\n" + _selection(table, selection, looks, rows),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _opening(table: ArmTable, selection: Selection, seeds: Sequence[int], traits: int) -> str:
    scope = selection.scope
    diseases = ", ".join(f"{NAMES[code]} {LONG_NAMES[code]} ({code})" for code in DISEASES)
    lines = [
        "# Table 1",
        f"ROC AUC of four diseases and Pearson's R averaged over {traits} traits of the heart: {diseases}. Every arm predicts from the "
        f"ECG alone{_but_for(table)}.",
        "",
        f"- data version `{scope.data_version}`, preset `{scope.preset}`",
        f"- {_plural(len(seeds), 'seed')}: {', '.join(map(str, seeds))}",
        f"- labels by the definition `{scope.label_definition}`; visits {', '.join(map(str, scope.instances))} with a usable ECG and a "
        "usable cine, the same for every arm, none left out",
        "- selection: of every run the epoch with the best validation score; the test split was scored after all runs were frozen "
        "in `reports/table1/selection.json`",
    ]
    return "\n".join([lines[0], "", *lines[1:]])


def _scores(table: ArmTable, cells: Cells) -> str:
    body = arm_rows(table, lambda arm, column: score_cell(cells[arm.key, column, main_metric(column)]))
    return lay_out(["Arm", *heads()], [*count_rows(cells, table), *body])


def _but_for(table: ArmTable) -> str:
    others = [arm.title for arm in table.arms.values() if not reads_ecg(arm)]
    return f", but for {' and '.join(others)}, which reads the cine and is the reference from above" if others else ""


def _how_to_read(table: ArmTable) -> str:
    return (
        "Mean ± standard deviation over seeds; in parentheses what Table 1 of Ding et al. 2024 prints, which is of other people and, in "
        f"another preset than `paper`, of other networks. {DASH}: the arm has no such task. n/a (cases/visits): the split has one class "
        "only, or a prediction is not a number. Too few: fewer than ten people, or visits with or without the disease."
    )


def _about_twins(table: ArmTable, preset: str, twins: Sequence[str]) -> str:
    if not twins:
        return ""
    titles = ", ".join(table.arms[key].title for key in twins)
    return f" Under preset `{preset}` there is nothing that {titles} changes: the row is {table.arms[table.reference].title}'s own."


def _differences(table: ArmTable, cells: Cells) -> str:
    body = arm_rows(table, lambda arm, column: difference_cell(cells[arm.key, column, main_metric(column)]))
    return lay_out(["Arm", *heads()], body)


def _about_intervals(table: ArmTable) -> str:
    return (
        f"Arm less {table.arms[table.reference].title}, with a 95 % percentile interval of a paired bootstrap: participants are "
        "resampled, with all of their visits, the same for every arm, and scores are averaged over seeds within a resample. An "
        "interval is that of these networks: it tells how much depends on who was scored. p, in `reports/table1.csv`, is of the arms: "
        "its variance adds to that of the bootstrap the one between seeds, pooled over the arms of the column (Student's t, degrees of "
        "freedom after Satterthwaite; none where no arm has two seeds). An interval may leave out 0 and p be large, where seeds are "
        "few or far apart. Neither is corrected for the number of comparisons; q is, after Benjamini and Hochberg, among the arms of "
        f"a column that compete with {table.arms[table.reference].title}; * marks q < {SIGNIFICANT:g}."
    )


def _more(table: ArmTable, cells: Cells) -> str:
    def write(arm: Arm, column: str) -> str:
        metrics = ("mean_r2", "mean_mae_sd") if column == TRAITS else ("average_precision",)
        return _joined(cells, arm, column, metrics)

    head = [*(f"{NAMES[code]} average precision" for code in DISEASES), "Traits R²; MAE/SD"]
    return lay_out(["Arm", *head], arm_rows(table, write)) + (
        "\nMeans over seeds. By chance the average precision is the prevalence. R² and the mean absolute error, in standard deviations of "
        "the measured trait, are means over traits; R² below 0 is worse than the mean.\n"
    )


def _calibration(table: ArmTable, cells: Cells) -> str:
    metrics = ("calibration_intercept", "calibration_slope", "ece", "brier")
    body = [
        row[:-1] for row in arm_rows(table, lambda arm, column: _joined(cells, arm, column, metrics))
    ]  # traits have no probability
    head = [f"{NAMES[code]} intercept; slope; ECE; Brier" for code in DISEASES]
    return lay_out(["Arm", *head], body) + (
        "\nMeans over seeds. Intercept 0 and slope 1 are right. Networks of one disease learn from epochs that are enriched with "
        "cases, so that their raw probabilities are too high (intercept below 0) by design.\n"
    )


def _joined(cells: Cells, arm: Arm, column: str, metrics: Sequence[str]) -> str:
    """Means of some metrics, or one word where there are none."""
    status = cells[arm.key, column, main_metric(column)]["status"]
    if status in NOTHING_SCORED:
        return DASH if status == NOT_COVERED else str(status)
    found = [cells.get((arm.key, column, metric)) for metric in metrics]
    return "; ".join(
        number(row["mean"] if row else None, DIGITS.get(metric, 3)) for row, metric in zip(found, metrics, strict=True)
    )


def _retrieval(table: ArmTable, retrieval: Sequence[Row], split: str) -> str:
    found = [row for row in retrieval if row["split"] == split]
    if not found:
        return "No run with a shared space has been scored."
    head = ["Arm", "trained on", "pairs"]
    head += [
        f"{way} {what}" for way in ("ECG→CMR", "CMR→ECG") for what in (*(f"R@{k}" for k in CUTOFFS), "median rank")
    ]
    body = []
    for group, _ in BLOCKS:
        for arm in (arm for arm in table.arms.values() if arm.group == group):
            tasks = [
                task
                for task in (TRAITS, "all", *DISEASES)
                if any((r["arm"], r["task"]) == (arm.key, task) for r in found)
            ]
            if tasks:
                mine = [row for row in found if (row["arm"], row["task"]) == (arm.key, tasks[0])]
                body.append([arm.title, tasks[0], mine[0]["told"], *_recalls(mine)])
    one = found[0]
    chance = [number(one[f"chance_at_{k}"]) for k in CUTOFFS] + [number(one["chance_median_rank"], 1)]
    body.append(["*chance*", "", one["told"], *chance, *chance])
    return lay_out(head, body) + (
        "\nR@k: share of visits whose own partner is among the k nearest in the shared space, of all pairs of the split; means over seeds. "
        "Another visit of the same participant counts as a stranger.\n"
    )


def _recalls(rows: Sequence[Row]) -> list[str]:
    cells = []
    for direction in DIRECTIONS:
        mine = [row for row in rows if row["direction"] == direction]
        for name, digits in [*((f"recall_at_{k}", 3) for k in CUTOFFS), ("median_rank", 1)]:
            values = [row[name] for row in mine if row[name] is not None]
            cells.append(number(float(np.mean(values)) if values else None, digits))
    return cells


def _validation(table: ArmTable, cells: Cells, best: Mapping[str, str]) -> str:
    def write(arm: Arm, column: str) -> str:
        return score_cell(cells[arm.key, column, main_metric(column)], best.get(column) == arm.key)

    text = lay_out(["Arm", *heads()], [*count_rows(cells, table), *arm_rows(table, write)])
    return text + (
        "\nBold: highest mean among arms that read the ECG and have all their seeds. These scores chose the epochs, and are "
        "higher for it.\n"
    )


def _recipe(table: ArmTable, rows: Sequence[Row], test: Cells, best: Mapping[str, str]) -> str:
    reference = table.arms[table.reference]
    lines = [f"- best for {NAMES[column]} on validation: {table.arms[arm].title}" for column, arm in best.items()]
    recipe = choose_recipe(table, rows)
    if recipe is None:
        lines.append("\nNo recipe: fewer than two arms have every column with all their seeds on validation.")
        return "\n".join(lines)
    counted = ", ".join(NAMES[column] for column in recipe.columns)
    rule = f"mean of the mean R and the mean AUC on validation, over {counted}"
    if recipe.arm.key == table.reference:
        lines.append(f"\nThe recipe stays {reference.title}: no arm has a higher {rule} ({recipe.score:.3f}).")
        return "\n".join(lines)
    compared = "" if recipe.reference_score is None else f"; {reference.title} has {recipe.reference_score:.3f}"
    lines += [
        f"\nRecipe **{recipe.arm.key}** ({recipe.arm.title}): highest {rule} ({recipe.score:.3f}{compared}). It was chosen among "
        "several arms by that number, which is therefore too high; what it is worth is told by the test split:",
        "",
        *(
            f"- {NAMES[column]}: {difference_cell(test[recipe.arm.key, column, main_metric(column)])} against {reference.title}"
            for column in recipe.columns
        ),
        "",
        f"What it changes against {reference.title}: {'; '.join(describe_changes(table, recipe.arm)) or 'nothing'}.",
        *(_ADOPT.format(recipe.arm.key) if can_be_adopted(recipe.arm) else _NOT_ADOPTED,),
    ]
    return "\n".join(lines)


_ADOPT = "\nTo train it as the workspace's own runs, make it a preset: `eccl adopt {}`."
_NOT_ADOPTED = "\nThe workspace's own stages cannot be this arm, so it stays in `eccl table1`."


def _selection(table: ArmTable, selection: Selection, looks: Sequence[Access], rows: Sequence[Row]) -> str:
    rules = Counter(entry["rule"] or "none" for entry in selection.runs.values())
    lines = [
        f"Selection `{selection.sha256[:16]}`: {_plural(len(selection.runs), 'finished run')}, shared pre-trainings included. "
        "Epochs chosen by: " + ", ".join(f"{rule} ({count})" for rule, count in sorted(rules.items())) + "."
    ]
    missing: dict[str, list[str]] = {}
    for row in rows:
        if (
            row["split"] == "test"
            and row["metric"] == main_metric(row["task"])
            and row["seeds"] < row["seeds_expected"]
            and row["status"] != NOT_ASKED
        ):
            missing.setdefault(row["title"], []).append(
                f"{NAMES[row['task']]} {row['seeds']} of {row['seeds_expected']}"
            )
    if missing:
        told = (f"- {title}: {', '.join(columns)} seeds" for title, columns in missing.items())
        lines.append("\nNot trained, and so not scored, or scored over fewer seeds:\n\n" + "\n".join(told))
    lines.append(
        f"\nThe test split has been scored for {_plural(len(looks), 'selection')} of runs, oldest first (`experiments/test_access.json`); "
        "whoever had seen one chose the next:\n"
    )
    for one in looks:
        what = f"`{one['selection'][:16]}`, data version `{one['data_version']}`, {_plural(len(one['runs']), 'run')}"
        lines.append(f"- {what}: {one['reason'] or 'the first'}")
    return "\n".join(lines)


def _plural(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def flat(table: ArmTable, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The table as rows for a spreadsheet: an arm and split per row, a group of columns per task."""
    found = []
    for split in ("test", "val"):
        cells = index(rows, split)
        for arm in table.arms.values():
            row: dict[str, Any] = {"arm": arm.key, "title": arm.title, "group": arm.group, "split": split}
            for column in COLUMNS:
                cell = cells[arm.key, column, main_metric(column)]
                row |= {f"{NAMES[column]}_{name}": cell[name] for name in CSV_COLUMNS}
            found.append(row)
    return found


CSV_COLUMNS = (
    *(
        "status",
        "mean",
        "sd",
        "paper",
        "lower",
        "upper",
        "difference",
        "difference_lower",
        "difference_upper",
        "p",
        "q",
    ),
    *("n", "cases", "participants", "seeds", "seeds_expected"),
)
