"""Withdrawing ten of 41,519 participants against ingesting everybody again.

The tables, features and the published store are of full size; of the arrays only the shards that the ten lie in exist,
filled with simulated records. Ingesting again is measured on a simulated raw cohort and scaled to the full one.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.big_store import FIRST, SHARD_ROWS, TASKS, VISITS, add_run, make_workspace
from benchmarks.measure import Row
from eccl.config import load_params
from eccl.data.arrays import checksum, prepare_array, read_rows, write_shard
from eccl.data.parts import part_path, read_table, write_parquet
from eccl.ingest.record import record_readers
from eccl.ingest.run import run_ingest
from eccl.publishing.publish import publish
from eccl.simulate import SimulationConfig, simulate_cohort
from eccl.versioning.initialise import init_workspace
from eccl.withdrawal.run import withdraw
from eccl.workspace import Workspace

LEAVING = 10
RAW_PARTICIPANTS = 40


def measure() -> list[Row]:
    """The one row of this suite."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _, few, least = _ingest(root, "few", RAW_PARTICIPANTS // 4)
        small, visits, seconds = _ingest(root, "small", RAW_PARTICIPANTS)
        rate = (seconds - least) / (visits - few)  # what starting costs is paid once
        workspace = _full_size(root / "full", small)
        leaving = [FIRST + number * 4001 for number in range(LEAVING)]
        listed = root / "w1_20260101.csv"
        listed.write_text("".join(f"{eid}\n" for eid in leaving))
        start = time.perf_counter()
        outcome = withdraw(workspace, listed)
        ours = time.perf_counter() - start
        assert outcome.is_clean
        assert outcome.certificate is not None
    config = (
        f"{LEAVING} of {VISITS}, {LEAVING} shards of each array, features and store of {len(TASKS)} tasks; ingests of {few} and {visits} "
        f"visits took {least:.1f} and {seconds:.1f} s on 2 processes, so {rate:.2f} s a visit, scaled to {VISITS}"
    )
    return [Row("withdrawal", "eccl withdraw", "one full ingest, scaled", ours, rate * VISITS, "s", config)]


def _ingest(root: Path, name: str, participants: int) -> tuple[Workspace, int, float]:
    raw = root / f"raw-{name}"
    simulate_cohort(raw, SimulationConfig(participants=participants, seed=3, corruption_share=0.0), workers=2)
    workspace = init_workspace(root / name, {})
    start = time.perf_counter()
    run_ingest(workspace, raw, workers=2)
    seconds = time.perf_counter() - start
    visits = max(read_table(workspace.data, table, ["row"]).num_rows for table in ("recordings", "cines"))
    return workspace, visits, seconds


def _full_size(folder: Path, small: Workspace) -> Workspace:
    folder.mkdir()
    workspace = make_workspace(folder)
    params = load_params(workspace.params_file)
    rows = np.arange(0, LEAVING * 4001, 4001)
    for reader in record_readers(params):
        known = read_table(small.data, reader.table, ["row"]).column("row").to_pylist()
        length = SHARD_ROWS[reader.table]
        for spec in reader.specs:
            records = read_rows(small.data, spec.name, known)
            digests = [checksum(record) for record in records]
            prepare_array(workspace.data, spec, -(-VISITS // length))
            for shard in sorted({int(row) // length for row in rows}):
                whole = {row: records[row % len(records)] for row in range(shard * length, (shard + 1) * length)}
                write_shard(workspace.data, spec, shard, whole)
                part = part_path(workspace.data, reader.table, shard)
                table = pq.read_table(part)
                mine = pa.array([digests[row % len(records)] for row in table.column("row").to_pylist()])
                column = f"{spec.name.rpartition('/')[2]}_sha256"
                write_parquet(table.set_column(table.column_names.index(column), column, mine), part)
    rng = np.random.default_rng(0)
    for task in TASKS:
        vectors = {
            name: rng.normal(size=(VISITS, d)).astype(np.float32)
            for name, d in (("ecg_embedding", 768), ("ecg_projection", 256))
        }
        add_run(workspace, f"align-{task}", {name: {"vector": values} for name, values in vectors.items()})
    publish(workspace)
    return workspace
