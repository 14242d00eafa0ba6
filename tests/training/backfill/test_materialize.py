"""Finished runs describe visits that came later: as the network itself would, once, and nothing else is touched."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from eccl.data.lock import writing
from eccl.data.parts import data_version, part_path, read_table, write_parquet
from eccl.errors import ConfigError, FeatureError, GateError, LockedError, VersionError, WithdrawalError, WorkspaceError
from eccl.features.files import read_features
from eccl.features.materialized import FOLDER, is_covered, list_materializations, read_all_features
from eccl.models.cmr_encoders import CmrEncoder
from eccl.models.projection import Supervised
from eccl.training import runs
from eccl.training.backfill import materialize as verb
from eccl.training.backfill.materialize import Outcome, choose_runs, materialize, plan_materialization
from eccl.training.inputs.augment import clean_view, scale_ecg
from eccl.training.inputs.sources import read_all
from eccl.training.inputs.teacher import load_cines, vectors_of
from eccl.training.inputs.visits import Visits, cine_visits, recording_visits
from eccl.training.loop.runtime import Runtime, RuntimeConfig
from eccl.training.runs import load_run, load_weights
from eccl.training.session import open_session
from eccl.training.stages import align
from eccl.workspace import Workspace
from tests.support.cli import run_cli
from tests.support.tiny_workspace import FIELDS, FIRST_EID, Copy, change_params, train, write_gate
from tests.support.workspaces import tree_of
from tests.training.backfill.growth import NEW, SPLIT, add_visits

NEW_ECG = [(NEW, 2), (NEW + 1, 2)]
NEW_CINE = [(NEW, 2), (NEW + 2, 2), (NEW + 2, 3)]
CMR_VIEWS = {"traits": {"cmr_embedding", "cmr_trait_prediction"}, "I50": {"cmr_embedding", "cmr_disease_prediction"}}
ALIGN_VIEWS = {
    "traits": {"ecg_embedding", "ecg_projection", "cmr_projection", "trait_prediction"},
    "I50": {"ecg_embedding", "ecg_projection", "cmr_projection", "disease_prediction"},
}


@pytest.fixture(scope="session")
def grown(trained: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Runs trained on fewer visits than there are now; read it, do not write into it."""
    root = tmp_path_factory.mktemp("grown") / "workspace"
    shutil.copytree(trained.root, root)
    workspace = Workspace(root)
    add_visits(workspace, NEW_ECG, NEW_CINE)
    return workspace


@pytest.fixture(scope="session")
def backfilled(grown: Workspace, tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, list[Outcome]]:
    """The same after `eccl materialize`, and its outcomes; read it, do not write into it."""
    root = tmp_path_factory.mktemp("backfilled") / "workspace"
    shutil.copytree(grown.root, root)
    return Workspace(root), materialize(Workspace(root))


def added_rows(workspace: Workspace, view: str, run: str) -> pa.Table:
    """Rows of the newest data version."""
    rows = read_all_features(workspace.features, view, run)
    version = pa.array(rows.column("data_version").to_pylist())
    return rows.filter(np.array(version.to_pylist()) == data_version(workspace.data))


def keys_of(table: pa.Table) -> list[tuple[int, int]]:
    return list(zip(table.column("eid").to_pylist(), table.column("instance").to_pylist(), strict=True))


def only(visits: Visits, keys: list[tuple[int, int]]) -> np.ndarray:
    return visits.find(np.array([key[0] for key in keys]), np.array([key[1] for key in keys]))


