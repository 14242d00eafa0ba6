"""Regressions against statsmodels' own on the same numbers, who is at risk, and what cannot be estimated."""

from __future__ import annotations

import json
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from statsmodels.formula.api import logit, ols, phreg
from typer.testing import CliRunner

from eccl.data.parts import data_version
from eccl.errors import ConfigError, FeatureError, SplitError
from eccl.evaluation.associations.associate import associate
from eccl.evaluation.associations.participants import choose_participants, follow
from eccl.evaluation.associations.regression import adjust, fit_hazard, fit_linear, fit_logistic
from eccl.evaluation.predictions import read_truth
from eccl.evaluation.test_split.access import choose_split
from eccl.workspace import Workspace, shipped
from tests.evaluation.associations.associations_place import FIELDS, FIRST, LAST, PEOPLE, VISIT, make_place, write

Float = NDArray[np.float64]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_place(tmp_path_factory.mktemp("associations"))


@pytest.fixture(scope="module")
def table(place: Workspace) -> pl.DataFrame:
    found = associate(place)
    assert [path.name for path in found.paths] == ["associations.parquet", "forest_test.png", "forest_test.svg"]
    assert all(path.is_file() for path in found.paths)
    assert (found.split, found.split_note) == ("test", "")
    return found.table


def by_hand(place: Workspace) -> Any:
    """One row per participant, read straight from the files, as pandas for statsmodels' formulas."""
    read = lambda name: pl.read_parquet(place.tables / f"{name}.parquet")  # noqa: E731
    frame = read("visits").filter(pl.col("instance") == 2).join(read("participants"), on="eid")
    predicted = pl.read_parquet(place.features / "trait_prediction/align-traits.parquet").filter(
        pl.col("instance") == 2
    )
    predicted = predicted.filter(pl.col("field_id") == FIELDS[0]).select("eid", pl.col("value").alias("predicted"))
    logits = pl.read_parquet(place.features / "disease_prediction/align-I21.parquet").filter(pl.col("instance") == 2)
    measured = read("traits").filter((pl.col("field_id") == FIELDS[0]) & (pl.col("instance") == 2))
    failure = read("diagnoses").filter(pl.col("code") == "I509").select("eid", pl.col("date").alias("failed"))
    label = read("labels").filter((pl.col("code") == "I21") & (pl.col("instance") == 2))
    frame = frame.join(predicted, on="eid").join(logits.select("eid", "logit"), on="eid")
    frame = frame.join(measured.select("eid", pl.col("value").alias("measured")), on="eid", how="left")
    frame = frame.join(label.select("eid", pl.col("value").cast(pl.Int8).alias("case")), on="eid")
    frame = frame.join(failure, on="eid", how="left").with_columns(
        bsa=(pl.col("height_cm") * pl.col("weight_kg") / 3600).sqrt(),
        days=(pl.col("failed").fill_null(LAST) - pl.col("visit_date")).dt.total_days(),
        event=pl.col("failed").is_not_null().cast(pl.Int8),
    )
    return frame.drop("visit_date", "failed", "death_date", "lost_to_follow_up_on").to_pandas()


ADJUSTED = "age_years + sex + bsa"


def test_linear_rows_are_statsmodels(place: Workspace, table: pl.DataFrame) -> None:
    data = by_hand(place).dropna(subset=["measured"])
    expected = ols(f"measured ~ predicted + {ADJUSTED}", data).fit()
    scale = data["predicted"].std() / data["measured"].std()
    row = table.filter((pl.col("analysis") == "trait") & (pl.col("outcome") == "t24100")).row(0, named=True)
    assert row["n"] == len(data) < PEOPLE
    assert row["estimate"] == pytest.approx(expected.params["predicted"] * scale)
    assert [row["ci_lower"], row["ci_upper"]] == pytest.approx((expected.conf_int().loc["predicted"] * scale).tolist())
    assert row["p"] == pytest.approx(expected.pvalues["predicted"])
    assert (row["events"], row["measure"], row["adjusted_for"]) == (None, "difference", "age, sex, BSA")


