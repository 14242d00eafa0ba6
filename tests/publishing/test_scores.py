"""The view prediction_scores: the same numbers as scikit-learn and scipy, split by split, with a caution where it is due."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import roc_auc_score

import eccl
from eccl.features.files import write_features
from eccl.publishing.publish import publish
from eccl.workspace import Workspace
from tests.support.runs import finish_every_run, view_rows


@pytest.fixture
def scored(place: Workspace) -> Workspace:
    """Predictions with ties, which a rank must share."""
    finish_every_run(place)
    rows = view_rows(place, "disease_prediction", "align-I50", f"align-I50-{place_version(place)}")
    ties = np.random.default_rng(3).integers(0, 3, rows.num_rows).astype(float)
    rows = rows.set_column(rows.column_names.index("logit"), "logit", pa.array(ties))
    write_features(place.features, "disease_prediction", "align-I50", rows)
    publish(place)
    return place


def place_version(place: Workspace) -> str:
    from eccl.data.parts import data_version

    return data_version(place.data)[:12]


def test_scores_agree_with_the_libraries(scored: Workspace) -> None:
    compared = 0
    with eccl.open(scored.root) as store:
        for row in store.sql("FROM prediction_scores").pl().iter_rows(named=True):
            if row["metric"] == "roc_auc":
                found = store.sql(
                    f"SELECT l.value, p.logit FROM features.{row['feature_view']} p JOIN labels l USING (eid, instance, code) "
                    "WHERE p.run = $run AND p.split = $split AND l.definition = $definition AND l.value IS NOT NULL",
                    {"run": row["run"], "split": row["split"], "definition": row["label_definition"]},
                ).pl()
                truth, guess = found["value"].to_numpy(), found["logit"].to_numpy()
                assert (row["n"], row["cases"]) == (len(truth), truth.sum())
                expected = roc_auc_score(truth, guess) if 0 < truth.sum() < len(truth) else None
            else:
                found = store.sql(
                    f"SELECT t.value, p.value AS guess FROM features.{row['feature_view']} p JOIN traits t USING (eid, instance, field_id) "
                    "JOIN fields f USING (field_id) WHERE p.run = $run AND p.split = $split AND f.short_name = $target",
                    {"run": row["run"], "split": row["split"], "target": row["target"]},
                ).pl()
                assert row["n"] == found.height
                expected = pearsonr(found["value"], found["guess"]).statistic if found.height > 1 else None
            if expected is None:
                assert row["score"] is None
            else:
                assert row["score"] == pytest.approx(expected, abs=1e-9)
                compared += 1
    assert compared > 4


def test_rows_used_in_training_have_a_caution(scored: Workspace) -> None:
    with eccl.open(scored.root) as store:
        caution = dict(store.sql("SELECT DISTINCT split, caution FROM prediction_scores").fetchall())
    assert caution["train"] == "trained on these rows"
    assert caution.get("val", "selected on these rows") == "selected on these rows"
    assert caution.get("test") is None
