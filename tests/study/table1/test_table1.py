"""Table 1 of a synthetic experiment: every number again by other means, and what is not there is said."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import pearsonr
from scipy.stats import t as student_t
from sklearn.metrics import average_precision_score, r2_score, roc_auc_score

from eccl.data import database
from eccl.errors import SplitError, WorkspaceError
from eccl.evaluation.bootstrap import draw_resamples
from eccl.evaluation.suppression import is_simulated
from eccl.evaluation.test_split.access_log import read_accesses
from eccl.evaluation.test_split.selection import selection_file
from eccl.models.scores import roc_auc
from eccl.study.arms import load_arms
from eccl.study.table1.cells import Counts, score_cell, suppress_counts, suppress_pairs
from eccl.study.table1.report import write_table1
from eccl.workspace import shipped
from tests.id_guard import PATTERN
from tests.study.arms_place import CODES, FIELDS, FIRST_EID, Place, rows_of

RESAMPLES = 200


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, str]:
    """All arms trained but one seed of triplet, and never the mean of an encoder's patches for AF."""
    place = Place(tmp_path_factory.mktemp("table1") / "workspace")
    jobs = place.jobs()
    gone = {"align-I48.mean_pooling.s42", "align-I48.mean_pooling.s43"}
    place.finish(job for job in jobs if (job.variant, job.seed) != ("triplet", 43) and job.run not in gone)
    return place, write_table1(place.workspace, place.table, jobs, resamples=RESAMPLES)


def predictions(place: Place, view: str, run: str, split: str = "test") -> pl.DataFrame:
    rows = pl.read_parquet(place.workspace.features / view / f"{run}.parquet")
    return rows.filter(pl.col("split") == split)


def labelled(place: Place, run: str, code: str, view: str = "disease_prediction", split: str = "test") -> pl.DataFrame:
    labels = pl.read_parquet(place.workspace.tables / "labels.parquet").rename({"value": "truth"}).drop_nulls("truth")
    rows = predictions(place, view, run, split).filter(pl.col("code") == code)
    return rows.join(labels, on=["eid", "instance", "code"]).sort("eid", "instance")


def row(place: Place, arm: str, task: str, split: str = "test", metric: str | None = None) -> dict[str, object]:
    metric = metric or ("mean_r" if task == "traits" else "auc")
    keys = {"arm": arm, "task": task, "split": split, "metric": metric}
    return rows_of(place.workspace, "rows").row(
        by_predicate=pl.all_horizontal(pl.col(k) == v for k, v in keys.items()), named=True
    )


def line(text: str, title: str, section: str = "## Test split") -> list[str]:
    """Cells of an arm in a section."""
    inside = text[text.index(section) :]
    found = re.search(rf"^\| {re.escape(title)} +\|(.*)\|$", inside, re.MULTILINE)
    assert found is not None
    return [cell.strip() for cell in found[1].split("|")]


@pytest.mark.parametrize(
    ("arm", "run", "view"),
    [
        ("eccl", "align-I42.eccl", "disease_prediction"),
        ("multitask", "align-all.multitask", "disease_prediction"),
        ("probe", "probe-I42.probe", "disease_prediction"),
        ("cmr_sup", "pretrain_cmr-I42.swin", "cmr_disease_prediction"),
    ],
)
@pytest.mark.parametrize("split", ["val", "test"])
def test_disease_rows_are_means_and_spreads_of_scikit_learns_scores(
    made: tuple[Place, str], arm: str, run: str, view: str, split: str
) -> None:
    place, _ = made
    joined = [labelled(place, f"{run}.s{seed}", "I42", view, split) for seed in (42, 43)]
    aucs = [roc_auc_score(one["truth"], one["logit"]) for one in joined]
    found = row(place, arm, "I42", split)
    assert found["mean"] == pytest.approx(np.mean(aucs), abs=1e-12)
    assert found["sd"] == pytest.approx(np.std(aucs, ddof=1), abs=1e-12)
    assert (found["n"], found["cases"]) == (joined[0].height, joined[0]["truth"].sum())
    assert found["participants"] == joined[0]["eid"].n_unique() < joined[0].height  # some came twice
    precision = [average_precision_score(one["truth"], one["logit"]) for one in joined]
    assert row(place, arm, "I42", split, "average_precision")["mean"] == pytest.approx(np.mean(precision), abs=1e-12)


