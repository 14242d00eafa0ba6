"""A table that does not fit together is refused when it is read, with everything that is wrong."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from eccl.errors import ConfigError
from eccl.training.settings.arms import ArmTable, Naming, load_arms
from eccl.workspace import shipped
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
        ("parts/pretrain_cmr/swin-t", {}, "parts.pretrain_cmr.swin-t: expected a key"),
        ("parts/pretrain_ekg", {"mae": {}}, "parts.pretrain_ekg: is none of pretrain_ecg"),
        ("arms/eccl/parts", {"pretrain_ecg": "mae", "pretrain_cmr": "swim"}, "arms.eccl.parts.pretrain_cmr: there is no 'swim'"),
        ("seeds", [42, -1], "none negative"),
        ("seeds", 42, "seeds: found 42, expected a list of whole numbers"),
        ("arms/eccl", {**ECCL, "titel": "E"}, "arms.eccl.titel: unknown key; there are title, group"),
        ("arms/eccl", {"title": "E", "stage": "align"}, "arms.eccl: lacks group, parts, changes"),
        ("arms/triplet/changes", {"seed": 7}, "arms.triplet: a change of seed"),
        ("parts/pretrain_cmr/vit", {"seed": 7}, "parts.pretrain_cmr.vit: a change of seed"),
        ("arms/cl_only/parts", {"pretrain_cmr": "swin", "pretrain_ecg": "mae"}, "cl_only.parts.pretrain_ecg: init_from nothing does"),
        ("arms/cmae/parts", {}, "arms.cmae.parts: lacks pretrain_cmae, which init_from pretrain_cmae needs"),
        ("arms/cmae/parts", {"pretrain_cmae": "cmae", "pretrain_cmr": "swin"}, "cmae.parts.pretrain_cmr: contrastive_weight 0 does"),
        ("arms/ssl_only/changes", {"contrastive_weight": 0.5}, "ssl_only.parts: lacks pretrain_cmr, which contrastive_weight above 0"),
        ("arms/eccl/parts", {"align": "triplet"}, "arms.eccl.parts.align: stage align builds on"),
        ("arms/cmr_sup/changes", {"teacher_views": 2}, "arms.cmr_sup.changes: the arm has the runs of its part"),
        ("arms/cmr_sup/parts", {}, "arms.cmr_sup.parts: lacks pretrain_cmr, which stage pretrain_cmr needs"),
        ("arms/cmr_sup/parts", {"pretrain_cmr": "swin", "pretrain_ecg": "mae"}, "cmr_sup.parts.pretrain_ecg: stage pretrain_cmr builds"),
        ("arms/probe/parts", {}, "arms.probe.parts: lacks align"),
        ("arms/probe/parts", {"align": "probe"}, "arms.probe.parts.align: 'probe' has no run of stage align"),
        ("arms/probe/parts", {"align": "label_aware"}, "arms.probe.parts.align: 'label_aware' has no run of stage align and task traits"),
        ("arms/probe/tasks", ["all"], "arms.probe.tasks: ['all'] are not among traits, I21, I42, I48, I50"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told(tmp_path: Path, path: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, changed(path, value))
    assert message in str(error.value)


def test_a_key_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "arms.yaml"
    path.write_text((shipped("experiments") / "arms.yaml").read_text().replace("  triplet:", "  vit:", 1))
    with pytest.raises(ConfigError, match=r"is not YAML: line \d+ and below have vit twice"):
        load_arms(path)


def test_everything_is_told_at_once(tmp_path: Path) -> None:
    content = changed("arms/triplet/group", "tables")
    content["arms"]["probe"]["parts"] = {}
    content["arms"]["cmr_sup"]["changes"] = {"teacher_views": 2}
    with pytest.raises(ConfigError, match=r"3 problems") as error:
        read(tmp_path, content)
    assert all(f"\n  arms.{arm}." in str(error.value) for arm in ("triplet", "probe", "cmr_sup"))


@pytest.mark.parametrize(
    "value",
    [{"init_from": {"use": "x"}}, {"contrastive_weight": "much"}, {"contrastive_weight": ["0"]}],
)
def test_a_value_that_is_none_is_left_to_the_preset(tmp_path: Path, value: dict[str, Any]) -> None:
    assert read(tmp_path, changed("arms/eccl/changes", value)).arms["eccl"].changes == value


@pytest.mark.parametrize("arms", [{"eccl": None}, {"eccl": ["title"]}, ["eccl"], {"eccl": {**ECCL, "changes": ["a"]}}])
def test_what_is_no_table_is_told(tmp_path: Path, arms: Any) -> None:
    with pytest.raises(ConfigError, match=r"lacks or misspells a key"):
        read(tmp_path, {**SHIPPED, "arms": arms})


def test_a_run_of_a_part_that_is_not_named_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"arms\.eccl\.parts .*lacks pretrain_cmr, which its align needs"):
        Naming("align", "eccl", 42, {"pretrain_ecg": "mae"}).run("pretrain_cmr", "I21")
