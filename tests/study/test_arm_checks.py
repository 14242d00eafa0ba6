"""A table that does not fit together is refused when it is read, with all its problems."""

from __future__ import annotations

import copy
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from eccl.errors import ConfigError
from eccl.study.arms import ArmTable, load_arms, open_table
from eccl.workspace import Workspace, shipped
from eccl.yaml_text import parse_yaml

SHIPPED: dict[str, Any] = parse_yaml((shipped("experiments") / "arms.yaml").read_text())


def read(folder: Path, content: dict[str, Any]) -> ArmTable:
    path = folder / "arms.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return load_arms(path)


def changed(path: str, value: Any) -> dict[str, Any]:
    content = copy.deepcopy(SHIPPED)
    *folders, last = path.split("/")
    place = content
    for folder in folders:
        place = place[folder]
    place[last] = value
    return content


def test_the_shipped_table_is_read_back_as_it_is(tmp_path: Path) -> None:
    assert list(read(tmp_path, SHIPPED).arms) == list(SHIPPED["arms"])


ECCL = SHIPPED["arms"]["eccl"]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("arms/Eccl-2", ECCL, "arms.Eccl-2: expected a key of a-z"),
        ("arms/v1.5", ECCL, "arms.v1.5: expected a key of a-z"),
        ("arms/1st", ECCL, "arms.1st: expected a key of a-z"),
        ("pretraining/pretrain_cmr/swin-t", {}, "pretraining.pretrain_cmr.swin-t: expected a key"),
        ("pretraining/pretrain_ekg", {"mae": {}}, "pretraining.pretrain_ekg: is none of pretrain_ecg"),
        ("arms/eccl/parents", {"pretrain_ecg": "mae", "pretrain_cmr": "swim"}, "arms.eccl.parents.pretrain_cmr: there is no 'swim'"),
        ("seeds", [42, -1], "none negative"),
        ("seeds", 42, "seeds: input should be a valid tuple, found 42"),
        ("arms/eccl", {**ECCL, "titel": "E"}, "arms.eccl.titel: unknown key, expected one of key, title"),
        ("arms/eccl", {"title": "E", "stage": "align"}, "arms.eccl.parents: missing"),
        ("arms/triplet/changes", {"seed": 7}, "arms.triplet: a change of seed"),
        ("arms/neither/changes", {"start_from": "nothing"}, "arms.neither: start_from is now init_from; rename it"),
        ("pretraining/pretrain_cmr/vit", {"seed": 7}, "pretraining.pretrain_cmr.vit: a change of seed"),
        ("arms/cl_only/parents", {"pretrain_cmr": "swin", "pretrain_ecg": "mae"}, "cl_only.parents.pretrain_ecg: init_from nothing does"),
        ("arms/cmae/parents", {}, "arms.cmae.parents: lacks pretrain_cmae, which init_from pretrain_cmae needs"),
        ("arms/cmae/parents", {"pretrain_cmae": "cmae", "pretrain_cmr": "swin"}, "cmae.parents.pretrain_cmr: contrastive_weight 0 does"),
        ("arms/ssl_only/changes", {"contrastive_weight": 0.5}, "ssl_only.parents: lacks pretrain_cmr, which contrastive_weight above 0"),
        ("arms/eccl/parents", {"align": "triplet"}, "arms.eccl.parents.align: stage align builds on"),
        ("arms/cmr_sup/changes", {"teacher_views": 2}, "arms.cmr_sup.changes: the arm has the runs of"),
        ("arms/cmr_sup/parents", {}, "arms.cmr_sup.parents: lacks pretrain_cmr, which stage pretrain_cmr needs"),
        ("arms/cmr_sup/parents", {"pretrain_cmr": "swin", "pretrain_ecg": "mae"}, "cmr_sup.parents.pretrain_ecg: stage pretrain"),
        ("arms/probe/parents", {}, "arms.probe.parents: lacks align"),
        ("arms/probe/parents", {"align": "probe"}, "arms.probe.parents.align: 'probe' has no run of stage align"),
        ("arms/probe/parents", {"align": "label_aware"}, "arms.probe.parents.align: 'label_aware' has no run of stage align and task"),
        ("arms/probe/tasks", ["all"], "arms.probe.tasks: ['all'] are not among traits, I21, I42, I48, I50"),
    ],
)  # fmt: skip
def test_every_mismatch_is_reported(tmp_path: Path, path: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, changed(path, value))
    assert message in str(error.value)


def test_a_key_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "arms.yaml"
    path.write_text((shipped("experiments") / "arms.yaml").read_text().replace("  triplet:", "  vit:", 1))
    with pytest.raises(ConfigError, match=r"is not YAML: line \d+ and below have vit twice"):
        load_arms(path)


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    content = changed("arms/triplet/group", "tables")
    content["arms"]["probe"]["parents"] = {}
    content["arms"]["cmr_sup"]["changes"] = {"teacher_views": 2}
    with pytest.raises(ConfigError, match=r"3 problems") as error:
        read(tmp_path, content)
    assert all(f"\n  arms.{arm}." in str(error.value) for arm in ("triplet", "probe", "cmr_sup"))


@pytest.mark.parametrize(
    "value",
    [{"init_from": {"use": "x"}}, {"contrastive_weight": "much"}, {"contrastive_weight": ["0"]}],
)
def test_a_value_that_is_no_number_is_left_to_the_preset(tmp_path: Path, value: dict[str, Any]) -> None:
    assert read(tmp_path, changed("arms/eccl/changes", value)).arms["eccl"].changes == value


@pytest.mark.parametrize("arms", [{"eccl": None}, {"eccl": ["title"]}, ["eccl"], {"eccl": {**ECCL, "changes": ["a"]}}])
def test_what_is_no_table_is_refused(tmp_path: Path, arms: Any) -> None:
    with pytest.raises(ConfigError, match=r"arms.*: "):
        read(tmp_path, {**SHIPPED, "arms": arms})


def test_the_older_keys_are_refused_with_the_command_that_renames_them(tmp_path: Path) -> None:
    path = tmp_path / "arms.yaml"
    text = (shipped("experiments") / "arms.yaml").read_text()
    path.write_text(text.replace("\npretraining:", "\nparts:").replace("parents:", "parts:"))
    with pytest.raises(ConfigError, match="sed -i") as error:
        load_arms(path)
    [command] = re.findall(r"`(sed .*)`", str(error.value))
    subprocess.run(command, shell=True, check=True)
    assert path.read_text() == text


def test_a_workspace_of_an_older_version_is_refused_with_the_command_that_adds_the_table(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no experiments/arms\.yaml: it was made by an older version.*cp "):
        open_table(Workspace(tmp_path))
