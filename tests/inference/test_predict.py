from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from eccl.config import load_params
from eccl.data.parts import read_table, table_files, write_parquet
from eccl.errors import FeatureError, VersionError, WithdrawalError, WorkspaceError
from eccl.features.files import read_features
from eccl.inference.distribution import FEWEST_RECORDINGS
from eccl.inference.predict import Predictions, Predictor
from eccl.inference.reading import Reader, Recording
from eccl.inference.reference import first_visits, run_reference
from eccl.inference.runs import choose_runs
from eccl.ledger.tombstones import journal_path
from eccl.training.inputs.visits import recording_visits
from eccl.training.loop.runtime import RuntimeConfig
from eccl.training.runs import load_run
from eccl.workspace import Workspace

pytestmark = pytest.mark.slow

Files = tuple[Path, pl.DataFrame]
BATCH = 8  # of tiny_params


def open_predictor(place: Workspace, model: str) -> Predictor:
    return Predictor.open(place, choose_runs(place, model), RuntimeConfig())


def read(place: Workspace, folder: Path, names: list[str]) -> list[Recording]:
    reader = Reader(folder, load_params(place.params_file))
    found = [reader.read(reader.find(name)) for name in names]
    assert all(isinstance(one, Recording) for one in found)
    return [one for one in found if isinstance(one, Recording)]


@pytest.fixture(scope="module")
def some(study: Workspace, files: Files) -> tuple[list[Recording], pl.DataFrame]:
    """Three recordings that were ingested, one of each split."""
    folder, listed = files
    chosen = in_full_batches(study, listed).unique("split", keep="first", maintain_order=True)
    return read(study, folder, chosen["file"].to_list()), chosen


def in_full_batches(place: Workspace, listed: pl.DataFrame) -> pl.DataFrame:
    """Without the recordings of the stage's last batch, which was not full: their last digit may be another one."""
    rows = recording_visits(place.data).row
    return listed.filter(pl.col("row").is_in(rows[: len(rows) - len(rows) % BATCH].tolist()))


@pytest.mark.parametrize(
    ("model", "views"),
    [
        ("align", {"trait_prediction": 1, "disease_prediction": 4, "ecg_embedding": 5}),
        ("all", {"trait_prediction": 1, "disease_prediction": 1, "ecg_embedding": 1}),
        ("align-I50.neither.s42", {"disease_prediction": 1, "ecg_embedding": 1}),
    ],
)
def test_an_ingested_recording_gets_the_numbers_of_the_feature_views(
    study: Workspace, files: Files, some: tuple[list[Recording], pl.DataFrame], model: str, views: dict[str, int]
) -> None:
    everybody = in_full_batches(study, files[1])
    together = open_predictor(study, model).predict(read(study, files[0], everybody["file"].to_list()))
    one_by_one = predict_one_by_one(study, model, some[0])
    for found, listed in ((together, everybody), (one_by_one, some[1])):
        frames = found.frames()
        for view, runs in views.items():
            frame = frames[view]
            assert frame["run"].n_unique() == runs
            compare_with_store(study, view, frame, listed)
    assert {name for name in together.frames() if together.frames()[name].height} == {*views, "recording"}


def predict_one_by_one(place: Workspace, model: str, recordings: list[Recording]) -> Predictions:
    predictor = open_predictor(place, model)
    parts = [predictor.predict([one]).frames() for one in recordings]
    keys = ("trait_prediction", "disease_prediction", "ecg_embedding", "recording")
    return Predictions(*(pl.concat([part[key] for part in parts]) for key in keys))


def compare_with_store(place: Workspace, view: str, frame: pl.DataFrame, listed: pl.DataFrame) -> None:
    """Every row equal to the last digit."""
    own = {"trait_prediction": "value", "disease_prediction": "logit", "ecg_embedding": "vector"}[view]
    keys = {"trait_prediction": ["field_id"], "disease_prediction": ["code"], "ecg_embedding": []}[view]
    for (run,), rows in frame.group_by("run"):
        stored = pl.DataFrame(read_features(place.features, view, str(run)))
        joined = rows.join(listed, on="file").join(
            stored, left_on=["row", *keys], right_on=["array_row", *keys], suffix="_stored"
        )
        assert joined.height == rows.height == stored.height // stored["array_row"].n_unique() * listed.height
        mine, theirs = joined[own].to_list(), joined[f"{own}_stored"].to_list()
        assert mine == theirs
        assert (joined["run_id"] == joined["run_id_stored"]).all()


