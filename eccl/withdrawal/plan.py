"""Plan of a withdrawal: rows, slots and files of the participants, counted before anything is changed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
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
from eccl.withdrawal.features import covered_runs, feature_files, find_tainted, report_files
from eccl.withdrawal.journal import Counts, Plan
from eccl.withdrawal.raw import RawTraces, find_raw
from eccl.withdrawal.rows import count_withdrawn, withdrawn_rows
from eccl.withdrawal.stores import count_store, opened, store_files
from eccl.workspace import Workspace

SHORTEST_ID = 10_000
_LIST_DATE = re.compile(r"w[0-9]+_([0-9]{8})\.csv", re.IGNORECASE)


def read_list(path: Path) -> frozenset[int]:
    """Read a withdrawal list.

    Raises
    ------
    WorkspaceError
        The file is missing, or a line is not an id.
    """
    try:
        found = read_withdrawals(path)
    except OSError as error:
        raise WorkspaceError(
            f"the withdrawal list {path.name} cannot be opened ({type(error).__name__}); give the file w<application>_<YYYYMMDD>.csv "
            "as it was received; nothing was changed"
        ) from None
    except Rejected as error:
        raise WorkspaceError(
            f"the withdrawal list {path.name} cannot be read ({error.detail}); nothing was changed"
        ) from None
    if any(eid < SHORTEST_ID for eid in found):
        raise WorkspaceError(
            f"the withdrawal list {path.name} holds numbers of fewer than {len(str(SHORTEST_ID))} digits, which a search "
            "cannot distinguish from other numbers; expected ids of UK Biobank's length; nothing was changed"
        )
    return found


def list_date(path: Path) -> date:
    """Date in the name of a withdrawal list; today if the name has none."""
    match = _LIST_DATE.fullmatch(path.name)
    try:
        # A date in the future is a typing error.
        return min(datetime.strptime(match[1], "%Y%m%d").date(), date.today()) if match else date.today()
    except ValueError:  # not a date
        return date.today()


def make_plan(workspace: Workspace, listed: Path, eids: Collection[int], raw: Path | None) -> Plan:
    """Count the data of some participants of a withdrawal list without writing anything."""
    withdrawn = frozenset(eids)
    withdrawn_on = list_date(listed)
    version = data_version(workspace.data) if any(workspace.tables.rglob("*.parquet")) else None
    slots = {one.kind: _slots(workspace, one.kind, one.table, withdrawn) for one in MODALITIES}
    written = {one.kind: sorted(_rows(table_files(workspace.data, one.table), withdrawn)) for one in MODALITIES}
    found = find_raw(raw, withdrawn.intersection) if raw else RawTraces((), {})
    return Plan(
        certificate=_next_name(workspace, withdrawn_on),
        withdrawn_on=withdrawn_on.isoformat(),
        eids=tuple(sorted(withdrawn)),
        listed=str(listed.resolve()),
        raw=str(raw.resolve()) if raw else None,
        data_version=version,
        slots=slots,
        written=written,
        hashes=tuple(sorted(_hashes(workspace, withdrawn))),
        **count_stores(workspace, withdrawn, written),
        raw_files=len(found.files),
        raw_rows=sum(found.tables.values()),
        tainted=tuple(find_tainted(workspace, withdrawn)),
        covered=covered_runs(workspace, version),
    )


def count_stores(
    workspace: Workspace, withdrawn: frozenset[int], written: Mapping[str, list[int]]
) -> dict[str, Counts]:
    """Rows in each store, and how many of them are of withdrawn participants.

    Returns
    -------
    dict
        ``tables``: every table under data/, superseded rows included. ``arrays``: slots with a committed record; `written` are
        those of the participants by modality. ``features``: feature files and tables of reports, by path. ``releases``:
        published stores, by path.
    """
    select = withdrawn.intersection
    tables: dict[str, dict[str, int]] = {}
    for table in COHORT_TABLES:
        if table not in {"fields", "deletions"}:
            each = [count_withdrawn(file, select) for file in table_files(workspace.data, table)]
            tables[table] = {name: sum(one[name] for one in each) for name in ("rows", "withdrawn")}
    arrays: dict[str, dict[str, int]] = {}
    for one in MODALITIES:
        rows = sum(pq.read_metadata(file).num_rows for file in table_files(workspace.data, one.table))
        counts = {"rows": rows, "withdrawn": len(written.get(one.kind, ()))}
        arrays |= dict.fromkeys(one.arrays, counts)
    features = {
        file.relative_to(workspace.root).as_posix(): count_withdrawn(file, select)
        for file in [*feature_files(workspace), *report_files(workspace)]
    }
    releases: dict[str, dict[str, int]] = {}
    for file in store_files(workspace):
        with opened(file) as connection:
            releases[file.relative_to(workspace.root).as_posix()] = count_store(connection, select)
    return {"tables": tables, "arrays": arrays, "features": features, "releases": releases}


def _slots(workspace: Workspace, kind: str, table: str, withdrawn: frozenset[int]) -> list[int]:
    quarantined = [file for file in table_files(workspace.data, "quarantine") if file.name.startswith(f"{kind}-")]
    return sorted({*_rows(table_files(workspace.data, table), withdrawn), *_rows(quarantined, withdrawn)})


def _rows(files: list[Path], withdrawn: frozenset[int]) -> Iterator[int]:
    for file in files:
        part = pq.read_table(file, columns=["eid", "row"])
        is_own = pc.is_in(part.column("eid"), value_set=pa.array(sorted(withdrawn), pa.int64()))
        yield from part.filter(is_own).column("row").drop_null().to_pylist()


def _hashes(workspace: Workspace, withdrawn: frozenset[int]) -> set[str]:
    """SHA-256 of the participants' raw files, without those that files of other participants have too (an empty file)."""
    own: set[str] = set()
    others: set[str] = set()
    for table in PARTED:
        for file in table_files(workspace.data, table):
            part = pq.read_table(file, columns=["eid", "path", "file_sha256"])
            mask = withdrawn_rows(part, withdrawn.intersection)
            own |= set(part.filter(mask).column("file_sha256").to_pylist())
            others |= set(part.filter(pc.invert(mask)).column("file_sha256").to_pylist())
    return {digest for digest in own - others if digest}


def _next_name(workspace: Workspace, withdrawn_on: date) -> str:
    number = 1
    while (certificates_folder(workspace) / f"{withdrawn_on}-{number}.json").exists():
        number += 1
    return f"{withdrawn_on}-{number}"
