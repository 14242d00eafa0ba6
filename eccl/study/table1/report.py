"""Table 1 of the experiment table: scores, intervals, retrieval and recipe, as Markdown, CSV, figure and tables.

::

    reports/table1.{csv,md,png,svg}                                   the paper's form
    reports/table1/selection.json                                     what was frozen before the test split was read
    reports/table1/{scores,traits,rows,retrieval}.parquet             tables of the store (schemas/tables)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from eccl.config import load_params
from eccl.data import database
from eccl.data.files import replace_file
from eccl.data.parts import write_parquet
from eccl.errors import WorkspaceError
from eccl.evaluation.bootstrap import RESAMPLES
from eccl.evaluation.conventions import NAMES, SCORED_SPLITS
from eccl.evaluation.predictions import read_truth
from eccl.evaluation.suppression import is_simulated
from eccl.evaluation.test_split.access_log import read_accesses
from eccl.evaluation.test_split.selection import Scope, freeze, is_finished
from eccl.study.arm_runs import COLUMNS, DISEASES, Cell, list_cells
from eccl.study.arm_scores import SplitScores, main_metric, score_split
from eccl.study.arms import ArmTable
from eccl.study.checks import find_equal_arms
from eccl.study.comparison import compare
from eccl.study.jobs import Job
from eccl.study.recipes import best_by_column
from eccl.study.table1.cells import SCORES, index, suppress_counts, suppress_pairs
from eccl.study.table1.figure import draw_table
from eccl.study.table1.markdown import to_markdown
from eccl.versioning.gate import require_passed_gate
from eccl.workspace import Workspace

TABLES = {"scores": "table1_scores", "traits": "table1_traits", "rows": "table1_rows", "retrieval": "retrieval"}
"""File in reports/table1 -> table of the store."""


def write_table1(
    workspace: Workspace, table: ArmTable, jobs: Iterable[Job], rescore: str | None = None, resamples: int = RESAMPLES
) -> str:
    """Freeze the finished runs of the jobs, score them on validation and once on test, and write the reports.

    Parameters
    ----------
    table
        The experiment table.
    jobs
        Requested jobs; a job without a finished run is shown as not run, a run that is in no job as not asked for.
    rescore
        Why the test split is scored for another selection than before, in words.
    resamples
        Resamples of the bootstrap.

    Returns
    -------
    str
        Table 1 as Markdown.

    Raises
    ------
    WorkspaceError
        No run of the jobs is finished.
    SplitError
        Another selection was scored already, of whatever data version, and no reason is given.
    GateError, VersionError, FeatureError
        The gate did not pass; a run is of other data; predictions are missing.
    """
    requested = list(jobs)
    seeds = sorted({job.seed for job in requested})
    done = {job.run for job in requested if is_finished(workspace, job.run)}
    cells = _finished_cells(table, seeds, done, len(requested))
    scope = _scope(workspace)
    selection = freeze(workspace, [job.run for job in requested if job.run in done], scope, rescore)
    truths = [
        read_truth(workspace, split, scope.instances, DISEASES, scope.label_definition) for split in SCORED_SPLITS
    ]
    splits = [score_split(workspace, selection, cells, truth, resamples) for truth in truths]
    equal = find_equal_arms(workspace.params_file, table, {cell.arm.key for cell in cells})
    compared = compare(table, seeds, {job.run for job in requested}, set(selection.runs), splits, equal)
    rows = _mark(table, compared, scope)
    retrieval = [row for split in splits for row in split.retrieval]
    are_small_shown = is_simulated(workspace)
    shown, pairs = suppress_counts(rows, are_small_shown), suppress_pairs(retrieval, are_small_shown)
    text = to_markdown(table, selection, read_accesses(workspace), shown, pairs, seeds, truths[0].fields.height, equal)
    _write_tables(workspace, splits, rows, retrieval)
    _write_reports(workspace, table, shown, [row for split in splits for row in split.scores], text)
    return text


def _finished_cells(table: ArmTable, seeds: Sequence[int], done: set[str], requested: int) -> list[Cell]:
    cells = [cell for cell in list_cells(table, seeds) if cell.run in done]
    if not cells:  # before anything is frozen: an empty selection would count as an access to the test split
        raise WorkspaceError(
            f"of the {requested} requested runs, {len(done)} are trained and none of these predicts a column of the table; "
            "train the runs of an arm with `eccl table1 --arms eccl`"
        )
    return cells


def _scope(workspace: Workspace) -> Scope:
    gate = require_passed_gate(workspace)
    params = load_params(workspace.params_file)
    instances = params.presets[params.preset]["evaluation"]["instances"]
    return Scope(gate.data_version, params.preset, params.cohort.label_definition, tuple(instances))


def _mark(table: ArmTable, rows: list[dict[str, Any]], scope: Scope) -> list[dict[str, Any]]:
    """Add the winner of every column, and what was scored."""
    best = best_by_column(table, rows)
    for row in rows:
        is_main = row["metric"] == main_metric(row["task"])
        row["is_best"] = is_main and best.get(row["task"]) == row["arm"]
        row |= {"data_version": scope.data_version, "preset": scope.preset}
    return rows


def _write_tables(
    workspace: Workspace,
    splits: Sequence[SplitScores],
    rows: Sequence[Mapping[str, Any]],
    retrieval: Sequence[Mapping[str, Any]],
) -> None:
    """Write the tables of the store."""
    content: dict[str, Sequence[Mapping[str, Any]]] = {
        "scores": [row for split in splits for row in split.scores],
        "traits": [row for split in splits for row in split.traits],
        "rows": rows,
        "retrieval": retrieval,
    }
    for name, some in content.items():
        schema = database.empty_table(TABLES[name]).schema
        write_parquet(pa.Table.from_pylist(list(some), schema=schema), workspace.reports / "table1" / f"{name}.parquet")


def _write_reports(
    workspace: Workspace,
    table: ArmTable,
    shown: Sequence[Mapping[str, Any]],
    scores: Sequence[Mapping[str, Any]],
    text: str,
) -> None:
    """Write the reports, which may leave the platform: they contain no small counts."""
    csv = pl.DataFrame(to_wide(table, shown), infer_schema_length=None).write_csv(float_precision=6)
    replace_file(workspace.reports / "table1.csv", csv.encode())
    replace_file(workspace.reports / "table1.md", text.encode())
    draw_table(table, shown, scores, workspace.reports / "table1.png")


def to_wide(table: ArmTable, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The table as rows for a spreadsheet: an arm and split per row, a group of columns per task."""
    found = []
    for split in reversed(SCORED_SPLITS):
        cells = index(rows, split)
        for arm in table.arms.values():
            row: dict[str, Any] = {"arm": arm.key, "title": arm.title, "group": arm.group, "split": split}
            for column in COLUMNS:
                cell = cells[arm.key, column, main_metric(column)]
                row |= {f"{NAMES[column]}_{name}": cell[name] for name in CSV_COLUMNS}
            found.append(row)
    return found


CSV_COLUMNS = (
    *("status", "mean", "sd", "paper", *SCORES[2:]),
    *("n", "cases", "participants", "seeds", "seeds_expected"),
)
