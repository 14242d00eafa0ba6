"""Data versions for which the features of a finished run were backfilled: one folder each, written atomically.

::

    features/materialized/<run>/<data_version>/record.json        rows added, gate result, run id
    features/materialized/<run>/<data_version>/<view>.parquet     the added rows, as in features/<view>/<run>.parquet
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from eccl.data.files import TEMPORARY_PREFIX, atomic_path
from eccl.data.parts import write_parquet
from eccl.data.run_records import gate_status
from eccl.features.files import arrange, read_features

FOLDER = "materialized"
RECORD = "record.json"
WITHDRAWAL = "withdrawal"


@dataclass(frozen=True, slots=True)
class Materialization:
    """One data version that a run covers in addition to the one it was trained on.

    Parameters
    ----------
    reason
        ``materialized``, or ``withdrawal``: rows were removed and the others stay valid.
    added
        Rows by view.
    weights_sha256
        Weights that computed them; None where nothing was computed.
    """

    run: str
    run_id: str
    data_version: str
    reason: str
    gate_status: str | None
    gate_sha256: str | None
    gate_override: str | None
    added: Mapping[str, int]
    weights_sha256: str | None
    folder: Path


def list_materializations(features: Path, run: str, run_id: str) -> list[Materialization]:
    """List the backfilled data versions of a run id; those of an earlier training under the same name are excluded."""
    records = sorted((features / FOLDER / run).glob(f"*/{RECORD}"))
    found = [_read(file) for file in records if not file.parent.name.startswith(TEMPORARY_PREFIX)]
    return [one for one in found if one.run_id == run_id]


def write_materialization(features: Path, record: Mapping[str, Any], tables: Mapping[str, pa.Table]) -> Materialization:
    """Write one folder of rows atomically, with the columns, types and order of the file that the stage wrote.

    Raises
    ------
    SchemaError
        The columns are not those of the view.
    """
    folder = features / FOLDER / record["run"] / record["data_version"]
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        for view, table in tables.items():
            write_parquet(_fit(features, view, record["run"], table), temporary / f"{view}.parquet")
        (temporary / RECORD).write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    return _read(folder / RECORD)


def remove_leftovers(features: Path, run: str, run_id: str) -> int:
    """Remove what was materialized from an earlier training under the run's name; return how many folders that were."""
    kept = {one.folder for one in list_materializations(features, run, run_id)}
    gone = [file.parent for file in (features / FOLDER / run).glob(f"*/{RECORD}") if file.parent not in kept]
    return _remove(gone)


def remove_other_weights(features: Path, run: str, run_id: str, weights_sha256: str) -> int:
    """Remove rows that other weights computed under the same run id; return how many folders that were.

    A run id does not depend on the device: trained again on another device, a run has the same id and other weights.
    """
    known = list_materializations(features, run, run_id)
    return _remove([one.folder for one in known if one.weights_sha256 not in {None, weights_sha256}])


def read_all_features(features: Path, view: str, run: str, columns: list[str] | None = None) -> pa.Table:
    """Read a run's rows of a view: the stage's own, then those that were materialized later.

    Raises
    ------
    FeatureError
        The view is not declared, or the run has not written it.
    """
    wanted = None if columns is None else list(dict.fromkeys([*columns, "run_id"]))
    own = read_features(features, view, run, wanted)
    run_ids = own.column("run_id").unique().to_pylist()
    later = [one for run_id in run_ids for one in list_materializations(features, run, run_id)]
    files = [one.folder / f"{view}.parquet" for one in later]
    # Lists keep their fixed length only within one file; equal types are needed to put them together.
    rows = pa.concat_tables(
        [own, *(pq.read_table(file, columns=wanted).cast(own.schema) for file in files if file.is_file())]
    )
    return rows if columns is None else rows.select(columns)


def is_covered(features: Path, run: str, run_id: str, trained_on: str, data_version: str) -> bool:
    """Return whether a run covers a data version: it was trained on it, or backfilled for it later."""
    later = {one.data_version for one in list_materializations(features, run, run_id)}
    return data_version in {trained_on, *later}


def _fit(features: Path, view: str, run: str, table: pa.Table) -> pa.Table:
    schema = pq.read_schema(features / view / f"{run}.parquet")
    return arrange(view, table, schema.names).cast(schema)


def _remove(folders: list[Path]) -> int:
    for folder in folders:
        shutil.rmtree(folder)
    return len(folders)


def _read(file: Path) -> Materialization:
    content = json.loads(file.read_text())
    gate = content["gate"] or {"status": None, "sha256": None, "override": None}
    named = {name: content[name] for name in ("run", "run_id", "data_version", "reason", "added")}
    return Materialization(
        **named,
        gate_status=gate["status"] and gate_status(gate["status"]),
        gate_sha256=gate["sha256"],
        gate_override=gate["override"],
        weights_sha256=content.get("weights_sha256"),
        folder=file.parent,
    )
