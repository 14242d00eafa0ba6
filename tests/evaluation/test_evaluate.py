"""Scores against scipy and scikit-learn on the same vectors, and what becomes of them in the reports."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import average_precision_score, brier_score_loss, r2_score, roc_auc_score

from eccl.data import database
from eccl.data.parts import data_version
from eccl.errors import FeatureError
from eccl.evaluation.evaluate import evaluate
from eccl.evaluation.test_split.access import find_access
from eccl.features.files import write_features
from eccl.features.materialized import write_materialization
from eccl.workspace import Workspace, shipped

FIELDS = (24100, 24103)
CODES = ("I21", "I42", "I48", "I50")
SPLITS = ("train", "val", "test")
PEOPLE = 60


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    found = Workspace(tmp_path)
    (tmp_path / "params.yaml").write_text(shipped("params.yaml").read_text())
    rng = np.random.default_rng(4)
    eids = np.arange(9_000_000, 9_000_000 + PEOPLE)
    fields = [{"field_id": f, "title": f"trait {f}", "short_name": f"t{f}", "value_type": "continuous"} for f in FIELDS]
    rows = [{**field, "trait_index": index} for index, field in enumerate(fields)]
    write(found, "fields", rows)
    traits = [{"eid": e, "instance": 2, "field_id": f, "value": rng.normal()} for e in eids for f in FIELDS if e % 7]
    write(found, "traits", traits)
    pair = {"instance": 2, "trait_count": 2}
    pairs = [
        {"eid": e, **pair, "split": SPLITS[row % 3], "recording_row": row, "cine_row": row}
        for row, e in enumerate(eids)
    ]
    write(found, "pairs", pairs)
    base = {"instance": 2, "definition": "ever", "horizon_days": None, "date": None, "source": None}
    write(
        found, "labels", [{"eid": e, "code": c, "value": bool(rng.random() < 0.4), **base} for e in eids for c in CODES]
    )
    keys = {
        "eid": eids,
        "instance": np.full(PEOPLE, 2, np.int8),
        "split": [SPLITS[i % 3] for i in range(PEOPLE)],
        "run_id": ["r"] * PEOPLE,
        "data_version": [data_version(found.data)] * PEOPLE,
        "array_row": np.arange(PEOPLE),
    }
    truth = {(t["eid"], t["field_id"]): t["value"] for t in traits}
    for stage, prefix in (("align", ""), ("pretrain_cmr", "cmr_")):
        long = pl.DataFrame(keys).join(pl.DataFrame({"field_id": FIELDS}, schema={"field_id": pl.Int32}), how="cross")
        values = [truth.get((e, f), 0.0) + rng.normal() for e, f in zip(long["eid"], long["field_id"], strict=True)]
        table = long.with_columns(pl.Series("value", values)).to_arrow()
        write_features(found.features, f"{prefix}trait_prediction", f"{stage}-traits", table)
        for code in CODES:
            logit = rng.normal(size=PEOPLE)
            mine = {**keys, "code": [code] * PEOPLE, "probability": 1 / (1 + np.exp(-logit)), "logit": logit}
            write_features(found.features, f"{prefix}disease_prediction", f"{stage}-{code}", pa.table(mine))
    found.gate.mkdir(parents=True)
    gate = {"status": "passed", "data_version": data_version(found.data), "results_sha256": "ab", "override": None}
    (found.gate / "gate.json").write_text(json.dumps(gate))
    return found


def write(place: Workspace, table: str, rows: list[dict[str, object]]) -> None:
    database.write_table(place.data, table, pa.Table.from_pylist(rows))


def test_scores_equal_scipy_and_scikit_learn(place: Workspace) -> None:
    evaluate(place)
    metrics = json.loads((place.reports / "metrics.json").read_text())["test"]["ECCL"]
    predicted = pl.read_parquet(place.features / "trait_prediction/align-traits.parquet").filter(
        pl.col("split") == "test"
    )
    measured = pl.read_parquet(place.data / "tables/traits.parquet").rename({"value": "truth"})
    joined = predicted.join(measured, on=["eid", "instance", "field_id"])
    expected = [
        pearsonr(*(joined.filter(pl.col("field_id") == f)[c] for c in ("truth", "value"))).statistic for f in FIELDS
    ]
    assert metrics["mean_r"] == pytest.approx(np.mean(expected), abs=1e-12)
    labels = pl.read_parquet(place.data / "tables/labels.parquet").rename({"value": "truth"})
    disease = pl.read_parquet(place.features / "disease_prediction/align-I48.parquet").filter(pl.col("split") == "test")
    both = disease.join(labels.filter(pl.col("code") == "I48"), on=["eid", "instance"])
    assert both.height == metrics["AF_n"] == PEOPLE // 3  # nobody is dropped
    assert metrics["AF_auc"] == pytest.approx(roc_auc_score(both["truth"], both["logit"]), abs=1e-12)
    assert metrics["AF_cases"] == both["truth"].sum()
    assert metrics["AF_average_precision"] == pytest.approx(average_precision_score(both["truth"], both["logit"]))
    assert metrics["AF_brier"] == pytest.approx(brier_score_loss(both["truth"], both["probability"]))
    assert 0 < metrics["AF_ece"] < 1
    assert metrics["AF_calibration_slope"] < 1  # drawn at random
    r2 = [r2_score(*(joined.filter(pl.col("field_id") == f)[c] for c in ("truth", "value"))) for f in FIELDS]
    assert metrics["mean_r2"] == pytest.approx(np.mean(r2), abs=1e-12)


def test_a_disease_without_cases_is_not_scored(place: Workspace) -> None:
    labels = pl.read_parquet(place.data / "tables/labels.parquet")
    healthy = labels.with_columns(
        pl.when(pl.col("code") == "I42").then(pl.lit(False)).otherwise("value").alias("value")
    )
    database.write_table(place.data, "labels", healthy.to_arrow())
    gate = json.loads((place.gate / "gate.json").read_text())
    (place.gate / "gate.json").write_text(json.dumps({**gate, "data_version": data_version(place.data)}))
    with pytest.raises(FeatureError, match="another data version"):
        evaluate(place)
    for path in place.features.rglob("*.parquet"):
        now = pl.lit(data_version(place.data)).alias("data_version")
        pl.read_parquet(path).with_columns(now).write_parquet(path)
    text = evaluate(place)
    assert "n/a (0/20)" in text
    assert json.loads((place.reports / "metrics.json").read_text())["test"]["ECCL"]["CM_auc"] is None


def cover(place: Workspace, version: str) -> None:
    """Record every run as brought up to a data version."""
    for path in sorted(place.features.glob("*_prediction/*.parquet")):
        record = {
            "run": path.stem, "run_id": "r", "data_version": version, "reason": "materialized", "gate": None, "added": {},
        }  # fmt: skip
        write_materialization(place.features, record, {})


def replace_recording(place: Workspace) -> None:
    """Give the first test visit's pair another slot, as a changed file does, and open the gate."""
    pairs = pl.read_parquet(place.data / "tables/pairs.parquet")
    slot = pl.when(pl.col("eid") == 9_000_002).then(pl.lit(PEOPLE)).otherwise("recording_row").alias("recording_row")
    database.write_table(place.data, "pairs", pairs.with_columns(slot).to_arrow())
    gate = json.loads((place.gate / "gate.json").read_text())
    (place.gate / "gate.json").write_text(json.dumps({**gate, "data_version": data_version(place.data)}))


