"""Features compared with their run, the view's declaration and the cohort: one query per run and view.

The conditions are in schemas/product/features.sql. They need the length and norm of vectors that the run declares,
finite numbers, probabilities that agree with their logits, and for every row a visit, split and slot of the cohort.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eccl.data.files import TEMPORARY_PREFIX
from eccl.data.run_records import task_of, training_command
from eccl.features.files import runs_of
from eccl.features.materialized import FOLDER, is_covered, list_materializations
from eccl.features.views import KEYS, FeatureView, computed_views, declared_views
from eccl.modalities import MODALITY_OF_KIND
from eccl.quality.frames import describe, open_tables, read_statements
from eccl.quality.product.findings import Finding, Node, critical, note, warning
from eccl.quality.product.models import read_records, renewal
from eccl.templates import count_of
from eccl.workspace import Workspace, shipped

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of one run and view.

    Parameters
    ----------
    doubled
        Rows beyond one per visit, slot and key.
    lengths
        Different lengths of the vectors; empty without vectors.
    wrong
        Wrong rows by the sentence of the condition.
    """

    rows: int
    doubled: int
    lengths: tuple[int, ...]
    wrong: Mapping[str, int]


def check_features(workspace: Workspace, version: str) -> Node:
    """Check every file of every computed view."""
    import duckdb

    try:
        connection = open_tables(workspace)
    except duckdb.Error as error:
        what = f"a table cannot be read ({type(error).__name__}), so features were not compared with the cohort"
        return Node("features", "", (critical(what, "see the tables above, then run `eccl validate` again"),))
    records = read_records(workspace)
    nodes, rows = [], 0
    for view in computed_views():
        children = []
        for run in runs_of(workspace.features, view.name):
            node, counted = _check_run(connection, workspace, view, run, records.get(run), version)
            children.append(node)
            rows += counted
        if children:
            nodes.append(Node(view.name, count_of(len(children), "run"), (), tuple(children)))
    connection.close()
    return Node("features", count_of(rows, "row"), tuple(_check_folders(workspace, records)), tuple(nodes))


def _check_run(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    view: FeatureView,
    run: str,
    record: Mapping[str, Any] | None,
    version: str,
) -> tuple[Node, int]:
    import duckdb

    again = f"run `{training_command(run)}`"
    try:
        _open_rows(connection, _files(workspace.features, view, run, record), view, run, record)
        counts = _count(connection, view)
    except (duckdb.IOException, duckdb.InvalidInputException, duckdb.BinderException, KeyError) as error:
        damaged = critical(f"a file cannot be read ({type(error).__name__})", f"run `dvc checkout --force`, or {again}")
        return Node(run, "0 rows", (damaged,)), 0
    wrong = [f"{number:,} of {count_of(counts.rows, 'row')} {what}" for what, number in counts.wrong.items()]
    wrong += _check_lengths(view, counts, record or {})
    if counts.doubled:
        wrong.append(f"{count_of(counts.doubled, 'row')} more than one per visit, slot and {view.key or 'run'}")
    findings = [*(critical(what, again) for what in wrong), *_check_record(workspace, run, record, version, again)]
    length = f", {counts.lengths[0]} numbers each" if len(counts.lengths) == 1 else ""
    return Node(run, f"{count_of(counts.rows, 'row')}{length}", tuple(findings)), counts.rows


def _check_record(
    workspace: Workspace, run: str, record: Mapping[str, Any] | None, version: str, again: str
) -> Iterator[Finding]:
    if record is None:
        what = "features of a run that is not there: no run.json records how they were computed"
        yield critical(what, f"{again}, or delete the file")
    elif not is_covered(workspace.features, run, record["run_id"], record["data_version"], version):
        what = f"stale: computed on data version {record['data_version']}, the workspace holds {version}"
        yield warning(what, renewal(run))


