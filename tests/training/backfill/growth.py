"""Visits that arrive later, added to a tiny workspace the way an ingest adds them: new slots, nothing rewritten."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from eccl.data.arrays import prepare_array, write_shard
from eccl.data.layouts import cine_specs, ecg_specs
from eccl.data.parts import part_path, read_table, table_files, write_parquet
from eccl.workspace import Workspace
from tests.support.tiny_workspace import FIRST_EID, SHARD, WINDOW, write_gate

Key = tuple[int, int]
NEW = FIRST_EID + 100
SPLIT = {NEW: "test", NEW + 1: "train", NEW + 2: "val"}
"""Participants who were not there when the runs were trained."""


def add_visits(workspace: Workspace, ecg: list[Key], cine: list[Key], seed: int = 9) -> None:
    """Commit recordings and cines in shards of their own, with splits, pairs and a passed gate.

    The key of a visit that is there already gets a second slot, as a changed file does.
    """
    rng = np.random.default_rng(seed)
    splits = read_table(workspace.data, "splits").to_pylist()
    known = {row["eid"] for row in splits}
    added = sorted({eid for eid, _ in [*ecg, *cine]} - known)
    splits += [{"eid": eid, "split": SPLIT[eid], "bucket": 0.5} for eid in added]
    write_parquet(pa.Table.from_pylist(splits), workspace.tables / "splits.parquet")
    _add_recordings(workspace, ecg, rng)
    _add_cines(workspace, cine, rng)
    _pair(workspace, {row["eid"]: row["split"] for row in splits})
    write_gate(workspace)


def _add_recordings(workspace: Workspace, keys: list[Key], rng: np.random.Generator) -> None:
    if not keys:
        return
    shard = len(table_files(workspace.data, "recordings"))
    records = {shard * SHARD + i: rng.normal(0, 300, (12, 5000)).astype(np.int16) for i in range(len(keys))}
    for spec in ecg_specs(SHARD):
        prepare_array(workspace.data, spec, shard + 1)
        write_shard(workspace.data, spec, shard, records)
    rows = [{"eid": key[0], "instance": key[1], "row": row} for key, row in zip(keys, records, strict=True)]
    write_parquet(pa.Table.from_pylist(rows), part_path(workspace.data, "recordings", shard))


def _add_cines(workspace: Workspace, keys: list[Key], rng: np.random.Generator) -> None:
    if not keys:
        return
    shard = len(table_files(workspace.data, "cines"))
    shape = (50, WINDOW, WINDOW)
    records = {shard * SHARD + i: rng.integers(0, 255, shape, dtype=np.uint8) for i in range(len(keys))}
    (spec,) = cine_specs(SHARD, 50, WINDOW, {})
    prepare_array(workspace.data, spec, shard + 1)
    write_shard(workspace.data, spec, shard, records)
    box: dict[str, Any] = {"box_top": 20, "box_left": 30, "box_bottom": 84, "box_right": 90}
    spacing = {"spacing_row_mm": 1.5, "spacing_column_mm": 1.5}
    rows = [
        {"eid": key[0], "instance": key[1], "row": row, **box, **spacing}
        for key, row in zip(keys, records, strict=True)
    ]
    write_parquet(pa.Table.from_pylist(rows), part_path(workspace.data, "cines", shard))


def _pair(workspace: Workspace, split: dict[int, str]) -> None:
    slots = {}
    for table in ("recordings", "cines"):
        rows = read_table(workspace.data, table, ["eid", "instance", "row"]).to_pylist()
        slots[table] = {(row["eid"], row["instance"]): row["row"] for row in rows}
    pairs = [
        {
            "eid": key[0], "instance": key[1], "split": split[key[0]], "recording_row": slots["recordings"][key],
            "cine_row": slots["cines"][key], "trait_count": 0,
        }
        for key in sorted(slots["recordings"].keys() & slots["cines"].keys())
    ]  # fmt: skip
    write_parquet(pa.Table.from_pylist(pairs), workspace.tables / "pairs.parquet")
