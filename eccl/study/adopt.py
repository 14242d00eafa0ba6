"""An arm as a preset of its own, so that `eccl train --preset NAME` trains the workspace's own stages as that arm."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from eccl.data.files import replace_file
from eccl.errors import ConfigError
from eccl.study.arms import KEY, Arm, ArmTable, format_value
from eccl.training.settings import (
    TASKS,
    TrainingParams,
    change_preset,
    label_problems,
    load_params,
    read_params,
    resolve_params,
)
from eccl.yaml_text import parse_yaml


@dataclass(frozen=True, slots=True)
class Adoption:
    """A preset to be written into params.yaml.

    Parameters
    ----------
    preset, base
        Its name, and the name of the preset that it is a copy of.
    arm
        Key of the arm whose changes it contains.
    changes
        Key from the preset's root -> value, as in the experiment table.
    block
        The preset as lines of params.yaml.
    params_text
        All of params.yaml with it.
    """

    preset: str
    base: str
    arm: str
    changes: Mapping[str, Any]
    block: str
    params_text: str


def plan_adoption(params_file: Path, table: ArmTable, arm: str, name: str | None = None) -> Adoption:
    """Copy the chosen preset, with an arm's changes, into a new one; nothing is written.

    Seeds stay the preset's own. All other lines of params.yaml stay as they are.

    Parameters
    ----------
    name
        Name of the new preset; default is ``<preset>_<arm>``.

    Raises
    ------
    ConfigError
        There is no such arm, the own stages cannot be it, it changes nothing, or the name is taken.
    """
    if arm not in table.arms:
        raise ConfigError(f"experiments/arms.yaml has no arm {arm!r}; it has {', '.join(table.arms)}")
    chosen = table.arms[arm]
    _require_ecg_stage(chosen)
    base = load_params(params_file).name
    content = read_params(params_file)
    new = f"{base}_{arm}" if name is None else name
    if not KEY.fullmatch(new) or new in content["presets"]:
        why = "exists already" if new in content["presets"] else "is no name of a-z, 0-9 and _, beginning with a letter"
        raise ConfigError(f"preset {new!r} {why}; give another one with --preset NAME")
    changes = table.variant(chosen.stage, arm).changes  # without the seed
    params, problems = resolve_params(content, changes=changes)
    problems += [] if params is None else _stage_problems(params)
    if problems:
        raise ConfigError(
            f"the workspace's own stages cannot be arm {arm} under preset {base}; train it with `eccl table1 --arms {arm}`:\n  "
            + "\n  ".join(problems)
        )
    preset = change_preset(content["presets"][base], changes, [])
    if preset == content["presets"][base]:
        raise ConfigError(
            f"arm {arm} changes nothing in preset {base}; `eccl train --preset {base}` trains the same already"
        )
    block = _write_block(new, base, arm, changes, preset)
    text = _insert(params_file.read_text(), block)
    _require_only_new(text, content, new, preset, block)
    return Adoption(new, base, arm, changes, block, text)


def adopt(params_file: Path, adoption: Adoption) -> None:
    """Write the preset into params.yaml; which preset is chosen does not change."""
    replace_file(params_file, adoption.params_text.encode())


def _require_ecg_stage(arm: Arm) -> None:
    if arm.stage != "align":
        why = f"it is scored by stage {arm.stage}, a preset configures the training of stage align"
    elif not set(arm.tasks) <= set(TASKS):
        why = f"its tasks are {', '.join(arm.tasks)}, those of dvc.yaml are {', '.join(TASKS)}"
    else:
        return
    raise ConfigError(
        f"the workspace's own stages cannot be arm {arm.key}: {why}; train it with `eccl table1 --arms {arm.key}`"
    )


def _stage_problems(params: TrainingParams) -> list[str]:
    """Why the stages of dvc.yaml cannot be trained with a preset; empty if they can."""
    align = params.preset.align
    found = label_problems(align, TASKS)
    if align.init_from == "pretrain_cmae":
        found.append("align.init_from pretrain_cmae: dvc.yaml has no such stage")
    if align.contrastive_weight == 0:
        found.append("align.contrastive_weight 0: there are no projections then, which dvc.yaml expects of stage align")
    return found


def _write_block(name: str, base: str, arm: str, changes: Mapping[str, Any], preset: Mapping[str, Any]) -> str:
    described = "; ".join(f"{key}: {format_value(value)}" for key, value in changes.items())
    head = f"# Preset {base} with the changes of arm {arm} of experiments/arms.yaml: {described}\n"
    body = yaml.dump({name: preset}, Dumper=_LineDumper, sort_keys=False, default_flow_style=None, width=10_000)
    return head + body


def _insert(text: str, block: str) -> str:
    """Text of params.yaml with a block as the first of `presets`; every other line stays as it is.

    A round trip through ruamel.yaml would rewrite other lines (`null`, indents) and move the comment below the last preset.
    """
    root = yaml.compose(text)
    assert isinstance(root, yaml.MappingNode)  # a preset has been read from it
    [*_, (key, presets)] = [item for item in root.value if item[0].value == "presets"]
    if not isinstance(presets, yaml.MappingNode) or presets.flow_style or not presets.value:
        raise ConfigError(
            "presets in params.yaml is written in braces, where no preset can be added; write it as indented lines"
        )
    lines = text.splitlines(keepends=True)
    lines.insert(key.end_mark.line + 1, textwrap.indent(block, " " * presets.value[0][0].start_mark.column))
    return "".join(lines)


def _require_only_new(text: str, before: Mapping[str, Any], name: str, preset: Any, block: str) -> None:
    try:
        found = parse_yaml(text)
    except yaml.YAMLError:
        found = None
    if found != {**before, "presets": {**before["presets"], name: preset}}:
        raise ConfigError(
            f"params.yaml is written in a way that a preset cannot be added to; add it to `presets` yourself:\n{block}"
        )


class _LineDumper(yaml.SafeDumper):
    """Writes lists and mappings of plain values on one line, and no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
