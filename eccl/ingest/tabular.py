"""Tabular exports -> participants, visits, traits, diagnoses and fields. Read completely, written only if changed."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from eccl import __version__
from eccl.config import LimitParams
from eccl.data import database
from eccl.data.files import replace_file, sha256_bytes, sha256_file
from eccl.data.parts import read_table as read_part_table
from eccl.data.parts import table_files
from eccl.errors import Reason, Rejected, SourceError, WorkspaceError
from eccl.ingest.raw.discover import Discovery, numbers_in
from eccl.ingest.raw.raw_files import Entry, RawFiles
from eccl.ledger.tombstones import Tombstones
from eccl.modalities import SLOT_TABLES
from eccl.readers.tables.diagnosis_codes import find_misaligned, pair_codes_with_dates
from eccl.readers.tables.dictionary import Field, fields_frame, load_dictionary
from eccl.readers.tables.export import TabularExport, merge_exports, read_table
from eccl.readers.tables.frames import participants_from, traits_from, visits_from
from eccl.readers.tables.issues import TableIssue
from eccl.remedies import remedy
from eccl.workspace import Workspace

TABLES = ("participants", "visits", "traits", "diagnoses", "fields")


@dataclass(frozen=True, slots=True)
class TabularReport:
    """Counts of the tabular exports.

    `left_in_arrays` counts visits of participants who withdrew after their files were ingested: no table that training or
    analysts read contains them, but their slots are still filled.
    """

    files: int
    read: int
    quarantined: dict[str, int]
    withdrawn_rows: int
    rows: dict[str, int]
    left_in_arrays: int
    is_unchanged: bool


def ingest_tables(
    workspace: Workspace, raw: RawFiles, found: Discovery, tombstones: Tombstones, limits: LimitParams
) -> TabularReport:
    """Read every tabular export into typed tables.

    Rows of withdrawn participants, including those with a tombstone, are skipped. Participants and visits with bulk files
    only are added with their key, so that every key of the data joins.
    """
    data, note = workspace.data, workspace.state / "tables.json"
    mark = _fingerprint(raw, data, found, tombstones, limits)
    if (
        note.is_file()
        and (before := json.loads(note.read_text()))["mark"] == mark
        and before["written"] == _written(data)
    ):
        return TabularReport(**before["report"], is_unchanged=True)
    _require_tables(data, found)
    dictionary = load_dictionary()
    quarantined = [
        _quarantine_row(file.kind, file.reason, file.detail, path=file.path, file_bytes=file.size)
        for file in found.unplaced
    ]
    read = _read_exports(raw, found.tables, dictionary, limits, quarantined)
    values, conflicts = merge_exports(read)
    quarantined += _quarantine_rows(conflicts)
    bulk = _bulk_keys(data)
    eids = {eid for export in read for eid in export.eids}
    named = {eid for row in quarantined for eid in _ids_of(row)}
    withdrawn = found.withdrawals | tombstones.select(eids | named | set(bulk["eid"]))
    values = values.filter(~pl.col("eid").is_in(sorted(withdrawn)))
    quarantined = [row for row in quarantined if not _ids_of(row) & withdrawn]
    quarantined += _quarantine_rows(find_misaligned(values))
    kept = bulk.filter(~pl.col("eid").is_in(sorted(withdrawn)))
    frames = _to_frames(values, eids - withdrawn, kept, dictionary)
    for name, frame in frames.items():
        database.write_table(data, name, frame.to_arrow())
    quarantine = pa.Table.from_pylist(quarantined) if quarantined else database.empty_table("quarantine")
    target = data / "tables" / "quarantine" / "table.parquet"
    database.write_if_changed(database.conform("quarantine", quarantine), target)
    fields: dict[str, Any] = {
        "files": len(found.tables),
        "read": len(read),
        "quarantined": dict(sorted(Counter(row["reason"] for row in quarantined).items())),
        "withdrawn_rows": sum(export.withdrawn_rows for export in read),
        "rows": {name: frame.height for name, frame in frames.items()},
        "left_in_arrays": bulk.height - kept.height,
    }
    replace_file(note, json.dumps({"mark": mark, "written": _written(data), "report": fields}).encode())
    return TabularReport(**fields, is_unchanged=False)


def _require_tables(data: Path, found: Discovery) -> None:
    """Require a tabular export if traits or diagnoses came from one before.

    Raises
    ------
    WorkspaceError
        There is none: continuing would empty the tables.
    """
    if found.tables:
        return
    rows = sum(read_part_table(data, name).num_rows for name in ("traits", "diagnoses") if table_files(data, name))
    if rows:
        raise WorkspaceError(
            f"no tabular export found, where {rows} traits and diagnoses came from one before; give the folder that holds the raw "
            "files and the exports, or delete data/tables/traits.parquet and diagnoses.parquet if their rows should be removed"
        )


def _read_exports(
    raw: RawFiles,
    entries: tuple[Entry, ...],
    dictionary: dict[int, Field],
    limits: LimitParams,
    quarantined: list[dict[str, Any]],
) -> list[TabularExport]:
    read: list[TabularExport] = []
    for entry in entries:
        origin: dict[str, Any] = {"path": entry.path, "file_bytes": entry.size}
        try:
            _check_entry(entry, limits)
            with raw.local(entry.path) as path:
                origin["file_sha256"] = sha256_file(path)
                # Named by its path in the raw place, also if a temporary copy was read.
                export = replace(read_table(path, dictionary, max_bytes=limits.table_mb << 20), path=Path(entry.path))
        except Rejected as error:
            quarantined.append(_quarantine_row("table", error.reason, error.detail, **origin))
            continue
        except SourceError:
            raise
        except OSError as error:
            raise SourceError(
                f"a tabular export cannot be read ({type(error).__name__}); repair it, or move it away, then run the command again; "
                "an ingest without it would empty its tables"
            ) from None
        read.append(export)
        quarantined += _quarantine_rows(export.issues, entry.path)
    return read


def _check_entry(entry: Entry, limits: LimitParams) -> None:
    if entry.problem:
        raise Rejected(Reason.UNREADABLE, entry.problem)
    if entry.size > limits.table_mb << 20:
        raise Rejected(
            Reason.FILE_TOO_LARGE, f"{entry.size} bytes; expected at most {limits.table_mb} MB (limits.table_mb)"
        )


def _to_frames(
    values: pl.DataFrame, eids: set[int], bulk: pl.DataFrame, dictionary: dict[int, Field]
) -> dict[str, pl.DataFrame]:
    visits = visits_from(values)
    keys = bulk.cast({"instance": visits.schema["instance"]})
    lone = keys.join(visits, on=["eid", "instance"], how="anti")
    return {
        "participants": participants_from(values, eids | set(bulk["eid"])),
        "visits": pl.concat([visits, lone], how="diagonal"),
        "traits": traits_from(values),
        "diagnoses": pair_codes_with_dates(values, dictionary),
        "fields": fields_frame(dictionary),
    }


def _bulk_keys(data: Path) -> pl.DataFrame:
    keys = [
        pl.DataFrame(read_part_table(data, table, ["eid", "instance"]))
        for table in SLOT_TABLES
        if table_files(data, table)
    ]
    schema = {"eid": pl.Int64, "instance": pl.Int16}
    empty = pl.DataFrame(schema=schema)
    return pl.concat([empty, *(key.cast(schema) for key in keys)]).unique().sort("eid", "instance")  # type: ignore[arg-type]


def _ids_of(row: dict[str, Any]) -> set[int]:
    # The name of an unplaced file may hold an id.
    return numbers_in(row["path"]) | ({row["eid"]} if row["eid"] is not None else set())


def _quarantine_rows(issues: list[TableIssue], path: str = "") -> list[dict[str, Any]]:
    return [
        _quarantine_row("table", one.reason, one.detail, path=path or one.path or "(several files)", eid=one.eid)
        for one in issues
    ]


def _quarantine_row(kind: str, reason: Reason, detail: str, **origin: object) -> dict[str, Any]:
    base = dict.fromkeys(("eid", "instance", "row", "file_sha256", "file_bytes"))
    return {"kind": kind, **base, **origin, "reason": reason.value, "detail": detail, "remedy": remedy(reason)}


def _hash(raw: RawFiles, entry: Entry) -> str | None:
    """Hash of a table without a modification time."""
    if entry.problem:
        return None
    with raw.local(entry.path) as path:
        return sha256_file(path)


def _written(data: Path) -> dict[str, str | None]:
    # `dvc checkout` of an older version may have replaced the tables; then they are written again.
    paths = [
        *(data / "tables" / f"{table}.parquet" for table in TABLES),
        data / "tables" / "quarantine" / "table.parquet",
    ]
    return {path.name: sha256_file(path) if path.is_file() else None for path in paths}


def _fingerprint(raw: RawFiles, data: Path, found: Discovery, tombstones: Tombstones, limits: LimitParams) -> str:
    parts: list[Any] = [
        __version__,
        sorted(found.withdrawals),
        tombstones.fingerprint,
        limits.table_mb,
        [(file.path, file.size, file.reason) for file in found.unplaced],
        [(entry.path, entry.size, entry.mtime_ns or _hash(raw, entry)) for entry in found.tables],
    ]
    # Bulk keys become participants and visits, so new parts change the result.
    for table in SLOT_TABLES:
        parts.append([(file.name, sha256_file(file)) for file in table_files(data, table)])
    return sha256_bytes(json.dumps([raw.name, parts]).encode())
