"""Targets come from the train split's statistics; scores leave nothing out."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pytest
import torch

from eccl.data.parts import read_table, write_parquet
from eccl.errors import SchemaError
from eccl.training.inputs.targets import TRAITS, TraitScaler, fit_scaler, read_targets, target_params
from eccl.training.inputs.visits import cine_visits, paired_visits, recording_visits
from eccl.training.loop.tasks import score_task, selection_rule, task_loss
from eccl.training.settings import ALL, DISEASES
from eccl.workspace import Workspace
from tests.support.tiny_workspace import FIELDS

NAN = float("nan")


def test_the_scaler_ignores_unknown_values_and_survives_constant_ones() -> None:
    values = np.array([[1.0, 5.0, NAN, 2.0], [3.0, 5.0, NAN, NAN], [NAN, 5.0, NAN, NAN]])
    scaler = fit_scaler((1, 2, 3, 4), values)
    assert scaler.mean == (2.0, 5.0, 0.0, 2.0)
    assert scaler.scale == (1.0, 1.0, 1.0, 1.0)
    assert scaler.count == (2, 3, 0, 1)
    assert scaler.is_learned().tolist() == [True, True, False, False]
    assert TraitScaler.from_json(json.loads(json.dumps(asdict(scaler)))) == scaler


def test_standardising_is_undone_in_float64() -> None:
    values = np.random.default_rng(0).normal(1000, 0.01, (500, 1))
    scaler = fit_scaler((1,), values)
    standard = scaler.to_standard(values).astype(np.float32)
    assert standard.mean() == pytest.approx(0, abs=1e-3)
    assert standard.std() == pytest.approx(1, abs=1e-3)
    assert scaler.from_standard(standard).dtype == np.float64
    np.testing.assert_allclose(scaler.from_standard(standard), values, atol=1e-7)
    assert len(np.unique(scaler.from_standard(standard))) == 500  # float16 would leave a handful


def test_the_scaler_is_fitted_on_train_visits_of_the_chosen_instances_only(untrained: Workspace) -> None:
    visits = recording_visits(untrained.data)
    table = read_table(untrained.data, "traits").to_pandas()
    splits = read_table(untrained.data, "splits").to_pandas().set_index("eid")["split"]
    for instances in ((2,), (2, 3)):
        targets = read_targets(untrained.data, visits, TRAITS, "ever", instances)
        has_ecg = visits.find(table["eid"].to_numpy(), table["instance"].to_numpy()) >= 0
        mine = table[(table["eid"].map(splits) == "train") & table["instance"].isin(instances) & has_ecg]
        expected = mine.groupby("field_id")["value"]
        assert targets.scaler is not None
        assert targets.scaler.field_ids == FIELDS
        np.testing.assert_allclose(targets.scaler.mean, expected.mean().to_numpy())
        np.testing.assert_allclose(targets.scaler.scale, expected.std(ddof=0).to_numpy())


def test_labels_have_the_asked_definition_and_undecided_ones_are_left_out_of_training(untrained: Workspace) -> None:
    visits, _ = cine_visits(untrained.data)
    targets = read_targets(untrained.data, visits, "I21", "ever", (2, 3))
    is_unknown = np.isnan(targets.values[:, 0])
    assert is_unknown.any()
    assert not is_unknown[targets.train].any()
    assert set(visits.split[targets.train]) == {"train"}
    labels = targets.train_labels()
    assert labels is not None
    assert set(labels.tolist()) == {0.0, 1.0}
    other = read_targets(untrained.data, visits, "I21", "incident", (2, 3))
    is_test = visits.split == "test"
    assert (other.values[~is_test] == 1).all()
    assert np.isnan(other.values[is_test]).all()  # nothing that trains can see them


def test_only_the_chosen_instances_train(untrained: Workspace) -> None:
    visits = recording_visits(untrained.data)
    assert 3 in visits.instance[visits.split == "train"]
    targets = read_targets(untrained.data, visits, TRAITS, "ever", (2,))
    assert set(visits.instance[targets.train].tolist()) == {2}


def test_pairs_have_both_sides_and_a_missing_one_is_an_error(untrained: Workspace, copy_of: object) -> None:
    recordings, (cines, _) = recording_visits(untrained.data), cine_visits(untrained.data)
    ecg, cmr = paired_visits(untrained.data, recordings, cines)
    assert (recordings.eid[ecg] == cines.eid[cmr]).all()
    assert (recordings.instance[ecg] == cines.instance[cmr]).all()
    assert len(ecg) < min(len(recordings), len(cines))
    with pytest.raises(SchemaError, match="lack a recording or cine"):
        paired_visits(untrained.data, recordings.take(np.arange(3)), cines)


def test_a_visit_without_a_split_stops_training(untrained: Workspace, copy_of: object) -> None:
    workspace: Workspace = copy_of(untrained)  # type: ignore[operator]
    splits = read_table(workspace.data, "splits").slice(1)
    write_parquet(splits, workspace.tables / "splits.parquet")
    with pytest.raises(SchemaError, match="have no split"):
        recording_visits(workspace.data)


def test_a_dictionary_without_traits_is_an_error(untrained: Workspace, copy_of: object) -> None:
    workspace: Workspace = copy_of(untrained)  # type: ignore[operator]
    fields = pa.table({"field_id": [31], "trait_index": pa.array([None], pa.int64())})
    write_parquet(fields, workspace.tables / "fields.parquet")
    with pytest.raises(SchemaError, match="names no trait"):
        read_targets(workspace.data, recording_visits(workspace.data), TRAITS, "ever", (2,))


@pytest.mark.parametrize(
    ("task", "targets", "rule"),
    [
        (TRAITS, [[1.0, NAN], [2.0, NAN]], "mean_r"),
        (TRAITS, [[1.0, NAN], [NAN, 2.0]], "loss"),
        (TRAITS, [[NAN, NAN]], "last"),
        ("I21", [[1.0], [0.0], [NAN]], "auc"),
        ("I21", [[0.0], [0.0]], "loss"),
        ("I21", [[NAN]], "last"),
        (ALL, [[1.0, NAN, NAN, NAN, NAN], [2.0, 1.0, NAN, 0.0, NAN]], "mean_r_auc"),
        (ALL, [[1.0, 0.0, NAN, 0.0, NAN], [NAN, 1.0, NAN, 0.0, NAN]], "mean_r_auc"),
        (ALL, [[1.0, 0.0, NAN, 0.0, NAN], [NAN, 0.0, NAN, 0.0, NAN]], "loss"),
        (ALL, [[NAN, NAN, NAN, NAN, NAN]], "last"),
    ],
)
def test_what_selects_the_best_epoch(task: str, targets: list[list[float]], rule: str) -> None:
    assert selection_rule(task, np.array(targets)) == rule


def test_scores_are_higher_is_better_and_computed_in_float64() -> None:
    rng = np.random.default_rng(0)
    targets = rng.normal(size=(40, 2))
    targets[3, 0] = np.nan
    outputs = targets + 0.1
    outputs[3, 0] = 5
    scores = score_task(TRAITS, "mean_r", outputs, targets)
    assert scores["score"] == scores["mean_r"] == pytest.approx(1)
    assert scores["loss"] == pytest.approx(0.01)
    assert score_task(TRAITS, "loss", outputs, targets)["score"] == -scores["loss"]
    assert np.isnan(score_task(TRAITS, "last", outputs, targets)["score"])
    disease = score_task("I21", "auc", np.array([[2.0], [1.0], [1.0 + 1e-12]]), np.array([[1.0], [0.0], [1.0]]))
    assert disease["score"] == disease["auc"] == 1  # in half precision the last two would tie


def test_all_has_the_traits_then_the_diseases_and_hides_the_test_split(untrained: Workspace) -> None:
    visits = recording_visits(untrained.data)
    together, traits, *labels = (
        read_targets(untrained.data, visits, task, "ever", (2, 3)) for task in (ALL, TRAITS, *DISEASES)
    )
    np.testing.assert_array_equal(together.values, np.hstack([traits.values, *(one.values for one in labels)]))
    assert together.scaler == traits.scaler
    assert together.width == len(FIELDS) + 4
    assert together.train_labels() is None
    assert target_params("all", together.definition) == {"label_definition": "ever"}
    assert np.isnan(together.values[visits.split == "test"]).all()
    counts = together.count(together.train)
    assert counts["cases_I21"] == labels[0].count(together.train)["cases"] > 0
    assert set(counts) == {"visits", "known", *(f"cases_{code}" for code in DISEASES)}


def test_the_loss_of_all_is_that_of_traits_plus_the_mean_over_known_diseases() -> None:
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(6, 7, generator=generator, requires_grad=True)
    target = torch.cat(
        [torch.randn(6, 3, generator=generator), (torch.rand(6, 4, generator=generator) > 0.5).float()], 1
    )
    target[:, 4] = NAN  # no visit of the batch has a label of the second disease
    target[:4, 6] = NAN
    parts = [task_loss(code, outputs[:, 3 + i : 4 + i], target[:, 3 + i : 4 + i]) for i, code in enumerate(DISEASES)]
    expected = task_loss(TRAITS, outputs[:, :3], target[:, :3]) + (parts[0] + parts[2] + parts[3]) / 3
    loss = task_loss(ALL, outputs, target)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert outputs.grad is not None
    assert torch.equal(outputs.grad[:, 4], torch.zeros(6))
    assert bool((outputs.grad[4:, 6] != 0).all())


def test_all_is_selected_by_the_mean_of_its_two_means_over_what_is_defined() -> None:
    rng = np.random.default_rng(0)
    targets = np.hstack([rng.normal(size=(30, 2)), (rng.random((30, 4)) > 0.5).astype(float)])
    outputs = targets + rng.normal(size=targets.shape)
    targets[:, 1] = NAN
    targets[:, 3] = 0.0  # one class
    scores = score_task(ALL, "mean_r_auc", outputs, targets)
    assert scores["mean_r"] == score_task(TRAITS, "mean_r", outputs[:, :1], targets[:, :1])["mean_r"]
    aucs = [score_task("I21", "auc", outputs[:, i : i + 1], targets[:, i : i + 1])["auc"] for i in (2, 4, 5)]
    assert scores["mean_auc"] == pytest.approx(np.mean(aucs))
    assert scores["score"] == scores["mean_r_auc"] == pytest.approx((scores["mean_r"] + scores["mean_auc"]) / 2)
    targets[:, 2:] = NAN
    assert score_task(ALL, "mean_r_auc", outputs, targets)["score"] == scores["mean_r"]
