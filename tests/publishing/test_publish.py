"""The published store: complete, commented, traceable, swapped under readers."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.compute
import pytest

import eccl
from eccl.data import database
from eccl.data.arrays import checksum, read_rows
from eccl.data.parts import data_version, read_table, write_parquet
from eccl.features.views import computed_views
from eccl.publishing.publish import publish
from eccl.workspace import Workspace
from tests.support.runs import finish_run


def test_splits_labels_and_quarantine_are_there_before_any_model(place: Workspace) -> None:
    rows = publish(place).rows
    assert all(
        rows[table] > 0 for table in ("splits", "labels", "traits", "pairs", "quarantine", "fields", "data_versions")
    )
    assert all(rows[f"features.{view.name}"] == 0 for view in computed_views())
    with eccl.open(place.root) as store:
        assert store.sql("SELECT count(*) FROM lineage").fetchall() == [(0,)]
        wide = store.sql("SELECT count(*), count(LVEF) FROM traits_wide").fetchall()[0]
        assert 0 < wide[1] <= wide[0]


def test_lineage_of_every_feature_row_ends_in_the_raw_files_hash(place: Workspace, raw_cohort: Path) -> None:
    run_id = finish_run(place, "align-traits")
    publish(place)
    with eccl.open(place.root) as store:
        rows = store.sql("FROM lineage").pl().to_dicts()
    recordings, cines = (read_table(place.data, table).num_rows for table in ("recordings", "cines"))
    assert len(rows) == 3 * recordings + cines  # embedding, projection and prediction of ECGs; projection of cines
    for row in rows:
        assert row["raw_sha256"] == hashlib.sha256((raw_cohort / row["raw_path"]).read_bytes()).hexdigest()
        (record,) = read_rows(place.data, row["array"].removeprefix("data/"), [row["array_row"]])
        assert row["record_sha256"] == checksum(record)
        assert (row["run_id"], row["data_version"]) == (run_id, data_version(place.data))
        assert (row["weights_sha256"], row["params_sha256"], row["gate_sha256"]) == ("w" * 64, "p" * 64, "g" * 64)


def test_lineage_stays_with_the_slot_a_row_was_computed_from(place: Workspace) -> None:
    finish_run(place, "align-traits")
    rows = read_table(place.data, "recordings")
    first = rows.slice(0, 1)
    later = first.set_column(2, "row", pa.array([90], pa.int64()))
    later = later.set_column(later.column_names.index("file_sha256"), "file_sha256", pa.array(["f" * 64]))
    write_parquet(later, place.data / "tables" / "recordings" / "part-00022.parquet")
    publish(place)
    with eccl.open(place.root) as store:
        eid, instance = first.column("eid")[0].as_py(), first.column("instance")[0].as_py()
        found = [
            (row["array_row"], row["raw_sha256"], row["is_current"])
            for row in store.lineage(eid, instance)
            if row["feature_view"] == "ecg_embedding"
        ]
    assert found == [(first.column("row")[0].as_py(), first.column("file_sha256")[0].as_py(), False)]


def test_withdrawn_participants_are_not_published(place: Workspace) -> None:
    finish_run(place, "align-traits")
    people = read_table(place.data, "participants")
    gone = read_table(place.data, "pairs", ["eid"]).column(0)[0].as_py()
    stays = people.filter(pa.compute.not_equal(people.column("eid"), gone))
    write_parquet(stays, place.data / "tables" / "participants.parquet")
    refused = {
        "kind": "ecg",
        "eid": gone,
        "instance": 3,
        "row": 99,
        "path": "x",
        "reason": "bad",
        "detail": "x",
        "remedy": "x",
    }
    row = database.conform("quarantine", pa.Table.from_pylist([refused]))
    write_parquet(row, place.data / "tables" / "quarantine" / "ecg-00024.parquet")
    publish(place)
    with eccl.open(place.root) as store:
        for table in ("recordings", "cines", "slots", "quarantine", "features.ecg_embedding", "lineage"):
            assert store.sql(f"SELECT count(*) FROM {table} WHERE eid = {gone}").fetchall() == [(0,)], table
            assert store.sql(f"SELECT count(*) FROM {table}").fetchall() != [(0,)], table


def test_vectors_have_a_fixed_length_and_join(place: Workspace) -> None:
    finish_run(place, "align-traits")
    publish(place)
    with eccl.open(place.root) as store:
        assert store.sql("SELECT DISTINCT typeof(vector) FROM features.ecg_embedding").fetchall() == [("FLOAT[8]",)]
        joined = store.sql("SELECT count(*) FROM features.ecg_embedding JOIN labels USING (eid, instance)").fetchall()[
            0
        ][0]
        assert joined > 0


def test_a_reader_keeps_its_version_while_a_new_one_is_swapped_in(place: Workspace) -> None:
    publish(place)
    with eccl.open(place.root) as reader:
        before = reader.sql("SELECT count(*) FROM runs").fetchall()
        inode = place.database.stat().st_ino
        finish_run(place, "align-traits")
        publish(place)
        assert place.database.stat().st_ino != inode
        assert reader.sql("SELECT count(*) FROM runs").fetchall() == before == [(0,)]
    with eccl.open(place.root) as store:
        assert store.sql("SELECT count(*) FROM runs").fetchall() == [(1,)]
    assert [path.name for path in place.root.glob("*.duckdb*")] == ["eccl.duckdb"]


def test_a_failed_publish_leaves_the_old_store(place: Workspace) -> None:
    publish(place)
    content = place.database.read_bytes()
    (place.models / "broken").mkdir(parents=True)
    (place.models / "broken" / "run.json").write_text("{")
    with pytest.raises(ValueError):
        publish(place)
    assert place.database.read_bytes() == content
    assert not list(place.root.glob(".tmp-*"))


def test_reading_is_read_only(place: Workspace) -> None:
    publish(place)
    with eccl.open(place.root) as store, pytest.raises(Exception, match="read-only"):
        store.sql("DELETE FROM pairs").fetchall()
