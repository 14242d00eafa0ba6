"""Targets come from the train split's statistics; scores leave nothing out."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from eccl.errors import SchemaError
from eccl.store.parts import read_table, write_parquet
from eccl.training.scoring import score_task, selection_rule
from eccl.training.targets import TRAITS, TraitScaler, fit_scaler, read_targets
from eccl.training.visits import cine_visits, paired_visits, recording_visits
from eccl.workspace import Workspace
from tests.training.synthetic import FIELDS

NAN = float("nan")


def test_the_scaler_ignores_unknown_values_and_survives_constant_ones() -> None:
    values = np.array([[1.0, 5.0, NAN, 2.0], [3.0, 5.0, NAN, NAN], [NAN, 5.0, NAN, NAN]])
    scaler = fit_scaler((1, 2, 3, 4), values)
    assert scaler.mean == (2.0, 5.0, 0.0, 2.0)
    assert scaler.scale == (1.0, 1.0, 1.0, 1.0)
    assert scaler.count == (2, 3, 0, 1)
    assert scaler.is_learned().tolist() == [True, True, False, False]
    assert TraitScaler.from_json(scaler.to_json()) == scaler


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
