"""Sixteen readers and a writer that keeps publishing: no error, no torn read, every answer of one version.

Readers are processes that open the store as analysts do, half by the Python interface and half by the bare file.
It ends after five releases, however long they take; ``$ECCL_CONCURRENCY_SECONDS`` makes it longer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from eccl.features.files import write_features
from eccl.ledger.releases import read_ledger
from eccl.publishing.publish import publish
from eccl.workspace import Workspace
from tests.support.runs import finish_every_run, view_rows

pytestmark = pytest.mark.slow

READERS, RELEASES = 16, 5
SECONDS = float(os.environ.get("ECCL_CONCURRENCY_SECONDS", "0"))

# Every publication writes one number into every view; a reader must find one number, and the one its release had.
READER = """
import json, sys, time
from pathlib import Path
import duckdb
from eccl.features.store import FeatureStore, open_store
root, way, stop = sys.argv[1], sys.argv[2], Path(sys.argv[3])
seen, rounds = {}, 0
while not stop.exists() or not rounds:
    store = open_store(root) if way == "interface" else FeatureStore(f"{root}/eccl.duckdb")
    with store:
        release = store.release
        marks = set()
        for _ in range(3):
            marks |= {row[0] for row in store.sql("SELECT DISTINCT value FROM features.trait_prediction").fetchall()}
            marks |= {row[0] for row in store.sql("SELECT DISTINCT value FROM features.cmr_trait_prediction").fetchall()}
            counts = store.sql("SELECT (SELECT count(*) FROM pairs), (SELECT count(*) FROM lineage WHERE raw_sha256 IS NULL)").fetchall()
            assert counts[0][0] > 0 and counts[0][1] == 0, counts
            time.sleep(0.02)
        assert len(marks) == 1, f"{release}: {marks}"
        mark = marks.pop()
        assert seen.setdefault(release, mark) == mark, release
    rounds += 1
print(json.dumps([rounds, seen]))
"""


def mark_features(place: Workspace, number: int) -> None:
    for view, run in (("trait_prediction", "align-traits"), ("cmr_trait_prediction", "pretrain_cmr-traits")):
        run_id = json.loads((place.run_folder(run) / "run.json").read_text())["run_id"]
        rows = view_rows(place, view, run, run_id)
        values = pa.array([float(number)] * rows.num_rows)
        write_features(place.features, view, run, rows.set_column(rows.column_names.index("value"), "value", values))


def test_readers_see_whole_versions_while_a_writer_publishes(place: Workspace) -> None:
    place.params_file.write_text(place.params_file.read_text().replace("keep_releases: 8", "keep_releases: 2"))
    finish_every_run(place)
    mark_features(place, 0)
    publish(place)
    until, stop = time.time() + SECONDS, place.root / "stop"
    repository = Path(__file__).resolve().parents[2]
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, str(place.root), "interface" if i % 2 else "file", str(stop)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=repository,
        )
        for i in range(READERS)
    ]
    number = 0
    while time.time() < until or number < RELEASES:
        number += 1
        mark_features(place, number)
        assert publish(place).is_new
    stop.touch()
    outcomes = [(reader.communicate(timeout=1200), reader.returncode) for reader in readers]
    assert [code for _, code in outcomes] == [0] * READERS, [error[-600:] for (_, error), code in outcomes if code][:1]
    answers = [json.loads(out) for (out, _), _ in outcomes]
    published = {release.name: mark for mark, release in enumerate(read_ledger(place).releases)}
    for rounds, seen in answers:
        assert rounds > 0
        assert all(published[release] == mark for release, mark in seen.items())
    assert len({release for _, seen in answers for release in seen}) > 2  # they did meet changing versions