def test_a_run_counts_once_it_is_brought_up_to_the_data(place: Workspace) -> None:
    evaluate(place)
    before = json.loads((place.reports / "metrics.json").read_text())
    trained_on = before["data_version"]
    replace_recording(place)
    current = data_version(place.data)
    told = rf"align-traits was trained on another data version \({trained_on}\) than the workspace holds \({current}\)"
    with pytest.raises(FeatureError, match=rf"{told}.*`eccl materialize align-traits`.*`eccl train align@traits`"):
        evaluate(place)
    cover(place, current)
    with pytest.raises(FeatureError, match="no prediction for 1 of 60 pairs"):  # the older slot's row does not count
        evaluate(place)
    folder = place.features / "materialized"
    for path in sorted(place.features.glob("*_prediction/align-*.parquet")):
        view, run = path.parent.name, path.stem
        old = pl.read_parquet(path).filter(pl.col("eid") == 9_000_002)
        new = old.with_columns(pl.lit(PEOPLE).alias("array_row"), pl.lit(current).alias("data_version"))
        if view == "disease_prediction":
            new = new.with_columns(pl.lit(99.0).alias("logit"))
        new.write_parquet(folder / run / current / f"{view}.parquet")
    evaluate(place)
    after = json.loads((place.reports / "metrics.json").read_text())
    assert after["data_version"] == current
    assert after["test"]["ECCL"]["AF_n"] == before["test"]["ECCL"]["AF_n"] == PEOPLE // 3  # one row a visit
    assert after["test"]["ECCL"]["mean_r"] == before["test"]["ECCL"]["mean_r"]
    aucs = [[score for name, score in one["test"]["ECCL"].items() if name.endswith("_auc")] for one in (before, after)]
    assert aucs[0] != aucs[1]  # of the new slot's rows
    assert after["test"]["CMR_Sup"] == before["test"]["CMR_Sup"]