def test_logistic_rows_are_statsmodels(place: Workspace, table: pl.DataFrame) -> None:
    data = by_hand(place)
    expected = logit(f"case ~ logit + {ADJUSTED}", data).fit(disp=0)
    row = table.filter((pl.col("analysis") == "disease") & (pl.col("outcome") == "I21")).row(0, named=True)
    assert (row["n"], row["events"], row["definition"]) == (PEOPLE, int(data["case"].sum()), "ever")
    assert row["estimate"] == pytest.approx(np.exp(expected.params["logit"] * data["logit"].std()), rel=1e-5)
    assert row["p"] == pytest.approx(expected.pvalues["logit"], rel=1e-4)


def test_hazard_rows_are_statsmodels(place: Workspace, table: pl.DataFrame) -> None:
    data = by_hand(place)
    data["male"] = (data["sex"] == "M").astype(float)
    model = phreg("days ~ predicted + age_years + male + bsa", data, status=data["event"].to_numpy(), ties="efron")
    expected = model.fit(disp=0)
    chosen = (pl.col("analysis") == "incident") & (pl.col("outcome") == "I50") & (pl.col("predictor") == "t24100")
    row = table.filter(chosen).row(0, named=True)
    assert (row["n"], row["events"]) == (PEOPLE, int(data["event"].sum()))
    assert row["person_years"] == pytest.approx(data["days"].sum() / 365.25)
    assert row["estimate"] == pytest.approx(np.exp(expected.params[0] * data["predicted"].std()), rel=1e-4)
    assert row["estimate"] < row["ci_upper"] < 1  # the cohort was made that way, with a ratio that stays the same
    assert row["ph_p"] > 0.05


def test_every_regression_has_a_row_and_q_is_within_its_analysis(table: pl.DataFrame) -> None:
    counts = table.group_by("analysis").len().sort("analysis").rows()
    assert counts == [("disease", 4), ("incident", 8), ("trait", 2)]
    smaller = table.filter(pl.col("q") < pl.col("p"))
    assert smaller.is_empty()
    assert table["q"].null_count() == table["p"].null_count()
    has_estimate = table.filter(pl.col("ph_p").is_not_null() != pl.col("estimate").is_not_null())
    assert set(has_estimate["analysis"]) == {"trait", "disease"}  # hazards are those of Cox models


def test_too_few_cases_are_a_note(table: pl.DataFrame) -> None:
    row = table.filter((pl.col("analysis") == "disease") & (pl.col("outcome") == "I42")).row(0, named=True)
    assert row["estimate"] is None
    assert row["note"] == "0 cases, expected at least 20 for 4 coefficients"


def test_runs_again_to_the_same_bytes(place: Workspace, table: pl.DataFrame) -> None:
    folder = place.reports / "associations"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    associate(place)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_training_visits_and_absent_runs_are_refused(place: Workspace, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="val or test"):
        associate(place, "train")
    run = place.features / "disease_prediction/align-I48.parquet"
    run.rename(tmp_path / "aside")
    try:
        with pytest.raises(FeatureError, match="align-I48"):
            associate(place)
    finally:
        (tmp_path / "aside").rename(run)


def call(place: Workspace, *arguments: str) -> Any:
    from eccl.commands.app import app

    result = CliRunner().invoke(app, ["associations", "-w", str(place.root), *arguments])
    assert result.exit_code == 0, result.output
    return result


def test_verb_prints_and_counts(place: Workspace) -> None:
    result = call(place, "--csv")
    assert "14 regressions of the test split" in result.stderr
    assert f"followed until {LAST} (cohort.followup_end)" in result.stderr
    assert result.stdout.startswith("analysis,outcome")
    assert len(result.stdout.splitlines()) == 1 + 14


def test_the_screen_shows_the_smallest_q_and_counts_within_each_analysis(place: Workspace, table: pl.DataFrame) -> None:
    lines = call(place, "--rows", "3").stdout.splitlines()
    assert lines[0] == "Associations in the test split, smallest q first:"
    smallest = table.sort("q", "p", nulls_last=True).head(3).select("analysis", "outcome", "predictor").rows()
    shown = [line for line in lines if line.split()[:1] in (["trait"], ["disease"], ["incident"])]
    assert [tuple(line.split()[:3]) for line in shown] == smallest
    assert smallest != table.head(3).select("analysis", "outcome", "predictor").rows()
    firm = table.filter(pl.col("q") < 0.05).group_by("analysis").len()
    counts = {name: dict(firm.iter_rows()).get(name, 0) for name in ("trait", "disease", "incident")}
    assert counts["trait"] == counts["incident"] == 1
    assert (
        f"q < 0.05, of regressions with an estimate: trait 1 of 2, disease {counts['disease']} of 1, incident 1 of 2"
        in lines
    )


