"""Tabular exports -> participants, visits, traits, diagnoses and fields. Always read whole, written only if changed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from eccl import __version__
from eccl.errors import Reason, Rejected
from eccl.ingest.discover import Discovery, Misnamed
from eccl.remedies import remedy
from eccl.store import database
from eccl.store.files import replace_file, sha256_bytes, sha256_file
from eccl.store.parts import read_table as read_part_table
from eccl.store.parts import table_files
from eccl.ukb import tables as exports
from eccl.ukb.dictionary import load_dictionary

TABLES = ("participants", "visits", "traits", "diagnoses", "fields")


@dataclass(frozen=True, slots=True)
class TabularReport:
    """What became of the tabular exports."""

    files: int
    read: int
    quarantined: dict[str, int]
    withdrawn_rows: int
    rows: dict[str, int]
    is_unchanged: bool


def ingest_tables(raw: Path, data: Path, state: Path, found: Discovery) -> TabularReport:
    """Read every tabular export of a raw folder into typed tables.

    Withdrawn participants are dropped at the door. Participants and visits that only have bulk files are added with
    nothing but their key, so that every key of the data joins.
    """
    mark = _fingerprint(raw, data, found)
    note = state / "tables.json"
    if note.is_file() and (before := json.loads(note.read_text()))["mark"] == mark and _complete(data):
        return TabularReport(**before["report"], is_unchanged=True)
    dictionary = load_dictionary()
    read: list[exports.TabularExport] = []
    refused: list[dict[str, Any]] = [_misnamed(file) for file in found.misnamed]
    failed = 0
    for path in found.tables:
        origin = {"path": path, "file_sha256": sha256_file(raw / path), "file_bytes": (raw / path).stat().st_size}
        try:
            export = exports.read_table(raw / path, dictionary)
        except Rejected as error:
            failed += 1
            refused.append(_refusal("table", origin, error.reason, error.detail))
            continue
        read.append(export)
        refused += [_refusal("table", origin, issue.reason, issue.detail, issue.eid) for issue in export.issues]
    values, conflicts = exports.merge_exports(read)
    refused += [_refusal("table", {"path": "(several)"}, issue.reason, issue.detail, issue.eid) for issue in conflicts]
    values = values.filter(~pl.col("eid").is_in(sorted(found.withdrawals)))
    rows = _write_tables(data, values, dictionary, refused, found)
    report = TabularReport(
        files=len(found.tables),
        read=len(read),
        quarantined=_count(refused),
        withdrawn_rows=sum(export.withdrawn_rows for export in read),
        rows=rows,
        is_unchanged=False,
    )
    fields = {name: getattr(report, name) for name in ("files", "read", "quarantined", "withdrawn_rows", "rows")}
    replace_file(note, json.dumps({"mark": _fingerprint(raw, data, found), "report": fields}).encode())
    return report


def _write_tables(
    data: Path, values: pl.DataFrame, dictionary: Any, refused: list[dict[str, Any]], found: Discovery
) -> dict[str, int]:
    diagnoses, issues = exports.pair_codes_with_dates(values, dictionary)
    refused += [_refusal("table", {"path": "(several)"}, issue.reason, issue.detail, issue.eid) for issue in issues]
    participants = exports.participants_from(values)
    visits = exports.visits_from(values)
    keys = _bulk_keys(data)
    lone = keys.select("eid").unique().join(participants, on="eid", how="anti")
    participants = pl.concat([participants, lone], how="diagonal")
    visits = pl.concat([visits, keys.join(visits, on=["eid", "instance"], how="anti")], how="diagonal")
    frames = {
        "participants": participants,
        "visits": visits,
        "traits": exports.traits_from(values),
        "diagnoses": diagnoses,
        "fields": dictionary.to_frame(),
    }
    frames = {
        name: frame.filter(~pl.col("eid").is_in(sorted(found.withdrawals))) if "eid" in frame.columns else frame
        for name, frame in frames.items()
    }
    for name, frame in frames.items():
        database.write_table(data, name, frame.to_arrow())
    quarantine = pa.Table.from_pylist(refused) if refused else database.empty_table("quarantine")
    target = data / "tables" / "quarantine" / "table.parquet"
    database.write_if_changed(database.conform("quarantine", quarantine), target)
    return {name: frame.height for name, frame in frames.items()}


def _bulk_keys(data: Path) -> pl.DataFrame:
    keys = [
        pl.DataFrame(read_part_table(data, table, ["eid", "instance"]))
        for table in ("recordings", "cines")
        if table_files(data, table)
    ]
    schema = {"eid": pl.Int64, "instance": pl.Int16}
    empty = pl.DataFrame(schema=schema)
    return pl.concat([empty, *(key.cast(schema) for key in keys)]).unique().sort("eid", "instance")  # type: ignore[arg-type]


def _misnamed(file: Misnamed) -> dict[str, Any]:
    origin = {"path": file.path, "file_sha256": None, "file_bytes": file.size}
    return _refusal(file.kind, origin, Reason.BAD_NAME, file.detail)


def _refusal(kind: str, origin: dict[str, Any], reason: Reason, detail: str, eid: int | None = None) -> dict[str, Any]:
    base = {"kind": kind, "eid": eid, "instance": None, "row": None, "file_sha256": None, "file_bytes": None}
    return {**base, **origin, "reason": reason.value, "detail": detail, "remedy": remedy(reason)}


def _count(refused: list[dict[str, Any]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in refused:
        counts[row["reason"]] = counts.get(row["reason"], 0) + 1
    return dict(sorted(counts.items()))


def _complete(data: Path) -> bool:
    return all(table_files(data, table) for table in TABLES)


def _fingerprint(raw: Path, data: Path, found: Discovery) -> str:
    parts: list[Any] = [__version__, sorted(found.withdrawals), [(m.path, m.size) for m in found.misnamed]]
    for path in found.tables:
        status = (raw / path).stat()
        parts.append([path, status.st_size, status.st_mtime_ns])
    # Bulk keys become participants and visits, so new parts mean another result.
    for table in ("recordings", "cines"):
        parts.append([(file.name, sha256_file(file)) for file in table_files(data, table)])
    return sha256_bytes(json.dumps([str(raw.resolve()), parts]).encode())
