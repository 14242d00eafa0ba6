"""What a withdrawal will change, counted before anything is changed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from eccl.data.database import COHORT_TABLES
from eccl.data.parts import PARTED, data_version, table_files
from eccl.errors import Rejected, WorkspaceError
from eccl.ledger.certificates import certificates_folder
from eccl.modalities import MODALITIES
from eccl.readers.tables.withdrawal_lists import read_withdrawals
from eccl.withdrawal.features import covered_runs, feature_files, report_files
from eccl.withdrawal.journal import Counts, Plan
from eccl.withdrawal.raw import RawTraces, find_raw
from eccl.withdrawal.rows import count_theirs, theirs
from eccl.withdrawal.stores import count_store, opened, store_files
from eccl.withdrawal.taint import find_tainted
from eccl.workspace import Workspace

SHORTEST_ID = 10_000
_LIST_DATE = re.compile(r"w[0-9]+_([0-9]{8})\.csv", re.IGNORECASE)


def read_list(path: Path) -> frozenset[int]:
    """Read a withdrawal list.

    Raises
    ------
    WorkspaceError
        It is not there, or a line of it is not an id; half a list is no list.
    """
    try:
        found = read_withdrawals(path)
    except OSError as error:
        raise WorkspaceError(
            f"the withdrawal list {path.name} cannot be opened ({type(error).__name__}); give the file w<application>_<YYYYMMDD>.csv "
            "as it was sent; nothing was changed"
        ) from None
    except Rejected as error:
        raise WorkspaceError(
            f"the withdrawal list {path.name} cannot be read ({error.detail}); nothing was changed"
        ) from None
    if any(eid < SHORTEST_ID for eid in found):
        raise WorkspaceError(
            f"the withdrawal list {path.name} holds numbers of fewer than {len(str(SHORTEST_ID))} digits, which no search could tell from "
            "others; expected ids of UK Biobank's length; nothing was changed"
        )
    return found


def list_date(path: Path) -> date:
    """Date of a withdrawal list by its name, else today."""
    match = _LIST_DATE.fullmatch(path.name)
    try:
        # A date to come is a misprint: nobody is withdrawn since then.
        return min(datetime.strptime(match[1], "%Y%m%d").date(), date.today()) if match else date.today()
    except ValueError:  # digits that are no date
        return date.today()


def make_plan(workspace: Workspace, listed: Path, eids: Collection[int], raw: Path | None) -> Plan:
    """Count what the workspace holds of some participants of a withdrawal list; nothing is written."""
    gone = frozenset(eids)
    withdrawn_on = list_date(listed)
    version = data_version(workspace.data) if any(workspace.tables.rglob("*.parquet")) else None
    slots = {one.kind: _slots(workspace, one.kind, one.table, gone) for one in MODALITIES}
    written = {one.kind: sorted(_rows(table_files(workspace.data, one.table), gone)) for one in MODALITIES}
    found = find_raw(raw, gone.intersection) if raw else RawTraces((), {})
    return Plan(
        certificate=_next_name(workspace, withdrawn_on),
        withdrawn_on=withdrawn_on.isoformat(),
        eids=tuple(sorted(gone)),
        listed=str(listed.resolve()),
        raw=str(raw.resolve()) if raw else None,
        data_version=version,
        slots=slots,
        written=written,
        hashes=tuple(sorted(_hashes(workspace, gone))),
        tables=count_tables(workspace, gone),
        arrays=count_arrays(workspace, written),
        features=count_features(workspace, gone),
        releases=count_releases(workspace, gone),
        raw_files=len(found.files),
        raw_rows=sum(found.tables.values()),
        tainted=tuple(find_tainted(workspace, gone)),
        covered=covered_runs(workspace, version),
    )


def count_tables(workspace: Workspace, gone: frozenset[int]) -> Counts:
    """Rows of every table under data/, those of superseded files included."""
    counts: dict[str, dict[str, int]] = {}
    for table in COHORT_TABLES:
        if table in {"fields", "deletions"}:
            continue
        each = [count_theirs(file, gone.intersection) for file in table_files(workspace.data, table)]
        counts[table] = {name: sum(one[name] for one in each) for name in ("rows", "theirs")}
    return counts


def count_arrays(workspace: Workspace, written: dict[str, list[int]]) -> Counts:
    """Slots with a committed record, by array."""
    counts: dict[str, dict[str, int]] = {}
    for one in MODALITIES:
        rows = sum(pq.read_metadata(file).num_rows for file in table_files(workspace.data, one.table))
        counts |= {name: {"rows": rows, "theirs": len(written[one.kind])} for name in one.arrays}
    return counts


def count_features(workspace: Workspace, gone: frozenset[int]) -> Counts:
    """Rows of every feature file and of every table of a report, by its path."""
    return {
        file.relative_to(workspace.root).as_posix(): count_theirs(file, gone.intersection)
        for file in [*feature_files(workspace), *report_files(workspace)]
    }


def count_releases(workspace: Workspace, gone: frozenset[int]) -> Counts:
    """Rows about participants in every published store, by its path."""
    counts: dict[str, dict[str, int]] = {}
    for file in store_files(workspace):
        with opened(file) as connection:
            counts[file.relative_to(workspace.root).as_posix()] = count_store(connection, gone.intersection)
    return counts


def _slots(workspace: Workspace, kind: str, table: str, gone: frozenset[int]) -> list[int]:
    refused = [file for file in table_files(workspace.data, "quarantine") if file.name.startswith(f"{kind}-")]
    return sorted({*_rows(table_files(workspace.data, table), gone), *_rows(refused, gone)})


def _rows(files: list[Path], gone: frozenset[int]) -> Iterator[int]:
    for file in files:
        part = pq.read_table(file, columns=["eid", "row"])
        mine = pc.is_in(part.column("eid"), value_set=pa.array(sorted(gone), pa.int64()))
        yield from part.filter(mine).column("row").drop_null().to_pylist()


def _hashes(workspace: Workspace, gone: frozenset[int]) -> set[str]:
    """SHA-256 of the participants' raw files. Bytes that others have too, such as those of an empty file, tell nothing."""
    mine: set[str] = set()
    others: set[str] = set()
    for table in PARTED:
        for file in table_files(workspace.data, table):
            part = pq.read_table(file, columns=["eid", "path", "file_sha256"])
            mask = theirs(part, gone.intersection)
            mine |= set(part.filter(mask).column("file_sha256").to_pylist())
            others |= set(part.filter(pc.invert(mask)).column("file_sha256").to_pylist())
    return {digest for digest in mine - others if digest}


def _next_name(workspace: Workspace, withdrawn_on: date) -> str:
    number = 1
    while (certificates_folder(workspace) / f"{withdrawn_on}-{number}.json").exists():
        number += 1
    return f"{withdrawn_on}-{number}"