def test_trait_rows_are_means_of_scipys_correlations(made: tuple[Place, str]) -> None:
    place, _ = made
    measured = pl.read_parquet(place.workspace.tables / "traits.parquet").rename({"value": "truth"})
    means = []
    traits = rows_of(place.workspace, "traits").filter((pl.col("arm") == "eccl") & (pl.col("split") == "test"))
    for seed in (42, 43):
        joined = predictions(place, "trait_prediction", f"align-traits.eccl.s{seed}").join(
            measured, on=["eid", "instance", "field_id"]
        )
        some = [joined.filter(pl.col("field_id") == field) for field in FIELDS]
        rs = [pearsonr(one["truth"], one["value"]).statistic for one in some]
        mine = traits.filter(pl.col("seed") == seed)
        assert mine["r"].to_list() == pytest.approx(rs, abs=1e-12)
        assert mine["r2"].to_list() == pytest.approx([r2_score(one["truth"], one["value"]) for one in some], abs=1e-12)
        assert mine["n"].to_list() == [one.height for one in some]
        assert mine["mae"].to_list() == pytest.approx(
            [float((one["truth"] - one["value"]).abs().mean()) for one in some]
        )  # type: ignore[arg-type]
        means.append(np.mean(rs))
    assert row(place, "eccl", "traits")["mean"] == pytest.approx(np.mean(means), abs=1e-12)


def test_differences_are_paired_over_participants_and_averaged_over_seeds(made: tuple[Place, str]) -> None:
    place, _ = made
    pairs = (
        pl.read_parquet(place.workspace.tables / "pairs.parquet")
        .filter(pl.col("split") == "test")
        .sort("eid", "instance")
    )
    counts = draw_resamples(pairs["eid"].to_numpy(), RESAMPLES).counts
    people = np.unique(pairs["eid"].to_numpy())
    runs = {
        arm: [labelled(place, f"align-I21.{arm}.s{seed}", "I21") for seed in (42, 43)] for arm in ("ssl_only", "eccl")
    }
    differences = []
    for count in counts:
        scores = {}
        for arm, seeds in runs.items():
            eid = seeds[0]["eid"].to_numpy()
            rows = np.repeat(np.arange(len(eid)), count[np.searchsorted(people, eid)])
            truth = seeds[0]["truth"].cast(pl.Float64).to_numpy()[rows]
            scores[arm] = np.mean([roc_auc(truth, one["logit"].to_numpy()[rows]) for one in seeds])
        differences.append(scores["ssl_only"] - scores["eccl"])
    expected = np.nanquantile(differences, [0.025, 0.975])
    found = row(place, "ssl_only", "I21")
    assert [found["difference_lower"], found["difference_upper"]] == pytest.approx(expected, abs=1e-12)
    assert found["difference"] == pytest.approx(found["mean"] - row(place, "eccl", "I21")["mean"])  # type: ignore[operator]
    assert found["paired_seeds"] == 2
    one = rows_of(place.workspace, "scores").filter(
        (pl.col("task") == "I21") & (pl.col("metric") == "auc") & (pl.col("split") == "test")
    )
    trained_twice = one.group_by("arm").agg(pl.col("value").var(), pl.len()).filter(pl.col("len") > 1)
    parts = np.array([np.nanvar(differences, ddof=1), 2 * trained_twice["value"].mean() / 2])  # type: ignore[operator]
    rarer = min(found["cases"], found["n"] - found["cases"])  # type: ignore[operator, type-var]
    freedom = parts.sum() ** 2 / (parts[0] ** 2 / (rarer - 1) + parts[1] ** 2 / trained_twice.height)  # type: ignore[operator]
    expected_p = 2 * student_t.sf(abs(found["difference"]) / parts.sum() ** 0.5, freedom)  # type: ignore[arg-type]
    assert found["p"] == pytest.approx(expected_p)
    assert row(place, "eccl", "I21")["difference"] is None
    assert row(place, "eccl", "I21")["lower"] < row(place, "eccl", "I21")["mean"] < row(place, "eccl", "I21")["upper"]  # type: ignore[operator]


