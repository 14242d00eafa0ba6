"""The preset of a training: read from ``presets`` of params.yaml, changed by an arm, checked as a whole."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from eccl.data.files import replace_file
from eccl.errors import ConfigError
from eccl.sections import RENAMED, check_section
from eccl.training.settings.sections import AlignConfig as AlignConfig
from eccl.training.settings.sections import Alternatives as Alternatives
from eccl.training.settings.sections import CineConfig as CineConfig
from eccl.training.settings.sections import EcgAugmentConfig as EcgAugmentConfig
from eccl.training.settings.sections import EvaluationConfig as EvaluationConfig
from eccl.training.settings.sections import OptimiserConfig as OptimiserConfig
from eccl.training.settings.sections import Preset as Preset
from eccl.training.settings.sections import PretrainCmaeConfig as PretrainCmaeConfig
from eccl.training.settings.sections import PretrainCmrConfig as PretrainCmrConfig
from eccl.training.settings.sections import PretrainEcgConfig as PretrainEcgConfig
from eccl.training.settings.sections import ProbeConfig as ProbeConfig
from eccl.yaml_text import parse_yaml

TASKS = ("traits", "I21", "I42", "I48", "I50")
ALL = "all"
"""Task of one network for the traits and every disease."""
DISEASES = TASKS[1:]
"""ICD-10 codes in the order of the columns of task ``all``, after the traits."""
StageConfig = PretrainEcgConfig | PretrainCmrConfig | PretrainCmaeConfig | AlignConfig | ProbeConfig
TASKLESS = ("pretrain_ecg", "pretrain_cmae")
"""Stages without a task."""


@dataclass(frozen=True, slots=True)
class TrainingParams:
    """The part of params.yaml that the stages use."""

    name: str
    preset: Preset
    label_definition: str


def load_params(
    path: Path, preset_name: str | None = None, changes: Mapping[str, Any] = MappingProxyType({})
) -> TrainingParams:
    """Read a preset, by default the one that params.yaml chooses.

    Parameters
    ----------
    changes
        Key from the preset's root -> value, see :meth:`eccl.study.arms.Variant.settings`.

    Raises
    ------
    ConfigError
        Lists every unknown key, missing key, wrong type and wrong combination of the chosen preset together.
    """
    params, problems = resolve_params(read_params(path), preset_name, changes)
    if params is None:
        raise ConfigError(f"params.yaml has {len(problems)} problems; correct all of them:\n  " + "\n  ".join(problems))
    return params


def read_params(path: Path) -> dict[str, Any]:
    """Content of params.yaml, unchecked.

    Raises
    ------
    ConfigError
        The file is not YAML.
    """
    try:
        content = parse_yaml(path.read_text())
    except yaml.YAMLError as error:
        raise ConfigError(f"params.yaml is not YAML: {error}") from error
    return content if isinstance(content, dict) else {}


def resolve_params(
    content: Mapping[str, Any], preset_name: str | None = None, changes: Mapping[str, Any] = MappingProxyType({})
) -> tuple[TrainingParams | None, list[str]]:
    """A preset of params.yaml's content with some changes, and everything that is wrong with it; None if anything is.

    Raises
    ------
    ConfigError
        There is no such preset.
    """
    presets = content.get("presets") or {}
    name = str(content.get("preset")) if preset_name is None else preset_name
    if name not in presets:
        raise ConfigError(
            f"preset: {name!r} is not one of `presets` ({', '.join(presets) or 'none'}); choose one of them"
        )
    problems: list[str] = []
    definition = (content.get("cohort") or {}).get("label_definition")
    if definition not in {"ever", "prevalent", "incident"}:
        problems.append(f"cohort.label_definition: {definition!r} is none of ever, prevalent, incident")
    changed = change_preset(presets[name], changes, problems)
    preset = check_section(Preset, changed, f"presets.{name}", problems)
    if problems or preset is None:
        return None, problems
    return TrainingParams(name, preset, str(definition)), []


def label_problems(config: AlignConfig, tasks: Iterable[str]) -> list[str]:
    """Tasks without the labels that the contrastive loss needs, as problems; empty if there are none."""
    if config.alignment.loss != "label_aware" or config.contrastive_weight <= 0:
        return []
    without = [task for task in tasks if task not in DISEASES]
    return [
        f"align.alignment.loss label_aware needs the labels of one disease, found task {task}; expected one of {', '.join(DISEASES)}"
        for task in without
    ]


def change_preset(preset: Any, changes: Mapping[str, Any], problems: list[str]) -> Any:
    """A preset with some values replaced; ``{use: PATH}`` is the value at another key of it."""
    preset = copy.deepcopy(preset)
    for key, value in changes.items():
        *path, last = key.split(".")
        place = _find(preset, path)
        if not isinstance(place, dict) or last not in place:
            now = f"; this key is now {RENAMED[last]}, rename it" if last in RENAMED else ""
            problems.append(f"{key}: there is no such key to change{now}")
            continue
        if isinstance(value, Mapping) and set(value) == {"use"}:
            used = _find(preset, str(value["use"]).split("."))
            problems += [] if used is not None else [f"{key}: the preset has no {value['use']} to use"]
            value = copy.deepcopy(used)
        place[last] = value
    return preset


def _find(content: Any, path: list[str]) -> Any:
    for name in path:
        content = content.get(name) if isinstance(content, dict) else None
    return content


def choose_preset(path: Path, name: str) -> None:
    """Write a preset's name into params.yaml, where DVC reads it; git shows the change.

    Raises
    ------
    ConfigError
        The preset is not there or has problems; nothing is written then.
    """
    load_params(path, name)
    text, count = re.subn(r"(?m)^(preset:\s*)\S+", rf"\g<1>{name}", path.read_text(), count=1)
    if not count:
        raise ConfigError(f"{path.name} has no line `preset: NAME` to change; add one")
    replace_file(path, text.encode())


def check_devices(preset: Preset, devices: int) -> None:
    """Refuse batches that cannot be divided among the devices.

    Raises
    ------
    ConfigError
        Lists every stage whose batch is no multiple of the number of devices.
    """
    sizes = {
        name: getattr(preset, name).optimiser.batch_size
        for name in ("pretrain_ecg", "pretrain_cmr", "pretrain_cmae", "align")
    }
    wrong = [f"{name}: batch_size {size}" for name, size in sizes.items() if size % devices]
    if wrong:
        raise ConfigError(
            f"{'; '.join(wrong)} cannot be divided among {devices} devices; expected a multiple of {devices}"
        )