def test_who_is_at_risk(place: Workspace, tmp_path: Path) -> None:
    """Prevalent and undated diagnoses leave; death and loss end the follow-up; a diagnosis on the visit's day is prevalent."""
    copy = Workspace(tmp_path)
    copy.params_file.write_text(shipped("params.yaml").read_text())
    people = range(FIRST, FIRST + 7)
    day = lambda days: VISIT + timedelta(days=days)  # noqa: E731
    write(copy, "fields", [{"field_id": 24100, "title": "t", "short_name": "t", "value_type": "x", "trait_index": 0}])
    write(copy, "traits", [{"eid": FIRST, "instance": 2, "field_id": 24100, "value": 1.0}])
    write(copy, "participants", [
        {"eid": e, "sex": "F", "death_date": day(50) if e == FIRST + 4 else None,
         "lost_to_follow_up_on": day(30) if e == FIRST + 5 else None} for e in people
    ])  # fmt: skip
    write(copy, "visits", [{"eid": e, "instance": 2, "visit_date": None if e == FIRST + 6 else VISIT} for e in people])
    write(copy, "pairs", [
        {"eid": e, "instance": 2, "split": "test", "recording_row": i, "cine_row": i, "trait_count": 1}
        for i, e in enumerate(people)
    ])  # fmt: skip
    dated = [(0, "I501", day(10)), (1, "I509", day(0)), (2, "I50", None), (3, "I48", day(100)), (4, "I50", day(60))]
    write(copy, "diagnoses", [
        {"eid": FIRST + i, "code": code, "date": when, "date_status": "known" if when else "unknown", "source": "hospital",
         "field_id": 41270, "instance": 0, "array_index": 0} for i, code, when in dated
    ])  # fmt: skip
    write(copy, "labels", [{"eid": FIRST, "instance": 2, "code": "I50", "definition": "ever", "value": True}])
    truth = read_truth(copy, "test", [2], ["I50"], "ever")
    found = follow(copy, choose_participants(copy, truth, day(100)), "I50")
    nan = float("nan")
    np.testing.assert_array_equal(found.days, [10, nan, nan, 100, 50, 30, nan])
    np.testing.assert_array_equal(found.is_event, [1, 0, 0, 0, 0, 0, 0])
    assert choose_participants(copy, truth, None).followed_until.startswith(
        f"followed until {day(60)} (99th percentile"
    )


@pytest.mark.parametrize("typos", [0, 1])
def test_a_mistyped_date_does_not_move_the_end_of_follow_up(place: Workspace, tmp_path: Path, typos: int) -> None:
    copy = Workspace(Path(shutil.copytree(place.root, tmp_path / "copy")))
    diagnoses = pl.read_parquet(copy.tables / "diagnoses.parquet")
    later = diagnoses.head(typos).with_columns(
        pl.lit(date(2204, 1, 1)).alias("date"), pl.lit(7, pl.Int64).alias("array_index")
    )
    write(copy, "diagnoses", [*diagnoses.to_dicts(), *later.to_dicts()])
    truth = read_truth(copy, "test", [2], ["I50"], "ever")
    people = choose_participants(copy, truth, None)
    assert (people.visits["end"].max() or LAST) <= LAST
    dates = diagnoses["date"].sort()
    told = date.fromisoformat(people.followed_until.split()[2])
    assert dates[int(0.97 * len(dates))] <= told <= LAST


def test_the_table_says_until_when_people_were_followed(table: pl.DataFrame) -> None:
    notes = table.filter(pl.col("analysis") == "incident")["note"]
    assert all(note.endswith(f"followed until {LAST} (cohort.followup_end)") for note in notes)
    assert not table.filter(pl.col("analysis") != "incident")["note"].str.contains("followed").any()


