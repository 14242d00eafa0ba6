"""Repeating a run, and options that the other tests leave at their defaults."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from eccl.data.parts import data_version, read_table, write_parquet
from eccl.features.files import read_features
from eccl.training.backfill.missing_rows import views_of
from eccl.training.inputs.teacher import vectors_of
from eccl.training.loop import execution
from eccl.training.runs import Run, load_run
from eccl.training.session import open_session
from eccl.training.stages import align, pretrain_cmr
from eccl.workspace import Workspace
from tests.support.tiny_workspace import FIELDS, Copy, build_workspace, change_params, train, write_gate
from tests.support.workspaces import tree_of


@pytest.mark.slow
def test_a_run_again_gives_the_same_bytes(trained: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(trained)
    before = {**tree_of(workspace.models), **tree_of(workspace.features)}
    for arguments in (["pretrain_ecg"], ["pretrain_cmr", "--task", "I50"], ["align", "--task", "I50"]):
        assert train(workspace, *arguments) == 0
    assert {**tree_of(workspace.models), **tree_of(workspace.features)} == before
    change_params(workspace, **{"pretrain_ecg.seed": 2})
    assert train(workspace, "pretrain_ecg") == 0
    assert (
        load_run(workspace, "pretrain_ecg").record["weights_sha256"]
        != (load_run(trained, "pretrain_ecg").record["weights_sha256"])
    )


@pytest.mark.slow
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


@pytest.mark.slow
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
            "align.pooling": "mean",
            "align.contrastive_weight": 0.5,
        },
    )
    assert train(workspace, "pretrain_ecg") == 0
    assert train(workspace, "pretrain_cmr", "--task", "traits") == 0
    assert train(workspace, "align", "--task", "traits") == 0
    width = vectors_of(read_features(workspace.features, "cmr_embedding", "pretrain_cmr-traits")).shape[1]
    assert width == {"resnet": 2048, "vit": 8}[kind]
    assert load_run(workspace, "align-traits").record["teacher_dim"] == width


@pytest.mark.slow
def test_without_a_contrastive_term_no_teacher_is_needed_and_no_projection_made(
    trained: Workspace, copy_of: Copy
) -> None:
    workspace = copy_of(trained)
    shutil.rmtree(workspace.run_folder("pretrain_cmr-traits"))
    shutil.rmtree(workspace.run_folder("pretrain_ecg"))
    shutil.rmtree(workspace.features)
    change_params(workspace, **{"align.contrastive_weight": 0.0, "align.init_from": "nothing"})
    assert train(workspace, "align", "--task", "traits") == 0
    run = load_run(workspace, "align-traits")
    assert run.record["parents"] == []
    assert run.record["teacher_dim"] is None
    assert {name.partition(".")[0] for name in run.weights()} == {"encoder", "task_head"}
    assert sorted(view.name for view in workspace.features.iterdir()) == ["ecg_embedding", "trait_prediction"]
    assert {view.name for view in views_of(run)} == {"ecg_embedding", "trait_prediction"}
    assert run.record["split_counts"] == load_run(trained, "align-traits").record["split_counts"]  # the same pairs
    network, _ = align.rebuild(run)
    features, z_ecg, outputs = network(torch.zeros(2, 12, 5000))
    assert (features.shape, z_ecg.shape, outputs.shape) == ((2, 16), (2, 0), (2, len(FIELDS)))


@pytest.mark.slow
def test_flips_are_left_out_for_diseases_where_configured(
    trained: Workspace, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = copy_of(trained)
    passed: list[bool] = []
    monkeypatch.setattr(
        align,
        "augment_ecg",
        lambda ecg, *_, flips: passed.append(flips) or ecg.float(),  # type: ignore[func-returns-value]
    )
    for task, is_on in (("traits", True), ("I50", False)):
        passed.clear()
        session = open_session(workspace, "align", task)
        assert not session.params.preset.align.augment.flip_for_diseases
        monkeypatch.setattr(
            execution, "save_run", lambda *_: Run({"run_id": "r", "weights_sha256": "w"}, workspace.models)
        )
        monkeypatch.setattr(align, "recording_features", lambda *_: {})
        monkeypatch.setattr(align, "cine_projections", lambda *_: {})
        align.run(session)
        assert set(passed) == {is_on}


QUICK = {
    "pretrain_cmr.optimiser": {
        "epochs": 8, "batch_size": 16, "accumulate": 1, "learning_rate": 3e-3, "warmup_epochs": 1, "weight_decay": 0.0,
        "betas": [0.9, 0.95], "patience": 0, "name": "adamw",
    },
    "pretrain_cmr.encoder.dropout": 0.0,
    "pretrain_cmr.encoder.attention_dropout": 0.0,
    "pretrain_cmr.encoder.drop_path": 0.0,
    "pretrain_cmr.cine.crop": "fixed",
    "pretrain_cmr.cine.side_mm": 120.0,
    "pretrain_cmr.cine.rotation_degrees": 0.0,
    "pretrain_cmr.cine.scale": [1.0, 1.0],
    "pretrain_cmr.teacher_views": 0,
}  # fmt: skip


def permute(workspace: Workspace, table: str) -> None:
    """Assign a table's values to other visits at random."""
    rows = read_table(workspace.data, table).to_pylist()
    order = np.random.default_rng(0).permutation(len(rows))
    values = [rows[i]["value"] for i in order]
    rows = [{**row, "value": value} for row, value in zip(rows, values, strict=True)]
    write_parquet(pa.Table.from_pylist(rows), workspace.tables / f"{table}.parquet")
    write_gate(workspace)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "table", "score", "learned", "chance", "noise"),
    [("traits", "traits", "val_mean_r", 0.8, 0.0, 0.3), ("I21", "labels", "val_auc", 0.9, 0.5, 0.2)],
)
def test_a_permuted_target_destroys_the_score(
    tmp_path: Path, task: str, table: str, score: str, learned: float, chance: float, noise: float
) -> None:
    # About eighty validation visits: three standard errors of R are 0.33, of the AUC 0.2.
    found = {}
    for name in ("real", "permuted"):
        workspace = build_workspace(tmp_path / name, participants=240, **QUICK)
        if name == "permuted":
            permute(workspace, table)
        run = pretrain_cmr.run(open_session(workspace, "pretrain_cmr", task))
        assert run is not None
        found[name] = run.record["metrics"]["history"][-1][score]
    assert found["real"] > learned
    assert abs(found["permuted"] - chance) < noise


def test_sessions_are_frozen(untrained: Workspace) -> None:
    session = open_session(untrained, "pretrain_ecg", None)
    assert replace(session, task="x").data_version == session.data_version == data_version(untrained.data)
    assert session.runtime.device_name == "cpu"
