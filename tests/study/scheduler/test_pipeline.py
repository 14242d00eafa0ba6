"""experiments/s42/dvc.yaml and its like say what the table says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from eccl.errors import ConfigError
from eccl.study.scheduler.jobs import list_jobs
from eccl.study.scheduler.pipeline import open_table, outdated_stages, pipeline_text, write_pipeline
from eccl.training.settings.arms import TASKS, load_arms
from eccl.workspace import Workspace, shipped

FOLDER = shipped("experiments")


@pytest.fixture(scope="module")
def stages() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(pipeline_text(load_arms(FOLDER / "arms.yaml"), 42))["stages"]
    return found


def _paths(entries: list[Any]) -> list[str]:
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


def test_a_stage_reads_its_parents_and_writes_what_nobody_else_does(stages: dict[str, dict[str, Any]]) -> None:
    jobs = list_jobs(load_arms(FOLDER / "arms.yaml"), seeds=[42])
    assert list(stages) == [job.dvc_stage for job in jobs]
    written = [path for stage in stages.values() for path in _paths(stage["outs"])]
    assert len(set(written)) == len(written)
    own = {"data", "reports/gate/gate.json"}
    for job in jobs:
        read = set(stages[job.dvc_stage]["deps"])
        assert own <= read
        assert {path.rpartition("/")[2].removesuffix(".parquet") for path in read - own} == set(job.parents)
        assert read - own <= set(written)


@pytest.mark.parametrize(
    ("stage", "views"),
    [
        ("align-I21-eccl-s42", {"ecg_embedding", "ecg_projection", "cmr_projection", "disease_prediction"}),
        ("align-traits-ssl_only-s42", {"ecg_embedding", "trait_prediction"}),
        (
            "align-all-multitask-s42",
            {"ecg_embedding", "ecg_projection", "cmr_projection", "trait_prediction", "disease_prediction"},
        ),
        ("pretrain_cmr-I21-swin-s42", {"cmr_embedding", "cmr_teacher", "cmr_disease_prediction"}),
        (
            "pretrain_cmr-all-swin-s42",
            {"cmr_embedding", "cmr_teacher", "cmr_trait_prediction", "cmr_disease_prediction"},
        ),
        ("probe-traits-probe-s42", {"trait_prediction"}),
        ("pretrain_cmae-cmae-s42", set()),
    ],
)
def test_a_stage_writes_the_views_it_has(stages: dict[str, dict[str, Any]], stage: str, views: set[str]) -> None:
    paths = _paths(stages[stage]["outs"])
    assert {Path(path).parent.name for path in paths if path.startswith("features/")} == views


def test_no_output_is_cached_or_deleted_first(stages: dict[str, dict[str, Any]]) -> None:
    for stage in stages.values():
        for entry in [*stage["outs"], *stage.get("metrics", []), *stage.get("plots", [])]:
            [options] = entry.values()
            assert options["cache"] is False
            assert options["persist"] is True


def test_a_stage_follows_from_its_own_lines_of_the_table(stages: dict[str, dict[str, Any]]) -> None:
    params = stages["align-I21-triplet-s42"]["params"]
    assert params[-1] == {
        "experiments/arms.yaml": [
            "arms.triplet.changes",
            "arms.triplet.parts",
            "parts.pretrain_ecg.mae",
            "parts.pretrain_cmr.swin",
        ]
    }
    assert "presets.${preset}.align" in params
    few = "presets.${preset}.alternatives.ecg.few_patches"
    assert few in stages["pretrain_ecg-mae_few_patches-s42"]["params"]
    assert few not in stages["pretrain_ecg-mae-s42"]["params"]
    assert stages["pretrain_ecg-mae-s42"]["params"][-1] == {"experiments/arms.yaml": ["parts.pretrain_ecg.mae"]}


def test_a_changed_table_is_written_once(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    place.arms_file.parent.mkdir()
    place.arms_file.write_text((FOLDER / "arms.yaml").read_text())
    assert write_pipeline(place, open_table(place))
    assert not write_pipeline(place, open_table(place))
    lock = tmp_path / "experiments" / "s43" / "dvc.lock"
    lock.write_text("stages: {}\n")
    place.arms_file.write_text(place.arms_file.read_text().replace("seeds: [42, 43, 44, 45, 46]", "seeds: [42]"))
    assert write_pipeline(place, open_table(place))
    assert [path.parent.name for path in (tmp_path / "experiments").glob("*/dvc.yaml")] == ["s42"]
    assert lock.exists(), "what a seed came to stays"
    assert "s43" not in (tmp_path / "experiments" / ".dvcignore").read_text()


def test_a_changed_arm_makes_its_own_stages_outdated_and_no_other(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    place.arms_file.parent.mkdir()
    place.arms_file.write_text((FOLDER / "arms.yaml").read_text())
    table = open_table(place)
    jobs = list_jobs(table, seeds=[42])
    assert outdated_stages(place, table, jobs) == {job.dvc_stage for job in jobs}
    write_pipeline(place, table)
    assert outdated_stages(place, table, jobs) == set()
    text = place.arms_file.read_text()
    place.arms_file.write_text(text.replace("  triplet:\n    title: Triplet", "  triplets:\n    title: Triplet"))
    table = open_table(place)
    changed = outdated_stages(place, table, list_jobs(table, seeds=[42]))
    assert changed == {f"align-{task}-triplets-s42" for task in TASKS}


def test_other_peoples_pipelines_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    place.arms_file.parent.mkdir()
    place.arms_file.write_text((FOLDER / "arms.yaml").read_text())
    own = [tmp_path / "experiments" / name / "dvc.yaml" for name in ("sweep", "s7", "s43x")]
    for path in own:
        path.parent.mkdir()
        path.write_text("stages: {}\n")
    write_pipeline(place, open_table(place))
    assert all(path.read_text() == "stages: {}\n" for path in own)
    ignored = (tmp_path / "experiments" / ".dvcignore").read_text().splitlines()[1:]
    assert ignored == [f"/s{seed}/dvc.{kind}" for seed in (42, 43, 44, 45, 46) for kind in ("yaml", "lock")]


def test_a_workspace_of_an_older_version_is_told_what_to_copy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no experiments/arms\.yaml: it was made by an older version.*cp "):
        open_table(Workspace(tmp_path))