@pytest.mark.parametrize("task", ["traits", "I50"])
def test_new_recordings_get_the_outputs_of_the_network(backfilled: tuple[Workspace, list[Outcome]], task: str) -> None:
    workspace, _ = backfilled
    run = f"align-{task}"
    config = open_session(workspace, "align", task).params.preset.align
    width = len(FIELDS) if task == "traits" else 1
    network = align.build(align.encoder_spec(load_run(workspace, "pretrain_ecg")), config, 16, width)
    load_weights(network, load_run(workspace, run).weights(), run)
    network.eval()
    visits = recording_visits(workspace.data)
    rows = visits.row[only(visits, NEW_ECG)]
    ecg = torch.from_numpy(read_all(workspace.data, "ecg.zarr/clean", rows))
    with torch.no_grad():
        features, z_ecg, outputs = (one.numpy() for one in network(scale_ecg(ecg, "lead_minmax")))
    for view, expected in (("ecg_embedding", features), ("ecg_projection", z_ecg)):
        found = added_rows(workspace, view, run)
        assert keys_of(found) == NEW_ECG
        assert found.column("array_row").to_pylist() == rows.tolist()
        np.testing.assert_allclose(vectors_of(found), expected, atol=1e-5)
    if task == "traits":
        scaler = load_run(workspace, run).record["trait_scaler"]
        found = added_rows(workspace, "trait_prediction", run)
        assert found.column("field_id").to_pylist() == list(FIELDS) * len(NEW_ECG)
        expected = outputs * np.array(scaler["scale"]) + np.array(scaler["mean"])
        np.testing.assert_allclose(found.column("value").to_numpy(), expected.reshape(-1), rtol=1e-5)
    else:
        found = added_rows(workspace, "disease_prediction", run)
        np.testing.assert_allclose(found.column("logit").to_numpy(), outputs[:, 0], atol=1e-5)
        assert found.column("code").to_pylist() == ["I50"] * len(NEW_ECG)


@pytest.mark.parametrize("task", ["traits", "I50"])
def test_new_cines_get_the_outputs_of_both_networks(backfilled: tuple[Workspace, list[Outcome]], task: str) -> None:
    workspace, _ = backfilled
    session = open_session(workspace, "pretrain_cmr", task)
    config = session.params.preset.pretrain_cmr
    teacher = Supervised(CmrEncoder(config.encoder), len(FIELDS) if task == "traits" else 1)
    load_weights(teacher, load_run(workspace, f"pretrain_cmr-{task}").weights(), "test")
    teacher.eval()
    visits, _ = cine_visits(workspace.data)
    positions = only(visits, NEW_CINE)
    cines = load_cines(workspace.data, session.runtime, config)
    weights = load_run(workspace, f"align-{task}").weights()
    with torch.no_grad():
        features, outputs = teacher(cines.batch(positions, clean_view(len(positions))))
        z_cmr = features @ weights["cmr_projection.weight"].T + weights["cmr_projection.bias"]
        z_cmr = z_cmr / z_cmr.norm(dim=1, keepdim=True)
    for view, run, expected in (
        ("cmr_embedding", f"pretrain_cmr-{task}", features),
        ("cmr_projection", f"align-{task}", z_cmr),
    ):
        found = added_rows(workspace, view, run)
        assert keys_of(found) == NEW_CINE
        assert found.column("array_row").to_pylist() == visits.row[positions].tolist()
        np.testing.assert_allclose(vectors_of(found), expected, atol=1e-5)
    if task == "I50":
        found = added_rows(workspace, "cmr_disease_prediction", "pretrain_cmr-I50")
        np.testing.assert_allclose(found.column("logit").to_numpy(), outputs[:, 0], atol=1e-5)
    else:
        found = added_rows(workspace, "cmr_trait_prediction", "pretrain_cmr-traits")
        assert len(found) == len(NEW_CINE) * len(FIELDS)