@pytest.mark.parametrize("view", ["disease_prediction/align-I48", "cmr_trait_prediction/pretrain_cmr-traits"])
def test_a_pair_without_a_prediction_is_not_dropped_silently(place: Workspace, view: str) -> None:
    path = place.features / f"{view}.parquet"
    pl.read_parquet(path).filter(pl.col("eid") != 9_000_002).write_parquet(path)
    with pytest.raises(FeatureError, match=r"no prediction for 1 of 60 pairs"):
        evaluate(place)


def test_metrics_say_for_which_weights_the_test_split_was_opened(place: Workspace) -> None:
    for run, run_id in (("align-I48", "r"), ("align-I50", "another"), ("align-all", "r")):
        place.run_folder(run).mkdir(parents=True)
        record = {"run": run, "run_id": run_id, "weights_sha256": run}
        (place.run_folder(run) / "run.json").write_text(json.dumps(record))
    evaluate(place)
    metrics = json.loads((place.reports / "metrics.json").read_text())
    # Nobody knows the weights behind the features of align-I50, nor of runs without a record; align-all was not scored.
    assert metrics["runs"] == {"align-I48": {"run_id": "r", "weights_sha256": "align-I48"}}
    current = data_version(place.data)
    record = {"run": "align-I48", "run_id": "r", "weights_sha256": "align-I48"}
    assert find_access(place, record, current).denied == ""
    assert "stage `evaluate`" in find_access(place, {**record, "weights_sha256": "others"}, current).denied
    assert "stage `evaluate`" in find_access(place, record, "0" * 16).denied
    assert find_access(place, record, current, "ever").denied == ""
    older = {name: value for name, value in metrics.items() if name not in {"label_definition", "instances"}}
    (place.reports / "metrics.json").write_text(json.dumps(older))
    assert "`dvc repro --force --single-item evaluate`" in find_access(place, record, current).denied
    (place.reports / "metrics.json").write_text(json.dumps(metrics))
    assert "stage `evaluate`" in find_access(place, record, current, "incident").denied


@pytest.mark.parametrize(
    ("found", "other"), [("label_definition: ever", "label_definition: incident"), ("[2, 3]", "[2]")]
)
def test_another_label_or_other_visits_are_not_what_was_opened(place: Workspace, found: str, other: str) -> None:
    place.run_folder("align-I48").mkdir(parents=True, exist_ok=True)
    record = {"run": "align-I48", "run_id": "r", "weights_sha256": "align-I48"}
    (place.run_folder("align-I48") / "run.json").write_text(json.dumps(record))
    evaluate(place)
    current = data_version(place.data)
    assert find_access(place, record, current).denied == ""
    text = place.params_file.read_text()
    assert found in text
    place.params_file.write_text(text.replace(found, other))
    assert "data, visits and labels" in find_access(place, record, current).denied


def test_reports_are_complete_and_repeat_byte_for_byte(place: Workspace) -> None:
    evaluate(place)
    first = {path.name: path.read_bytes() for path in (place.reports / "evaluation").iterdir()}
    assert set(first) == {"table1.csv", "table1.md", "trait_r.csv", "trait_r.png", "trait_r.svg"}
    assert first["table1.md"].decode().count("\n| ECCL |") == 2
    evaluate(place)
    assert {path.name: path.read_bytes() for path in (place.reports / "evaluation").iterdir()} == first
