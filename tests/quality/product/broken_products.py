"""Every way to break a product: the change, the part of the check that must notice it, and the finding."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from eccl.data import database
from eccl.data.parts import read_table
from eccl.workspace import Workspace


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(content)


def rewrite(file: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    """Change the rows of a Parquet file."""
    table = pq.read_table(file)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), file)


def _shape(place: Workspace, shards: int) -> None:
    file = place.data / "ecg.zarr/raw/zarr.json"
    content = json.loads(file.read_text())
    content["shape"][0] = 4 * shards
    file.write_text(json.dumps(content))


def _feature(view: str, run: str, change: Callable[[list[dict[str, Any]]], object]) -> Callable[[Workspace], None]:
    return lambda place: rewrite(place.features / view / f"{run}.parquet", change)


def _set(column: str, value: Any) -> Callable[[list[dict[str, Any]]], object]:
    return lambda rows: rows[0].update({column: value})


def double(rows: list[dict[str, Any]]) -> None:
    """Give the first row a vector of twice its length."""
    rows[0]["vector"] = [2 * number for number in rows[0]["vector"]]


def _longer_vectors(place: Workspace) -> None:
    record = place.run_folder("align-I50") / "run.json"
    content = json.loads(record.read_text())
    content["params"] = {"config": {"alignment": {"projection_width": 256}}}
    record.write_text(json.dumps(content))


def _other_lengths(place: Workspace) -> None:
    file = place.features / "ecg_embedding/align-I50.parquet"
    table = pq.read_table(file)
    vectors = table.column("vector").to_pylist()
    vectors[0] = vectors[0][:-1]
    at = table.schema.get_field_index("vector")
    pq.write_table(table.set_column(at, "vector", pa.array(vectors, pa.list_(pa.float32()))), file)


def _another_split(place: Workspace) -> None:
    rows = read_table(place.data, "splits").to_pylist()
    for row in rows:
        row["split"] = "test" if row["split"] != "test" else "train"
    database.write_table(place.data, "splits", pa.Table.from_pylist(rows))


def _stray(place: Workspace) -> None:
    eid = read_table(place.data, "participants", ["eid"]).column(0)[0].as_py()
    (place.data / "tables" / f"{eid}_20205_2_0.xml").write_text("<xml/>")


def _older_database(place: Workspace) -> None:
    place.database.unlink()
    connection = duckdb.connect(str(place.database))
    connection.execute("CREATE TABLE release AS SELECT '2020-01-01' AS name, '0' AS data_version").fetchall()
    connection.close()


def _fewer_rows(place: Workspace) -> None:
    connection = duckdb.connect(str(place.database))
    connection.execute("DELETE FROM traits WHERE field_id = 24100").fetchall()
    connection.close()


def _emptied_slot_with_data(place: Workspace) -> None:
    row = pa.Table.from_pylist(
        [{"modality": "ecg", "row": 0, "deleted_on": "2026-03-01", "certificate": "2026-03-01-1"}]
    )
    database.write_table(place.data, "deletions", row)


def _journal(place: Workspace) -> None:
    place.state.mkdir(exist_ok=True)
    (place.state / "withdrawal.json").write_text("{}")


def _gate_of(place: Workspace, **values: Any) -> None:
    file = place.gate / "gate.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@dataclass(frozen=True)
class Broken:
    """One way to break a product, the part that notices it, and the finding."""

    name: str
    change: Callable[[Workspace], object]
    part: str
    where: str
    words: str
    severity: str = "critical"


BROKEN = [
    Broken(
        "flipped byte",
        lambda p: _flip(p.data / "cine.zarr/frames/c/0/0/0/0"),
        "arrays",
        "cine.zarr/frames",
        "differ from their checksums, in shard 0",
    ),
    Broken(
        "shard cut off",
        lambda p: (p.data / "ecg.zarr/raw/c/1/0/0").write_bytes(b"short"),
        "arrays",
        "ecg.zarr/raw",
        "differ from their checksums, in shard 1",
    ),
    Broken(
        "shard lost",
        lambda p: (p.data / "ecg.zarr/clean/c/0/0/0").unlink(),
        "arrays",
        "ecg.zarr/clean",
        "1 shard missing on disk",
    ),
    Broken("rows beyond", lambda p: _shape(p, 1), "arrays", "ecg.zarr/raw", "are beyond the array's 4 slots"),
    Broken(
        "metadata lost",
        lambda p: (p.data / "ecg.zarr/raw/zarr.json").unlink(),
        "arrays",
        "ecg.zarr/raw",
        "zarr.json cannot be read",
    ),
    Broken("metadata wide", lambda p: _shape(p, 9), "arrays", "ecg.zarr/raw", "prepared for 9 shards", "note"),
    Broken(
        "shard uncommitted",
        lambda p: shutil.copytree(p.data / "ecg.zarr/raw/c/0", p.data / "ecg.zarr/raw/c/8"),
        "arrays",
        "ecg.zarr/raw",
        "1 shard without a part",
        "note",
    ),
    Broken(
        "slot filled again", _emptied_slot_with_data, "arrays", "ecg.zarr/raw", "that a withdrawal emptied contain data"
    ),
    Broken(
        "other parameters",
        lambda p: p.params_file.write_text(p.params_file.read_text().replace("window_px: 112", "window_px: 96")),
        "arrays",
        "cine.zarr/frames",
        "params.yaml now has",
        "warning",
    ),
    Broken("table lost", lambda p: (p.tables / "pairs.parquet").unlink(), "tables", "pairs", "the table is missing"),
    Broken(
        "table cut off", lambda p: (p.tables / "traits.parquet").write_bytes(b"PAR1"), "tables", "traits", "not Parquet"
    ),
    Broken(
        "row of another shard",
        lambda p: (p.tables / "recordings/part-00001.parquet").rename(p.tables / "recordings/part-00007.parquet"),
        "tables",
        "recordings",
        "in the part of another shard",
    ),
    Broken("splits moved", _another_split, "tables", "splits", "not in the split that the keyed hash gives"),
    Broken("stray file", _stray, "files", "files", "1 unexpected file (.xml) in data/tables", "warning"),
    Broken("leftover", lambda p: (p.features / ".tmp-1-x").mkdir(), "files", "files", "1 leftover", "note"),
    Broken("gate not run", lambda p: shutil.rmtree(p.gate), "gate", "reports/gate", "was not run", "warning"),
    Broken(
        "gate of other data",
        lambda p: _gate_of(p, data_version="0" * 16),
        "gate",
        "reports/gate",
        "was run on data version 0000",
        "warning",
    ),
    Broken(
        "gate failed",
        lambda p: _gate_of(p, status="failed", critical_failures=2),
        "gate",
        "reports/gate",
        "2 critical expectations not met",
    ),
    Broken(
        "gate overridden",
        lambda p: _gate_of(p, status="failed", override="pilot"),
        "gate",
        "reports/gate",
        "the gate failed",
        "warning",
    ),
    Broken(
        "run lost",
        lambda p: shutil.rmtree(p.run_folder("align-I50")),
        "features",
        "features/ecg_embedding/align-I50",
        "features of a run that is not there",
    ),
    Broken(
        "another training",
        _feature("ecg_embedding", "align-I50", _set("run_id", "align-I50-0")),
        "features",
        "features/ecg_embedding/align-I50",
        "rows are of another training",
    ),
    Broken(
        "norm of 2",
        _feature("ecg_projection", "align-I50", double),
        "features",
        "features/ecg_projection/align-I50",
        "norm is not 1",
    ),
    Broken(
        "vector of nothing",
        _feature("ecg_embedding", "align-I50", _set("vector", [0.0] * 8)),
        "features",
        "features/ecg_embedding/align-I50",
        "vector of zeros",
    ),
    Broken(
        "vector with NaN",
        _feature("cmr_embedding", "pretrain_cmr-I50", _set("vector", [float("nan")] * 8)),
        "features",
        "features/cmr_embedding/pretrain_cmr-I50",
        "not finite",
    ),
    Broken("lengths differ", _other_lengths, "features", "features/ecg_embedding/align-I50", "2 different lengths"),
    Broken(
        "length undeclared",
        _longer_vectors,
        "features",
        "features/ecg_projection/align-I50",
        "vectors of 8 numbers; the run declares 256",
    ),
    Broken(
        "probability of 2",
        _feature("disease_prediction", "align-I50", _set("probability", 2.0)),
        "features",
        "features/disease_prediction/align-I50",
        "outside [0, 1]",
    ),
    Broken(
        "logit of another",
        _feature("disease_prediction", "align-I50", _set("logit", 3.0)),
        "features",
        "features/disease_prediction/align-I50",
        "logit that is not that",
    ),
    Broken(
        "another disease",
        _feature("disease_prediction", "align-I50", _set("code", "I21")),
        "features",
        "features/disease_prediction/align-I50",
        "another disease",
    ),
    Broken(
        "no trait",
        _feature("trait_prediction", "align-traits", _set("field_id", 31)),
        "features",
        "features/trait_prediction/align-traits",
        "no trait",
    ),
    Broken(
        "infinite trait",
        _feature("trait_prediction", "align-traits", _set("value", float("inf"))),
        "features",
        "features/trait_prediction/align-traits",
        "no finite number",
    ),
    Broken(
        "unknown participant",
        _feature("ecg_embedding", "align-I50", _set("eid", 9_990_017)),
        "features",
        "features/ecg_embedding/align-I50",
        "not in the tables",
    ),
    Broken(
        "other split",
        _feature("ecg_embedding", "align-I50", _set("split", "holdout")),
        "features",
        "features/ecg_embedding/align-I50",
        "another split",
    ),
    Broken(
        "slot of another",
        _feature("ecg_embedding", "align-I50", lambda rows: rows[0].update(array_row=rows[1]["array_row"])),
        "features",
        "features/ecg_embedding/align-I50",
        "a slot of another visit",
    ),
    Broken(
        "slot not committed",
        _feature("ecg_embedding", "align-I50", _set("array_row", 4_000)),
        "features",
        "features/ecg_embedding/align-I50",
        "a slot that is not committed",
    ),
    Broken(
        "row twice",
        _feature("ecg_embedding", "align-I50", lambda rows: rows.append(rows[0])),
        "features",
        "features/ecg_embedding/align-I50",
        "1 row more than one",
    ),
    Broken(
        "file cut off",
        lambda p: (p.features / "ecg_embedding/align-I50.parquet").write_bytes(b"PAR1"),
        "features",
        "features/ecg_embedding/align-I50",
        "cannot be read",
    ),
    Broken(
        "undeclared view",
        lambda p: (p.features / "my_view").mkdir(),
        "features",
        "features",
        "of no declared view",
        "warning",
    ),
    Broken(
        "other weights",
        lambda p: (p.run_folder("align-I50") / "weights.safetensors").write_bytes(b"?"),
        "models",
        "models/align-I50",
        "not those that run.json records",
    ),
    Broken(
        "weights lost",
        lambda p: (p.run_folder("align-I50") / "weights.safetensors").unlink(),
        "models",
        "models/align-I50",
        "weights are missing",
    ),
    Broken(
        "record lost",
        lambda p: (p.run_folder("align-I50") / "run.json").unlink(),
        "models",
        "models/align-I50",
        "run.json is missing",
    ),
    Broken(
        "parent lost",
        lambda p: shutil.rmtree(p.run_folder("pretrain_ecg")),
        "models",
        "models/align-I50",
        "its parent pretrain_ecg is missing",
        "warning",
    ),
    Broken("older database", _older_database, "releases", "releases/eccl.duckdb", "not the latest release"),
    Broken("rows lost in it", _fewer_rows, "releases", "releases/eccl.duckdb", "its table traits has"),
    Broken("database lost", lambda p: p.database.unlink(), "releases", "releases/eccl.duckdb", "it is missing"),
    Broken(
        "release lost",
        lambda p: next(p.releases.glob("*.duckdb")).unlink(),
        "releases",
        "releases/20",
        "its file is missing",
    ),
    Broken(
        "release unlisted",
        lambda p: (p.releases / "2020-01-01.duckdb").touch(),
        "releases",
        "releases",
        "that the ledger does not list",
        "note",
    ),
    Broken("withdrawal pending", _journal, "withdrawals", "", "a withdrawal was interrupted"),
]