def test_q_corrects_for_the_arms_of_a_column(made: tuple[Place, str]) -> None:
    place, text = made
    rows = rows_of(place.workspace, "rows").filter(pl.col("metric").is_in(["auc", "mean_r"]))
    does_compete = (pl.col("arm") != "cmr_sup") & (pl.col("arm_group") != "figure_2b")
    assert set(rows.filter(~does_compete)["q"]) == {None}  # one reads the cine, the others are points of a curve
    assert rows.filter(~does_compete)["p"].drop_nulls().len() == 2 * (5 + 1)
    competing = rows.filter(does_compete)
    assert competing.filter(pl.col("q").is_null() != pl.col("p").is_null()).is_empty()
    assert competing.filter(pl.col("seeds") == 1)["p"].null_count() == 0  # the others tell what its one seed cannot
    families = list(competing.drop_nulls("p").group_by(["task", "split"]))
    assert len(families) == 2 * 5
    for _, mine in families:
        assert mine.height > 2
        p = mine["p"].sort().to_list()
        # By definition: the smallest p(j) * m / j over j from the value's own rank on.
        by_p = {
            value: min(p[j] * len(p) / (j + 1) for j in range(i, len(p))) for i, value in reversed(list(enumerate(p)))
        }
        assert mine["q"].to_list() == pytest.approx([by_p[value] for value in mine["p"]])
    csv = pl.read_csv(place.workspace.reports / "table1.csv")
    one = csv.row(by_predicate=(pl.col("arm") == "ssl_only") & (pl.col("split") == "test"), named=True)
    found = row(place, "ssl_only", "I21")
    assert one["MI_q"] == pytest.approx(found["q"], abs=1e-6)
    assert ("*" in line(text, "W/ SSL; W/O CL", "### Difference")[0]) is (found["q"] < 0.05)  # type: ignore[operator]


