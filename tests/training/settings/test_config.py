"""Presets of params.yaml, and everything that is wrong with them at once."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from eccl.errors import ConfigError
from eccl.models.specs import CmrEncoderSpec, EcgEncoderSpec
from eccl.training.settings.config import TASKS, load_params
from eccl.training.settings.parse import from_mapping
from eccl.workspace import shipped
from eccl.yaml_text import parse_yaml
from tests.support.synthetic import tiny_params


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
    assert dataclasses.astuple(preset.pretrain_ecg.masking.decoder) == (512, 8, 16)
    assert dataclasses.astuple(preset.align.alignment) == (256, 0.1, False, 0.5, "info_nce", 0.2, True)
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
    "pretrain_ecg.encoder.patch": ([1, 300], "encoder: patch [1, 300] does not divide"),
    "pretrain_ecg.encoder.widht": (3, "pretrain_ecg.encoder.widht: unknown key"),
    "pretrain_ecg.masking.mask_ratio": (1.5, "masking: mask_ratio 1.5"),
    "pretrain_ecg.masking.decoder.heads": (3, "decoder: width 8 is not divisible by 3 heads"),
    "pretrain_ecg.augment.crop_samples": (5001, "augment: crop_samples 5001"),
    "pretrain_ecg.augment.crop_policy": ("wrap", "'wrap' is neither pad nor resize"),
    "pretrain_ecg.augment.time_flip": (1.2, "time_flip is not in [0, 1]"),
    "pretrain_ecg.optimiser.warmup_epochs": (2, "warmup_epochs 2 is not in [0, epochs 2)"),
    "align.optimiser.learning_rate": (float("nan"), "learning_rate: expected float, found nan"),
    "pretrain_cmr.encoder.kind": ("cnn", "'cnn' is none of swin, resnet, vit"),
    "pretrain_cmr.cine.crop": ("middle", "'middle' is neither box nor fixed"),
    "pretrain_cmr.instances": ([2, "x"], "instances[1]: expected int, found 'x'"),
    "pretrain_cmr.cine.scale": ([1.0, 0.9], "not an ascending pair"),
    "align.optimiser.betas": ([0.9], "betas: expected 2 values, found 1"),
    "pretrain_cmr.optimiser.name": ("sgd", "'sgd' is neither adamw nor adam"),
    "align.optimiser.epochs": ("many", "optimiser.epochs: expected int, found 'many'"),
    "align.start_from": (True, "start_from: expected str, found True"),
    "pretrain_cmae.autoencoder.temperature": (0.0, "autoencoder: latent_width, cine_patch and temperature"),
    "probe.strengths": ([], "strengths [] must be positive"),
    "alternatives.ecg.few_patches.width": (18, "alternatives.ecg.few_patches: width 18 is not a multiple of 4"),
    "alternatives.cmr.vit.depths": ([1, 1], "alternatives.cmr.vit: depths has 2 stages, heads 1"),
    "align.alignment": (3, "align.alignment: expected a mapping, found int"),
    "evaluation.instances": ([0], "instances [0] must be imaging visits"),
}


def test_unknown_keys_wrong_types_and_wrong_combinations_come_together(tmp_path: Path) -> None:
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
        ({"align.contrastive_weight": 0.0, "align.task_weight": 0.0}, "nor both 0"),
        ({"align.optimiser.batch_size": 1}, "a contrastive batch of 1 has no negatives"),
        ({"align.dropout": 1.0}, "dropout 1.0 is not in [0, 1)"),
        ({"align.start_from": "elsewhere"}, "'elsewhere' is none of pretrain_ecg, pretrain_cmae, nothing"),
        ({"align.pooling": "max"}, "pooling 'max' is none of token, mean, attention"),
        ({"align.alignment.loss": "hinge"}, "loss 'hinge' is none of info_nce, triplet, label_aware"),
        ({"align.alignment.margin": 2.5}, "margin 2.5 is not in (0, 2]"),
        ({"pretrain_cmae.autoencoder.reconstruction_weight": 0.0}, "reconstruction_weight must be positive"),
        ({"pretrain_cmae.optimiser.batch_size": 1}, "a contrastive batch of 1 has no negatives"),
        ({"pretrain_cmae.autoencoder.cine_patch": 5}, "cine_patch 5 does not divide image_size 28"),
        ({"probe.strengths": [1.0, -1.0]}, "strengths [1.0, -1.0] must be positive"),
        ({"alternatives.cmr": 3}, "alternatives.cmr: expected a mapping, found int"),
        ({"align.seed": -1}, "seed -1 is negative"),
        ({"align.negatives_per_case": 0}, "negatives_per_case 0 is not positive"),
        ({"pretrain_cmr.teacher_views": -1}, "teacher_views -1"),
        ({"pretrain_cmr.instances": [2, 2]}, "instances [2, 2]"),
        ({"pretrain_cmr.optimiser.patience": -1}, "must not be negative"),
        ({"pretrain_ecg.optimiser.batch_size": 0}, "batch_size 0 is not positive"),
        ({"pretrain_ecg.augment.sign_flip": True}, "sign_flip: expected float, found True"),
    ],
)
def test_wrong_combinations_are_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_params(written(tmp_path, tiny_params(**changes)))
    assert words in str(error.value)


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


def test_a_spec_comes_back_from_its_plain_values() -> None:
    plain = dataclasses.asdict(CmrEncoderSpec())
    assert from_mapping(CmrEncoderSpec, copy.deepcopy(plain), "encoder") == CmrEncoderSpec()
    with pytest.raises(ConfigError, match=r"encoder.wide: unknown key"):
        from_mapping(CmrEncoderSpec, {**plain, "wide": 1}, "encoder")


def test_a_key_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    text = yaml.safe_dump(tiny_params())
    (tmp_path / "params.yaml").write_text(text + "preset: tiny\n")
    with pytest.raises(ConfigError, match=r"params.yaml is not YAML: line 1 and below have preset twice"):
        load_params(tmp_path / "params.yaml")
