"""Point-in-time features: what was known, nothing else, and nothing missing in silence."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import eccl
from eccl.data.parts import data_version, read_table, write_parquet
from eccl.errors import FeatureError
from eccl.features.store import FeatureStore
from eccl.publishing.publish import publish
from eccl.workspace import Workspace
from tests.support.runs import WIDTH, finish_run


def test_the_cohort_is_every_pair_and_its_order_is_kept(store: FeatureStore) -> None:
    found = store.get_historical_features(features=["ecg_embedding", "trait:LVEF"]).pl()
    pairs = store.sql("SELECT eid, instance, split FROM pairs ORDER BY eid, instance").pl()
    assert found.select("eid", "instance", "split").equals(pairs)
    backwards = store.get_historical_features(pairs.reverse(), ["trait:LVEF"]).pl()
    assert backwards.select("eid", "instance", "split").equals(pairs.reverse())


def test_references_in_the_place_of_entities_are_a_clear_error(store: FeatureStore) -> None:
    with pytest.raises(FeatureError, match="found a list; write features="):
        store.get_historical_features(["ecg_embedding"])


def test_values_are_those_of_the_tables(store: FeatureStore) -> None:
    found = store.get_historical_features(
        features=[
            "trait:LVEF",
            "trait:24100",
            "disease_prediction:I50",
            "disease_prediction:I50.logit",
            "ecg_measurement:qrs_duration_ms",
        ],
        labels=["I50:prevalent", "I21:incident"],
    ).pl()
    for row in found.iter_rows(named=True):
        key = {"eid": row["eid"], "instance": row["instance"]}
        trait = store.sql(
            "SELECT field_id, value FROM traits WHERE eid = $eid AND instance = $instance", key
        ).fetchall()
        assert (row["trait_LVEF"], row["trait_LVEDV"]) == (dict(trait).get(24103), dict(trait).get(24100))
        predicted = store.sql(
            "SELECT probability, logit FROM features.disease_prediction WHERE run = 'align-I50' AND eid = $eid AND instance = $instance",
            key,
        ).fetchall()
        assert (row["disease_prediction_I50"], row["disease_prediction_I50_logit"]) == predicted[0]
        qrs = store.sql(
            "SELECT qrs_duration_ms FROM recordings WHERE eid = $eid AND instance = $instance", key
        ).fetchall()
        assert row["ecg_measurement_qrs_duration_ms"] == qrs[0][0]
        labels = store.sql(
            "SELECT code || definition, value FROM labels WHERE eid = $eid AND instance = $instance", key
        ).fetchall()
        assert row["label_I50_prevalent"] == dict(labels).get("I50prevalent")
        assert row["label_I21_incident"] == dict(labels).get("I21incident")


def test_a_bare_reference_means_the_default_run_and_at_chooses_another(store: FeatureStore) -> None:
    found = store.get_historical_features(features=["disease_prediction", "ecg_embedding@align-I50"])
    assert found.columns == ("eid", "instance", "split", "disease_prediction_I50", "ecg_embedding@align-I50")
    runs = set(store.sql("SELECT DISTINCT run FROM features.ecg_embedding_latest").fetchall())
    assert runs == {("align-traits",)}


def test_nothing_later_than_the_date_is_returned(store: FeatureStore) -> None:
    entities = (
        "SELECT eid, instance, visit_date, visit_date - 1 AS day_before, visit_date + 90 AS later "
        "FROM visits JOIN recordings USING (eid, instance) WHERE visit_date IS NOT NULL"
    )
    for column in ("visit_date", "day_before", "later"):
        found = store.get_historical_features(entities, ["ecg_embedding"], as_of=column).pl()
        latest = store.sql(
            f"SELECT a.eid, a.instance, max(b.visit_date) AS latest FROM ({entities}) a "
            f"LEFT JOIN ({entities}) b ON b.eid = a.eid AND b.visit_date <= a.{column} GROUP BY ALL"
        ).pl()
        both = found.join(latest, on=["eid", "instance"])
        assert both["ecg_embedding_known_on"].eq_missing(both["latest"]).all()
        assert (both["ecg_embedding"].is_null() == both["latest"].is_null()).all()
    assert found["ecg_embedding"].null_count() == 0


def test_an_earlier_visit_stands_in_only_where_that_was_allowed(place: Workspace, store: FeatureStore) -> None:
    twice = store.sql("SELECT eid FROM recordings GROUP BY eid HAVING count(*) = 2").pl()
    assert twice.height
    lone = twice.with_columns(instance=pl.lit(9, pl.Int8))
    assert store.get_historical_features(lone, ["ecg_embedding"]).pl()["ecg_embedding"].null_count() == lone.height
    first = store.sql(
        "SELECT r.eid, r.instance FROM recordings r JOIN visits v USING (eid, instance) WHERE instance = 3 "
        "AND EXISTS (SELECT 1 FROM recordings o JOIN visits w USING (eid, instance) WHERE o.eid = r.eid AND o.instance = 2 "
        "AND w.visit_date IS NOT NULL) AND v.visit_date IS NOT NULL"
    ).pl()
    assert first.height
    plain = store.get_historical_features(first, ["ecg_embedding"]).pl()
    wide = store.get_historical_features(first, ["ecg_embedding"], max_age_days=4000).pl()
    assert plain["ecg_embedding"].equals(wide["ecg_embedding"])  # the visit's own row is the latest one
    none = store.get_historical_features(
        first.with_columns(at=pl.lit(date(1990, 1, 1))), ["ecg_embedding"], as_of="at"
    ).pl()
    assert none["ecg_embedding"].null_count() == first.height


def test_age_limits_what_may_stand_in(store: FeatureStore) -> None:
    visits = store.sql(
        "SELECT eid, visit_date + 100 AS at FROM visits JOIN recordings USING (eid, instance) WHERE instance = 2 AND visit_date IS NOT NULL"
    ).pl()
    old = store.get_historical_features(visits, ["ecg_embedding"], as_of="at", max_age_days=99).pl()
    new = store.get_historical_features(visits, ["ecg_embedding"], as_of="at", max_age_days=100).pl()
    assert old["ecg_embedding"].null_count() == visits.height
    assert new["ecg_embedding"].null_count() == 0


def test_diagnoses_are_history_up_to_the_date(store: FeatureStore) -> None:
    found = store.get_historical_features(features=["diagnosis_history:I48"]).pl()
    for row in found.iter_rows(named=True):
        known = store.sql(
            "SELECT max(d.date) FROM diagnoses d JOIN visits v USING (eid) WHERE d.eid = $eid AND v.instance = $instance "
            "AND starts_with(d.code, 'I48') AND d.date <= v.visit_date",
            {"eid": row["eid"], "instance": row["instance"]},
        ).fetchall()
        assert row["diagnosis_history_I48"] == known[0][0]
    assert found["diagnosis_history_I48"].drop_nulls().len() > 0


def test_coverage_adds_up_and_names_versions(featured: Workspace, store: FeatureStore) -> None:
    everyone = "SELECT eid, instance FROM visits WHERE instance >= 2"
    found = store.get_historical_features(
        everyone, ["ecg_embedding", "trait:LVEF", "cmr_embedding"], labels=["I50:ever"]
    )
    total = store.sql(f"SELECT count(*) FROM ({everyone})").fetchall()[0][0]
    coverage = found.coverage.pl()
    sums = coverage.group_by("feature").agg(pl.col("entities", "with_value", "stale", "without_value").sum())
    assert (sums["entities"] == total).all()
    assert (sums["with_value"] + sums["stale"] + sums["without_value"] == total).all()
    frame = found.pl()
    for row in sums.iter_rows(named=True):
        assert row["without_value"] == frame[row["feature"]].null_count()
    versions = coverage.filter(pl.col("feature") == "ecg_embedding")["data_version"].drop_nulls().to_list()
    assert versions == [data_version(featured.data)]


def test_arrays_have_their_types(store: FeatureStore) -> None:
    everyone = "SELECT eid, instance, visit_date FROM visits WHERE instance >= 2"
    arrays = store.get_historical_features(everyone, ["ecg_embedding", "trait:LVEF"], labels=["I50:ever"]).numpy()
    frame = store.get_historical_features(everyone, ["ecg_embedding"]).pl()
    assert arrays["ecg_embedding"].dtype == np.float32
    assert arrays["ecg_embedding"].shape == (frame.height, WIDTH)
    is_missing = frame["ecg_embedding"].is_null().to_numpy()
    assert is_missing.any()
    assert (np.isnan(arrays["ecg_embedding"]).all(axis=1) == is_missing).all()
    assert np.array_equal(arrays["ecg_embedding"][~is_missing], np.stack(frame["ecg_embedding"].drop_nulls().to_list()))
    assert arrays["trait_LVEF"].dtype == np.float64
    assert arrays["visit_date"].dtype == np.dtype("datetime64[D]")


def test_features_of_another_data_version_raise_an_error_or_are_marked(place: Workspace) -> None:
    finish_run(place, "align-traits", version="0" * 16)
    publish(place)
    with eccl.open(place.root) as opened:
        assert opened.sql("SELECT count(*) FROM features.ecg_embedding_latest").fetchall() == [(0,)]
        with pytest.raises(FeatureError, match="eccl materialize align-traits"):
            opened.get_historical_features(features=["ecg_embedding"])
        with pytest.raises(FeatureError, match="no current rows"):
            opened.find_nearest(9_000_001, 2, "ecg_embedding")
        marked = opened.get_historical_features(features=["ecg_embedding", "trait:LVEF"], stale="include")
        assert set(marked.pl()["ecg_embedding_state"]) == {"stale"}
        coverage = marked.coverage.pl().filter(pl.col("feature") == "ecg_embedding").row(0, named=True)
        assert (coverage["with_value"], coverage["stale"], coverage["data_version"]) == (
            0,
            coverage["entities"],
            "0" * 16,
        )


@pytest.mark.parametrize(
    ("features", "options", "match"),
    [
        (["nothing"], {}, "no feature view nothing"),
        (["ecg_embedding:size"], {}, "has no field size"),
        (["trait:nope"], {}, "has no field_id nope"),
        (["ecg_embedding@other"], {}, "no run other"),
        (["trait@align-traits"], {}, "has no run"),
        (["diagnosis_history"], {}, "needs a block"),
        (["ecg embedding"], {}, "not a feature reference"),
        (["trait:LVEF", "trait:24103"], {}, "twice"),
        (["trait:LVEF"], {"labels": ["I50"]}, "not a label"),
        (["trait:LVEF"], {"labels": ["I99:ever"]}, "no labels of I99"),
        (["trait:LVEF"], {"stale": "maybe"}, "stale is one of"),
        (["trait:LVEF"], {"as_of": "2019-13-01"}, "is no date"),
        ("trait:LVEF", {}, "are lists of references"),
        (["trait:LVEF"], {"labels": ["I50:ever"], "as_of": "2020-01-01"}, "belong to visits"),
        (["trait:LVEF"], {"as_of": "someday"}, "as_of is"),
        (["trait:LVEF"], {"entities": "SELECT eid FROM pairs"}, "need the columns eid, instance"),
    ],
)
def test_errors_name_the_unknown_reference(
    store: FeatureStore, features: list[str], options: dict[str, str], match: str
) -> None:
    with pytest.raises(FeatureError, match=match):
        store.get_historical_features(features=features, **options)  # type: ignore[arg-type]


def test_a_column_does_not_depend_on_the_other_columns(place: Workspace) -> None:
    """A later visit with another trait only must not hide the earlier value of this one."""
    traits = read_table(place.data, "traits")
    person = traits.filter(pc.equal(traits.column("field_id"), 24103)).slice(0, 1)
    lvedv = person.set_column(person.column_names.index("field_id"), "field_id", pa.array([24100], pa.int32()))
    lvedv = lvedv.set_column(lvedv.column_names.index("instance"), "instance", pa.array([3], pa.int8()))
    eid = person.column("eid")[0].as_py()
    others = traits.filter(pc.not_equal(traits.column("eid"), eid))
    write_parquet(pa.concat_tables([others, person, lvedv]), place.data / "tables" / "traits.parquet")
    visits = read_table(place.data, "visits")
    mine = visits.filter(pc.equal(visits.column("eid"), eid)).slice(0, 1)
    dated = [mine.set_column(mine.column_names.index("instance"), "instance", pa.array([i], pa.int8())) for i in (2, 3)]
    dated = [
        one.set_column(
            one.column_names.index("visit_date"), "visit_date", pa.array([date(2015 + i, 1, 1)], pa.date32())
        )
        for i, one in enumerate(dated)
    ]
    write_parquet(
        pa.concat_tables([visits.filter(pc.not_equal(visits.column("eid"), eid)), *dated]),
        place.data / "tables" / "visits.parquet",
    )
    publish(place)
    with eccl.open(place.root) as opened:
        entities = f"SELECT {eid}::BIGINT AS eid"
        alone = opened.get_historical_features(entities, ["trait:LVEF"], as_of="2020-01-01").pl()
        both = opened.get_historical_features(entities, ["trait:LVEF", "trait:LVEDV"], as_of="2020-01-01").pl()
    assert alone["trait_LVEF"][0] is not None
    assert both["trait_LVEF"].equals(alone["trait_LVEF"])
    assert both["trait_LVEF_known_on"][0] == date(2015, 1, 1)
    assert both["trait_LVEDV_known_on"][0] == date(2016, 1, 1)


def test_stale_and_current_runs_of_one_view_keep_their_states(place: Workspace) -> None:
    finish_run(place, "align-I21")
    finish_run(place, "align-I50", version="0" * 16)
    publish(place)
    with eccl.open(place.root) as opened:
        found = opened.get_historical_features(features=["disease_prediction"], stale="include")
        frame, coverage = found.pl(), found.coverage.pl()
    assert set(frame["disease_prediction_I21_state"]) == {"current"}
    assert set(frame["disease_prediction_I50_state"]) == {"stale"}
    counted = coverage.filter(pl.col("feature") == "disease_prediction_I50").row(0, named=True)
    assert (counted["with_value"], counted["data_version"]) == (0, "0" * 16)


def test_columns_of_entities_may_have_any_name(store: FeatureStore) -> None:
    entities = pl.DataFrame({"eid": [9_000_000], "instance": pl.Series([2], dtype=pl.Int8), 'a"b': [1]})
    assert store.get_historical_features(entities, ["trait:LVEF"]).pl().columns == [
        "eid",
        "instance",
        'a"b',
        "trait_LVEF",
    ]