def test_small_counts_are_told_of_simulated_people_only(
    made: tuple[Place, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row: dict[str, object] = {"n": 40, "participants": 38, "cases": 4}
    (shown,) = suppress_counts([row], are_small_shown=True)
    assert (shown["shown"].cases, shown["shown"].prevalence) == ("4", "10.0 %")
    (shown,) = suppress_counts([row], are_small_shown=False)
    assert shown["shown"] == Counts("40", "38", "<10", "hidden")
    assert (shown["n"], shown["cases"]) == (40, None)  # in the spreadsheet
    (shown,) = suppress_counts([{**row, "cases": 35}], are_small_shown=False)
    assert (shown["shown"].cases, shown["cases"]) == ("hidden", None)  # five without the disease
    (shown,) = suppress_counts([{**row, "cases": 0}], are_small_shown=False)
    assert (shown["shown"].cases, shown["shown"].prevalence) == ("0", "0.0 %")
    (shown,) = suppress_counts([{"n": 9, "participants": 9, "cases": None}], are_small_shown=False)
    assert (shown["shown"].visits, shown["n"]) == ("<10", None)
    score = {"mean": 0.7, "p": 0.01, "status": "scored", "paper": 0.8}
    scored = [
        {"n": n, "participants": n, "cases": cases, **score} for n, cases in ((40, 9), (40, 31), (40, 10), (9, None))
    ]
    shown = suppress_counts(scored, are_small_shown=False)
    assert [score_cell(one) for one in shown[:2]] == ["too few (0.800)"] * 2
    assert [(one["mean"], one["p"]) for one in shown] == [(None, None), (None, None), (0.7, 0.01), (None, None)]
    assert all(one["mean"] == 0.7 for one in suppress_counts(scored, are_small_shown=True))
    few = {"n": 9, "recall_at_1": 0.5, "median_rank": 2.0, "chance_at_1": 0.1}
    assert suppress_pairs([few], are_small_shown=False) == [{**dict.fromkeys(few), "n": 9, "shown": "<10"}]
    assert suppress_pairs([few], are_small_shown=True) == [{**few, "shown": "9"}]
    assert is_simulated(made[0].workspace)
    monkeypatch.setattr("eccl.evaluation.suppression.FIRST_SIMULATED", FIRST_EID + 1)
    assert not is_simulated(made[0].workspace)


def test_an_arm_that_lacks_a_seed_is_compared_over_the_shared_one_and_says_so(made: tuple[Place, str]) -> None:
    place, text = made
    found = row(place, "triplet", "I21")
    assert (found["status"], found["seeds"], found["seeds_expected"], found["sd"]) == ("incomplete", 1, 2, None)
    one = rows_of(place.workspace, "scores").filter(
        (pl.col("task") == "I21") & (pl.col("metric") == "auc") & (pl.col("split") == "test")
    )
    by_arm = {
        key: one.filter((pl.col("arm") == key) & (pl.col("seed") == 42))["value"].item() for key in ("triplet", "eccl")
    }
    assert found["difference"] == pytest.approx(by_arm["triplet"] - by_arm["eccl"])
    assert line(text, "Triplet")[0] == f"{by_arm['triplet']:.3f} (0.700) [1 of 2 seeds]"
    assert line(text, "Triplet", "### Difference")[0].endswith("[1 of 2 seeds]")
    assert "- Triplet: MI 1 of 2, CM 1 of 2, AF 1 of 2, HF 1 of 2, Traits 1 of 2 seeds" in text


def test_what_is_not_there_is_said_and_never_invented(made: tuple[Place, str]) -> None:
    place, text = made
    assert line(text, "Mean pooling")[2] == line(text, "Mean pooling", "### Difference")[2] == "not run"
    assert (
        line(text, "Label-aware")[4]
        == line(text, "Label-aware", "### Difference")[4]
        == line(text, "Label-aware", "### More")[4]
        == "–"
    )
    for arm, task, status in (("mean_pooling", "I48", "not run"), ("label_aware", "traits", "not covered")):
        found = row(place, arm, task)
        assert found["status"] == status
        assert not any(found[name] for name in ("mean", "sd", "lower", "upper", "difference", "p", "seeds"))


def test_what_was_left_out_was_not_asked_for(tmp_path: Path) -> None:
    place = Place(tmp_path / "workspace", people=45)
    place.finish(place.jobs())
    jobs = place.jobs(arms=["eccl", "triplet"], tasks=["I21"])
    text = write_table1(place.workspace, place.table, jobs, resamples=20)
    assert line(text, "Triplet")[0] != line(text, "Triplet")[4] == "not asked for (0.400)"
    assert line(text, "Mean pooling", "### Difference") == ["not asked for"] * 5
    assert line(text, "Label-aware") == ["not asked for"] * 4 + ["–"]
    assert row(place, "mean_pooling", "I21")["status"] == "not asked for"  # though it is trained
    assert "Not trained" not in text


def test_the_table_reads_as_the_papers(made: tuple[Place, str]) -> None:
    place, text = made
    found = row(place, "eccl", "I42")
    assert line(text, "ECCL")[1] == f"{found['mean']:.3f} ± {found['sd']:.3f} (0.800)"
    assert line(text, "ECCL", "### Difference") == ["reference"] * 5
    assert line(text, "*cases (prevalence)*")[1] == f"{found['cases']} ({100 * found['cases'] / found['n']:.1f} %)"  # type: ignore[operator]
    assert line(text, "*visits (participants)*")[1] == f"{found['n']} ({found['participants']})"
    assert re.fullmatch(r"[+−]0\.\d{3}\*? \[[+−]\d\.\d{3}, [+−]\d\.\d{3}\]", line(text, "CMR_Sup", "### Difference")[0])
    assert f"data version `{found['data_version']}`, preset `demo`" in text
    assert "2 seeds: 42, 43" in text
    assert "frozen in `reports/table1/selection.json`" in text
    assert (
        "(0." not in text[text.index("## Validation split") : text.index("## Recipe")]
    )  # the paper's are of its test split
    assert "fewer patches" not in text  # a point of figure 2b
    assert PATTERN.search(text) is None
    assert "9000" not in text


def test_retrieval_is_scored_for_runs_with_a_shared_space(made: tuple[Place, str]) -> None:
    place, text = made
    found = rows_of(place.workspace, "retrieval")
    contrastive = {"eccl", "triplet", "label_aware", "multitask", "mean_pooling", "few_patches"}
    assert set(found["arm"]) == contrastive  # neither ssl_only nor the probe nor CMR_Sup
    assert set(found["split"]) == {"val", "test"}
    one = found.filter(
        (pl.col("run") == "align-I21.eccl.s42") & (pl.col("split") == "test") & (pl.col("direction") == "ecg_to_cmr")
    )
    similarity = np.stack(
        [
            predictions(place, view, "align-I21.eccl.s42")["vector"].to_numpy()
            for view in ("ecg_projection", "cmr_projection")
        ]
    )
    products = similarity[0] @ similarity[1].T
    ranks = (products > np.diag(products)[:, None] + 2e-6).sum(axis=1) + 1
    assert one["n"].item() == len(ranks)
    assert one["recall_at_1"].item() == pytest.approx((ranks == 1).mean())
    assert one["median_rank"].item() == np.median(ranks)
    assert line(text, "ECCL", "### Retrieval")[0] == "traits"
    assert line(text, "One encoder", "### Retrieval")[0] == "all"
    assert line(text, "*chance*", "### Retrieval")[-1] == f"{(len(ranks) + 1) / 2:.1f}"


def test_the_winner_on_validation_is_a_recipe(made: tuple[Place, str]) -> None:
    place, text = made
    rows = rows_of(place.workspace, "rows").filter(
        (pl.col("split") == "val") & pl.col("metric").is_in(["auc", "mean_r"])
    )
    whole = rows.filter(
        (pl.col("status") == "scored") & (pl.col("arm_group") != "figure_2b") & (pl.col("arm") != "cmr_sup")
    )
    for task in (*CODES, "traits"):
        best = whole.filter(pl.col("task") == task).sort("mean", descending=True)["arm"][0]
        assert rows.filter((pl.col("task") == task) & pl.col("is_best"))["arm"].to_list() == [best]
    overall = {}
    for (arm,), mine in whole.group_by(["arm"], maintain_order=True):
        if mine.height == 5:
            aucs = mine.filter(pl.col("task") != "traits")["mean"].mean()
            overall[arm] = (aucs + mine.filter(pl.col("task") == "traits")["mean"].item()) / 2  # type: ignore[operator]
    assert set(overall) == {
        "ssl_only",
        "eccl",
        "multitask",
        "probe",
    }  # mean pooling and triplet lack runs, label-aware a column
    winner = max(overall, key=lambda arm: overall[arm])
    shown = {"eccl": "The recipe remains ECCL", "multitask": "Recipe **multitask** (One encoder)"}[str(winner)]
    assert shown in text[text.index("## Recipe") :]
    assert (
        "`eccl adopt" in text
    ) is False  # the reference is a preset already, and one network for all tasks cannot be one
    assert f"{overall[winner]:.3f}" in text[text.index("## Recipe") :]


def test_every_table_fits_its_schema_and_has_comments(made: tuple[Place, str]) -> None:
    place, _ = made
    for name, table in (
        ("scores", "table1_scores"),
        ("traits", "table1_traits"),
        ("rows", "table1_rows"),
        ("retrieval", "retrieval"),
    ):
        connection = database.memory()
        database.create_tables(connection, [table])
        database.fill_table(connection, table, rows_of(place.workspace, name).to_arrow())
        columns = connection.execute("SELECT comment FROM duckdb_columns() WHERE NOT internal").fetchall()
        assert all(comment for (comment,) in columns)
        assert connection.execute("SELECT comment FROM duckdb_tables()").fetchone() != (None,)
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() != (0,)
        connection.close()


def test_reports_are_complete_and_repeat_byte_for_byte(made: tuple[Place, str]) -> None:
    place, text = made
    reports = place.workspace.reports

    def written() -> dict[str, bytes]:
        files = [*reports.glob("table1.*"), *(reports / "table1").iterdir()]
        return {file.name: file.read_bytes() for file in files}

    first = written()
    names = {"table1.csv", "table1.md", "table1.png", "table1.svg", "selection.json"}
    assert set(first) == names | {f"{name}.parquet" for name in ("scores", "traits", "rows", "retrieval")}
    assert first["table1.md"].decode() == text
    csv = pl.read_csv(reports / "table1.csv")
    assert csv.height == 2 * len(place.table.arms)
    eccl = csv.row(by_predicate=(pl.col("arm") == "eccl") & (pl.col("split") == "test"), named=True)
    assert eccl["MI_mean"] == pytest.approx(row(place, "eccl", "I21")["mean"], abs=1e-6)
    assert eccl["MI_paper"] == 0.7
    assert write_table1(place.workspace, place.table, place.jobs(), resamples=RESAMPLES) == text
    assert written() == first


def test_a_split_with_one_class_is_not_scored(tmp_path: Path) -> None:
    place = Place(tmp_path / "workspace", people=60)
    place.write_labels(only_controls=["I42"])
    jobs = place.jobs(arms=["eccl", "ssl_only"], seeds=[42])
    place.finish(jobs)
    text = write_table1(place.workspace, place.table, jobs, resamples=50)
    found = row(place, "eccl", "I42")
    assert (found["status"], found["cases"], found["mean"], found["lower"]) == ("undefined", 0, None, None)
    assert line(text, "ECCL")[1] == line(text, "W/ SSL; W/O CL")[1] == f"n/a (0/{found['n']})"
    assert line(text, "W/ SSL; W/O CL", "### Difference")[1] == "n/a"
    assert line(text, "*cases (prevalence)*")[1] == "0 (0.0 %)"
    assert "over MI, AF, HF, Traits" in text  # what validation cannot score does not choose
    assert line(text, "ECCL")[0].count("±") == 0  # one seed has no spread
    assert "1 seed: 42" in text


def test_another_selection_is_refused_and_a_reason_is_printed(tmp_path: Path) -> None:
    place = Place(tmp_path / "workspace", people=45)
    first, second = place.jobs(arms=["eccl"], seeds=[42]), place.jobs(arms=["eccl"])
    with pytest.raises(WorkspaceError, match=r"of the \d+ requested runs, 0 are trained"):
        write_table1(place.workspace, place.table, first)
    parts = [job for job in first if job.stage == "pretrain_ecg"]
    place.finish(parts)
    with pytest.raises(WorkspaceError, match=r"1 are trained and none of these predicts"):
        write_table1(place.workspace, place.table, parts)
    assert not selection_file(place.workspace).exists()  # nothing was looked at
    place.finish(second)
    write_table1(place.workspace, place.table, first, resamples=20)
    before = {file: file.read_bytes() for file in place.workspace.reports.rglob("*") if file.is_file()}
    with pytest.raises(SplitError, match="scored already"):
        write_table1(place.workspace, place.table, second, resamples=20)
    assert {file: file.read_bytes() for file in place.workspace.reports.rglob("*") if file.is_file()} == before
    text = write_table1(place.workspace, place.table, second, rescore="a second seed", resamples=20)
    assert "scored for 2 selections" in text
    accesses = read_accesses(place.workspace)
    for access, reason in zip(accesses, ("the first", "a second seed"), strict=True):
        runs = f"{len(access['runs'])} run{'' if len(access['runs']) == 1 else 's'}"
        shown = f"- `{access['selection'][:16]}`, data version `{access['data_version']}`, {runs}: {reason}"
        assert shown in text


def test_the_experiment_table_that_ships_is_written_whole(tmp_path: Path) -> None:
    place = Place(tmp_path / "workspace", people=45)
    place.workspace.arms_file.write_text(shipped("experiments/arms.yaml").read_text())
    table = load_arms(place.workspace.arms_file)
    jobs = place.jobs(arms=["eccl"], tasks=["I21"], seeds=[42])
    place.finish(jobs)
    text = write_table1(place.workspace, table, jobs, resamples=20)
    for arm in table.arms.values():
        if arm.group != "figure_2b":
            assert len(line(text, arm.title)) == 5
    assert line(text, "CMAE") == [f"not asked for ({score:.3f})" for score in (0.705, 0.733, 0.739, 0.818, 0.387)]
    assert "No recipe" in text