def test_rows_name_the_training_and_the_data_they_were_computed_on(
    grown: Workspace, backfilled: tuple[Workspace, list[Outcome]]
) -> None:
    workspace, outcomes = backfilled
    assert [one.run for one in outcomes] == ["pretrain_cmr-traits", "pretrain_cmr-I50", "align-traits", "align-I50"]
    for one in outcomes:
        record = load_run(workspace, one.run).record
        trained_on, now = record["data_version"], data_version(workspace.data)
        assert (one.run_id, one.trained_on, one.data_version) == (record["run_id"], trained_on, now)
        assert trained_on != now
        stage, _, task = one.run.partition("-")
        views = (CMR_VIEWS if stage == "pretrain_cmr" else ALIGN_VIEWS)[task]
        assert one.added is not None
        assert set(one.added) == {view.view for view in one.coverage} == views
        folder = workspace.features / FOLDER / one.run / now
        assert {path.name for path in folder.iterdir()} == {"record.json", *(f"{view}.parquet" for view in views)}
        (found,) = list_materializations(workspace.features, one.run, one.run_id)
        assert (found.data_version, found.reason, found.gate_status) == (now, "materialized", "passed")
        assert found.gate_sha256 == json.loads((workspace.gate / "gate.json").read_text())["results_sha256"]
        for view in one.coverage:
            own, every = (
                reader(workspace.features, view.view, one.run) for reader in (read_features, read_all_features)
            )
            later = added_rows(workspace, view.view, one.run)
            assert len(every) == len(own) + one.added[view.view] == len(own) + len(later)
            assert every.schema == own.schema
            assert (
                set(later.column("run_id").to_pylist()) == {record["run_id"]} == set(own.column("run_id").to_pylist())
            )
            assert set(own.column("data_version").to_pylist()) == {trained_on}
            assert later.column("split").to_pylist() == [SPLIT[eid] for eid in later.column("eid").to_pylist()]
            new = len(
                NEW_ECG
                if view.view in {"ecg_embedding", "ecg_projection", "trait_prediction", "disease_prediction"}
                else NEW_CINE
            )
            assert (view.visits - view.before, view.after) == (new, view.visits)
            content = json.loads((folder / "record.json").read_text())
            assert content["visits_with_before"][view.view] == view.before == len(set(keys_of(own)))
            assert content["visits_with_after"][view.view] == content["visits"][view.view] == len(set(keys_of(every)))
    # Whatever was there is there unchanged: models, the stages' own files, data.
    before, after = tree_of(grown.root), tree_of(workspace.root)
    assert {name: after[name] for name in before if not name.startswith(".eccl")} == {
        name: digest for name, digest in before.items() if not name.startswith(".eccl")
    }
    fresh = {Path(name).parts[:2] for name in set(after) - set(before)}
    assert fresh <= {("features", FOLDER), (".eccl", "write.lock")}


def test_a_second_call_writes_nothing(backfilled: tuple[Workspace, list[Outcome]], copy_of: Copy) -> None:
    workspace = copy_of(backfilled[0])
    before = tree_of(workspace.root)
    again = materialize(workspace)
    assert [one.added for one in again] == [None] * 4
    assert all(one.was_covered and view.before == view.visits for one in again for view in one.coverage)
    assert tree_of(workspace.root) == before


def test_a_dry_run_tells_and_writes_nothing(
    grown: Workspace, backfilled: tuple[Workspace, list[Outcome]], copy_of: Copy
) -> None:
    workspace = copy_of(grown)
    before = tree_of(workspace.root)
    planned = plan_materialization(workspace)
    assert tree_of(workspace.root) == before
    assert [(one.run, one.coverage, one.was_covered) for one in planned] == [
        (one.run, one.coverage, False) for one in backfilled[1]
    ]
    assert all(one.added is None for one in planned)