def _check_lengths(view: FeatureView, counts: Counts, record: Mapping[str, Any]) -> Iterator[str]:
    if len(counts.lengths) > 1:
        yield f"vectors of {len(counts.lengths)} different lengths in one run"
    elif counts.lengths and (declared := declared_length(view.name, record)) not in {None, counts.lengths[0]}:
        yield f"vectors of {counts.lengths[0]} numbers; the run declares {declared}"


def declared_length(view: str, record: Mapping[str, Any]) -> int | None:
    """Length of a view's vectors that run.json declares; None if it declares none."""
    params = record.get("params") or {}
    found = None
    if view.endswith("_projection"):
        found = ((params.get("config") or {}).get("alignment") or {}).get("projection_width")
    elif view == "ecg_embedding":
        found = (params.get("encoder") or {}).get("width")
    return None if found is None else int(found)


def _files(features: Path, view: FeatureView, run: str, record: Mapping[str, Any] | None) -> list[str]:
    """Files of a run's rows: the stage's own, and those that were backfilled later."""
    later = list_materializations(features, run, record["run_id"]) if record else []
    added = [one.folder / f"{view.name}.parquet" for one in later]
    files = [features / view.name / f"{run}.parquet", *(file for file in added if file.is_file())]
    return [file.as_posix() for file in files]


def _open_rows(
    connection: duckdb.DuckDBPyConnection,
    files: list[str],
    view: FeatureView,
    run: str,
    record: Mapping[str, Any] | None,
) -> None:
    """Create the views `feature` and `slots` and the variables that the conditions name."""
    rows = connection.read_parquet(files)
    if missing := {*KEYS, *view.own_columns} - set(rows.columns):
        raise KeyError(", ".join(sorted(missing)))
    rows.create_view("feature")
    connection.execute(f"CREATE OR REPLACE VIEW slots AS FROM {MODALITY_OF_KIND[str(view.modality)].table}").fetchall()
    is_projection = view.name.endswith("_projection")
    values = {"run_id": record["run_id"] if record else None, "task": task_of(run), "is_projection": is_projection}
    for name, value in values.items():
        connection.execute(f"SET VARIABLE {name} = ?", [value]).fetchall()


def _count(connection: duckdb.DuckDBPyConnection, view: FeatureView) -> Counts:
    statements = read_statements(shipped("schemas") / "product" / "features.sql")
    source = statements.pop("source").sql
    usable = {name: one for name, one in statements.items() if describe(connection, f"SELECT {one.sql} FROM {source}")}
    lengths = "list_sort(list(DISTINCT len(vector)))" if view.is_vector else "[]"
    keys = ", ".join(["eid", "instance", "array_row", *([view.key] if view.key else [])])
    conditions = "".join(f", {one.sql} AS {name}" for name, one in usable.items())
    counted = "".join(f", count_if({name})" for name in usable)
    [found] = connection.execute(
        f"SELECT count(*), count(*) - count(DISTINCT ({keys})), {lengths}{counted} FROM (SELECT *{conditions} FROM {source})"
    ).fetchall()
    rows, doubled, different, *wrong = found
    by_sentence = {one.comment: number for one, number in zip(usable.values(), wrong, strict=True) if number}
    return Counts(rows, doubled, tuple(length for length in different if length is not None), by_sentence)


def _check_folders(workspace: Workspace, records: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    folder = workspace.features
    if not folder.is_dir():
        return
    ours = (".", TEMPORARY_PREFIX)
    others = {path.name for path in folder.iterdir() if not path.name.startswith(ours)} - {*declared_views(), FOLDER}
    if others:
        what = f"{count_of(len(others), 'folder')} in features/ of no declared view"
        yield warning(what, "move them away, or declare the view")
    earlier = 0
    for run in sorted(path for path in (folder / FOLDER).glob("*") if path.is_dir()):
        run_id = str(records[run.name]["run_id"]) if run.name in records else ""
        earlier += len(list(run.glob("*/record.json"))) - len(list_materializations(folder, run.name, run_id))
    if earlier:
        what = f"{count_of(earlier, 'materialization')} of earlier trainings"
        yield note(what, "harmless; `eccl materialize RUN` removes them")
