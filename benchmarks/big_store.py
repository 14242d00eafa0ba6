"""A workspace of UK Biobank's size with tables and features but no arrays: what a store is built from."""

from __future__ import annotations

import json
import os
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from eccl.data import database
from eccl.data.parts import data_version, part_path, read_table, write_parquet
from eccl.features.files import write_features
from eccl.readers.tables.dictionary import fields_frame, load_dictionary
from eccl.workspace import Workspace, shipped

VISITS = 41_519
FIRST = 9_000_000
SHARD_ROWS = {"recordings": 1024, "cines": 64}
TASKS = ("traits", "I21", "I42", "I48", "I50")


def make_workspace(folder: Path, visits: int = VISITS) -> Workspace:
    """Tables of a cohort with one imaging visit per participant."""
    rng = np.random.default_rng(0)
    (folder / "params.yaml").write_text(shipped("params.yaml").read_text())
    workspace = Workspace(folder)
    eid = np.arange(FIRST, FIRST + visits)
    split = np.random.default_rng(1).choice(["train", "val", "test"], visits, p=[0.6, 0.2, 0.2])
    days = [date(2015, 1, 1) + timedelta(days=int(day)) for day in rng.integers(0, 2500, visits)]
    keys = {"eid": eid, "instance": np.full(visits, 2, np.int8)}
    put(workspace, "participants", {"eid": eid, "sex": rng.choice(["F", "M"], visits)})
    put(workspace, "visits", {**keys, "visit_date": days, "age_years": rng.normal(63, 8, visits)})
    put(workspace, "splits", {"eid": eid, "split": split, "bucket": rng.random(visits)})
    case = rng.random(visits) < 0.05
    put(workspace, "labels", {**keys, "code": ["I50"] * visits, "definition": ["ever"] * visits, "value": case})
    rows = np.arange(visits)
    put(workspace, "pairs", {**keys, "split": split, "recording_row": rows, "cine_row": rows, "visit_date": days})
    database.write_table(workspace.data, "fields", fields_frame(load_dictionary()).to_arrow())
    digests = [f"{number:064x}" for number in range(visits)]
    for table in ("recordings", "cines"):
        known = {**keys, "row": rows, "file_sha256": digests, "clean_sha256": digests, "frames_sha256": digests}
        part = database.conform(table, filled(table, known))
        for shard, start in enumerate(range(0, visits, SHARD_ROWS[table])):
            write_parquet(part.slice(start, SHARD_ROWS[table]), part_path(workspace.data, table, shard))
    return workspace


def put(workspace: Workspace, table: str, known: dict[str, Any]) -> None:
    """Write a table; columns that are not given are null or zero."""
    database.write_table(workspace.data, table, filled(table, known))


def filled(table: str, known: dict[str, Any]) -> pa.Table:
    """Rows with every column of a schema."""
    length = len(known["eid"])
    columns = {}
    for field in database.empty_table(table).schema:
        if field.name in known:
            columns[field.name] = pa.array(known[field.name])
        elif pa.types.is_string(field.type):
            columns[field.name] = pa.array(["-"] * length)
        elif pa.types.is_date(field.type) or pa.types.is_timestamp(field.type):
            columns[field.name] = pa.nulls(length, field.type)
        else:
            columns[field.name] = pa.array(np.zeros(length)).cast(pa.int8()).cast(field.type)
    return pa.table(columns)


def add_run(workspace: Workspace, run: str, views: dict[str, dict[str, Any]]) -> None:
    """A finished run with rows of some views for every visit.

    Parameters
    ----------
    views
        Own columns by view; a vector column is (visits, d) float32.
    """
    version = data_version(workspace.data)
    run_id = f"{run}-{version[:12]}"
    split = read_table(workspace.data, "splits")
    count = split.num_rows
    keys = {
        "eid": split.column("eid"),
        "instance": pa.array(np.full(count, 2, np.int8)),
        "split": split.column("split"),
        "run_id": pa.array([run_id] * count),
        "data_version": pa.array([version] * count),
        "array_row": pa.array(np.arange(count)),
    }
    for view, own in views.items():
        columns = {name: _column(values) for name, values in own.items()}
        write_features(workspace.features, view, run, pa.table({**keys, **columns}))
    content = {
        "run": run, "run_id": run_id, "stage": run.partition("-")[0], "task": None, "preset": "demo", "data_version": version,
        "params_sha256": "0", "weights_sha256": "0", "parameter_count": 0, "best_epoch": 0, "code_version": "0", "parents": [],
        "gate": {"status": "passed", "sha256": "0", "override": None}, "metrics": {}, "device": "cpu",
    }  # fmt: skip
    workspace.run_folder(run).mkdir(parents=True)
    (workspace.run_folder(run) / "run.json").write_text(json.dumps(content))


def copy_with_sync(files: list[Path], target: Path) -> int:
    """Copy files as durably as a publication writes them; returns the bytes."""
    total = 0
    for number, file in enumerate(files):
        content = file.read_bytes()
        with (target / f"{number}.copy").open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        total += len(content)
    return total


def _column(values: Any) -> pa.Array:
    if isinstance(values, np.ndarray) and values.ndim == 2:
        return vectors(values)
    return pa.array(values)


def vectors(values: NDArray[np.float32]) -> pa.FixedSizeListArray:
    """Rows of a matrix as fixed-size lists."""
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).reshape(-1)), values.shape[1])
