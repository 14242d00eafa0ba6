"""Presets of params.yaml, and everything that is wrong with them at once."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from eccl.errors import ConfigError
from eccl.models.specs import AlignmentSpec, CmrEncoderSpec, DecoderSpec, EcgEncoderSpec
from eccl.sections import read_section
from eccl.training.runs import Run
from eccl.training.settings import TASKS, AlignConfig, load_params
from eccl.workspace import shipped
from eccl.yaml_text import parse_yaml
from tests.support.tiny_workspace import tiny_params


def written(folder: Path, content: Any) -> Path:
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def shipped_params(folder: Path, preset: str) -> Path:
    content = parse_yaml(shipped("params.yaml").read_text())
    return written(folder, {**content, "preset": preset})


@pytest.mark.parametrize("name", ["demo", "cpu", "small", "paper"])
def test_shipped_presets_load(tmp_path: Path, name: str) -> None:
    params = load_params(shipped_params(tmp_path, name))
    assert params.name == name
    assert params.label_definition == "ever"
    assert params.preset.pretrain_cmr.cine.horizontal_flip == 0  # would swap left and right ventricle
    assert params.preset.pretrain_ecg.masking.loss_patches == "masked"


def test_the_paper_preset_is_the_papers(tmp_path: Path) -> None:
    preset = load_params(shipped_params(tmp_path, "paper")).preset
    assert preset.pretrain_ecg.encoder == EcgEncoderSpec()
    assert preset.pretrain_cmr.encoder == CmrEncoderSpec()
    assert preset.pretrain_ecg.masking.mask_ratio == 0.8
    assert preset.pretrain_ecg.masking.decoder == DecoderSpec()
    assert preset.align.alignment == AlignmentSpec()
    rates = [one.optimiser.learning_rate for one in (preset.pretrain_ecg, preset.pretrain_cmr, preset.align)]
    assert rates == [8e-4, 8e-5, 8e-5]
    for section in (preset.pretrain_ecg, preset.pretrain_cmr, preset.align):
        assert (section.optimiser.epochs, section.optimiser.warmup_epochs) == (200, 40)
        assert section.optimiser.name == "adamw"
        assert section.instances == (2,)
    assert preset.align.task_weight == preset.align.contrastive_weight == 1
    assert preset.align.negatives_per_case == preset.pretrain_cmr.negatives_per_case == 2
    assert preset.pretrain_ecg.augment.crop_samples < 5000  # a real crop
    assert TASKS == ("traits", "I21", "I42", "I48", "I50")


FAULTS: dict[str, tuple[Any, str]] = {
    "pretrain_ecg.encoder.patch": ([1, 300], "encoder.patch: patch [1, 300] does not divide"),
    "pretrain_ecg.encoder.widht": (3, "pretrain_ecg.encoder.widht: unknown key, expected one of patch, width"),
    "pretrain_ecg.masking.mask_ratio": (1.5, "masking.mask_ratio: input should be less than 1, found 1.5"),
    "pretrain_ecg.masking.decoder.heads": (3, "decoder.heads: width 8 is not divisible by 3 heads"),
    "pretrain_ecg.augment.crop_samples": (5001, "crop_samples: input should be less than or equal to 5000, found 5001"),
    "pretrain_ecg.augment.crop_policy": ("wrap", "input should be 'pad' or 'resize', found 'wrap'"),
    "pretrain_ecg.augment.time_flip": (1.2, "time_flip: input should be less than or equal to 1, found 1.2"),
    "pretrain_ecg.optimiser.warmup_epochs": (2, "warmup_epochs 2 is not in [0, epochs 2)"),
    "align.optimiser.learning_rate": (float("nan"), "learning_rate: input should be a finite number, found nan"),
    "pretrain_cmr.encoder.kind": ("cnn", "kind: input should be 'swin', 'resnet' or 'vit', found 'cnn'"),
    "pretrain_cmr.cine.crop": ("middle", "input should be 'box' or 'fixed', found 'middle'"),
    "pretrain_cmr.instances": ([2, "x"], "instances.1: input should be a valid integer, found 'x'"),
    "pretrain_cmr.cine.scale": ([1.0, 0.9], "not an ascending pair"),
    "align.optimiser.betas": ([0.9], "betas.1: missing"),
    "pretrain_cmr.optimiser.name": ("sgd", "input should be 'adamw' or 'adam', found 'sgd'"),
    "align.optimiser.epochs": ("many", "optimiser.epochs: input should be a valid integer, found 'many'"),
    "align.init_from": (True, "init_from: input should be 'pretrain_ecg', 'pretrain_cmae' or 'nothing', found True"),
    "pretrain_cmae.autoencoder.temperature": (0.0, "autoencoder.temperature: input should be greater than 0"),
    "probe.strengths": ([], "probe.strengths: tuple should have at least 1 item"),
    "alternatives.ecg.few_patches.width": (18, "few_patches.width: input should be a multiple of 4, found 18"),
    "alternatives.ecg.small_vit.haeds": (2, "small_vit.haeds: unknown key, expected one of patch, width"),
    "alternatives.cmr.vit.depths": ([1, 1], "alternatives.cmr.vit: depths has 2 stages, heads 1"),
    "align.alignment": (3, "align.alignment: input should be a valid dictionary"),
    "evaluation.instances": ([0], "instances [0] must be imaging visits"),
}


def test_unknown_keys_and_wrong_values_are_reported_together(tmp_path: Path) -> None:
    content = tiny_params(**{path: value for path, (value, _) in FAULTS.items()})
    del content["presets"]["tiny"]["pretrain_cmr"]["teacher_views"]
    content["presets"]["tiny"]["finetune"] = {}
    content["cohort"]["label_definition"] = "sometimes"
    with pytest.raises(ConfigError) as error:
        load_params(written(tmp_path, content))
    words = str(error.value)
    expected = [fragment for _, fragment in FAULTS.values()]
    expected += ["pretrain_cmr.teacher_views: missing", "presets.tiny.finetune: unknown key", "'sometimes' is none of"]
    assert [fragment for fragment in expected if fragment not in words] == []
    assert f"{len(expected)} problems" in words


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"align.contrastive_weight": 0.0, "align.task_weight": 0.0}, "must not both be 0"),
        ({"align.optimiser.batch_size": 1}, "a contrastive batch of 1 has no negatives"),
        ({"align.dropout": 1.0}, "dropout: input should be less than 1"),
        ({"align.pooling": "max"}, "pooling: input should be 'token', 'mean' or 'attention', found 'max'"),
        ({"pretrain_cmae.optimiser.batch_size": 1}, "a contrastive batch of 1 has no negatives"),
        ({"pretrain_cmae.autoencoder.cine_patch": 5}, "cine_patch 5 does not divide image_size 28"),
        ({"probe.strengths": [1.0, -1.0]}, "probe.strengths.1: input should be greater than 0, found -1.0"),
        ({"alternatives.cmr": 3}, "alternatives.cmr: input should be"),
        ({"align.seed": -1}, "align.seed: input should be greater than or equal to 0, found -1"),
        ({"align.negatives_per_case": 0}, "negatives_per_case: input should be greater than or equal to 1"),
        ({"pretrain_cmr.teacher_views": -1}, "teacher_views: input should be greater than or equal to 0"),
        ({"pretrain_cmr.instances": [2, 2]}, "instances [2, 2]"),
        ({"pretrain_ecg.augment.sign_flip": True}, "sign_flip: input should be a valid number, found True"),
    ],
)
def test_wrong_values_and_combinations_are_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_params(written(tmp_path, tiny_params(**changes)))
    assert words in str(error.value)


def test_a_key_of_an_earlier_version_is_named_with_its_present_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"align\.start_from: this key is now init_from; rename it"):
        load_params(written(tmp_path, tiny_params(**{"align.start_from": "nothing"})))


def test_an_older_record_is_read_with_its_earlier_keys(tmp_path: Path) -> None:
    plain = tiny_params()["presets"]["tiny"]["align"]
    older = {("start_from" if key == "init_from" else key): value for key, value in plain.items()}
    run = Run({"run": "align-I50", "params": {"config": older}}, tmp_path)
    assert run.read_params(AlignConfig, "config").init_from == "pretrain_ecg"


def test_a_batch_of_one_is_fine_without_the_contrastive_term(tmp_path: Path) -> None:
    changes = {"align.optimiser.batch_size": 1, "align.contrastive_weight": 0.0}
    assert load_params(written(tmp_path, tiny_params(**changes))).preset.align.optimiser.batch_size == 1


def test_rates_without_a_dot_are_numbers(tmp_path: Path) -> None:
    path = written(tmp_path, tiny_params())
    path.write_text(path.read_text().replace("learning_rate: 0.001", "learning_rate: 8e-5"))
    assert load_params(path).preset.align.optimiser.learning_rate == 8e-5


@pytest.mark.parametrize("content", [None, [], {"preset": "big", "presets": {}}, {"presets": {"tiny": {}}}])
def test_a_preset_that_is_not_there_is_named(tmp_path: Path, content: Any) -> None:
    with pytest.raises(ConfigError, match="is not one of `presets`"):
        load_params(written(tmp_path, content))


def test_broken_yaml_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("a: [")
    with pytest.raises(ConfigError, match="not YAML"):
        load_params(tmp_path / "params.yaml")


def test_a_spec_is_read_from_its_plain_values() -> None:
    plain = CmrEncoderSpec().model_dump(mode="json")
    assert read_section(CmrEncoderSpec, copy.deepcopy(plain), "encoder") == CmrEncoderSpec()
    with pytest.raises(ConfigError, match=r"encoder.wide: unknown key"):
        read_section(CmrEncoderSpec, {**plain, "wide": 1}, "encoder")


def test_a_key_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    text = yaml.safe_dump(tiny_params())
    (tmp_path / "params.yaml").write_text(text + "preset: tiny\n")
    with pytest.raises(ConfigError, match=r"params.yaml is not YAML: line 1 and below have preset twice"):
        load_params(tmp_path / "params.yaml")