def test_a_probe_reads_the_embedding_of_its_encoder(
    study: Workspace, some: tuple[list[Recording], pl.DataFrame]
) -> None:
    recordings, listed = some
    found = Predictor.open(
        study, [load_run(study, "probe-traits"), load_run(study, "probe-I50")], RuntimeConfig()
    ).predict(recordings)
    assert found.embeddings["run"].unique().to_list() == ["align-traits"]  # once, though two runs read it
    assert found.embeddings.height == len(recordings)
    for frame, view, own, keys in (
        (found.traits, "trait_prediction", "value", ["field_id"]),
        (found.diseases, "disease_prediction", "logit", ["code"]),
    ):
        run = str(frame["run"][0])
        stored = pl.DataFrame(read_features(study.features, view, run))
        joined = frame.join(listed, on="file").join(
            stored, left_on=["row", *keys], right_on=["array_row", *keys], suffix="_stored"
        )
        np.testing.assert_allclose(
            joined[own], joined[f"{own}_stored"], rtol=1e-12
        )  # sums of float64, in another order


def test_a_probe_of_an_encoder_that_was_trained_again_is_refused(own: Workspace) -> None:
    record = json.loads((own.run_folder("probe-I50") / "run.json").read_text())
    record["parents"][0]["weights_sha256"] = "0" * 64
    (own.run_folder("probe-I50") / "run.json").write_text(json.dumps(record))
    with pytest.raises(VersionError, match="trained again"):
        open_predictor(own, "probe-I50")


def test_intervals_are_those_of_the_validation_residuals(
    study: Workspace, some: tuple[list[Recording], pl.DataFrame]
) -> None:
    found = open_predictor(study, "align-traits").predict(some[0]).traits
    predicted = pl.DataFrame(read_features(study.features, "trait_prediction", "align-traits"))
    measured = pl.DataFrame(read_table(study.data, "traits")).rename({"value": "measured"})
    both = predicted.filter(pl.col("split") == "val").join(measured, on=["eid", "instance", "field_id"])
    both = both.sort("eid", "instance")
    assert both.filter(pl.col("instance") == 3).height > 0
    first = both.join(both.group_by("eid").agg(pl.col("instance").min()), on=["eid", "instance"])
    ended = []
    for row in found.iter_rows(named=True):
        mine = first.filter(pl.col("field_id") == row["field_id"])
        residual = sorted(abs(value) for value in (mine["measured"] - mine["value"]).to_list())
        rank = int(np.ceil(0.9 * (len(residual) + 1)))
        assert row["validation_visits"] == (None if 0 < len(residual) < 10 else len(residual))
        if len(residual) < 10:
            assert row["interval_lower"] is None
            assert "at least 10" in row["note"]
        else:
            width, is_positive = residual[rank - 1], mine["measured"].min() >= 0
            assert row["interval_upper"] == pytest.approx(row["value"] + width, rel=1e-9)
            ended.append(is_positive and row["value"] < width)
            assert row["interval_lower"] == pytest.approx(0 if ended[-1] else row["value"] - width, rel=1e-9)
    assert found["interval_lower"].null_count() < found.height
    assert set(ended) == {True, False}
    assert found["units"].null_count() == 0


def test_nine_visits_with_a_trait_are_no_interval_and_are_not_counted(
    own: Workspace, some: tuple[list[Recording], pl.DataFrame]
) -> None:
    """Nine residuals would do for 90 %, but the widest of them is the error of one of nine people."""
    visits = recording_visits(own.data)
    people = visits.eid[first_visits(visits, "val", (2, 3))]
    traits = pl.DataFrame(read_table(own.data, "traits"))
    for field_id, kept in ((24100, people[:9]), (24101, people[:10])):
        gone = np.setdiff1d(people, kept).tolist()
        traits = traits.filter(~((pl.col("field_id") == field_id) & pl.col("eid").is_in(gone)))
    write_parquet(traits.to_arrow(), own.tables / "traits.parquet")
    found = open_predictor(own, "align-traits").predict(some[0][:1]).traits
    (nine,) = found.filter(pl.col("field_id") == 24100).to_dicts()
    assert [nine[name] for name in ("interval_lower", "interval_upper", "validation_visits")] == [None] * 3
    assert nine["note"] == "no interval: found fewer than 10 validation visits with this trait, expected at least 10"
    (ten,) = found.filter(pl.col("field_id") == 24101).to_dicts()
    assert ten["interval_lower"] < ten["value"] < ten["interval_upper"]
    assert (ten["validation_visits"], ten["note"]) == (10, None)


