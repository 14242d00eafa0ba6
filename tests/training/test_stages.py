"""The three stages on a tiny workspace: what they read, write and refuse."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
import yaml

from eccl.errors import ConfigError, FeatureError, GateError, VersionError
from eccl.models.cmr_encoders import CmrEncoder
from eccl.models.projection import Aligned, Supervised
from eccl.store.features import VIEWS, read_features, runs_of
from eccl.store.files import sha256_file
from eccl.store.parts import data_version, read_table, write_parquet
from eccl.training import datasets
from eccl.training.__main__ import main
from eccl.training.augment import clean_view, scale_ecg, stable_views
from eccl.training.datasets import ResidentArray, cine_visits, recording_visits
from eccl.training.frozen import FrozenEncoder
from eccl.training.runs import load_run, load_weights
from eccl.training.session import open_session
from eccl.training.stages import align, pretrain_cmr, pretrain_ecg
from eccl.training.views import vectors_of
from eccl.workspace import Workspace, shipped
from tests.training.synthetic import FIELDS, build_workspace, write_gate

Copy = Callable[[Workspace], Workspace]
RUNS = ("pretrain_ecg", "pretrain_cmr-traits", "pretrain_cmr-I50", "align-traits", "align-I50")
OF_ECG = {"ecg_embedding", "ecg_projection", "trait_prediction", "disease_prediction"}
TYPES = {
    "eid": pa.int64(),
    "instance": pa.int8(),
    "split": pa.string(),
    "run_id": pa.string(),
    "data_version": pa.string(),
    "augmentation": pa.int16(),
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


def bytes_below(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): sha256_file(file) for file in sorted(folder.rglob("*")) if file.is_file()}


def train(workspace: Workspace, *arguments: str) -> int:
    return main([*arguments, "--workspace", str(workspace.root)])


def change_params(workspace: Workspace, **changes: Any) -> None:
    """Set ``section.key`` of the preset in use."""
    content = yaml.safe_load(workspace.params_file.read_text())
    for path, value in changes.items():
        place = content["presets"][content["preset"]]
        *folders, last = path.split(".")
        for folder in folders:
            place = place[folder]
        place[last] = value
    workspace.params_file.write_text(yaml.safe_dump(content))


# What is written


@pytest.mark.parametrize("run", RUNS)
def test_a_record_has_what_the_runs_table_needs(trained: Workspace, run: str) -> None:
    record = json.loads((trained.run_folder(run) / "run.json").read_text())
    ddl = (shipped("schemas") / "tables" / "runs.sql").read_text().split(");")[0]
    columns = set(re.findall(r"(\w+) (?:VARCHAR|BIGINT|INTEGER)", ddl))
    assert {"run", "gate_status", "best_epoch", "code_version"} <= columns
    assert {name for name in columns if not name.startswith("gate_")} <= set(record)
    assert set(record["gate"]) == {"status", "sha256", "override"}
    assert record["gate"]["status"] == "green"
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
    assert sum(tensor.numel() for name, tensor in load_run(trained, run).weights().items() if "log_temp" not in name) == (
        record["parameter_count"]
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
    for view in VIEWS:
        assert set(runs_of(trained.features, view)) == {run for run, views in VIEWS_OF.items() if view in views}


@pytest.mark.parametrize(("run", "view"), [(run, view) for run, views in VIEWS_OF.items() for view in sorted(views)])
def test_a_view_has_its_columns_and_every_visit_of_its_modality(trained: Workspace, run: str, view: str) -> None:
    table = read_features(trained.features, view, run)
    assert table.column_names == ["eid", "instance", "split", "run_id", "data_version", *VIEWS[view]]
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


# What is computed


def rebuilt(workspace: Workspace, task: str) -> tuple[FrozenEncoder, pretrain_cmr.Cines]:
    """Teacher and cines as a later reader makes them from disk."""
    session = open_session(workspace, "pretrain_cmr", task)
    config = session.params.preset.pretrain_cmr
    module = Supervised(CmrEncoder(config.encoder), len(FIELDS) if task == "traits" else 1)
    load_weights(module, load_run(workspace, f"pretrain_cmr-{task}").weights(), "test")
    return FrozenEncoder(module.encoder), pretrain_cmr.load_cines(session, config)


def test_cached_teacher_features_equal_recomputed_ones(trained: Workspace) -> None:
    teacher, cines = rebuilt(trained, "I50")
    everything = np.arange(len(cines.visits))
    clean = vectors_of(read_features(trained.features, "cmr_embedding", "pretrain_cmr-I50"))
    np.testing.assert_allclose(teacher(cines.batch(everything, clean_view(len(everything)))), clean, atol=1e-5)
    cached = read_features(trained.features, "cmr_teacher", "pretrain_cmr-I50")
    for number in range(2):
        view = stable_views(cines.visits.row, number, cines.config.cine, cines.config.seed)
        mine = vectors_of(cached.filter(cached.column("augmentation").to_numpy() == number))
        np.testing.assert_allclose(teacher(cines.batch(everything, view)), mine, atol=1e-5)
        assert np.abs(mine - clean).max() > 1e-3  # augmented, not clean again


def test_aligning_leaves_the_teacher_as_it_was(trained: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(trained)
    folders = [workspace.run_folder("pretrain_cmr-I50"), workspace.features / "cmr_embedding"]
    folders += [workspace.features / "cmr_teacher", workspace.run_folder("pretrain_ecg")]
    before = [bytes_below(folder) for folder in folders]
    change_params(workspace, **{"align.seed": 77})
    assert train(workspace, "align", "--task", "I50") == 0
    assert [bytes_below(folder) for folder in folders] == before
    names = set(load_run(workspace, "align-I50").weights())
    parts = {name.partition(".")[0] for name in names}
    assert parts == {"encoder", "ecg_projection", "cmr_projection", "task_head", "log_temperature"}


def test_align_starts_from_the_autoencoders_encoder_unless_told_otherwise(
    trained: Workspace, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[dict[str, torch.Tensor]] = []
    true = align.fit

    def spy(module: Aligned, *others: Any) -> Any:
        started.append({name: one.clone() for name, one in module.encoder.state_dict().items()})
        assert all(one.requires_grad for one in module.parameters())  # positions too
        return true(module, *others)

    monkeypatch.setattr(align, "fit", spy)
    workspace = copy_of(trained)
    assert train(workspace, "align", "--task", "traits") == 0
    mae = load_run(workspace, "pretrain_ecg").weights()
    assert all(torch.equal(one, mae[f"encoder.{name}"]) for name, one in started[0].items())
    change_params(workspace, **{"align.start_from_mae": False})
    assert train(workspace, "align", "--task", "traits") == 0
    assert not torch.equal(started[1]["vit.blocks.0.mlp.fc1.weight"], mae["encoder.vit.blocks.0.mlp.fc1.weight"])
    assert [parent["run"] for parent in load_run(workspace, "align-traits").record["parents"]] == ["pretrain_cmr-traits"]


def test_predictions_are_what_the_saved_weights_say_in_the_traits_units(trained: Workspace) -> None:
    session = open_session(trained, "align", "traits")
    record = load_run(trained, "align-traits")
    module = align.build(align.encoder_spec(load_run(trained, "pretrain_ecg")), session.params.preset.align, 16, len(FIELDS))
    load_weights(module, record.weights(), "align-traits")
    module.eval()
    visits = recording_visits(trained.data)
    ecg = ResidentArray(trained.data, "ecg.zarr/clean", visits.row, torch.device("cpu")).batch(np.arange(len(visits)))
    with torch.no_grad():
        features, z_ecg, outputs = module(scale_ecg(ecg, "lead_minmax"))
    np.testing.assert_allclose(vectors_of(read_features(trained.features, "ecg_embedding", "align-traits")), features, atol=1e-5)
    np.testing.assert_allclose(vectors_of(read_features(trained.features, "ecg_projection", "align-traits")), z_ecg, atol=1e-5)
    scaler = record.record["trait_scaler"]
    expected = outputs.double().numpy() * np.array(scaler["scale"]) + np.array(scaler["mean"])
    table = read_features(trained.features, "trait_prediction", "align-traits")
    assert table.column("field_id").to_pylist() == list(FIELDS) * len(visits)
    np.testing.assert_allclose(table.column("value").to_numpy(), expected.reshape(-1), rtol=1e-5)


# What is read


def test_masked_pretraining_reads_train_and_selects_on_val_and_never_touches_test(
    untrained: Workspace, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = copy_of(untrained)
    read: list[int] = []
    with_gradient: set[int] = set()
    without: set[int] = set()
    true_read, true_batch = datasets.read_rows, ResidentArray.batch

    def spy_read(data: Path, name: str, rows: np.ndarray) -> np.ndarray:
        assert name == "ecg.zarr/clean"
        read.extend(int(row) for row in rows)
        return true_read(data, name, rows)

    def spy_batch(self: ResidentArray, positions: np.ndarray) -> torch.Tensor:
        (with_gradient if torch.is_grad_enabled() else without).update(held[int(i)] for i in positions)
        return true_batch(self, positions)

    visits = recording_visits(workspace.data)
    split_of = dict(zip(visits.row.tolist(), visits.split.tolist(), strict=True))
    positions = np.concatenate([visits.select("train", (2, 3)), visits.select("val", (2, 3))])
    held = visits.row[positions].tolist()
    monkeypatch.setattr(datasets, "read_rows", spy_read)
    monkeypatch.setattr(ResidentArray, "batch", spy_batch)
    pretrain_ecg.run(open_session(workspace, "pretrain_ecg", None))
    assert {split_of[row] for row in read} == {"train", "val"}
    assert {split_of[row] for row in with_gradient} == {"train"}
    assert {split_of[row] for row in without} == {"val"}
    assert with_gradient == {row for row, split in split_of.items() if split == "train"}
    counts = load_run(workspace, "pretrain_ecg").record["split_counts"]
    assert counts == {"train": {"visits": len(with_gradient)}, "val": {"visits": len(without)}}


@pytest.mark.parametrize("task", ["traits", "I50"])
def test_targets_of_the_test_split_have_no_influence(trained: Workspace, copy_of: Copy, task: str) -> None:
    workspace = copy_of(trained)
    splits = {row["eid"]: row["split"] for row in read_table(workspace.data, "splits").to_pylist()}
    for name in ("traits", "labels"):
        rows = read_table(workspace.data, name).to_pylist()
        for row in rows:
            if splits[row["eid"]] == "test" and row["value"] is not None:
                row["value"] = (not row["value"]) if name == "labels" else -1000 * row["value"]
        write_parquet(pa.Table.from_pylist(rows), workspace.tables / f"{name}.parquet")
    write_gate(workspace)
    for arguments in (["pretrain_ecg"], ["pretrain_cmr", "--task", task], ["align", "--task", task]):
        assert train(workspace, *arguments) == 0
    for run in ("pretrain_ecg", f"pretrain_cmr-{task}", f"align-{task}"):
        mine, theirs = load_run(workspace, run).record, load_run(trained, run).record
        assert mine["data_version"] != theirs["data_version"]
        assert mine["run_id"] != theirs["run_id"]
        assert mine["weights_sha256"] == theirs["weights_sha256"]
        assert mine["metrics"] == theirs["metrics"]


def test_disease_groups_are_made_from_labels_alone(
    untrained: Workspace, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The released code loaded and augmented every ECG and cine of the train split to read one bit of each.
    shown: list[int] = []
    true = pretrain_cmr.epoch_batches

    def spy(positions: np.ndarray, label: np.ndarray, **others: Any) -> Any:
        monkeypatch.setattr(ResidentArray, "batch", lambda *_: pytest.fail("a cine was read to make groups"))
        of_epoch = true(positions, label, **others)
        shown.extend(int(i) for batch in of_epoch(0) for i in batch)
        monkeypatch.undo()
        return of_epoch

    monkeypatch.setattr(pretrain_cmr, "epoch_batches", spy)
    workspace = copy_of(untrained)
    pretrain_cmr.run(open_session(workspace, "pretrain_cmr", "I50"))
    visits, _ = cine_visits(workspace.data)
    assert set(visits.split[shown]) == {"train"}


# What is refused


@pytest.mark.parametrize("arguments", [["pretrain_ecg"], ["pretrain_cmr", "--task", "I50"], ["align", "--task", "I50"]])
def test_a_red_gate_refuses_and_nothing_is_written(
    untrained: Workspace, copy_of: Copy, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = copy_of(untrained)
    write_gate(workspace, status="red")
    with pytest.raises(GateError, match="the gate is red"):
        open_session(workspace, arguments[0], arguments[-1] if len(arguments) > 1 else None)
    assert train(workspace, *arguments) == 1
    assert "the gate is red" in capsys.readouterr().err
    assert not workspace.models.exists()
    assert not workspace.features.exists()


def test_an_override_is_recorded(untrained: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(untrained)
    write_gate(workspace, status="red", override="pilot with known gaps")
    assert train(workspace, "pretrain_ecg") == 0
    gate = load_run(workspace, "pretrain_ecg").record["gate"]
    assert (gate["status"], gate["override"]) == ("overridden", "pilot with known gaps")


def test_a_gate_of_other_data_and_a_missing_one_refuse(untrained: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(untrained)
    write_parquet(read_table(workspace.data, "splits").slice(1), workspace.tables / "splits.parquet")
    with pytest.raises(GateError, match="is for data version"):
        open_session(workspace, "pretrain_ecg", None)
    (workspace.gate / "gate.json").unlink()
    with pytest.raises(GateError, match="has not been run"):
        open_session(workspace, "pretrain_ecg", None)


@pytest.mark.parametrize(
    ("stage", "task"), [("pretrain_ecg", "I21"), ("align", None), ("pretrain_cmr", None), ("align", "I99")]
)
def test_a_stage_takes_its_own_tasks(untrained: Workspace, stage: str, task: str | None) -> None:
    with pytest.raises(ConfigError, match="task"):
        open_session(untrained, stage, task)


def test_align_needs_its_parents_and_their_features(trained: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(trained)
    assert train(workspace, "align", "--task", "I42") == 1
    embedding = workspace.features / "cmr_embedding" / "pretrain_cmr-I50.parquet"
    session = open_session(workspace, "align", "I50")
    table = read_features(workspace.features, "cmr_embedding", "pretrain_cmr-I50")
    write_parquet(table.slice(1), embedding)
    with pytest.raises(FeatureError, match=r"1 of \d+ cines have no teacher features"):
        align.run(session)
    other = table.set_column(3, "run_id", pa.array(["pretrain_cmr-I50-0"] * len(table)))
    write_parquet(other, embedding)
    with pytest.raises(FeatureError, match="of another run than its model"):
        align.run(session)


def test_a_parent_trained_on_other_data_is_refused(trained: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(trained)
    traits = read_table(workspace.data, "traits").slice(1)
    write_parquet(traits, workspace.tables / "traits.parquet")
    write_gate(workspace)
    with pytest.raises(VersionError, match="pretrain_ecg was trained on data version"):
        align.run(open_session(workspace, "align", "traits"))


# Options that other tests do not walk


def test_a_run_again_gives_the_same_bytes(trained: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(trained)
    before = {**bytes_below(workspace.models), **bytes_below(workspace.features)}
    for arguments in (["pretrain_ecg"], ["pretrain_cmr", "--task", "I50"], ["align", "--task", "I50"]):
        assert train(workspace, *arguments) == 0
    assert {**bytes_below(workspace.models), **bytes_below(workspace.features)} == before
    change_params(workspace, **{"pretrain_ecg.seed": 2})
    assert train(workspace, "pretrain_ecg") == 0
    assert load_run(workspace, "pretrain_ecg").record["weights_sha256"] != (
        load_run(trained, "pretrain_ecg").record["weights_sha256"]
    )


def test_without_augmented_views_the_clean_ones_are_drawn(untrained: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(untrained)
    change_params(
        workspace,
        **{
            "pretrain_cmr.teacher_views": 0,
            "align.alignment.is_temperature_learnable": True,
            "align.augment.scaling": "millivolt",
            "align.augment.crop_policy": "resize",
            "align.optimiser.name": "adam",
            "pretrain_cmr.cine.crop": "fixed",
            "pretrain_cmr.cine.horizontal_flip": 0.5,
        },
    )
    assert train(workspace, "pretrain_ecg") == 0
    assert train(workspace, "pretrain_cmr", "--task", "I50") == 0
    assert train(workspace, "align", "--task", "I50") == 0
    assert len(read_features(workspace.features, "cmr_teacher", "pretrain_cmr-I50")) == 0
    temperature = load_run(workspace, "align-I50").weights()["log_temperature"].exp().item()
    assert temperature != pytest.approx(0.1, abs=1e-6)


@pytest.mark.parametrize("kind", ["resnet", "vit"])
def test_a_baseline_encoder_walks_the_same_stages(untrained: Workspace, copy_of: Copy, kind: str) -> None:
    workspace = copy_of(untrained)
    shape = {"resnet": ([1, 1, 1, 1], [1], 64), "vit": ([1], [2], 28)}[kind]
    change_params(
        workspace,
        **{
            "pretrain_cmr.encoder.kind": kind,
            "pretrain_cmr.encoder.depths": shape[0],
            "pretrain_cmr.encoder.heads": shape[1],
            "pretrain_cmr.encoder.image_size": shape[2],
            "pretrain_cmr.optimiser.epochs": 1,
            "pretrain_cmr.optimiser.warmup_epochs": 0,
            "pretrain_cmr.optimiser.batch_size": 24,
            "pretrain_cmr.teacher_views": 1,
            "pretrain_ecg.encoder.pooling": "mean",
            "align.contrastive_weight": 0.5,
        },
    )
    assert train(workspace, "pretrain_ecg") == 0
    assert train(workspace, "pretrain_cmr", "--task", "traits") == 0
    assert train(workspace, "align", "--task", "traits") == 0
    width = vectors_of(read_features(workspace.features, "cmr_embedding", "pretrain_cmr-traits")).shape[1]
    assert width == {"resnet": 2048, "vit": 8}[kind]
    assert load_run(workspace, "align-traits").record["teacher_dim"] == width


def test_without_a_contrastive_term_the_cmr_side_gets_no_gradient(trained: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(trained)
    change_params(workspace, **{"align.contrastive_weight": 0.0, "align.optimiser.weight_decay": 0.0})
    session = open_session(workspace, "align", "traits")
    started: list[torch.Tensor] = []
    true = align.build

    def spy(*arguments: Any) -> Aligned:
        module = true(*arguments)
        started.append(module.cmr_projection.weight.detach().clone())
        return module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(align, "build", spy)
        run = align.run(session)
    assert torch.equal(run.weights()["cmr_projection.weight"], started[0])


def test_flips_are_left_out_for_diseases_where_asked(trained: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(
        align, "augment_ecg", lambda ecg, *_, flips: asked.append(flips) or ecg.float()  # type: ignore[func-returns-value]
    )
    for task, is_on in (("traits", True), ("I50", False)):
        asked.clear()
        session = open_session(trained, "align", task)
        assert not session.params.preset.align.augment.flip_for_diseases
        monkeypatch.setattr(align, "save_run", lambda *_: None)
        monkeypatch.setattr(align, "write_ecg_views", lambda *_, **__: 0)
        monkeypatch.setattr(align, "write_cmr_view", lambda *_, **__: 0)
        align.run(session)
        assert set(asked) == {is_on}


def test_what_is_learned_is_in_the_data_and_not_in_the_loop(tmp_path: Path) -> None:
    quick = {
        "epochs": 14, "batch_size": 8, "learning_rate": 3e-3, "warmup_epochs": 1, "weight_decay": 0.0,
        "betas": [0.9, 0.95], "patience": 0, "name": "adamw",
    }  # fmt: skip
    scores = {}
    for name in ("real", "permuted"):
        workspace = build_workspace(
            tmp_path / name,
            participants=48,
            **{
                "pretrain_cmr.optimiser": quick,
                "pretrain_cmr.encoder.dropout": 0.0,
                "pretrain_cmr.encoder.attention_dropout": 0.0,
                "pretrain_cmr.encoder.drop_path": 0.0,
                "pretrain_cmr.cine.crop": "fixed",
                "pretrain_cmr.cine.side_mm": 120.0,
                "pretrain_cmr.cine.rotation_degrees": 0.0,
                "pretrain_cmr.cine.scale": [1.0, 1.0],
            },
        )
        if name == "permuted":
            rows = read_table(workspace.data, "traits").to_pylist()
            order = np.random.default_rng(0).permutation(len(rows))
            values = [rows[i]["value"] for i in order]
            rows = [{**row, "value": value} for row, value in zip(rows, values, strict=True)]
            write_parquet(pa.Table.from_pylist(rows), workspace.tables / "traits.parquet")
            write_gate(workspace)
        run = pretrain_cmr.run(open_session(workspace, "pretrain_cmr", "traits"))
        scores[name] = run.record["metrics"]["history"][-1]["val_mean_r"]
    assert scores["real"] > 0.8
    assert abs(scores["permuted"]) < 0.5


def test_sessions_are_frozen(untrained: Workspace) -> None:
    session = open_session(untrained, "pretrain_ecg", None)
    assert replace(session, task="x").data_version == session.data_version == data_version(untrained.data)
    assert session.device_name == "cpu"
