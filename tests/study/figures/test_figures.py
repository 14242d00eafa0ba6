"""Figures of a tiny trained workspace: what they show, what they say of what is not there, and what they were before alignment."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from typer.testing import CliRunner

from eccl.data.database import empty_table
from eccl.data.parts import data_version
from eccl.data.run_records import run_name
from eccl.errors import FeatureError, VersionError
from eccl.evaluation import trait_figure
from eccl.evaluation.panels import make_points
from eccl.evaluation.predictions import vectors
from eccl.evaluation.style import drawing, save, write_note
from eccl.evaluation.test_split.selection import Scope, freeze
from eccl.evaluation.trait_figure import GROUPS, draw_traits
from eccl.models.ecg_vit import EcgEncoder
from eccl.models.specs import EcgEncoderSpec
from eccl.study.__main__ import main
from eccl.study.arms import ArmTable, load_arms
from eccl.study.figures import diseases as figure_diseases
from eccl.study.figures import sizes as figure_sizes
from eccl.study.figures import space as figure_space
from eccl.study.figures import traits as figure_traits
from eccl.study.figures.data import find_runs, read_rows, read_vectors, set_scene, trait_r
from eccl.study.figures.maps import map_tsne, map_umap
from eccl.study.figures.projection_before import compute_before, rebuild_start
from eccl.study.figures.sizes import count_parameters, count_patches
from eccl.study.figures.write import FIGURES, Drawn, list_runs, make_figures
from eccl.training.loop.runtime import Runtime
from eccl.training.runs import load_run
from eccl.training.stages import align
from eccl.workspace import Workspace
from tests.support.tiny_workspace import FIRST_EID, build_workspace

pytestmark = pytest.mark.slow

ARMS = """
reference: eccl
seeds: [42, 43]
pretraining:
  pretrain_ecg:
    mae: {}
    mae_few_patches: {encoder: {use: alternatives.ecg.few_patches}}
    mae_large_vit: {encoder: {use: alternatives.ecg.large_vit}}
  pretrain_cmr: {swin: {}}
  pretrain_cmae: {cmae: {}}
arms:
  eccl: {title: ECCL, group: table, stage: align, parents: {pretrain_ecg: mae, pretrain_cmr: swin}, changes: {}}
  cmr_sup: {title: CMR_Sup, group: table, stage: pretrain_cmr, parents: {pretrain_cmr: swin}, changes: {}}
  few_patches:
    {title: fewer, group: figure_2b, stage: align, tasks: [traits], changes: {},
     parents: {pretrain_ecg: mae_few_patches, pretrain_cmr: swin}}
  large_vit:
    {title: larger, group: figure_2b, stage: align, tasks: [traits], changes: {},
     parents: {pretrain_ecg: mae_large_vit, pretrain_cmr: swin}}