CURVE = ("calibration_slope", "calibration_intercept", "calibration_cases", "calibration_visits")


def test_fewer_than_ten_cases_give_no_calibrated_probability_and_are_not_counted(
    study: Workspace, some: tuple[list[Recording], pl.DataFrame]
) -> None:
    references = open_predictor(study, "align").references
    counts = {code: (curve.cases, curve.others) for one in references for code, curve in one.curves.items()}
    assert sorted(counts) == ["I21", "I42", "I48", "I50"]
    assert max(cases for cases, _ in counts.values()) >= 5  # of these a curve was once made
    found = open_predictor(study, "align").predict(some[0]).diseases
    for row in found.iter_rows(named=True):
        cases, others = counts[row["code"]]
        assert 0 < cases < 10 <= others
        assert [row[name] for name in ("calibrated_probability", "ci_lower", "ci_upper", *CURVE)] == [None] * 7
        assert [row[name] for name in ("validation_cases", "validation_others")] == [None, None]
        assert "found fewer than 10 validation visits with" in row["note"]
        assert str(others) not in row["note"]
        assert 0 < row["probability"] < 1


def relabel(place: Workspace, code: str, cases: str) -> None:
    """Space a run's stored logits evenly, in their order, and give the disease to the highest, lowest or every second half."""
    path = place.features / "disease_prediction" / f"align-{code}.parquet"
    rows = pl.read_parquet(path)
    rank, half = pl.col("logit").rank("ordinal").over("split"), pl.len().over("split") / 2
    is_case = {"highest": rank > half, "lowest": rank <= half, "every second": rank % 2 == 0}[cases]
    write_parquet(rows.with_columns((rank / 4).cast(rows.schema["logit"]).alias("logit")).to_arrow(), path)
    mine = rows.select("eid", "instance", "code", is_case.alias("mine"))
    labels = pl.read_parquet(place.tables / "labels.parquet")
    both = labels.join(mine, on=["eid", "instance", "code"], how="left", maintain_order="left")
    given = both.with_columns(pl.coalesce("mine", "value").alias("value")).select(labels.columns)
    write_parquet(given.to_arrow(), place.tables / "labels.parquet")


def test_a_probability_is_calibrated_only_where_validation_separates_cases(
    own: Workspace, some: tuple[list[Recording], pl.DataFrame]
) -> None:
    relabel(own, "I21", "highest")
    relabel(own, "I48", "lowest")
    relabel(own, "I50", "every second")
    found = open_predictor(own, "align").predict(some[0]).diseases
    expected = found.filter(pl.col("code") == "I21")
    assert (expected["ci_lower"] < expected["calibrated_probability"]).all()
    assert (expected["calibrated_probability"] < expected["ci_upper"]).all()
    rising = expected.sort("logit")
    assert rising["calibrated_probability"].is_sorted()
    assert rising["probability"].is_sorted()
    log_odds = expected["calibration_intercept"] + expected["calibration_slope"] * expected["logit"]
    np.testing.assert_allclose(expected["calibrated_probability"], 1 / (1 + np.exp(-log_odds.to_numpy())), rtol=1e-9)
    for code, words in (
        ("I48", "gives cases lower outputs than others"),
        ("I50", "does not separate cases from others"),
    ):
        rows = found.filter(pl.col("code") == code)
        assert rows["probability"].null_count() == rows["calibration_slope"].null_count() == 0
        assert (rows.select("calibrated_probability", "ci_lower", "ci_upper").null_count().row(0)) == (rows.height,) * 3
        assert all(words in note and "no calibrated probability is given" in note for note in rows["note"])
    assert (found.filter(pl.col("code") == "I48")["calibration_slope"] < 0).all()
    fitted = found.filter(pl.col("code") != "I42")
    assert (fitted["calibration_cases"] == fitted["validation_cases"]).all()
    assert (fitted["calibration_visits"] == fitted["validation_cases"] + fitted["validation_others"]).all()
    few = found.filter(pl.col("code") == "I42")
    assert few.select(*CURVE, "validation_cases").null_count().row(0) == (few.height,) * 5