def test_the_cmr_encoder_is_backfilled_first_where_it_lacks_cines(grown: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(grown)
    assert [one.run for one in materialize(workspace, ["align@I50"])] == ["pretrain_cmr-I50", "align-I50"]
    rows = added_rows(workspace, "cmr_projection", "align-I50")
    assert keys_of(rows) == NEW_CINE
    assert not (workspace.features / FOLDER / "pretrain_cmr-traits").exists()


def test_without_new_cines_the_cmr_encoder_is_left_alone(trained: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(trained)
    add_visits(workspace, NEW_ECG, [])
    shutil.rmtree(workspace.run_folder("pretrain_cmr-I50"))
    (done,) = materialize(workspace, ["align-I50"])
    assert done.added == {"ecg_embedding": 2, "ecg_projection": 2, "disease_prediction": 2}
    assert {view.view: view.visits - view.before for view in done.coverage}["cmr_projection"] == 0


def test_where_nothing_is_new_the_run_is_recorded_as_holding(trained: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(trained)
    write_parquet(read_table(workspace.data, "traits").slice(1), workspace.tables / "traits.parquet")
    write_gate(workspace)
    record = load_run(workspace, "align-I50").record
    identity = ("align-I50", record["run_id"], record["data_version"])
    assert not is_covered(workspace.features, *identity, data_version(workspace.data))
    (done,) = materialize(workspace, ["align-I50"])
    assert done.added == {}
    assert is_covered(workspace.features, *identity, data_version(workspace.data))
    folder = workspace.features / FOLDER / "align-I50" / data_version(workspace.data)
    assert [path.name for path in folder.iterdir()] == ["record.json"]
    (again,) = materialize(workspace, ["align-I50"])
    assert again.added is None


def test_a_run_that_is_older_than_a_key_of_its_record_is_backfilled(grown: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(grown)
    file = workspace.run_folder("pretrain_cmr-I50") / "run.json"
    record = json.loads(file.read_text())
    del record["arm"]
    file.write_text(json.dumps(record))
    (done,) = materialize(workspace, ["pretrain_cmr-I50"])
    assert done.added


def test_on_the_data_of_the_training_there_is_nothing_to_do(trained: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(trained)
    assert [one.added for one in materialize(workspace)] == [None] * 4
    assert not (workspace.features / FOLDER).exists()


def test_neither_parameters_nor_training_data_of_today_matter(
    backfilled: tuple[Workspace, list[Outcome]], grown: Workspace, copy_of: Copy
) -> None:
    workspace = copy_of(grown)
    change_params(
        workspace,
        **{
            "align.augment.scaling": "millivolt",
            "align.alignment.projection_width": 4,
            "align.optimiser.batch_size": 2,
            "pretrain_ecg.encoder.width": 32,
            "pretrain_cmr.encoder.width": 16,
            "pretrain_cmr.cine.margin": 0.5,
        },
    )
    traits = read_table(workspace.data, "traits").to_pylist()
    changed = [{**row, "value": 1000 + 3 * row["value"]} for row in traits if row["field_id"] != FIELDS[0]]
    write_parquet(pa.Table.from_pylist(changed), workspace.tables / "traits.parquet")
    fields = read_table(workspace.data, "fields").to_pylist()
    order = [{**row, "trait_index": None if row["field_id"] == FIELDS[0] else row["trait_index"]} for row in fields]
    write_parquet(pa.Table.from_pylist(order), workspace.tables / "fields.parquet")
    write_gate(workspace)
    materialize(workspace)
    reference, _ = backfilled
    for view, run, name in (
        ("trait_prediction", "align-traits", "value"),
        ("cmr_trait_prediction", "pretrain_cmr-traits", "value"),
        ("disease_prediction", "align-I50", "logit"),
        ("cmr_disease_prediction", "pretrain_cmr-I50", "logit"),
    ):
        mine, theirs = (added_rows(place, view, run) for place in (workspace, reference))
        assert keys_of(mine) == keys_of(theirs)
        assert set(mine.column("data_version").to_pylist()) != set(theirs.column("data_version").to_pylist())
        np.testing.assert_allclose(mine.column(name).to_numpy(), theirs.column(name).to_numpy(), rtol=1e-5)
    mine, theirs = (added_rows(place, "cmr_projection", "align-traits") for place in (workspace, reference))
    np.testing.assert_allclose(vectors_of(mine), vectors_of(theirs), atol=1e-6)


@pytest.mark.slow
def test_a_changed_file_gets_a_new_row_and_the_old_one_stays(trained: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(trained)
    changed = (FIRST_EID, 2)
    old = {row["row"] for row in read_table(workspace.data, "recordings").to_pylist() if row["eid"] == FIRST_EID}
    add_visits(workspace, [changed], [])
    materialize(workspace, ["align-traits"])
    rows = read_all_features(workspace.features, "ecg_embedding", "align-traits")
    mine = rows.filter(np.array([key == changed for key in keys_of(rows)]))
    assert len(mine) == 2
    assert mine.column("array_row")[0].as_py() in old
    slots = {(row["eid"], row["instance"]): row["row"] for row in read_table(workspace.data, "recordings").to_pylist()}
    assert mine.column("array_row")[1].as_py() == slots[changed] not in old
    assert np.abs(np.diff(vectors_of(mine), axis=0)).max() > 1e-3


@pytest.mark.slow
def test_a_cine_that_changed_twice_is_projected_as_it_is_now(trained: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(trained)
    add_visits(workspace, [], [(FIRST_EID, 3)], seed=9)
    materialize(workspace, ["align-traits"])
    # Folders are read by name, and names are hashes: the older one may come last.
    earlier = workspace.features / FOLDER / "pretrain_cmr-traits" / data_version(workspace.data)
    earlier.rename(earlier.with_name("z"))
    add_visits(workspace, [], [(FIRST_EID, 3)], seed=10)
    materialize(workspace, ["align-traits"])
    assert len(read_all_features(workspace.features, "cmr_embedding", "pretrain_cmr-traits")) == 33
    visits, _ = cine_visits(workspace.data)
    row = visits.row[only(visits, [(FIRST_EID, 3)])]
    weights = load_run(workspace, "align-traits").weights()
    embedding = added_rows(workspace, "cmr_embedding", "pretrain_cmr-traits")
    projected = added_rows(workspace, "cmr_projection", "align-traits")
    assert embedding.column("array_row").to_pylist() == projected.column("array_row").to_pylist() == row.tolist()
    z_cmr = vectors_of(embedding) @ weights["cmr_projection.weight"].numpy().T + weights["cmr_projection.bias"].numpy()
    np.testing.assert_allclose(vectors_of(projected), z_cmr / np.linalg.norm(z_cmr), atol=1e-5)


KILLED = """
import os, sys
from eccl.features import materialized
from eccl.training.backfill.materialize import materialize
from eccl.workspace import Workspace
true, calls = materialized.write_parquet, []
def write(table, path):
    calls.append(path)
    if len(calls) == 2:
        os.kill(os.getpid(), 9)
    true(table, path)
materialized.write_parquet = write
materialize(Workspace(__import__("pathlib").Path(sys.argv[1])), ["align-I50"])
"""


@pytest.mark.slow
def test_a_kill_while_rows_are_written_leaves_nothing_half(
    trained: Workspace, backfilled: tuple[Workspace, list[Outcome]], copy_of: Copy
) -> None:
    workspace = copy_of(trained)
    add_visits(workspace, NEW_ECG, [])
    before = tree_of(workspace.features)
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", KILLED, str(workspace.root)], check=False, env=environment)
    assert done.returncode == -signal.SIGKILL
    folder = workspace.features / FOLDER / "align-I50"
    assert [path.name.startswith(".tmp-") for path in folder.iterdir()] == [True]
    seen = {name: digest for name, digest in tree_of(workspace.features).items() if ".tmp-" not in name}
    assert seen == before
    own = read_features(workspace.features, "ecg_embedding", "align-I50")
    assert read_all_features(workspace.features, "ecg_embedding", "align-I50") == own
    assert materialize(workspace, ["align-I50"])[0].added == {
        "ecg_embedding": 2, "ecg_projection": 2, "disease_prediction": 2,
    }  # fmt: skip
    assert [path.name for path in folder.iterdir()] == [data_version(workspace.data)]
    theirs = added_rows(backfilled[0], "ecg_embedding", "align-I50")
    mine = added_rows(workspace, "ecg_embedding", "align-I50")
    np.testing.assert_allclose(vectors_of(mine), vectors_of(theirs), atol=1e-6)


@pytest.mark.slow
def test_a_run_that_was_trained_anew_ignores_what_its_predecessor_left(
    backfilled: tuple[Workspace, list[Outcome]], copy_of: Copy
) -> None:
    workspace = copy_of(backfilled[0])
    change_params(workspace, **{"pretrain_cmr.seed": 5})
    assert train(workspace, "pretrain_cmr", "--task", "I50") == 0
    folder = workspace.features / FOLDER / "pretrain_cmr-I50"
    assert folder.joinpath(data_version(workspace.data)).exists()
    own = read_features(workspace.features, "cmr_embedding", "pretrain_cmr-I50")
    assert read_all_features(workspace.features, "cmr_embedding", "pretrain_cmr-I50") == own
    (done,) = materialize(workspace, ["pretrain_cmr-I50"])
    assert done.added is None
    assert not list(folder.iterdir())
    # A run that was aligned with its predecessor has another space.
    add_visits(workspace, [], [(NEW, 3)], seed=11)
    with pytest.raises(VersionError, match="aligned with another pretrain_cmr-I50"):
        materialize(workspace, ["align-I50"])
    assert materialize(workspace, ["align-traits"])[-1].added == {"cmr_projection": 1}


@pytest.mark.slow
def test_rows_of_other_weights_go_when_the_same_run_is_trained_elsewhere(trained: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(trained)
    gone = data_version(workspace.data)
    (again,) = [one for one in materialize(workspace, ["pretrain_cmr-I50"]) if one.run == "pretrain_cmr-I50"]
    folder = workspace.features / FOLDER / "pretrain_cmr-I50" / "elsewhere"
    folder.mkdir(parents=True)
    record = {
        "run": again.run, "run_id": again.run_id, "data_version": "elsewhere", "reason": "materialized", "gate": None,
        "added": {}, "weights_sha256": load_run(workspace, again.run).record["weights_sha256"],
    }  # fmt: skip
    (folder / "record.json").write_text(json.dumps(record))
    assert train(workspace, "pretrain_cmr", "--task", "I50") == 0
    assert folder.exists()  # the same weights came out
    (folder / "record.json").write_text(json.dumps({**record, "weights_sha256": "0" * 64}))
    assert train(workspace, "pretrain_cmr", "--task", "I50") == 0
    assert not folder.exists()
    assert data_version(workspace.data) == gone


@pytest.mark.parametrize("is_dry", [True, False])
def test_the_gate_is_asked(grown: Workspace, copy_of: Copy, is_dry: bool) -> None:
    workspace = copy_of(grown)
    call = plan_materialization if is_dry else materialize
    write_gate(workspace, status="failed")
    before = tree_of(workspace.features)
    with pytest.raises(GateError, match="the gate failed"):
        call(workspace, ["align-I50"])
    add_visits(workspace, [(NEW + 1, 3)], [], seed=12)
    (workspace.gate / "gate.json").write_text((grown.gate / "gate.json").read_text())
    with pytest.raises(GateError, match="is for data version"):
        call(workspace, ["align-I50"])
    assert tree_of(workspace.features) == before
    write_gate(workspace, status="failed", override="pilot")
    call(workspace, ["align-I50"])
    found = list_materializations(workspace.features, "align-I50", load_run(workspace, "align-I50").run_id)
    assert [(one.gate_status, one.gate_override) for one in found] == ([] if is_dry else [("overridden", "pilot")])


def test_data_that_a_run_does_not_belong_to_is_refused(grown: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(grown)
    part = part_path(workspace.data, "recordings", 0)
    rows = read_table(workspace.data, "recordings").filter(
        read_table(workspace.data, "recordings").column("row").to_numpy() < 16
    )
    keys = rows.to_pylist()
    keys[0], keys[1] = {**keys[1], "row": keys[0]["row"]}, {**keys[0], "row": keys[1]["row"]}
    write_parquet(pa.Table.from_pylist(keys), part)
    write_gate(workspace)
    with pytest.raises(VersionError, match="2 slots that align-I50 computed rows from") as caught:
        materialize(workspace, ["align-I50"])
    assert str(FIRST_EID) not in str(caught.value)
    write_parquet(pa.Table.from_pylist(keys[2:]), part)
    write_gate(workspace)
    with pytest.raises(VersionError, match="2 slots that align-I50"):
        materialize(workspace, ["align-I50"])
    assert not (workspace.features / FOLDER).exists()


def test_weights_and_features_must_be_those_of_the_record(grown: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(grown)
    weights = workspace.run_folder("pretrain_cmr-I50") / "weights.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    for call in (plan_materialization, materialize):
        with pytest.raises(VersionError, match="weights of pretrain_cmr-I50"):
            call(workspace, ["align-I50"])  # its cines need that run
    weights.write_bytes(content)
    path = workspace.features / "cmr_embedding" / "pretrain_cmr-I50.parquet"
    table = read_features(workspace.features, "cmr_embedding", "pretrain_cmr-I50")
    column = table.column_names.index("run_id")
    write_parquet(table.set_column(column, "run_id", pa.array(["pretrain_cmr-I50-0"] * len(table))), path)
    with pytest.raises(FeatureError, match="of another training of pretrain_cmr-I50"):
        materialize(workspace, ["pretrain_cmr-I50"])
    path.unlink()
    with pytest.raises(FeatureError, match="has no run pretrain_cmr-I50"):
        materialize(workspace, ["pretrain_cmr-I50"])
    assert not (workspace.features / FOLDER).exists()


def test_files_that_were_changed_by_hand_are_reported(
    backfilled: tuple[Workspace, list[Outcome]], copy_of: Copy
) -> None:
    workspace = copy_of(backfilled[0])
    folder = workspace.features / FOLDER / "align-I50"
    (folder / data_version(workspace.data) / "cmr_projection.parquet").unlink()
    with pytest.raises(VersionError, match="changed by hand; remove features/materialized/align-I50"):
        materialize(workspace, ["align-I50"])
    shutil.rmtree(folder)
    (done,) = materialize(workspace, ["align-I50"])
    assert done.added == {"ecg_embedding": 2, "ecg_projection": 2, "cmr_projection": 3, "disease_prediction": 2}


def test_views_of_one_modality_may_lack_different_visits(
    backfilled: tuple[Workspace, list[Outcome]], copy_of: Copy
) -> None:
    workspace = copy_of(backfilled[0])
    (workspace.features / FOLDER / "align-I50" / data_version(workspace.data) / "ecg_projection.parquet").unlink()
    add_visits(workspace, [(NEW + 2, 2)], [], seed=13)
    (done,) = materialize(workspace, ["align-I50"])
    assert done.added == {"ecg_embedding": 1, "ecg_projection": 3, "disease_prediction": 1}


def test_new_rows_are_computed_in_the_precision_of_the_old_ones(
    grown: Workspace, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = copy_of(grown)
    file = workspace.run_folder("align-I50") / "run.json"
    record = json.loads(file.read_text())
    record["runtime"]["precision"] = "bf16"
    file.write_text(json.dumps(record))
    used: list[tuple[str, int]] = []

    def spy(config: RuntimeConfig) -> Runtime:
        runtime = Runtime(config)
        used.append((runtime.precision, runtime.config.devices))
        return runtime

    monkeypatch.setattr(runs, "Runtime", spy)
    materialize(workspace, ["align-I50"], RuntimeConfig(devices=2))
    assert used == [("fp32", 1), ("bf16", 1)]
    assert np.isfinite(vectors_of(added_rows(workspace, "ecg_embedding", "align-I50"))).all()


def test_names_and_groups(trained: Workspace, untrained: Workspace) -> None:
    assert choose_runs(trained) == ["pretrain_cmr-traits", "pretrain_cmr-I50", "align-traits", "align-I50"]
    assert choose_runs(trained, ["align", "pretrain_cmr@I50"]) == ["pretrain_cmr-I50", "align-traits", "align-I50"]
    with pytest.raises(ConfigError, match="pretrain_ecg writes no features"):
        choose_runs(trained, ["align-I50", "pretrain_ecg"])
    with pytest.raises(ConfigError, match="no run align-I99"):
        choose_runs(trained, ["align-I99"])
    with pytest.raises(WorkspaceError, match="no run with features is finished"):
        choose_runs(untrained)
    with pytest.raises(WorkspaceError, match="train it first: `eccl train align@I42`"):
        plan_materialization(trained, ["align-I42"])


def test_nobody_else_writes_meanwhile_and_no_withdrawal_waits(
    grown: Workspace, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = copy_of(grown)
    with writing(workspace.state, "ingest"), pytest.raises(LockedError, match="eccl ingest"):
        materialize(workspace)

    def pending(_: Any) -> None:
        raise WithdrawalError("interrupted")

    monkeypatch.setattr(verb, "require_no_pending_withdrawal", pending)
    with pytest.raises(WithdrawalError):
        materialize(workspace)
    assert not (workspace.features / FOLDER).exists()


@pytest.mark.slow
def test_the_command_reports_missing_and_added_rows(grown: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(grown)

    def eccl(*arguments: str) -> str:
        done = run_cli("materialize", *arguments, cwd=workspace.root)
        assert done.returncode == 0, done.stderr
        return done.stdout

    dry = eccl("align-I50", "--dry-run")
    assert "pretrain_cmr-I50: 6 missing features would be computed" in dry
    assert not (workspace.features / FOLDER).exists()
    found = json.loads(eccl("align-I50", "--json"))
    assert [one["run"] for one in found] == ["pretrain_cmr-I50", "align-I50"]
    assert found[1]["added"]["cmr_projection"] == 3
    again = eccl("align-I50")
    assert "align-I50: up to date, nothing written" in again
    assert all(str(FIRST_EID)[:4] not in text for text in (dry, again))