"""
TRAINED = (
    ("pretrain_ecg", None, "mae", 42),
    ("pretrain_cmr", "traits", "swin", 42),
    ("align", "traits", "eccl", 42),
    ("pretrain_ecg", None, "mae", 43),
    ("pretrain_cmr", "traits", "swin", 43),
    ("align", "traits", "eccl", 43),
    ("pretrain_cmr", "I50", "swin", 42),
    ("align", "I50", "eccl", 42),
    ("pretrain_ecg", None, "mae_few_patches", 42),
    ("align", "traits", "few_patches", 42),
)


def train(place: Workspace, *stages: tuple[str, str | None, str, int]) -> None:
    for stage, task, variant, seed in stages:
        assert main([f"{run_name(stage, task)}.{variant}.s{seed}", "--workspace", str(place.root)]) == 0


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    found = build_workspace(tmp_path_factory.mktemp("figures") / "workspace", participants=48)
    found.arms_file.parent.mkdir()
    found.arms_file.write_text(ARMS)
    train(found, *TRAINED)
    return found


@pytest.fixture
def copy(place: Workspace, tmp_path: Path) -> Workspace:
    return Workspace(Path(shutil.copytree(place.root, tmp_path / "copy")))


def table_of(place: Workspace) -> ArmTable:
    return load_arms(place.arms_file)


def pairs_of(place: Workspace, split: str) -> pl.DataFrame:
    return pl.read_parquet(place.tables / "pairs.parquet").filter(pl.col("split") == split).sort("eid", "instance")


@pytest.fixture(scope="module")
def drawn(place: Workspace) -> Drawn:
    return make_figures(place, table_of(place))


@pytest.fixture(scope="module")
def points(drawn: Drawn) -> pl.DataFrame:
    paths = drawn.paths
    names = [f"figure_{name}.{kind}" for name in FIGURES for kind in ("png", "svg")]
    assert [path.name for path in paths] == [*names, "points.parquet"]
    assert all(path.is_file() for path in paths)
    return pl.read_parquet(paths[-1])


def test_points_have_the_declared_columns(points: pl.DataFrame) -> None:
    assert points.to_arrow().schema.names == empty_table("figure_points").schema.names
    assert points["split"].unique().to_list() == ["val"]  # nothing is frozen, so nothing of the test split is shown


def test_shared_space_shows_both_modalities_of_every_pair(place: Workspace, points: pl.DataFrame) -> None:
    keys = pairs_of(place, "val").select("eid", "instance").rows()
    for panel in ("before", "after"):
        for series in ("ECG", "CMR"):
            mine = points.filter((pl.col("figure") == "2a") & (pl.col("panel") == panel) & (pl.col("series") == series))
            assert mine.select("eid", "instance").rows() == keys
            assert mine["eid"].min() >= FIRST_EID
            assert mine["run"].unique().to_list() == ["align-traits.eccl.s42"]


def test_diseases_are_coloured_by_their_labels(place: Workspace, points: pl.DataFrame) -> None:
    labels = pl.read_parquet(place.tables / "labels.parquet")
    labels = labels.filter((pl.col("code") == "I50") & (pl.col("definition") == "ever") & pl.col("value").is_not_null())
    expected = pairs_of(place, "val").join(labels, on=["eid", "instance"]).sort("eid", "instance")
    for time in ("before", "after"):
        mine = points.filter((pl.col("figure") == "2d") & (pl.col("panel") == f"I50 {time}")).sort("eid", "instance")
        assert mine["series"].to_list() == ["case" if value else "no record" for value in expected["value"]]


def test_traits_have_every_seed_and_both_arms(place: Workspace, points: pl.DataFrame) -> None:
    mine = points.filter(pl.col("figure") == "2c")
    assert mine.group_by("series").agg(pl.col("run").n_unique()).sort("series").rows() == [("CMR_Sup", 2), ("ECCL", 2)]
    predicted = pl.read_parquet(place.features / "trait_prediction/align-traits.eccl.s43.parquet")
    truth = pl.read_parquet(place.tables / "traits.parquet").rename({"value": "truth"})
    joined = predicted.filter(pl.col("field_id") == 24102).join(truth, on=["eid", "instance", "field_id"])
    joined = joined.join(pairs_of(place, "val"), on=["eid", "instance"])
    r = np.corrcoef(joined["value"], joined["truth"])[0, 1]
    row = mine.filter((pl.col("run") == "align-traits.eccl.s43") & (pl.col("label") == "trait 2"))
    assert row["y"].to_list() == [pytest.approx(r)]


def test_sizes_are_those_of_the_trained_encoders(place: Workspace, points: pl.DataFrame) -> None:
    mine = points.filter((pl.col("figure") == "2b") & (pl.col("panel") == "patches"))
    assert mine.group_by("series").agg(pl.col("x").unique()).sort("series").rows() == [
        ("eccl", [60.0]), ("few_patches", [30.0]),
    ]  # fmt: skip
    scene = set_scene(place, table_of(place))
    expected = np.nanmean(trait_r(scene, "align-traits.few_patches.s42", "trait_prediction"))
    assert mine.filter(pl.col("series") == "few_patches")["y"].to_list() == [pytest.approx(expected)]


def test_size_of_an_encoder_is_that_of_its_network() -> None:
    spec = EcgEncoderSpec(patch=(1, 100), width=32, depth=2, heads=2, mlp_ratio=2.0, dropout=0.0)
    own = sum(parameter.numel() for parameter in EcgEncoder(spec).parameters() if parameter.requires_grad)
    assert (count_patches(spec), count_parameters(spec)) == (600, own)


def test_what_is_missing_is_said_and_the_rest_is_drawn(place: Workspace, drawn: Drawn) -> None:
    missing = drawn.missing
    assert set(missing) == {"2b", "2d"}
    assert missing["2b"] == (
        "no run of large_vit; run `eccl table1 --arms large_vit --tasks traits --seeds 42,43 --train-only`",
    )
    assert [lack.split("run `")[1] for lack in missing["2d"]] == [
        f"eccl table1 --arms eccl --tasks {code} --seeds 42 --train-only`" for code in ("I21", "I42", "I48")
    ]
    svg = (place.reports / "figures" / "figure_2d.svg").read_text()
    assert "not finished" in svg
    assert "large_vit" in (place.reports / "figures" / "figure_2b.svg").read_text()


def test_before_is_what_the_stage_starts_from(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    started: dict[str, torch.Tensor] = {}

    def keep(session: Any, context: Any, plan: Any, *rest: Any) -> None:
        started.update({name: value.clone() for name, value in plan.network.state_dict().items()})

    monkeypatch.setattr(align, "train_run", keep)
    assert main(["align-traits.eccl.s43", "--workspace", str(place.root)]) == 0
    network, _ = rebuild_start(place, load_run(place, "align-traits.eccl.s43"), Runtime())
    own = network.state_dict()
    assert set(own) == set(started)
    assert [name for name in own if not torch.equal(own[name], started[name])] == []
    trained = load_run(place, "align-traits.eccl.s43").weights()
    assert not torch.equal(trained["ecg_projection.weight"], own["ecg_projection.weight"])


def test_a_parent_that_was_trained_again_is_refused_and_the_other_panel_is_drawn(copy: Workspace) -> None:
    path = copy.run_folder("pretrain_ecg.mae.s42") / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "weights_sha256": "0" * 64}))
    scene = set_scene(copy, table_of(copy))
    with pytest.raises(VersionError, match="trained again"):
        compute_before(scene, load_run(copy, "align-traits.eccl.s42"), np.arange(3))
    before, after = figure_space.collect(scene)
    assert "trained again" in before.missing
    assert before.points.is_empty()
    assert len(after.points) == 2 * len(scene.truth)


def test_a_frozen_selection_shows_the_test_split_of_its_runs_only(copy: Workspace) -> None:
    runs = ["align-traits.eccl.s42", "pretrain_cmr-traits.swin.s42"]
    freeze(copy, runs, Scope(data_version(copy.data), "tiny", "ever", (2, 3)))
    scene = set_scene(copy, table_of(copy))
    assert scene.truth.split == "test"
    panels = [*figure_space.collect(scene), *figure_traits.collect(scene)]
    shown = pl.concat(panel.points for panel in panels)
    assert shown["split"].unique().to_list() == ["test"]
    assert set(shown["run"]) == set(runs)
    assert all("frozen selection" in panel.missing for panel in figure_diseases.collect(scene))
    assert shown.filter(pl.col("eid").is_not_null())["eid"].is_in(pairs_of(copy, "test")["eid"].to_list()).all()


def test_a_frozen_selection_keeps_its_visits_and_labels(copy: Workspace) -> None:
    freeze(copy, ["align-traits.eccl.s42"], Scope(data_version(copy.data), "tiny", "prevalent", (2,)))
    scene = set_scene(copy, table_of(copy))
    expected = pairs_of(copy, "test").filter(pl.col("instance") == 2)
    assert scene.truth.visits.select("eid", "instance").equals(expected.select("eid", "instance"))
    assert pairs_of(copy, "test").height > expected.height  # params.yaml has both visits
    assert len(read_vectors(scene, "align-traits.eccl.s42", "ecg_projection")) == expected.height
    labels = pl.read_parquet(copy.tables / "labels.parquet").filter(
        (pl.col("code") == "I50") & (pl.col("definition") == "prevalent")
    )
    own = expected.join(labels, on=["eid", "instance"], how="left", maintain_order="left")["value"].cast(pl.Float64)
    np.testing.assert_array_equal(scene.truth.labels["I50"], own.fill_null(float("nan")).to_numpy())


def test_vectors_of_other_visits_are_refused(place: Workspace) -> None:
    scene = set_scene(place, table_of(place))
    rows = read_rows(scene, "align-traits.eccl.s42", "ecg_projection")
    assert len(vectors(rows, scene.truth)) == len(scene.truth)
    with pytest.raises(FeatureError, match=rf"{rows.height - 1} of {rows.height} visits of the val split"):
        vectors(rows.tail(-1), scene.truth)
    with pytest.raises(FeatureError, match=rf"in {rows.height + 1} rows"):
        vectors(pl.concat([rows, rows.head(1)]), scene.truth)


def test_own_runs_stand_in_for_the_reference(copy: Workspace) -> None:
    shutil.copytree(copy.run_folder("align-traits.eccl.s42"), copy.run_folder("align-traits"))
    shutil.copy(
        copy.features / "ecg_projection/align-traits.eccl.s42.parquet",
        copy.features / "ecg_projection/align-traits.parquet",
    )
    shutil.copy(
        copy.features / "trait_prediction/align-traits.eccl.s42.parquet",
        copy.features / "trait_prediction/align-traits.parquet",
    )
    path = copy.run_folder("align-traits") / "run.json"
    own = {"run": "align-traits", "seed": None, "variant": None, "arm": None}
    path.write_text(json.dumps({**json.loads(path.read_text()), **own}))
    for folder in copy.models.glob("*.s4*"):
        shutil.rmtree(folder)
    scene = set_scene(copy, table_of(copy))
    found = find_runs(scene, scene.reference, "traits", "ecg_projection")
    assert [run.record["run"] for run in found] == ["align-traits"]
    with pytest.raises(FeatureError, match=r"eccl table1 --arms few_patches"):
        find_runs(scene, scene.table.arms["few_patches"], "traits", "trait_prediction")
    patches, _ = figure_sizes.collect(scene)
    assert patches.points["run"].to_list() == ["align-traits"]
    assert "--arms few_patches,large_vit --tasks traits --seeds 42,43 --train-only" in patches.missing


def test_runs_of_other_data_do_not_count(copy: Workspace) -> None:
    for path in copy.models.glob("*/run.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "data_version": "0" * 16}))
    with pytest.raises(FeatureError, match="no figure can be drawn") as error:
        make_figures(copy, table_of(copy))
    assert "--arms eccl --tasks traits --seeds 42" in str(error.value)
    assert not (copy.reports / "figures").exists() or not list((copy.reports / "figures").glob(".tmp*"))


def run_verb(place: Workspace, *options: str) -> Any:
    from eccl.commands.app import app

    return CliRunner().invoke(app, ["figures", "-w", str(place.root), *options])


def test_verb_names_files_and_lacks_and_draws_the_same_bytes_again(place: Workspace, drawn: Drawn) -> None:
    before = {path: path.read_bytes() for path in drawn.paths}
    result = run_verb(place, "--json")
    assert result.exit_code == 1
    assert "figure 2d: ECCL: align-I21.eccl.s42 is not finished" in result.stderr
    answer = json.loads(result.stdout)
    assert answer["files"][0] == "reports/figures/figure_2a.png"
    assert set(answer["missing"]) == {"2b", "2d"}
    assert {path: path.read_bytes() for path in drawn.paths} == before


def test_verb_lists_runs_without_drawing(copy: Workspace) -> None:
    shutil.rmtree(copy.reports / "figures", ignore_errors=True)
    result = run_verb(copy, "--dry-run")
    assert result.exit_code == 0
    assert "figure 2a: align-traits.eccl.s42, align-traits.eccl.s43\n" in result.stdout
    assert "lacks: larger: align-traits.large_vit.s42 is not finished" in result.stdout
    assert not (copy.reports / "figures").exists()
    listed = list_runs(copy, table_of(copy))
    assert listed["2c"][0][-1] == "pretrain_cmr-traits.swin.s43"


def test_maps_repeat_and_refuse_too_few_points() -> None:
    vectors = np.random.default_rng(0).normal(size=(30, 5))
    for make in (map_tsne, map_umap):
        first = make(vectors)
        assert first.shape == (30, 2)
        np.testing.assert_array_equal(first, make(vectors))
        with pytest.raises(FeatureError, match="3 points are too few"):
            make(vectors[:3])


def test_a_map_keeps_two_clusters_apart() -> None:
    rng = np.random.default_rng(1)
    vectors = np.concatenate([rng.normal(size=(20, 6)) + 8, rng.normal(size=(20, 6)) - 8])
    for make in (map_tsne, map_umap):
        place = make(vectors)
        within = np.linalg.norm(place[:20] - place[:20].mean(axis=0), axis=1).mean()
        assert np.linalg.norm(place[:20].mean(axis=0) - place[20:].mean(axis=0)) > 2 * within


def test_all_traits_are_in_exactly_one_group(tmp_path: Path) -> None:
    fields = [field for _, some in GROUPS for field in some]
    assert sorted(fields) == list(range(24100, 24182))
    rows = [
        {"arm": arm, "field_id": f, "short_name": f"WT_AHA_{f}", "r": 0.5}
        for arm in ("ECCL", "CMR_Sup")
        for f in fields
    ]
    draw_traits(pl.DataFrame(rows), "test", tmp_path / "trait_r.png")
    svg = (tmp_path / "trait_r.svg").read_text()
    assert all(f">{field}<" in svg for field in fields)


@pytest.mark.parametrize(("lowest", "ticks"), [(0.1, [0.0, 0.25]), (-0.3, [-0.5, -0.25]), (-1.0, [-1.0, -0.75])])
def test_the_axis_of_r_reaches_as_far_down_as_the_scores(lowest: float, ticks: list[float]) -> None:
    rows = [{"series": "s", "x": 0.0, "y": lowest, "label": "", "run": "r", "split": "val"}]
    found = trait_figure._ticks(make_points(rows))
    assert found[:2] == ticks
    assert found[-1] == 1.0
    spread = [{**rows[0], "y": y, "run": run} for y, run in ((0.5, "a"), (-0.5, "b"))]  # 0 ± 0.7
    assert trait_figure._ticks(make_points(spread))[0] == -0.75


def test_traits_of_a_handful_of_visits_are_not_drawn(place: Workspace) -> None:
    scene = set_scene(place, table_of(place))
    few = replace(scene.truth, visits=scene.truth.visits.head(7))
    panels = figure_traits.collect(replace(scene, truth=few))
    assert all(panel.points.is_empty() for panel in panels)
    assert panels[0].missing.startswith("7 visits are too few for a correlation, expected at least 8")


def test_files_hold_no_date_and_repeat(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with drawing(height=2) as figure:
            write_note(figure.subplots(), "nothing to show; run `eccl table1`")
            save(figure, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert "dc:date" not in (tmp_path / "a.svg").read_text()


def test_points_of_no_visit_have_no_participant() -> None:
    points = make_points([{"series": "s", "x": 1.0, "y": 2.0, "label": "", "run": "r", "split": "val"}])
    assert points["eid"].to_list() == [None]
