"""Rows that were materialized later: which belong to a run, in which form, and which data versions it covers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from eccl.data.parts import data_version
from eccl.errors import FeatureError, SchemaError
from eccl.features import materialized
from eccl.features.files import read_features
from eccl.features.materialized import (
    FOLDER,
    is_covered,
    list_materializations,
    read_all_features,
    remove_leftovers,
    remove_other_weights,
    write_materialization,
)
from eccl.workspace import Workspace
from tests.support.runs import WIDTH, finish_run, view_rows

RUN = "align-I50"


def record(run_id: str, version: str, **others: Any) -> dict[str, Any]:
    gate = {"status": "overridden", "sha256": "g" * 64, "override": "pilot"}
    return {
        "run": RUN, "run_id": run_id, "data_version": version, "reason": "materialized", "gate": gate,
        "added": {"ecg_embedding": 2}, "visits_with_before": {}, "visits_with_after": {}, "visits": {}, "code_version": "0",
        **others,
    }  # fmt: skip


@pytest.fixture
def run_id(place: Workspace) -> str:
    return finish_run(place, RUN)


def later(place: Workspace, run_id: str, version: str, count: int = 2, view: str = "ecg_embedding") -> pa.Table:
    """Some rows as materialize hands them over: in no order, vectors as plain lists of one length."""
    return view_rows(place, view, RUN, run_id, version=version).slice(0, count)


def test_rows_follow_those_of_the_stage_in_its_own_form(place: Workspace, run_id: str) -> None:
    rows = later(place, run_id, "v2")
    backwards = rows.take([1, 0]).select(rows.column_names[::-1])
    found = write_materialization(
        place.features, record(run_id, "v2", weights_sha256="w"), {"ecg_embedding": backwards}
    )
    assert found == materialized.Materialization(
        RUN, run_id, "v2", "materialized", "overridden", "g" * 64, "pilot", {"ecg_embedding": 2}, "w",
        place.features / FOLDER / RUN / "v2",
    )  # fmt: skip
    own, every = (
        read_features(place.features, "ecg_embedding", RUN),
        read_all_features(place.features, "ecg_embedding", RUN),
    )
    assert every.schema == own.schema
    assert every.schema.field("vector").type.list_size == WIDTH
    assert every.slice(0, len(own)) == own
    assert (
        every.slice(len(own))
        .drop_columns("vector")
        .equals(rows.select(own.column_names).cast(own.schema).drop_columns("vector"))
    )
    first = every.column("vector")[len(own)].as_py()
    np.testing.assert_array_equal(np.float32(first), np.float32(rows.column("vector")[0].as_py()))
    some = read_all_features(place.features, "ecg_embedding", RUN, ["array_row", "eid"])
    assert some == every.select(["array_row", "eid"])


def test_rows_with_a_key_are_sorted_by_it(place: Workspace, run_id: str) -> None:
    rows = later(place, run_id, "v2", 4, "disease_prediction")
    shuffled = rows.take([2, 0, 3, 1])
    write_materialization(place.features, record(run_id, "v2"), {"disease_prediction": shuffled})
    found = read_all_features(place.features, "disease_prediction", RUN)
    assert found.slice(len(found) - 4).column("eid").to_pylist() == sorted(rows.column("eid").to_pylist())


def test_equal_rows_give_equal_bytes(place: Workspace, run_id: str) -> None:
    contents = []
    for rows in (later(place, run_id, "v2"), later(place, run_id, "v2").take([1, 0])):
        found = write_materialization(place.features, record(run_id, "v2"), {"ecg_embedding": rows})
        contents.append({path.name: path.read_bytes() for path in found.folder.iterdir()})
    assert contents[0] == contents[1]
    assert set(contents[0]) == {"record.json", "ecg_embedding.parquet"}


def test_a_run_covers_the_version_it_was_trained_on_and_backfilled_ones(place: Workspace, run_id: str) -> None:
    trained_on = data_version(place.data)
    write_materialization(place.features, record(run_id, "v3"), {})
    write_materialization(place.features, record(run_id, "v2", gate=None, reason="withdrawal"), {})
    assert [one.data_version for one in list_materializations(place.features, RUN, run_id)] == ["v2", "v3"]
    withdrawal = list_materializations(place.features, RUN, run_id)[0]
    assert (withdrawal.reason, withdrawal.gate_status, withdrawal.weights_sha256) == ("withdrawal", None, None)
    for version in (trained_on, "v2", "v3"):
        assert is_covered(place.features, RUN, run_id, trained_on, version)
    assert not is_covered(place.features, RUN, run_id, trained_on, "v4")
    assert not is_covered(place.features, RUN, "another", trained_on, "v2")
    assert not is_covered(place.features, "align-I21", run_id, trained_on, "v2")


def test_what_an_earlier_training_left_is_ignored_and_can_be_removed(place: Workspace, run_id: str) -> None:
    write_materialization(place.features, record("earlier", "v1"), {"ecg_embedding": later(place, "earlier", "v1")})
    kept = write_materialization(place.features, record(run_id, "v2"), {"ecg_embedding": later(place, run_id, "v2")})
    own = read_features(place.features, "ecg_embedding", RUN)
    assert set(read_all_features(place.features, "ecg_embedding", RUN).column("run_id").to_pylist()) == {run_id}
    assert len(read_all_features(place.features, "ecg_embedding", RUN)) == len(own) + 2
    assert remove_leftovers(place.features, RUN, run_id) == 1
    assert [path.name for path in (place.features / FOLDER / RUN).iterdir()] == [kept.folder.name]
    assert remove_leftovers(place.features, RUN, run_id) == 0
    assert remove_leftovers(place.features, "align-I21", run_id) == 0


def test_rows_of_other_weights_can_be_removed_and_withdrawals_stay(place: Workspace, run_id: str) -> None:
    write_materialization(place.features, record(run_id, "v2", weights_sha256="old"), {})
    write_materialization(place.features, record(run_id, "v3", weights_sha256="new"), {})
    write_materialization(place.features, record(run_id, "v4", gate=None, reason="withdrawal"), {})
    assert remove_other_weights(place.features, RUN, run_id, "new") == 1
    assert [one.data_version for one in list_materializations(place.features, RUN, run_id)] == ["v3", "v4"]


def test_a_failure_leaves_the_folder_as_it_was(place: Workspace, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = write_materialization(place.features, record(run_id, "v2"), {"ecg_embedding": later(place, run_id, "v2")})
    content = {path.name: path.read_bytes() for path in before.folder.iterdir()}
    true, calls = materialized.write_parquet, []

    def fail(table: pa.Table, path: Path) -> None:
        calls.append(path)
        if len(calls) == 2:
            raise OSError("disk full")
        true(table, path)

    monkeypatch.setattr(materialized, "write_parquet", fail)
    rows = {view: later(place, run_id, "v2", 3, view) for view in ("ecg_embedding", "ecg_projection")}
    for version in ("v2", "v3"):
        calls.clear()
        with pytest.raises(OSError, match="disk full"):
            write_materialization(place.features, record(run_id, version), rows)
    assert {path.name: path.read_bytes() for path in before.folder.iterdir()} == content
    assert [path.name for path in before.folder.parent.iterdir()] == ["v2"]


def test_a_folder_that_a_kill_left_aside_is_not_read(place: Workspace, run_id: str) -> None:
    own = read_features(place.features, "ecg_embedding", RUN)
    found = write_materialization(place.features, record(run_id, "v2"), {"ecg_embedding": later(place, run_id, "v2")})
    found.folder.rename(found.folder.with_name(".tmp-1-v2"))
    assert not list_materializations(place.features, RUN, run_id)
    assert read_all_features(place.features, "ecg_embedding", RUN) == own


def test_other_columns_and_views_raise_an_error(place: Workspace, run_id: str) -> None:
    rows = later(place, run_id, "v2").drop_columns("array_row")
    with pytest.raises(SchemaError, match="view ecg_embedding has columns"):
        write_materialization(place.features, record(run_id, "v2"), {"ecg_embedding": rows})
    with pytest.raises(FeatureError, match="has no run align-I21"):
        read_all_features(place.features, "ecg_embedding", "align-I21")
    assert json.dumps(record(run_id, "v2"))
    assert not (place.features / FOLDER / RUN / "v2").exists()
