"""Derive splits, labels, pairs and exclusions from the ingested tables. The tables are always written completely."""

from __future__ import annotations

import pyarrow as pa

from eccl.cohort.splits import assign_splits
from eccl.config import CohortParams
from eccl.data import database
from eccl.data.parts import read_table, table_files
from eccl.errors import ConfigError
from eccl.workspace import Workspace

DERIVED = ("splits", "labels", "pairs", "exclusions")


def derive_cohort(workspace: Workspace, params: CohortParams) -> dict[str, int]:
    """Write splits, labels, pairs and exclusions from the tables under data/.

    Returns
    -------
    dict
        Rows per table.
    """
    written: dict[str, int] = {}
    connection = database.connect_data(workspace, [t for t in database.COHORT_TABLES if t not in DERIVED])
    try:
        database.create_tables(connection, DERIVED)
        eids = [row[0] for row in connection.execute("SELECT eid FROM participants").fetchall()]
        splits = assign_splits(eids, params.split_key, params.split_shares)
        _require_same_splits(workspace, splits)
        queries = {
            "labels": {"diseases": list(params.diseases), "horizon_days": params.incident_horizon_days},
            "pairs": None,
            "exclusions": None,
        }
        for table in DERIVED:
            rows = splits
            if table != "splits":
                rows = connection.sql(database.schema_sql("cohort", table), params=queries[table]).to_arrow_table()
            database.write_table(workspace.data, table, rows)
            database.fill_table(connection, table, rows)
            written[table] = rows.num_rows
    finally:
        connection.close()
    return written


def _require_same_splits(workspace: Workspace, splits: pa.Table) -> None:
    if not table_files(workspace.data, "splits"):
        return
    before = read_table(workspace.data, "splits", ["eid", "split"])
    known = dict(zip(*(column.to_pylist() for column in before.columns), strict=True))
    moved = sum(
        known.get(row["eid"], row["split"]) != row["split"] for row in splits.select(["eid", "split"]).to_pylist()
    )
    if moved:
        raise ConfigError(
            f"cohort.split_key or cohort.split_shares changed: {moved} participants would move to another split, but models "
            "were trained with the current one; put the old values back, or start a new workspace with `eccl init FOLDER`"
        )
