"""The experiment table, experiments/arms.yaml: its arms, and the pre-trainings that several arms share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, model_validator

from eccl.errors import ConfigError
from eccl.sections import RENAMED, Integers, Section, check_section
from eccl.training.settings import TASKS
from eccl.workspace import Workspace, shipped
from eccl.yaml_text import parse_yaml

GROUPS = ("table", "beyond", "figure_2b")
SECTIONS = ("pretrain_ecg", "pretrain_cmr", "pretrain_cmae", "align", "probe")
"""Stages of an experiment; each is configured by the preset's section of its name."""
SCORED_STAGES = ("align", "pretrain_cmr", "probe")
PRETRAINING_STAGES = ("pretrain_ecg", "pretrain_cmr", "pretrain_cmae")
INIT_STAGES = ("pretrain_ecg", "pretrain_cmae")
"""Stages whose ECG encoder an arm of stage align may start from."""
KEY = re.compile(r"[a-z][a-z0-9_]*")
"""Keys are part of run names and file names, which separate their parts by dots and dashes."""


class Arm(Section):
    """One row of a table or one point of a figure."""

    key: str = Field(description="name in run names")
    title: str = Field(description="name in tables")
    group: str = Field(description="table, beyond or figure_2b")
    stage: str = Field(description="stage whose predictions are scored: align, pretrain_cmr or probe")
    parents: dict[str, str] = Field(description="stage -> pre-training (for probe: arm) that it builds on")
    changes: dict[str, Any] = Field(description="key within the section of `stage` -> value, against the preset")
    tasks: tuple[str, ...] = Field(
        TASKS, strict=False, description="tasks that it is trained on; `all` is one network for every task"
    )
    paper: dict[str, float] = Field({}, description="task -> score in the paper's Table 1")

    @property
    def variant(self) -> str:
        """Name of its runs: an arm that only scores a pre-training has the runs of the pre-training."""
        return self.parents.get(self.stage, self.key)


@dataclass(frozen=True, slots=True)
class Variant:
    """An arm or a pre-training as it is trained.

    Parameters
    ----------
    stage, key
        Stage, and key of the arm or pre-training.
    title
        Title of the arm; None for a pre-training.
    parents
        Stage -> key of everything that it builds on, directly or not.
    changes
        Key from the preset's root -> value, against the preset: ``align.contrastive_weight`` -> 0.0. Changes of the
        parents are included, so that the whole preset is the arm's own.
    """

    stage: str
    key: str
    title: str | None
    parents: Mapping[str, str]
    changes: Mapping[str, Any]

    def settings(self, seed: int) -> dict[str, Any]:
        """Changes against the preset for one seed, which is the seed of every section."""
        return {f"{section}.seed": seed for section in SECTIONS} | dict(self.changes)

    def describe(self) -> dict[str, Any]:
        """Description for run.json, which stays as it is when the table is edited later."""
        return {
            "key": self.key,
            "title": self.title,
            "stage": self.stage,
            "parents": dict(self.parents),
            "changes": dict(self.changes),
        }


