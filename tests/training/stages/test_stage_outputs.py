"""What the stages leave behind: records, weights, features of every visit."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from eccl.data.files import sha256_file
from eccl.data.parts import data_version, read_table
from eccl.features.files import read_features, runs_of
from eccl.features.views import computed_views, declared_view
from eccl.models.cmr_encoders import CmrEncoder
from eccl.models.projection import Aligned, FrozenEncoder, Supervised
from eccl.training.inputs.augment import clean_view, scale_ecg, stable_views
from eccl.training.inputs.sources import read_all
from eccl.training.inputs.teacher import Cines, load_cached_teacher, load_cines, vectors_of
from eccl.training.inputs.visits import recording_visits
from eccl.training.loop import execution
from eccl.training.loop.trainer import TrainingPlan
from eccl.training.runs import load_run, load_weights
from eccl.training.session import open_session
from eccl.training.stages import align
from eccl.workspace import Workspace, shipped
from tests.support.tiny_workspace import FIELDS, Copy, change_params, train
from tests.support.workspaces import tree_of

RUNS = ("pretrain_ecg", "pretrain_cmr-traits", "pretrain_cmr-I50", "align-traits", "align-I50")
OF_ECG = {"ecg_embedding", "ecg_projection", "trait_prediction", "disease_prediction"}
TYPES = {
    "eid": pa.int64(),
    "instance": pa.int8(),
    "split": pa.string(),
    "run_id": pa.string(),
    "data_version": pa.string(),
    "array_row": pa.int64(),
    "augmentation": pa.int16(),
    "teacher_key": pa.string(),
    "field_id": pa.int32(),
    "value": pa.float64(),
    "code": pa.string(),
    "probability": pa.float64(),
    "logit": pa.float64(),
}
VIEWS_OF = {
    "pretrain_ecg": set(),
    "pretrain_cmr-traits": {"cmr_embedding", "cmr_teacher", "cmr_trait_prediction"},
    "pretrain_cmr-I50": {"cmr_embedding", "cmr_teacher", "cmr_disease_prediction"},
    "align-traits": {"ecg_embedding", "ecg_projection", "cmr_projection", "trait_prediction"},
    "align-I50": {"ecg_embedding", "ecg_projection", "cmr_projection", "disease_prediction"},
}


@pytest.mark.parametrize("run", RUNS)
def test_a_record_has_what_the_runs_table_needs(trained: Workspace, run: str) -> None:
    record = json.loads((trained.run_folder(run) / "run.json").read_text())
    ddl = (shipped("schemas") / "tables" / "runs.sql").read_text().split(");")[0]
    columns = set(re.findall(r"(\w+) (?:VARCHAR|BIGINT|INTEGER)", ddl))
    assert {"run", "gate_status", "best_epoch", "code_version"} <= columns
    assert {name for name in columns if not name.startswith("gate_")} <= set(record)
    assert set(record["gate"]) == {"status", "sha256", "override"}
    assert record["gate"]["status"] == "passed"
    assert record["run"] == run
    assert record["stage"] == run.partition("-")[0]
    assert record["task"] == (run.partition("-")[2] or None)
    assert record["run_id"].startswith(f"{run}-")
    assert record["data_version"] == data_version(trained.data)
    assert record["weights_sha256"] == sha256_file(trained.run_folder(run) / "weights.safetensors")
    assert record["preset"] == "tiny"
    assert record["device"] == "cpu"
    assert 1 <= record["best_epoch"] <= 2
    assert record["metrics"]["best"] == {
        name: value for name, value in record["metrics"]["history"][record["best_epoch"] - 1].items() if name != "epoch"
    }
    assert "learning_rate" in record["metrics"]["best"]
    assert (
        sum(tensor.numel() for name, tensor in load_run(trained, run).weights().items() if "log_temp" not in name)
        == (record["parameter_count"])
    )


def test_parents_are_those_whose_weights_were_read(trained: Workspace) -> None:
    for task in ("traits", "I50"):
        parents = load_run(trained, f"align-{task}").record["parents"]
        assert [parent["run"] for parent in parents] == ["pretrain_ecg", f"pretrain_cmr-{task}"]
        for parent in parents:
            known = load_run(trained, parent["run"]).record
            assert parent == {name: known[name] for name in ("run", "run_id", "weights_sha256")}
    assert load_run(trained, "pretrain_ecg").record["parents"] == []


def test_every_run_writes_its_views_and_no_other(trained: Workspace) -> None:
    for view in (one.name for one in computed_views()):
        assert set(runs_of(trained.features, view)) == {run for run, views in VIEWS_OF.items() if view in views}


@pytest.mark.parametrize(("run", "view"), [(run, view) for run, views in VIEWS_OF.items() for view in sorted(views)])
def test_a_view_has_its_columns_and_every_visit_of_its_modality(trained: Workspace, run: str, view: str) -> None:
    table = read_features(trained.features, view, run)
    assert table.column_names == [
        "eid",
        "instance",
        "split",
        "run_id",
        "data_version",
        "array_row",
        *declared_view(view).own_columns,
    ]
    for name in table.column_names:
        if name != "vector":
            assert table.schema.field(name).type == TYPES[name], name
    if "vector" in table.column_names:
        assert pa.types.is_fixed_size_list(table.schema.field("vector").type)
        assert table.schema.field("vector").type.value_type == pa.float32()
        assert np.isfinite(vectors_of(table)).all()
    record = load_run(trained, run).record
    assert set(table.column("run_id").to_pylist()) == {record["run_id"]}
    assert set(table.column("data_version").to_pylist()) == {record["data_version"]}
    modality = "recordings" if view in OF_ECG else "cines"
    visits = read_table(trained.data, modality, ["eid", "instance"]).to_pylist()
    keys = sorted((visit["eid"], visit["instance"]) for visit in visits)
    times = {"cmr_teacher": 2, "trait_prediction": len(FIELDS), "cmr_trait_prediction": len(FIELDS)}.get(view, 1)
    found = list(zip(table.column("eid").to_pylist(), table.column("instance").to_pylist(), strict=True))
    assert found == [key for key in keys for _ in range(times)]
    splits = {row["eid"]: row["split"] for row in read_table(trained.data, "splits").to_pylist()}
    assert table.column("split").to_pylist() == [splits[eid] for eid, _ in found]
    assert set(table.column("split").to_pylist()) == {"train", "val", "test"}


@pytest.mark.parametrize("view", ["ecg_projection", "cmr_projection"])
def test_projections_have_norm_one_and_the_shared_width(trained: Workspace, view: str) -> None:
    for task in ("traits", "I50"):
        vectors = vectors_of(read_features(trained.features, view, f"align-{task}"))
        assert vectors.shape[1] == 8
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("view", "run"), [("disease_prediction", "align-I50"), ("cmr_disease_prediction", "pretrain_cmr-I50")]
)
def test_a_probability_is_the_logistic_of_its_logit(trained: Workspace, view: str, run: str) -> None:
    table = read_features(trained.features, view, run)
    assert set(table.column("code").to_pylist()) == {"I50"}
    logit = table.column("logit").to_numpy()
    np.testing.assert_allclose(table.column("probability").to_numpy(), 1 / (1 + np.exp(-logit)), rtol=1e-12)
    assert len(np.unique(logit)) > 0.9 * len(logit)


def rebuilt(workspace: Workspace, task: str) -> tuple[FrozenEncoder, Cines]:
    """Teacher and cines as a later reader makes them from disk."""
    session = open_session(workspace, "pretrain_cmr", task)
    config = session.params.preset.pretrain_cmr
    module = Supervised(CmrEncoder(config.encoder), len(FIELDS) if task == "traits" else 1)
    load_weights(module, load_run(workspace, f"pretrain_cmr-{task}").weights(), "test")
    return FrozenEncoder(module.encoder), load_cines(workspace.data, session.runtime, config)


def test_cached_teacher_features_equal_recomputed_ones(trained: Workspace) -> None:
    teacher, cines = rebuilt(trained, "I50")
    everything = np.arange(len(cines.visits))
    clean = vectors_of(read_features(trained.features, "cmr_embedding", "pretrain_cmr-I50"))
    np.testing.assert_allclose(teacher(cines.batch(everything, clean_view(len(everything)))), clean, atol=1e-5)
    cached = read_features(trained.features, "cmr_teacher", "pretrain_cmr-I50")
    for number in range(2):
        view = stable_views(cines.visits.row, number, cines.transform, 1)
        mine = vectors_of(cached.filter(cached.column("augmentation").to_numpy() == number))
        np.testing.assert_allclose(teacher(cines.batch(everything, view)), mine, atol=1e-5)
        assert np.abs(mine - clean).max() > 1e-3  # augmented, not clean again


def test_align_draws_one_cached_view_of_each_cine(trained: Workspace) -> None:
    teacher = load_cached_teacher(open_session(trained, "align", "I50"), load_run(trained, "pretrain_cmr-I50"))
    cached = read_features(trained.features, "cmr_teacher", "pretrain_cmr-I50")
    number = cached.column("augmentation").to_numpy()
    for view in range(2):
        np.testing.assert_array_equal(teacher.augmented[view], vectors_of(cached.filter(number == view)))
    positions = np.tile(np.flatnonzero(teacher.visits.split != "test")[:5], 20)
    drawn = teacher.sample(positions, torch.Generator().manual_seed(0))
    is_view = torch.stack([(drawn == teacher.augmented[view, positions]).all(dim=1) for view in range(2)])
    assert is_view.any(dim=0).all()
    assert 0.3 < is_view[0].float().mean() < 0.7  # each recording of a batch draws on its own


def test_aligning_leaves_the_teacher_as_it_was(trained: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(trained)
    folders = [workspace.run_folder("pretrain_cmr-I50"), workspace.features / "cmr_embedding"]
    folders += [workspace.features / "cmr_teacher", workspace.run_folder("pretrain_ecg")]
    before = [tree_of(folder) for folder in folders]
    change_params(workspace, **{"align.seed": 77})
    assert train(workspace, "align", "--task", "I50") == 0
    assert [tree_of(folder) for folder in folders] == before
    names = set(load_run(workspace, "align-I50").weights())
    parts = {name.partition(".")[0] for name in names}
    assert parts == {"encoder", "ecg_projection", "cmr_projection", "task_head", "log_temperature"}


def test_align_starts_from_the_autoencoders_encoder_unless_told_otherwise(
    trained: Workspace, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[dict[str, torch.Tensor]] = []
    true = execution.fit

    def spy(plan: TrainingPlan, *others: Any) -> Any:
        module = plan.network
        assert isinstance(module, Aligned)
        started.append({name: one.clone() for name, one in module.encoder.state_dict().items()})
        assert all(one.requires_grad for one in module.parameters())  # positions too
        return true(plan, *others)

    monkeypatch.setattr(execution, "fit", spy)
    workspace = copy_of(trained)
    assert train(workspace, "align", "--task", "traits") == 0
    mae = load_run(workspace, "pretrain_ecg").weights()
    assert all(torch.equal(one, mae[f"encoder.{name}"]) for name, one in started[0].items())
    change_params(workspace, **{"align.init_from": "nothing"})
    assert train(workspace, "align", "--task", "traits") == 0
    assert not torch.equal(started[1]["vit.blocks.0.mlp.fc1.weight"], mae["encoder.vit.blocks.0.mlp.fc1.weight"])
    assert [parent["run"] for parent in load_run(workspace, "align-traits").record["parents"]] == [
        "pretrain_cmr-traits"
    ]


def test_predictions_are_what_the_saved_weights_say_in_the_traits_units(trained: Workspace) -> None:
    session = open_session(trained, "align", "traits")
    record = load_run(trained, "align-traits")
    module = align.build(
        align.encoder_spec(load_run(trained, "pretrain_ecg")), session.params.preset.align, 16, len(FIELDS)
    )
    load_weights(module, record.weights(), "align-traits")
    module.eval()
    visits = recording_visits(trained.data)
    ecg = torch.from_numpy(read_all(trained.data, "ecg.zarr/clean", visits.row))
    with torch.no_grad():
        features, z_ecg, outputs = module(scale_ecg(ecg, "lead_minmax"))
    np.testing.assert_allclose(
        vectors_of(read_features(trained.features, "ecg_embedding", "align-traits")), features, atol=1e-5
    )
    np.testing.assert_allclose(
        vectors_of(read_features(trained.features, "ecg_projection", "align-traits")), z_ecg, atol=1e-5
    )
    scaler = record.record["trait_scaler"]
    expected = outputs.double().numpy() * np.array(scaler["scale"]) + np.array(scaler["mean"])
    table = read_features(trained.features, "trait_prediction", "align-traits")
    assert table.column("field_id").to_pylist() == list(FIELDS) * len(visits)
    np.testing.assert_allclose(table.column("value").to_numpy(), expected.reshape(-1), rtol=1e-5)
