"""Arms of the experiment table: two differ in exactly the changes of experiments/arms.yaml, for every preset."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from eccl.study.arms import ArmTable, load_arms
from eccl.training.settings import load_params
from eccl.workspace import shipped
from eccl.yaml_text import parse_yaml

SEED = 43
PRESETS = ("demo", "cpu", "small", "paper")
TABLE = load_arms(shipped("experiments") / "arms.yaml")


def flat(content: Any, path: str = "") -> dict[str, Any]:
    """Nested mappings -> one level, keys joined by dots."""
    if not isinstance(content, Mapping):
        return {path: tuple(content) if isinstance(content, list) else content}
    return {
        key: value for name, one in content.items() for key, value in flat(one, f"{path}.{name}".strip(".")).items()
    }


@functools.cache
def shipped_yaml(name: str) -> dict[str, Any]:
    content: dict[str, Any] = parse_yaml(shipped(name).read_text())
    return content


def raw_preset(preset: str) -> dict[str, Any]:
    found: dict[str, Any] = shipped_yaml("params.yaml")["presets"][preset]
    return found


@pytest.fixture(scope="module")
def slim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with each preset in a file of its own: reading all of them for every arm would take most of the time."""
    folder = tmp_path_factory.mktemp("slim")
    content = shipped_yaml("params.yaml")
    for preset in PRESETS:
        slimmed = {"preset": preset, "cohort": content["cohort"], "presets": {preset: raw_preset(preset)}}
        (folder / f"{preset}.yaml").write_text(yaml.safe_dump(slimmed))
    return folder


@functools.cache
def resolved(slim: Path, preset: str, stage: str, variant: str, seed: int = SEED) -> dict[str, Any]:
    """Every value that a variant is trained with, through what the stages themselves use."""
    changes = TABLE.variant(stage, variant).settings(seed)
    return flat(load_params(slim / f"{preset}.yaml", changes=changes).preset.model_dump())


@functools.cache
def expected_values(preset: str, stage: str, variant: str) -> dict[str, Any]:
    """Changes of a variant from experiments/arms.yaml, read without the code under test."""
    content = shipped_yaml("experiments/arms.yaml")
    arm = content["arms"].get(variant)
    if arm is None or stage in content["pretraining"]:
        arm = {"parents": {stage: variant}, "changes": {}}
    changes: dict[str, Any] = {}
    parents = dict(arm["parents"])
    if "align" in parents:
        changes |= expected_values(preset, "align", parents.pop("align"))
    for section, parent in parents.items():
        changes |= {f"{section}.{key}": value for key, value in content["pretraining"][section][parent].items()}
    changes |= {f"{stage}.{key}": value for key, value in arm["changes"].items()}
    values: dict[str, Any] = {}
    for key, value in changes.items():
        if isinstance(value, dict):
            value = functools.reduce(lambda place, name: place[name], value["use"].split("."), raw_preset(preset))
        values |= flat(value, key)
    return values


def variants() -> list[tuple[str, str]]:
    shared = [(stage, key) for stage, some in TABLE.pretraining.items() for key in some]
    return [*shared, *((arm.stage, key) for key, arm in TABLE.arms.items() if arm.stage not in TABLE.pretraining)]


@pytest.mark.parametrize("preset", PRESETS)
def test_a_variant_is_the_preset_with_the_changes_of_the_table(slim: Path, preset: str) -> None:
    base = flat(raw_preset(preset))
    seeds = {key for key in base if key.endswith(".seed")}
    for stage, variant in variants():
        found = resolved(slim, preset, stage, variant)
        expected = {**base, **expected_values(preset, stage, variant), **dict.fromkeys(seeds, SEED)}
        assert found == expected, variant


@pytest.mark.parametrize("preset", PRESETS)
def test_two_arms_differ_in_exactly_the_changes_of_the_table(slim: Path, preset: str) -> None:
    base = flat(raw_preset(preset))
    names = [(arm.stage, key) for key, arm in TABLE.arms.items() if arm.stage not in TABLE.pretraining]
    for (one_stage, one), (other_stage, other) in itertools.combinations(names, 2):
        mine, theirs = resolved(slim, preset, one_stage, one), resolved(slim, preset, other_stage, other)
        differing = {key for key in mine if mine[key] != theirs[key]}
        sides = (
            {**base, **expected_values(preset, one_stage, one)},
            {**base, **expected_values(preset, other_stage, other)},
        )
        assert differing == {key for key in base if sides[0][key] != sides[1][key]}, (one, other)
        is_alike = TABLE.arms[one].parents == TABLE.arms[other].parents
        # `demo` keeps amplitudes anyhow; the arms of task `all` and of the reference differ in their task.
        if is_alike and (one, other) != ("eccl", "multitask") and preset != "demo":
            assert differing, (one, other)


@pytest.mark.parametrize(
    ("arm", "differing"),
    [
        ("triplet", {"align.alignment.loss"}),
        ("label_aware", {"align.alignment.loss"}),
        ("ssl_only", {"align.contrastive_weight"}),
        ("cl_only", {"align.init_from"}),
        ("neither", {"align.init_from", "align.contrastive_weight"}),
        ("cmae", {"align.init_from", "align.contrastive_weight"}),
        ("attention_pooling", {"align.pooling"}),
        ("millivolt", {"align.augment.scaling", "pretrain_ecg.augment.scaling"}),
        ("multitask", set()),
    ],
)
def test_an_arm_against_the_reference(slim: Path, arm: str, differing: set[str]) -> None:
    mine, reference = (resolved(slim, "paper", "align", one) for one in (arm, TABLE.reference))
    assert {key for key in mine if mine[key] != reference[key]} == differing


def test_a_baseline_changes_the_cmr_encoder_and_a_figures_arm_the_ecg_encoder(slim: Path) -> None:
    reference = resolved(slim, "paper", "align", TABLE.reference)
    for arm, section in (
        ("resnet50", "pretrain_cmr"), ("vit", "pretrain_cmr"), ("few_patches", "pretrain_ecg"), ("large_vit", "pretrain_ecg"),
    ):  # fmt: skip
        mine = resolved(slim, "paper", "align", arm)
        differing = {key for key in mine if mine[key] != reference[key]}
        assert differing
        assert all(key.startswith(f"{section}.encoder.") for key in differing), arm


def test_seeds_differ_in_the_seed_of_every_stage_alone(slim: Path) -> None:
    one, other = (resolved(slim, "cpu", "align", "triplet", seed) for seed in (42, 43))
    sections = ("pretrain_ecg", "pretrain_cmr", "pretrain_cmae", "align", "probe")
    assert {key for key in one if one[key] != other[key]} == {f"{section}.seed" for section in sections}


def test_the_table_under_test_is_the_shipped_one() -> None:
    assert isinstance(TABLE, ArmTable)
    assert {stage for stage, _ in variants()} == {"pretrain_ecg", "pretrain_cmr", "pretrain_cmae", "align", "probe"}
