"""Fill an empty DuckDB file with the contents of a workspace: tables, features, registry, views."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from eccl.data import database
from eccl.data.parts import current_rows, read_files, read_table, table_files
from eccl.data.run_records import gate_status, run_records
from eccl.features.materialized import Materialization, list_materializations
from eccl.ledger.certificates import Certificate, read_certificates
from eccl.modalities import MODALITY_OF_TABLE, SLOT_TABLES
from eccl.publishing.build_features import fill_features
from eccl.versioning import versions
from eccl.workspace import Workspace

REPORT_TABLES = {
    "table1_scores": "table1/scores.parquet",
    "table1_traits": "table1/traits.parquet",
    "table1_rows": "table1/rows.parquet",
    "retrieval": "table1/retrieval.parquet",
    "figure_points": "figures/points.parquet",
    "associations": "associations/associations.parquet",
}
"""Tables that an evaluation wrote, with their file under reports/; each is empty until there is one."""
_RENAMED = {"low": "ci_lower", "high": "ci_upper"}
"""Columns of associations that an earlier version wrote, with their present names."""


def fill_store(
    connection: duckdb.DuckDBPyConnection, workspace: Workspace, known: Sequence[versions.DataVersion]
) -> None:
    """Fill an open, empty store.

    Works right after an ingest, before any model exists: the feature tables are then empty.

    Parameters
    ----------
    known
        Data versions of the workspace.
    """
    for table, incoming in _tables(workspace, known):
        database.create_tables(connection, [table])
        if incoming is not None:
            database.fill_table(connection, table, incoming)
    fill_features(connection, workspace)


def _tables(workspace: Workspace, known: Sequence[versions.DataVersion]) -> Iterable[tuple[str, pa.Table | None]]:
    yield from _cohort_tables(workspace)
    certificates = read_certificates(workspace)
    runs = _runs(workspace.models, certificates)
    yield "runs", _from_rows(runs)
    yield "materializations", _from_rows(_materializations(workspace.features, runs))
    yield "data_versions", _from_rows(_data_versions(known, certificates))
    results = workspace.gate / "results.parquet"
    yield "validation_results", pq.read_table(results) if results.is_file() else None
    yield "withdrawals", _from_rows([_withdrawal(certificate) for certificate in certificates])
    yield from _report_tables(workspace)


def _cohort_tables(workspace: Workspace) -> Iterable[tuple[str, pa.Table | None]]:
    known = _participants(workspace)
    slots: list[pa.Table] = []
    gone: set[int] = set()
    for table in database.COHORT_TABLES:
        files = table_files(workspace.data, table)
        rows = read_files(files) if files else None
        if rows is not None and table in SLOT_TABLES:
            is_known = pc.is_in(rows.column("eid"), value_set=known)
            gone |= set(rows.filter(pc.invert(is_known)).column("eid").to_pylist())
            rows = rows.filter(is_known)
            current = current_rows(rows)
            slots.append(_slots(table, rows, current))
            rows = current
        if rows is not None and table == "quarantine":
            rows = read_table(workspace.data, table)
            rows = rows.filter(pc.invert(pc.is_in(rows.column("eid"), value_set=pa.array(sorted(gone), pa.int64()))))
        yield table, rows
    yield "slots", pa.concat_tables(slots) if slots else None


def _report_tables(workspace: Workspace) -> Iterable[tuple[str, pa.Table | None]]:
    known = _participants(workspace)
    for table, name in REPORT_TABLES.items():
        path = workspace.reports / name
        rows = pq.read_table(path) if path.is_file() else None
        if rows is not None:
            rows = rows.rename_columns([_RENAMED.get(column, column) for column in rows.column_names])
        if rows is not None and "eid" in rows.column_names:
            eids = rows.column("eid")
            rows = rows.filter(pc.or_(pc.is_null(eids), pc.is_in(eids, value_set=known)))
        yield table, rows


def _participants(workspace: Workspace) -> pa.Array:
    # Participants who withdrew since are only in the parts of the arrays, and must not be published from those.
    if not table_files(workspace.data, "participants"):
        return pa.array([], pa.int64())
    return read_table(workspace.data, "participants", ["eid"]).column(0).combine_chunks()


def _slots(table: str, rows: pa.Table, current: pa.Table) -> pa.Table:
    modality = MODALITY_OF_TABLE[table]
    return pa.table(
        {
            "modality": pa.array([modality.kind] * rows.num_rows, pa.string()),
            **{name: rows.column(name) for name in ("row", "eid", "instance", "path", "file_sha256")},
            "record_sha256": rows.column(modality.model_checksum),
            "is_current": pc.is_in(rows.column("row"), value_set=current.column("row").combine_chunks()),
        }
    )


def _runs(models: Path, certificates: Iterable[Certificate]) -> list[dict[str, Any]]:
    columns = [column.name for column in database.empty_table("runs").schema]
    tainted: dict[str, date] = {}
    for certificate in certificates:
        for run_id in certificate.tainted:
            tainted[run_id] = min(certificate.withdrawn_on, tainted.get(run_id, certificate.withdrawn_on))
    rows: list[dict[str, Any]] = []
    for found in run_records(models):
        gate = found["gate"]
        rows.append(
            {
                **{name: found.get(name) for name in columns},
                "gate_status": gate_status(gate["status"]),
                "gate_sha256": gate["sha256"],
                "gate_override": gate["override"],
                "parents": ",".join(parent["run_id"] for parent in found["parents"]),
                # Every epoch's values stay in run.json; the table holds the chosen ones.
                "metrics": json.dumps({k: v for k, v in found["metrics"].items() if k != "history"}, sort_keys=True),
                "tainted_since": tainted.get(found["run_id"]),
            }
        )
    return rows


def _materializations(folder: Path, runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[Materialization] = []
    for run in runs:
        found += list_materializations(folder, run["run"], run["run_id"])
    return [
        {
            **{name: getattr(one, name) for name in ("run", "run_id", "data_version", "reason")},
            **{name: getattr(one, name) for name in ("gate_status", "gate_sha256", "gate_override")},
            "rows_added": sum(one.added.values()),
        }
        for one in found
    ]


def _withdrawal(certificate: Certificate) -> dict[str, Any]:
    named = {name: getattr(certificate, name) for name in ("withdrawn_on", "participants")}
    return {"certificate": certificate.name, **named, "tainted_runs": len(certificate.tainted)}


def _data_versions(known: Sequence[versions.DataVersion], certificates: Iterable[Certificate]) -> list[dict[str, Any]]:
    deleted = {version: one.withdrawn_on for one in certificates for version in one.purged_versions}
    return [{**version.to_row(), "deleted_on": deleted.get(version.data_version)} for version in known]


def _from_rows(rows: list[dict[str, Any]]) -> pa.Table | None:
    return pa.Table.from_pylist(rows) if rows else None
