"""Tables compared with their schemas, parts and splits; the gate's result; unexpected files; interrupted withdrawals."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from eccl.cohort.splits import assign_splits
from eccl.config import load_params
from eccl.data.arrays import open_array
from eccl.data.database import COHORT_TABLES, memory
from eccl.data.files import TEMPORARY_PREFIX
from eccl.data.parts import PARTED, read_table, table_files
from eccl.data.run_records import PASSED, read_gate_result
from eccl.errors import ChecksumError, EcclError
from eccl.ledger.tombstones import journal_path
from eccl.ledger.withdrawn_check import require_none_withdrawn
from eccl.modalities import MODALITY_OF_KIND, SLOT_TABLES
from eccl.quality.checks import CHECKED, check_schemas
from eccl.quality.frames import read_statements, set_variables
from eccl.quality.product.arrays import REPAIR
from eccl.quality.product.findings import Finding, Node, critical, note, warning
from eccl.templates import count_of
from eccl.workspace import Workspace, shipped

AGAIN = "run `eccl ingest RAW`, or bring the recorded version back with `dvc checkout --force data.dvc`"
OPTIONAL = frozenset({"quarantine", "deletions"})
_ARRAYS = "|".join(re.escape(array) for _, array, _ in CHECKED)
_KNOWN = re.compile(
    rf"({'|'.join(sorted({re.escape(array.partition('/')[0]) for _, array, _ in CHECKED}))})/zarr\.json"
    rf"|({_ARRAYS})/(zarr\.json|c/\d+(/0)+)"
    rf"|tables/({'|'.join(SLOT_TABLES)})/part-\d{{5}}\.parquet"
    rf"|tables/quarantine/(({'|'.join(MODALITY_OF_KIND)})-\d{{5}}|table)\.parquet"
)


def check_tables(workspace: Workspace) -> list[Node]:
    """Check that every table exists, fits its schema, and has its rows in the right parts and splits."""
    problems = {row.table_name: str(row.observed) for row in check_schemas(workspace) if not row.success}
    nodes = []
    for table in COHORT_TABLES:
        files = table_files(workspace.data, table)
        findings: list[Finding] = []
        if table in problems:
            findings.append(critical(problems[table], AGAIN))
        if not files and table not in OPTIONAL:
            findings.append(critical("the table is missing", AGAIN))
        elif table == "splits" and table not in problems:
            findings += _check_splits(workspace)
        elif table in SLOT_TABLES and table not in problems:
            findings += _check_parts(workspace, table, files)
        count = "" if not files else f"{count_of(_rows(files), 'row')} in {count_of(len(files), 'file')}"
        nodes.append(Node(table, count or "none", tuple(findings)))
    return nodes


def check_gate(workspace: Workspace, version: str) -> Node:
    """Check that the gate was run on these data and passed."""
    try:
        found = read_gate_result(workspace.gate)
        status, of, override = found["status"], found["data_version"], found["override"]
    except FileNotFoundError:
        return Node("reports/gate", "", (warning("the gate was not run", "run `eccl validate`"),))
    except (OSError, ValueError, KeyError, TypeError):
        return Node("reports/gate", "", (critical("gate.json cannot be read", "run `eccl validate`"),))
    findings: list[Finding] = []
    if of != version:
        findings.append(warning(f"the gate was run on data version {of}, not on {version}", "run `eccl validate`"))
    elif status != PASSED:
        what = f"the gate {status}: {count_of(found['critical_failures'], 'critical expectation')} not met"
        made = warning if override else critical
        findings.append(made(what, "read reports/gate/summary.html, correct the data and ingest again"))
    return Node("reports/gate", f"{status}, {count_of(found['expectations'], 'expectation')}", tuple(findings))


def check_withdrawals(workspace: Workspace) -> list[Finding]:
    """Check that no withdrawal is unfinished, and that no withdrawn participant is in the data."""
    found: list[Finding] = []
    if journal_path(workspace).is_file():
        found.append(critical("a withdrawal was interrupted", "run `eccl withdraw --resume`"))
    try:
        require_none_withdrawn(workspace)
    except EcclError as error:
        found.append(critical(str(error), "run `eccl withdraw LIST` with their list again"))
    except (OSError, ChecksumError, pa.ArrowInvalid):
        pass  # check_tables reports an unreadable table
    return found


def check_files(workspace: Workspace) -> Node:
    """Count unexpected files under data/, and temporary files of interrupted writes anywhere.

    Only folder and suffix are reported: the name of an unexpected file may contain an id.
    """
    unexpected: Counter[tuple[str, str]] = Counter()
    total = 0
    known = {f"tables/{table}.parquet" for table in COHORT_TABLES}
    for path in workspace.data.rglob("*"):
        relative = path.relative_to(workspace.data)
        if path.is_dir() or any(part.startswith(TEMPORARY_PREFIX) for part in relative.parts):
            continue
        total += 1
        name = relative.as_posix()
        if name not in known and not _KNOWN.fullmatch(name):
            unexpected[_place(relative), path.suffix if path.suffix.isascii() else ""] += 1
    findings = [
        warning(
            f"{count_of(number, 'unexpected file')} ({suffix or 'no suffix'}) in {place}",
            "move them away: they would be recorded with the data version",
        )
        for (place, suffix), number in sorted(unexpected.items())
    ]
    if temporary := count_leftovers(workspace):
        what = f"{count_of(temporary, 'leftover')} of interrupted writes ({TEMPORARY_PREFIX}*)"
        findings.append(note(what, "harmless; the next ingest, materialize or publish removes them"))
    return Node("files", count_of(total, "file"), tuple(findings))


def count_leftovers(workspace: Workspace) -> int:
    """Count temporary files of interrupted writes in data, features, models, reports and releases."""
    folders = (workspace.data, workspace.features, workspace.models, workspace.reports, workspace.releases)
    return sum(1 for folder in folders for _ in folder.rglob(f"{TEMPORARY_PREFIX}*"))


def _rows(files: list[Path]) -> int:
    total = 0
    for file in files:
        try:
            total += pq.read_metadata(file).num_rows
        except (OSError, ChecksumError, pa.ArrowInvalid):
            continue  # check_tables reports it
    return total


def _check_splits(workspace: Workspace) -> list[Finding]:
    cohort = load_params(workspace.params_file).cohort
    rows = read_table(workspace.data, "splits", ["eid", "split"]).sort_by("eid")
    wanted = assign_splits(rows.column("eid").to_pylist(), cohort.split_key, cohort.split_shares)
    if wanted.num_rows != rows.num_rows:
        return [critical("a participant has two splits", AGAIN)]
    pairs = zip(rows.column("split").to_pylist(), wanted.column("split").to_pylist(), strict=True)
    moved = sum(found != expected for found, expected in pairs)
    if not moved:
        return []
    what = f"{count_of(moved, 'participant')} not in the split that the keyed hash gives: test data may have been trained on"
    return [critical(what, "put split_key and split_shares of params.yaml back, and run `eccl ingest RAW`")]


def _check_parts(workspace: Workspace, table: str, files: list[Path]) -> list[Finding]:
    array = next(array for name, array, _ in CHECKED if name == table)
    try:
        shard_rows = open_array(workspace.data, array).shard_rows
    except ValueError:
        return []  # check_arrays reports it
    fact = read_statements(shipped("schemas") / "product" / "tables.sql")["rows_in_other_parts"]
    with memory() as connection:
        set_variables(connection, {"files": [file.as_posix() for file in files], "shard_rows": shard_rows})
        [(wrong,)] = connection.execute(fact.sql).fetchall()
    return [critical(f"{count_of(wrong, 'row')} {fact.comment}", REPAIR)] if wrong else []


def _place(relative: Path) -> str:
    # Folders of the product by name; of any other folder only the depth is reported.
    ours = {"tables", *PARTED, *(part for _, array, _ in CHECKED for part in array.split("/"))}
    parts = [part if part in ours else "..." for part in relative.parts[:-1]]
    return "/".join(["data", *parts][:4])