def test_the_test_split_is_shown_only_where_it_is_open_for_every_run(place: Workspace, tmp_path: Path) -> None:
    copy = Workspace(Path(shutil.copytree(place.root, tmp_path / "copy")))
    runs = ["align-traits", "align-I48"]
    current = data_version(copy.data)
    assert choose_split(copy, runs, current, None) == ("test", "")
    assert choose_split(copy, runs, current, "val") == ("val", "")
    metrics = json.loads((copy.reports / "metrics.json").read_text())
    metrics["runs"]["align-I48"]["weights_sha256"] = "ef"
    (copy.reports / "metrics.json").write_text(json.dumps(metrics))
    split, note = choose_split(copy, runs, current, None)
    assert split == "val"
    assert "must not be read for 1 of 2 runs, first align-I48" in note
    with pytest.raises(SplitError, match=r"align-I48.*dvc repro evaluate.*--split val"):
        associate(copy, "test")
    (copy.reports / "metrics.json").unlink()
    with pytest.raises(SplitError, match="must not be read for 5 of 5 runs"):
        associate(copy, "test")


@pytest.fixture
def noise() -> dict[str, Float]:
    rng = np.random.default_rng(8)
    return {name: rng.normal(size=200) for name in ("x", "y", "age", "BSA")}


def test_separated_outcomes_are_notes(noise: dict[str, Float]) -> None:
    x, covariates = noise["x"], {"age": noise["age"]}
    fit = fit_logistic((x > 0).astype(float), x, covariates)
    assert fit.coefficient is None
    assert "separation" in fit.note
    # Whoever has the largest value falls ill first, without exception: the likelihood grows with the coefficient for ever.
    hazard = fit_hazard(np.exp(-x), np.ones(200), x, covariates)
    assert (hazard.coefficient, hazard.ph_p) == (None, None)
    assert "separation" in hazard.note
    step = (x > 0).astype(float)
    hazard = fit_hazard(np.where(step == 1, 1.0 + np.abs(x), 100.0), step, step, covariates)
    assert hazard.coefficient is None
    assert "separation" in hazard.note


def test_constant_covariates_leave_and_constant_predictions_have_no_estimate(noise: dict[str, Float]) -> None:
    fit = fit_linear(noise["y"], noise["x"], {"age": noise["age"], "sex": np.ones(200)})
    assert fit.coefficient is not None
    assert (fit.adjusted_for, fit.note) == (("age",), "sex left out: the same for everybody")
    flat = fit_linear(noise["y"], np.ones(200), {"age": noise["age"]})
    assert flat.coefficient is None
    assert "the prediction is the same for everybody" in flat.note
    twin = fit_linear(noise["y"], noise["age"] * 2, {"age": noise["age"]})
    assert twin.coefficient is None
    assert "linear combination" in twin.note


def test_few_participants_are_a_note(noise: dict[str, Float]) -> None:
    fit = fit_linear(noise["y"][:8], noise["x"][:8], {"age": noise["age"][:8]})
    assert fit.coefficient is None
    assert "8 participants" in fit.note
    three = fit_linear(noise["y"][:3], noise["x"][:3], {name: noise[name][:3] for name in ("age", "BSA")})
    assert three.note == "3 participants, expected at least 20 for 4 coefficients"  # not: a linear combination
    one = fit_logistic(np.r_[1.0, np.zeros(199)], noise["x"], {"age": noise["age"]})
    assert one.note == "fewer than 10 cases, expected at least 10 for 2 coefficients"
    nobody = fit_linear(noise["y"], np.full(200, np.nan), {"age": noise["age"]})
    assert (nobody.n, nobody.coefficient) == (0, None)


def test_q_is_benjamini_and_hochbergs() -> None:
    p = [0.01, None, 0.04, 0.03, 0.5]
    # By definition: the smallest p(j) * m / j over j from the value's own rank on; m counts the values that are there.
    assert adjust(p) == [
        pytest.approx(0.04),
        None,
        pytest.approx(0.16 / 3),
        pytest.approx(0.16 / 3),
        pytest.approx(0.5),
    ]
    assert adjust([None]) == [None]