def test_the_test_split_changes_nothing(study: Workspace, own: Workspace) -> None:
    run, encoder = load_run(own, "align-all"), load_run(own, "align-all")
    before = run_reference(own, run, encoder)
    splits = pl.DataFrame(read_table(own.data, "splits", ["eid", "split"]))
    tested = splits.filter(pl.col("split") == "test")["eid"].to_list()
    assert tested
    traits = pl.DataFrame(read_table(own.data, "traits"))
    kept = traits.with_columns(pl.when(pl.col("eid").is_in(tested)).then(1e9).otherwise("value").alias("value"))
    write_parquet(kept.to_arrow(), own.tables / "traits.parquet")
    labels = pl.DataFrame(read_table(own.data, "labels"))
    turned = pl.when(pl.col("eid").is_in(tested)).then(~pl.col("value")).otherwise("value")
    write_parquet(labels.with_columns(turned.alias("value")).to_arrow(), own.tables / "labels.parquet")
    for view in ("ecg_embedding", "trait_prediction", "disease_prediction"):
        path = own.features / view / "align-all.parquet"
        rows = pq.read_table(path)
        write_parquet(rows.filter([split != "test" for split in rows.column("split").to_pylist()]), path)
    after = run_reference(own, run, encoder)
    assert str(after.margins) == str(before.margins)  # nan is not equal to itself
    assert str(after.curves) == str(before.curves)
    assert before.cloud is not None
    assert after.cloud is not None
    np.testing.assert_array_equal(after.cloud.distance, before.cloud.distance)
    people = len(first_visits(recording_visits(own.data), "val", (2, 3)))
    assert len(before.cloud.distance) == people  # two visits of one person are no two observations


def test_one_visit_per_participant_counts(study: Workspace) -> None:
    visits = recording_visits(study.data)
    chosen = visits.take(first_visits(visits, "val", (2, 3)))
    assert len(np.unique(chosen.eid)) == len(chosen) < len(visits.select("val", (2, 3)))
    assert (chosen.split == "val").all()


def test_an_unusual_recording_is_marked(study: Workspace, some: tuple[list[Recording], pl.DataFrame]) -> None:
    found = open_predictor(study, "align-traits")
    (amplitude,) = (one for one in found.ranges if one.measure == "amplitude_p99_uv")
    assert FEWEST_RECORDINGS <= len(amplitude.distance) < 99  # so many can say unusual, and no more
    loud = replace(some[0][0], clean=some[0][0].clean * 4, columns={**some[0][0].columns, "amplitude_p99_uv": 20000.0})
    (row,) = found.predict([loud]).recordings.to_dicts()
    assert row["amplitude_p99_uv_p"] == pytest.approx(1 / (1 + len(amplitude.distance)))
    assert row["amplitude_p99_uv_distribution"] == "unusual"
    # Seven comparisons need more recordings than these to say anything of all together.
    assert (row["comparisons"], row["distribution"]) == (7, "unknown")
    assert row["p"] == pytest.approx(7 / (1 + len(amplitude.distance)))
    assert f"found {len(amplitude.distance)} validation recordings" in row["note"]
    assert "expected at least 139" in row["note"]
    flat = replace(some[0][0], columns={**some[0][0].columns, "flat_leads": 2})
    (row,) = found.predict([flat]).recordings.to_dicts()
    assert row["flat_leads_distribution"] == "unusual"


def test_all_comparisons_together_are_judged(study: Workspace, some: tuple[list[Recording], pl.DataFrame]) -> None:
    """With validation recordings enough, a far measure makes the recording outside, and usual ones leave it inside."""
    found = open_predictor(study, "align-traits")
    many = tuple(replace(one, distance=np.sort(np.random.default_rng(1).random(999))) for one in found.ranges)
    (reference,) = found.references
    assert reference.cloud is not None
    cloud = replace(reference.cloud, distance=np.sort(np.random.default_rng(2).random(999) * 1e6))
    wide = replace(found, ranges=many, references=(replace(reference, cloud=cloud),))
    middle = {one.measure: one.median for one in many}
    usual = replace(some[0][0], columns={**some[0][0].columns, **middle})
    (row,) = wide.predict([usual]).recordings.to_dicts()
    assert row["distribution"] == "inside"
    assert "unknown" not in (row["note"] or "")
    loud = replace(usual, columns={**usual.columns, "amplitude_p99_uv": 1e9})
    (row,) = wide.predict([loud]).recordings.to_dicts()
    assert (row["p"], row["distribution"]) == (pytest.approx(7 / 1000), "outside")


