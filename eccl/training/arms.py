"""The experiment table, experiments/arms.yaml: which arms there are, what each changes, and what their runs are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from eccl.errors import ConfigError

TASKS = ("traits", "I21", "I42", "I48", "I50")
GROUPS = ("table", "beyond", "figure_2b")
SECTIONS = ("pretrain_ecg", "pretrain_cmr", "pretrain_cmae", "align", "probe")
"""Stages of an experiment; each is configured by the preset's section of its name."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One row of a table or one point of a figure.

    Parameters
    ----------
    key, title
        Name in run names, and in tables.
    group
        ``table``, ``beyond`` or ``figure_2b``.
    stage
        Whose predictions are scored: ``align``, ``pretrain_cmr`` or ``probe``.
    parts
        Stage -> part (or, for ``probe``, arm) that it builds on.
    changes
        Key within the section of `stage` -> value, against the preset.
    tasks
        Tasks it is trained on; ``all`` is one network for every task.
    paper
        Task -> score in the paper's Table 1; empty where the paper has none.
    """

    key: str
    title: str
    group: str
    stage: str
    parts: Mapping[str, str]
    changes: Mapping[str, Any]
    tasks: tuple[str, ...] = TASKS
    paper: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ArmTable:
    """All arms, the parts they share, and the seeds they are trained with."""

    reference: str
    seeds: tuple[int, ...]
    parts: Mapping[str, Mapping[str, Mapping[str, Any]]]
    arms: Mapping[str, Arm]


@dataclass(frozen=True, slots=True)
class Naming:
    """What the runs around a stage are called.

    Parameters
    ----------
    stage, variant
        A stage and the arm or part it is trained as; empty for the workspace's own stages.
    seed
        Seed of the experiment.
    parts
        Stage -> part that the arm builds on.
    """

    stage: str = ""
    variant: str = ""
    seed: int = 0
    parts: Mapping[str, str] = field(default_factory=dict)

    def run(self, stage: str, task: str | None) -> str:
        """``align-I21``, or ``align-I21.triplet.s43`` within an experiment."""
        name = stage if task is None else f"{stage}-{task}"
        if not self.variant:
            return name
        return f"{name}.{self.variant if stage == self.stage else self.parts[stage]}.s{self.seed}"


OWN = Naming()
"""Names of the workspace's own runs."""


def load_arms(path: Path) -> ArmTable:
    """Read the experiment table.

    Raises
    ------
    ConfigError
        Lists everything that does not fit together.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except OSError:
        raise ConfigError(f"no experiment table at {path}; copy experiments/arms.yaml from the project") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path.name} is not YAML: {error}") from error
    problems: list[str] = []
    try:
        parts = {
            stage: {key: changes or {} for key, changes in some.items()} for stage, some in content["parts"].items()
        }
        arms = {key: _arm(key, fields, problems) for key, fields in content["arms"].items()}
        table = ArmTable(str(content["reference"]), tuple(int(seed) for seed in content["seeds"]), parts, arms)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"{path.name} lacks or misspells a key ({error}); expected reference, seeds, parts and arms, each arm with title, group, "
            "stage, parts and changes"
        ) from None
    problems += _mismatches(table)
    if problems:
        raise ConfigError(f"{path.name} has {len(problems)} problems; mend them all:\n  " + "\n  ".join(problems))
    return table


def choose_naming(table: ArmTable, stage: str, variant: str, seed: int) -> Naming:
    """Names around one stage of an experiment.

    Raises
    ------
    ConfigError
        The table has no such part or arm for the stage.
    """
    arm = table.arms.get(variant)
    if arm is not None and arm.stage == stage and stage not in table.parts:
        below = table.arms[arm.parts["align"]].parts if "align" in arm.parts else {}
        return Naming(stage, variant, seed, {**below, **arm.parts})
    if variant in table.parts.get(stage, {}):
        return Naming(stage, variant, seed)
    known = [*table.parts.get(stage, ()), *(arm.key for arm in table.arms.values() if arm.stage == stage)]
    raise ConfigError(f"{stage} has no variant {variant!r}; experiments/arms.yaml knows {', '.join(known) or 'none'}")


def changes_of(table: ArmTable, naming: Naming) -> dict[str, Any]:
    """What an arm or part changes in a preset, by key from the preset's root: ``align.contrastive_weight`` -> 0.0.

    The seed is that of every section. Sections of parts are changed too, so that the whole preset is the arm's own.
    """
    changes: dict[str, Any] = {f"{section}.seed": naming.seed for section in SECTIONS}
    for stage, part in naming.parts.items():
        known = table.parts[stage][part] if stage in table.parts else table.arms[part].changes
        changes |= {f"{stage}.{key}": value for key, value in known.items()}
    own = table.parts.get(naming.stage, {}).get(naming.variant)
    own = table.arms[naming.variant].changes if own is None else own
    return changes | {f"{naming.stage}.{key}": value for key, value in own.items()}


def _arm(key: str, fields: Mapping[str, Any], problems: list[str]) -> Arm:
    known = {"title", "group", "stage", "parts", "changes", "tasks", "paper"}
    problems += [f"arms.{key}.{name}: unknown key" for name in sorted(set(fields) - known)]
    return Arm(
        key=key,
        title=str(fields["title"]),
        group=str(fields["group"]),
        stage=str(fields["stage"]),
        parts=dict(fields["parts"] or {}),
        changes=dict(fields["changes"] or {}),
        tasks=tuple(fields.get("tasks", TASKS)),
        paper=dict(fields.get("paper", {})),
    )


def _mismatches(table: ArmTable) -> list[str]:
    found = [] if table.reference in table.arms else [f"reference: there is no arm {table.reference!r}"]
    found += (
        [] if table.seeds and len(set(table.seeds)) == len(table.seeds) else ["seeds: give at least one, each once"]
    )
    for arm in table.arms.values():
        name = f"arms.{arm.key}"
        if arm.group not in GROUPS:
            found.append(f"{name}.group: {arm.group!r} is none of {', '.join(GROUPS)}")
        if arm.stage not in {"align", "pretrain_cmr", "probe"}:
            found.append(f"{name}.stage: {arm.stage!r} is none of align, pretrain_cmr, probe")
        if set(arm.tasks) - {*TASKS, "all"} or not arm.tasks:
            found.append(f"{name}.tasks: {list(arm.tasks)} are not among {', '.join(TASKS)}, all")
        for stage, part in arm.parts.items():
            known = table.parts.get(stage, table.arms if stage == "align" else {})
            if part not in known:
                found.append(f"{name}.parts.{stage}: there is no {part!r}")
    return found
