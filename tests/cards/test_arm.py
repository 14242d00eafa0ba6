"""A card describes the arm as it was trained, even if the experiment table changed since."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from eccl.cards.write import read_arm
from eccl.errors import ConfigError
from eccl.study.arms import load_arms
from eccl.workspace import shipped
from tests.cards.records import card_of, record_of, section

SEED = 42


def arm_record(stage: str, variant: str | None, **more: Any) -> dict[str, Any]:
    seed = None if variant is None else SEED
    return record_of(stage, None if stage.startswith("pretrain") else "I50") | {
        "variant": variant,
        "seed": seed,
        **more,
    }


def trained(stage: str, variant: str, arms_file: Path) -> dict[str, Any]:
    """A record as training writes it with this table."""
    table = load_arms(arms_file)
    return arm_record(stage, variant, arm=table.variant(stage, variant).describe())


def card_section(record: dict[str, Any], arms_file: Path) -> str:
    return section(card_of(record, arm=read_arm(record, arms_file)), "Arm")


@pytest.fixture
def arms_file(tmp_path: Path) -> Path:
    file = tmp_path / "arms.yaml"
    file.write_bytes((shipped("experiments") / "arms.yaml").read_bytes())
    return file


def edit(arms_file: Path, key: str, change: dict[str, Any] | None) -> None:
    """Change fields of an arm, or remove it."""
    content = yaml.safe_load(arms_file.read_text())
    if change is None:
        del content["arms"][key]
    else:
        content["arms"][key] |= change
    arms_file.write_text(yaml.safe_dump(content, sort_keys=False))


def test_an_edited_removed_or_broken_table_changes_no_card(arms_file: Path) -> None:
    record = trained("align", "triplet", arms_file)
    before = card_section(record, arms_file)
    assert "`triplet`, seed 42: Triplet. It builds on" in before
    assert "`mae` (pretrain_ecg)" in before
    assert "- `align.alignment.loss`: `triplet`" in before
    assert "today" not in before
    edit(arms_file, "triplet", {"title": "Other", "changes": {"pooling": "mean"}})
    assert card_section(record, arms_file) == before
    edit(arms_file, "triplet", None)
    assert card_section(record, arms_file) == before
    arms_file.write_text("arms: [")
    assert card_section(record, arms_file) == before
    arms_file.unlink()
    assert card_section(record, arms_file) == before


def test_an_older_run_is_described_by_the_table_while_that_contains_its_arm(arms_file: Path) -> None:
    record = arm_record("align", "neither")
    text = card_section(record, arms_file)
    assert "`neither`, seed 42: W/O SSL; W/O CL." in text
    assert "- `align.contrastive_weight`: `0.0`" in text
    assert "seed`:" not in text
    assert "The run did not record this; it was read from the present `experiments/arms.yaml`." in text
    gone = "What the arm changed was not recorded, and the table no longer contains it."
    edit(arms_file, "neither", None)
    assert gone in card_section(record, arms_file)
    arms_file.unlink()
    assert gone in card_section(record, arms_file)


def test_a_needed_table_with_problems_is_an_error(arms_file: Path) -> None:
    edit(arms_file, "neither", {"group": "none such"})
    with pytest.raises(ConfigError, match=r"arms\.neither\.group"):
        read_arm(arm_record("align", "neither"), arms_file)


def test_parts_values_from_elsewhere_and_arms_that_change_nothing(arms_file: Path) -> None:
    part = card_section(trained("pretrain_cmr", "resnet50", arms_file), arms_file)
    assert "`resnet50`, seed 42: a pre-training that several arms share." in part
    assert "- `pretrain_cmr.encoder`: `alternatives.cmr.resnet50` of the preset" in part
    reference = card_section(trained("align", "eccl", arms_file), arms_file)
    assert "It changes nothing but the seed against preset `cpu`." in reference
    probe = card_section(trained("probe", "probe", arms_file), arms_file)
    assert "`eccl` (align)" in probe


def test_the_workspaces_own_runs_are_no_arm(arms_file: Path) -> None:
    assert card_section(arm_record("align", None), arms_file).endswith("own run: preset `cpu` without changes.\n")
