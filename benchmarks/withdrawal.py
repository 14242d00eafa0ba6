"""Withdrawing ten of 41,519 participants against ingesting everybody again.

The tables, features and the published store are of full size; of the arrays only the shards of the ten exist,
filled with simulated records. Ingesting again is measured on a simulated raw cohort and scaled to the full one.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

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

WITHDRAWN = 10
RAW_PARTICIPANTS = 40


def measure(visits: int = VISITS, raw_participants: int = RAW_PARTICIPANTS, count: int = WITHDRAWN) -> list[Row]:
    """Measure the withdrawal of `count` participants from a workspace of `visits` against a full ingest, scaled."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _, few, least = _ingest(root, "few", raw_participants // 4)
        small, many, seconds = _ingest(root, "small", raw_participants)
        rows = np.arange(count) * (visits // count)  # in as many shards
        rate = (seconds - least) / (many - few)  # what starting costs is paid once
        workspace = _full_size(root / "full", small, rows, visits)
        withdrawn = [FIRST + int(row) for row in rows]
        listed = root / "w1_20260101.csv"
        listed.write_text("".join(f"{eid}\n" for eid in withdrawn))
        start = time.perf_counter()
        outcome = withdraw(workspace, listed)
        ours = time.perf_counter() - start
        assert outcome.is_clean
        assert outcome.certificate is not None
    config = (
        f"{count} of {visits}, {count} shards of each array, features and store of {len(TASKS)} tasks; ingests of {few} and {many} "
        f"visits took {least:.1f} and {seconds:.1f} s on 2 processes, so {rate:.2f} s a visit, scaled to {visits}"
    )
    return [Row("withdrawal", "eccl withdraw", "one full ingest, scaled", ours, rate * visits, "s", config)]


def _ingest(root: Path, name: str, participants: int) -> tuple[Workspace, int, float]:
    raw = root / f"raw-{name}"
    simulate_cohort(raw, SimulationConfig(participants=participants, seed=3, corruption_share=0.0), workers=2)
    workspace = init_workspace(root / name, {})
    start = time.perf_counter()
    run_ingest(workspace, raw, workers=2)
    seconds = time.perf_counter() - start
    visits = max(read_table(workspace.data, table, ["row"]).num_rows for table in ("recordings", "cines"))
    return workspace, visits, seconds


def _full_size(folder: Path, small: Workspace, rows: NDArray[np.int64], visits: int) -> Workspace:
    folder.mkdir()
    workspace = make_workspace(folder, visits)
    params = load_params(workspace.params_file)
    for reader in record_readers(params):
        known = read_table(small.data, reader.table, ["row"]).column("row").to_pylist()
        length = SHARD_ROWS[reader.table]
        for spec in reader.specs:
            records = read_rows(small.data, spec.name, known)
            digests = [checksum(record) for record in records]
            prepare_array(workspace.data, spec, -(-visits // length))
            for shard in sorted({int(row) // length for row in rows}):
                held = range(shard * length, min((shard + 1) * length, visits))
                whole = {row: records[row % len(records)] for row in held}
                write_shard(workspace.data, spec, shard, whole)
                part = part_path(workspace.data, reader.table, shard)
                table = pq.read_table(part)
                mine = pa.array([digests[row % len(records)] for row in table.column("row").to_pylist()])
                column = f"{spec.name.rpartition('/')[2]}_sha256"
                write_parquet(table.set_column(table.column_names.index(column), column, mine), part)
    rng = np.random.default_rng(0)
    for task in TASKS:
        vectors = {
            name: rng.normal(size=(visits, d)).astype(np.float32)
            for name, d in (("ecg_embedding", 768), ("ecg_projection", 256))
        }
        add_run(workspace, f"align-{task}", {name: {"vector": values} for name, values in vectors.items()})
    publish(workspace)
    return workspace