def test_a_recording_in_training_is_marked(own: Workspace, some: tuple[list[Recording], pl.DataFrame]) -> None:
    recordings, listed = some
    # This cohort was simulated straight into data/, where the hash is of a recipe; here it shall be the file's.
    hashes = dict(zip(listed["row"], (one.file_sha256 for one in recordings), strict=True))
    mine = pl.col("row").replace_strict(hashes, default=None, return_dtype=pl.String)
    for path in table_files(own.data, "recordings"):
        table = pl.read_parquet(path)
        write_parquet(table.with_columns(pl.coalesce(mine, "file_sha256").alias("file_sha256")).to_arrow(), path)
    found = open_predictor(own, "align-traits").predict(recordings).recordings
    notes = dict(zip(found["file"], found["note"], strict=True))
    for file, split in listed.select("file", "split").iter_rows():
        expected = {"train": "trained on this very recording", "val": "a model was selected", "test": None}[split]
        assert "very recording" not in notes[file] if expected is None else expected in notes[file]
    assert set(listed["split"]) == {"train", "val", "test"}


def test_without_data_and_features_the_notes_explain_what_is_missing(
    own: Workspace, some: tuple[list[Recording], pl.DataFrame]
) -> None:
    shutil.rmtree(own.data)
    shutil.rmtree(own.features)
    found = open_predictor(own, "align").predict(some[0])
    assert found.traits["interval_lower"].null_count() == found.traits.height
    assert found.traits["note"].null_count() == 0
    assert found.diseases["note"].null_count() == 0
    assert found.recordings["distribution"].unique().to_list() == ["unknown"]
    assert all("expected at least 20 of each" in note for note in found.recordings["note"])
    assert set(found.traits["validation_visits"]) == {0}


def test_a_replaced_recording_is_no_longer_compared_with_its_old_features(own: Workspace) -> None:
    run = load_run(own, "align-traits")
    before = run_reference(own, run, run)
    for path in (own.features / view / "align-traits.parquet" for view in ("trait_prediction", "ecg_embedding")):
        rows = pl.read_parquet(path)
        write_parquet(rows.with_columns(pl.col("array_row") + 1000).to_arrow(), path)
    after = run_reference(own, run, run)
    assert max(one.visits for one in before.margins.values()) > 0
    assert max(one.visits for one in after.margins.values()) == 0
    assert after.cloud is None


def test_weights_that_are_not_those_of_the_record_are_refused(own: Workspace) -> None:
    path = own.run_folder("align-I50") / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + b"abcd")
    with pytest.raises(VersionError, match="align-I50"):
        open_predictor(own, "align-I50")


def test_an_interrupted_withdrawal_comes_first(own: Workspace) -> None:
    journal_path(own).parent.mkdir(exist_ok=True)
    journal_path(own).write_text("{}")
    with pytest.raises(WithdrawalError, match="eccl withdraw --resume"):
        open_predictor(own, "align-I50")


@pytest.mark.parametrize(
    ("model", "runs"),
    [
        ("align", ["align-traits", "align-I21", "align-I42", "align-I48", "align-I50"]),
        ("align-I50", ["align-I50"]),
        ("all", ["align-all"]),
        ("align.neither.s42", ["align-I50.neither.s42"]),
        ("align-I50.neither.s42", ["align-I50.neither.s42"]),
        ("probe-traits", ["probe-traits"]),
    ],
)
def test_what_a_name_stands_for(study: Workspace, model: str, runs: list[str]) -> None:
    assert [run.record["run"] for run in choose_runs(study, model)] == runs


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("align-I51", "no finished run is called 'align-I51'"),
        ("pretrain_cmr-I50", "predicts nothing from an ECG"),
        ("align.triplet.s42", "no finished run"),
    ],
)
def test_a_name_that_stands_for_nothing_is_refused(study: Workspace, model: str, message: str) -> None:
    with pytest.raises(FeatureError, match=message):
        choose_runs(study, model)


def test_a_missing_run_of_the_five_is_named_with_its_command(own: Workspace) -> None:
    shutil.rmtree(own.run_folder("align-I42"))
    with pytest.raises(WorkspaceError, match="eccl train align@I42"):
        choose_runs(own, "align")


def test_arms_that_the_workspace_does_not_train_itself_are_named_with_their_command(own: Workspace) -> None:
    with pytest.raises(FeatureError, match=r"no run probe-I21, .*`eccl table1 --arms probe --train-only`.*--run probe"):
        choose_runs(own, "probe")
    shutil.rmtree(own.run_folder("align-all"))
    with pytest.raises(FeatureError, match=r"`eccl table1 --arms multitask --train-only`"):
        choose_runs(own, "all")
