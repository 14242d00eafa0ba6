"""Models that saw a participant. Their weights stay; the mark tells a reader what they were made from."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from eccl.data.parts import read_table, table_files
from eccl.data.run_records import run_records
from eccl.modalities import SLOT_TABLES
from eccl.workspace import Workspace

HOW = {"train": "trained", "val": "selected"}
"""What a model did with a split; of test it only computed scores, which are gone."""


def find_tainted(workspace: Workspace, eids: Collection[int]) -> list[dict[str, str]]:
    """Runs whose model was trained or selected on one of some participants, or builds on such a model.

    A run's own feature rows tell the split each participant was in when it was trained. The masked autoencoder writes
    none: it saw every ECG of train and val, so a participant of those splits with a recording or cine marks it.
    """
    records = list(run_records(workspace.models))
    found: dict[str, str] = {}
    for record in records:
        if splits := _splits_seen(workspace, record["run"], eids):
            how = next((HOW[split] for split in HOW if split in splits), None)
            if how:
                found[record["run_id"]] = how
    is_new = True
    while is_new:
        heirs = {
            record["run_id"]
            for record in records
            if record["run_id"] not in found and any(parent["run_id"] in found for parent in record["parents"])
        }
        found |= dict.fromkeys(heirs, "parent")
        is_new = bool(heirs)
    return [
        {"run": record["run"], "run_id": record["run_id"], "how": found[record["run_id"]]}
        for record in records
        if record["run_id"] in found
    ]


def _splits_seen(workspace: Workspace, run: str, eids: Collection[int]) -> set[str]:
    # What was materialized later was not there to be trained on: only the stage's own files count.
    files = [file for file in workspace.features.glob(f"*/{run}.parquet") if not file.name.startswith(".")]
    if not files:
        return _splits_recorded(workspace, eids)
    return {split for file in files for split in _splits_of(pq.read_table(file, columns=["eid", "split"]), eids)}


def _splits_recorded(workspace: Workspace, eids: Collection[int]) -> set[str]:
    if not table_files(workspace.data, "splits"):
        return set()
    slots = [table for table in SLOT_TABLES if table_files(workspace.data, table)]
    recorded = {eid for table in slots for eid in read_table(workspace.data, table, ["eid"]).column(0).to_pylist()}
    return _splits_of(read_table(workspace.data, "splits", ["eid", "split"]), recorded.intersection(eids))


def _splits_of(rows: pa.Table, eids: Collection[int]) -> set[str]:
    mine = pc.is_in(rows.column("eid"), value_set=pa.array(sorted(eids), pa.int64()))
    return set(rows.filter(mine).column("split").to_pylist())
