"""A third modality: one entry in ``MODALITIES``, the DDL of its table, layout and reader; nothing else in the package changes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from eccl.modalities import MODALITIES, Modality
from eccl.workspace import shipped

ROOT = Path(__file__).parent.parent
ENTRY = """Modality(
    kind="toy", table="toys", arrays={"toy.zarr/values": "values_sha256"}, model_array="toy.zarr/values",
    field=99999, suffixes=(".toy",), size_limit="xml_mb", layout="toy:toy_layout", reader="toy:toy_reader",
)"""
DDL = """CREATE TABLE toys (
    eid BIGINT NOT NULL, instance TINYINT NOT NULL, "row" BIGINT NOT NULL,
    path VARCHAR NOT NULL, file_sha256 VARCHAR NOT NULL, file_bytes BIGINT NOT NULL,
    values_sha256 VARCHAR NOT NULL, total INTEGER NOT NULL, flags VARCHAR NOT NULL,
    PRIMARY KEY (eid, instance)
);"""
READER = """
import numpy as np
from eccl.data.arrays import ArraySpec, checksum
from eccl.errors import Reason, Rejected
from eccl.ingest.record import Record

def read_toy(path):
    numbers = path.read_text().split()
    if len(numbers) != 4:
        raise Rejected(Reason.READER_FAILED, f"{len(numbers)} numbers; expected 4")
    values = np.array(numbers, dtype=np.int32)
    return Record({"toy.zarr/values": values}, {"values_sha256": checksum(values), "total": int(values.sum()), "flags": ""})

def toy_layout(params):
    return (ArraySpec("toy.zarr/values", (4,), "int32", 3, {}),)

def toy_reader(params):
    return read_toy
"""
STEPS = """
import json, sys
from pathlib import Path
import duckdb
from eccl.data.arrays import read_rows
from eccl.data.parts import read_table
from eccl.ingest.run import run_ingest
from eccl.publishing.publish import publish
from eccl.quality.product.arrays import check_arrays
from eccl.quality.checks import check_schemas, check_slots
from eccl.withdrawal.run import withdraw
from eccl.workspace import Workspace

def state(place):
    with duckdb.connect(str(place.database), read_only=True) as store:
        toys = store.execute('SELECT eid, "row", total FROM toys ORDER BY eid').fetchall()
        slots = store.execute("SELECT eid, record_sha256 FROM slots WHERE modality = 'toy' ORDER BY eid").fetchall()
    table = read_table(place.data, "toys", ["eid", "values_sha256"]).sort_by("eid").to_pylist()
    return {
        "toys": toys, "slots": slots, "table": [list(row.values()) for row in table],
        "array": read_rows(place.data, "toy.zarr/values", range(6)).tolist(),
        "passed": {row.table_name: row.success for row in [*check_slots(place, 0), *check_schemas(place)]},
        "arrays_found": [finding.what for node in check_arrays(place, 0) for finding in node.findings],
    }

if __name__ == "__main__":
    place, raw, listed = Workspace(Path(sys.argv[1])), Path(sys.argv[2]), Path(sys.argv[3])
    report = run_ingest(place, raw, workers=2)
    counts = [[k.kind, k.expected, k.written, k.quarantined] for k in report.kinds]
    publish(place)
    before = state(place)
    outcome = withdraw(place, listed)
    content = outcome.certificate.content
    again = run_ingest(place, raw, workers=1)
    publish(place)
    print(json.dumps({
        "counts": counts, "before": before, "after": state(place), "is_clean": outcome.is_clean,
        "slots_deleted": content["slots_deleted"], "arrays": content["arrays"], "tables": content["tables"]["toys"],
        "skipped": again.kinds[-1].skipped,
    }))
"""
PARTICIPANTS = [9_000_001, 9_000_002, 9_000_003, 9_000_004, 9_000_005]
WITHDRAWN = PARTICIPANTS[1]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Ingest, publication and withdrawal by a copy of the package with a third modality."""
    folder = tmp_path_factory.mktemp("toy")
    package = folder / "package"
    shutil.copytree(ROOT / "eccl", package / "eccl", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(shipped("schemas"), package / "schemas")
    module = package / "eccl" / "modalities.py"
    text = module.read_text()
    changed = text.replace("= (ECG, CINE)", f"= (ECG, CINE, {ENTRY})")
    assert changed != text
    module.write_text(changed)
    (package / "schemas/tables/toys.sql").write_text(DDL)
    (package / "toy.py").write_text(READER)
    (package / "steps.py").write_text(STEPS)
    raw, place = folder / "raw", folder / "workspace"
    raw.mkdir()
    place.mkdir()
    for number, eid in enumerate(PARTICIPANTS, 1):
        (raw / f"{eid}_99999_2_0.toy").write_text(f"{number} {number} {number} 1")
    (raw / "9000006_99999_2_0.toy").write_text("1 2")
    shutil.copy(shipped("params.yaml"), place)
    listed = folder / "w99999_20260301.csv"
    listed.write_text(f"{WITHDRAWN}\n")
    environment = {**os.environ, "PYTHONPATH": str(package), "ECCL_TOMBSTONE_KEY": "5a" * 32}
    command = [sys.executable, "steps.py", str(place), str(raw), str(listed)]
    done = subprocess.run(command, cwd=package, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_its_raw_files_become_slots_and_rows(outcome: dict[str, Any]) -> None:
    assert outcome["counts"] == [["ecg", 0, 0, {}], ["cine", 0, 0, {}], ["toy", 6, 5, {"reader_failed": 1}]]
    before = outcome["before"]
    assert before["array"] == [[n, n, n, 1] for n in range(1, 6)] + [[0, 0, 0, 0]]
    assert before["passed"] == dict.fromkeys(before["passed"], True)
    assert before["passed"]["toys"]
    assert before["arrays_found"] == []


def test_its_table_is_published_with_its_slots(outcome: dict[str, Any]) -> None:
    before = outcome["before"]
    assert before["toys"] == [[eid, row, 3 * (row + 1) + 1] for row, eid in enumerate(PARTICIPANTS)]
    assert before["slots"] == before["table"]


def test_a_withdrawal_empties_its_slot_and_removes_its_rows(outcome: dict[str, Any]) -> None:
    after = outcome["after"]
    assert outcome["is_clean"]
    assert outcome["slots_deleted"] == {"ecg": 0, "cine": 0, "toy": 1}
    assert outcome["tables"] == {"before": 5, "removed": 1, "after": 4}
    assert outcome["arrays"]["toy.zarr/values"] == {"before": 5, "removed": 1, "after": 4}
    assert after["array"] == [[0, 0, 0, 0] if n == 2 else [n, n, n, 1] for n in range(1, 6)] + [[0, 0, 0, 0]]
    assert WITHDRAWN not in {eid for eid, *_ in after["toys"] + after["slots"]}
    assert after["slots"] == after["table"]
    assert after["passed"]["toys"]
    assert outcome["skipped"] == {"unchanged": 4, "quarantined before": 1, "withdrawn": 1}


@pytest.mark.parametrize("modality", MODALITIES, ids=lambda one: one.kind)
def test_an_entry_fits_its_table(modality: Modality) -> None:
    ddl = shipped("schemas").joinpath("tables", f"{modality.table}.sql").read_text()
    assert all(f"{column} VARCHAR NOT NULL" in ddl for column in modality.arrays.values())
    assert modality.model_array in modality.arrays
