"""An arm becomes a preset, and no other line of params.yaml changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from eccl.errors import ConfigError
from eccl.study.adopt import adopt, plan_adoption
from eccl.study.arms import load_arms
from eccl.training.settings import load_params
from eccl.workspace import shipped
from tests.support.tiny_workspace import tiny_params

TABLE = load_arms(shipped("experiments") / "arms.yaml")
SHIPPED = shipped("params.yaml").read_text().replace("preset: demo", "preset: cpu", 1)


@pytest.fixture
def params(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(SHIPPED)
    return path


@pytest.mark.parametrize("arm", ["resnet50", "cl_only", "millivolt", "attention_pooling", "few_patches"])
def test_the_preset_is_the_configuration_of_the_arm_without_its_seed(params: Path, arm: str) -> None:
    changes = TABLE.variant("align", arm).settings(42)
    expected = load_params(params, changes=changes).preset
    adopt(params, plan_adoption(params, TABLE, arm))
    found = load_params(params, f"cpu_{arm}")
    assert found.preset.model_dump() == expected.model_dump()
    assert found.preset != load_params(params, "cpu").preset


def test_every_other_line_of_the_file_stays(params: Path) -> None:
    adoption = plan_adoption(params, TABLE, "triplet", "recipe")
    assert params.read_text() == SHIPPED  # planned only
    adopt(params, adoption)
    lines, before = params.read_text().splitlines(), SHIPPED.splitlines()
    [first] = [number for number, line in enumerate(lines) if line == "  recipe:"]
    count = len(adoption.block.splitlines())
    comment = "  # Preset cpu with the changes of arm triplet of experiments/arms.yaml: align.alignment.loss: triplet"
    assert lines[first - 2 : first] == ["presets:", comment]
    assert [*lines[: first - 1], *lines[first - 1 + count :]] == before
    assert load_params(params).name == "cpu"


TINY = tiny_params()["presets"]["tiny"]


@pytest.mark.parametrize(
    "text",
    [
        "preset: tiny\npresets:\n    tiny: {flow}\n\n# of cohort\ncohort: {{label_definition: ever}}\n",
        "preset: tiny\ncohort: {{label_definition: ever}}\npresets:\n  tiny: {flow}   # no line end",
        "preset: tiny\npresets:\n  tiny: {flow}\n  # last words on tiny\n\ncohort: {{label_definition: ever}}\n",
        "preset: tiny\nsame: &same {flow}\npresets:\n  other: {{}}\n  tiny: *same\ncohort: {{label_definition: ever}}\n",
    ],
)
def test_presets_may_be_anywhere_and_end_in_any_way(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text.format(flow=yaml.safe_dump(TINY, default_flow_style=True, width=100_000).strip()))
    before = yaml.safe_load(path.read_text())
    lines = path.read_text().splitlines()
    adopt(path, plan_adoption(path, TABLE, "mean_pooling"))
    after = yaml.safe_load(path.read_text())
    assert after["presets"].pop("tiny_mean_pooling")["align"]["pooling"] == "mean"
    assert after == before
    written = path.read_text().splitlines()
    assert [line for line in written if line in lines] == lines


def test_an_adopted_preset_can_be_the_base_of_another(params: Path) -> None:
    adopt(params, plan_adoption(params, TABLE, "triplet", "one"))
    params.write_text(params.read_text().replace("preset: cpu", "preset: one", 1))
    adopt(params, plan_adoption(params, TABLE, "mean_pooling"))
    align = load_params(params, "one_mean_pooling").preset.align
    assert (align.pooling, align.alignment.loss) == ("mean", "triplet")


@pytest.mark.parametrize(
    ("arm", "name", "message"),
    [
        ("multitask", None, "its tasks are all"),
        ("probe", None, "scored by stage probe"),
        ("cmr_sup", None, "scored by stage pretrain_cmr"),
        ("cmae", None, r"init_from pretrain_cmae: dvc\.yaml has no such stage"),
        ("ssl_only", None, "no projections"),
        ("label_aware", None, "found task traits"),
        ("eccl", None, "changes nothing in preset cpu"),
        ("tripplet", None, "no arm 'tripplet'; it has .*triplet"),
        ("triplet", "paper", "'paper' exists already"),
        ("triplet", "my-recipe", "'my-recipe' is no name"),
    ],
)
def test_what_cannot_be_a_preset_is_refused(params: Path, arm: str, name: str | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan_adoption(params, TABLE, arm, name)
    assert params.read_text() == SHIPPED


def test_presets_in_braces_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    content: dict[str, Any] = tiny_params()
    path.write_text(yaml.safe_dump(content, default_flow_style=True))
    with pytest.raises(ConfigError, match="written in braces"):
        plan_adoption(path, TABLE, "triplet")