class ArmTable(Section):
    """All arms, the pre-trainings they share, and the seeds they are trained with."""

    reference: str = Field(description="arm that the others are compared with")
    seeds: Integers = Field(description="seeds of every run")
    pretraining: dict[str, dict[str, dict[str, Any]]] = Field(
        description="stage -> key -> changes of a pre-training that is trained once per seed (and task)"
    )
    arms: dict[str, Arm]

    @model_validator(mode="before")
    @classmethod
    def _add_keys(cls, content: Any) -> Any:
        arms = content.get("arms") if isinstance(content, dict) else None
        if not isinstance(arms, dict):
            return content
        named = {
            str(key): {**fields, "key": str(key)} if isinstance(fields, dict) else fields
            for key, fields in arms.items()
        }
        return {**content, "arms": named}

    def variant(self, stage: str, key: str) -> Variant:
        """An arm or pre-training of a stage.

        Raises
        ------
        ConfigError
            The table has none of this key for the stage.
        """
        arm = self.arms.get(key)
        if arm is not None and arm.stage == stage and stage not in self.pretraining:
            inherited = self.arms[arm.parents["align"]].parents if "align" in arm.parents else {}
            parents = {**inherited, **arm.parents}
            below = {
                f"{section}.{name}": value
                for section, parent in parents.items()
                for name, value in self._own_changes(section, parent).items()
            }
            return Variant(stage, key, arm.title, parents, below | _prefixed(stage, arm.changes))
        if key in self.pretraining.get(stage, {}):
            return Variant(stage, key, None, {}, _prefixed(stage, self.pretraining[stage][key]))
        known = [*self.pretraining.get(stage, ()), *(arm.key for arm in self.arms.values() if arm.stage == stage)]
        raise ConfigError(f"{stage} has no variant {key!r}; experiments/arms.yaml has {', '.join(known) or 'none'}")

    def is_pretraining(self, stage: str, key: str) -> bool:
        """Whether a key is one of the shared pre-trainings of a stage."""
        return key in self.pretraining.get(stage, {})

    def _own_changes(self, stage: str, key: str) -> Mapping[str, Any]:
        return self.pretraining[stage][key] if stage in self.pretraining else self.arms[key].changes


def open_table(workspace: Workspace) -> ArmTable:
    """Read a workspace's experiment table.

    Raises
    ------
    ConfigError
        The workspace was made before there was one, or the table has problems.
    """
    file = workspace.arms_file
    if not file.is_file():
        raise ConfigError(
            f"this workspace has no experiments/{file.name}: it was made by an older version; add it with "
            f"`mkdir -p {file.parent} && cp {shipped('experiments') / file.name} {file}`, "
            "and copy the sections of the shipped params.yaml that yours does not have"
        )
    return load_arms(file)


def load_arms(path: Path) -> ArmTable:
    """Read an experiment table.

    Raises
    ------
    ConfigError
        Lists everything that does not fit together.
    """
    try:
        content = parse_yaml(path.read_text())
    except OSError:
        raise ConfigError(f"no experiment table at {path}; copy experiments/arms.yaml from the project") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path.name} is not YAML: {error}") from error
    if isinstance(content, dict) and "parts" in content:
        raise ConfigError(
            f"{path.name} uses the older key `parts`: it is `pretraining` at the top and `parents` within an arm now; change it "
            f"with `sed -i -e 's/^parts:/pretraining:/' -e 's/\\bparts:/parents:/' {path}`"
        )
    problems: list[str] = []
    table = check_section(ArmTable, content, "", problems)
    problems += [] if table is None else _mismatches(table)
    if problems or table is None:
        raise ConfigError(f"{path.name} has {len(problems)} problems; correct them all:\n  " + "\n  ".join(problems))
    return table


def format_value(value: Any) -> str:
    """A changed value as the table writes it; of one that is taken from elsewhere in the preset, its place there."""
    if isinstance(value, Mapping) and set(value) == {"use"}:
        return str(value["use"])
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("...\n").strip()


def parent_problems(arm: Arm, init_from: str | None, has_contrast: bool | None) -> list[str]:
    """Parents that an arm of stage align lacks, and parents that it names and does not use; empty if there are none.

    Parameters
    ----------
    init_from, has_contrast
        Starting weights of the arm, and whether it has a contrastive term; None where only the preset decides it.
    """
    uses: dict[str, tuple[bool, str]] = {}
    if init_from in (*INIT_STAGES, "nothing"):
        uses |= {stage: (stage == init_from, f"init_from {init_from}") for stage in INIT_STAGES}
    if has_contrast is not None:
        uses["pretrain_cmr"] = (has_contrast, f"contrastive_weight {'above ' if has_contrast else ''}0")
    name = f"arms.{arm.key}.parents"
    lacking = [
        f"{name}: lacks {stage}, which {why} needs"
        for stage, (is_needed, why) in uses.items()
        if is_needed and stage not in arm.parents
    ]
    return lacking + [
        f"{name}.{stage}: {why} does not use it; leave it out"
        for stage, (is_needed, why) in uses.items()
        if not is_needed and stage in arm.parents
    ]


def _prefixed(stage: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{stage}.{key}": value for key, value in changes.items()}


def _mismatches(table: ArmTable) -> Iterator[str]:
    if table.reference not in table.arms:
        yield f"reference: there is no arm {table.reference!r}"
    if not table.seeds or len(set(table.seeds)) < len(table.seeds) or min(table.seeds) < 0:
        yield "seeds: give at least one, each once, none negative"
    for stage, some in table.pretraining.items():
        if stage not in PRETRAINING_STAGES:
            yield f"pretraining.{stage}: is none of {', '.join(PRETRAINING_STAGES)}"
        yield from _variant_problems(f"pretraining.{stage}", some)
    yield from _variant_problems("arms", {key: arm.changes for key, arm in table.arms.items()})
    for arm in table.arms.values():
        yield from _value_problems(arm)
        if arm.stage in SCORED_STAGES:
            yield from _stage_problems(table, arm)


def _variant_problems(place: str, variants: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for key, changes in variants.items():
        if not KEY.fullmatch(key):
            yield f"{place}.{key}: expected a key of a-z, 0-9 and _, beginning with a letter"
        if "seed" in changes:
            yield f"{place}.{key}: a change of seed is not possible, the table's seeds are every run's"
        for name in changes:
            if new := RENAMED.get(name):
                yield f"{place}.{key}: {name} is now {new}; rename it"


def _value_problems(arm: Arm) -> Iterator[str]:
    name = f"arms.{arm.key}"
    if arm.group not in GROUPS:
        yield f"{name}.group: {arm.group!r} is none of {', '.join(GROUPS)}"
    if arm.stage not in SCORED_STAGES:
        yield f"{name}.stage: {arm.stage!r} is none of {', '.join(SCORED_STAGES)}"
    tasks = TASKS if arm.stage == "probe" else (*TASKS, "all")
    if set(arm.tasks) - set(tasks) or not arm.tasks:
        yield f"{name}.tasks: {list(arm.tasks)} are not among {', '.join(tasks)}"


def _stage_problems(table: ArmTable, arm: Arm) -> Iterator[str]:
    """Mismatches between an arm and its parents that do not depend on a preset."""
    name = f"arms.{arm.key}"
    allowed = {"align": PRETRAINING_STAGES, "pretrain_cmr": ("pretrain_cmr",), "probe": ("align",)}[arm.stage]
    for stage, parent in arm.parents.items():
        if stage not in allowed:
            yield f"{name}.parents.{stage}: stage {arm.stage} builds on {' or '.join(allowed)} alone"
        elif parent not in table.pretraining.get(stage, table.arms if stage == "align" else {}):
            yield f"{name}.parents.{stage}: there is no {parent!r}"
    if arm.stage == "align":
        yield from parent_problems(arm, arm.changes.get("init_from"), _has_contrast(arm))
        return
    yield from (
        f"{name}.parents: lacks {stage}, which stage {arm.stage} needs" for stage in allowed if stage not in arm.parents
    )
    if arm.stage == "pretrain_cmr" and arm.changes:
        yield f"{name}.changes: the arm has the runs of its pre-training; change that, or add another one"
    below = table.arms.get(arm.parents.get("align", "")) if arm.stage == "probe" else None
    if below is not None and (below.stage != "align" or TASKS[0] not in below.tasks):
        yield f"{name}.parents.align: {below.key!r} has no run of stage align and task {TASKS[0]} to probe"


def _has_contrast(arm: Arm) -> bool | None:
    """Whether the changes of an arm give it a contrastive term; None where they contain no number for it."""
    try:
        return float(arm.changes["contrastive_weight"]) > 0
    except (KeyError, TypeError, ValueError):
        return None
