"""The experiment table, experiments/arms.yaml: which arms there are, what each changes, and what their runs are called."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from eccl.errors import ConfigError
from eccl.yaml_text import parse_yaml

TASKS = ("traits", "I21", "I42", "I48", "I50")
GROUPS = ("table", "beyond", "figure_2b")
SECTIONS = ("pretrain_ecg", "pretrain_cmr", "pretrain_cmae", "align", "probe")
"""Stages of an experiment; each is configured by the preset's section of its name."""
SCORED_STAGES = ("align", "pretrain_cmr", "probe")
PART_STAGES = ("pretrain_ecg", "pretrain_cmr", "pretrain_cmae")
START_STAGES = ("pretrain_ecg", "pretrain_cmae")
"""Parts that an arm of stage align may start from; the one it is aligned with is ``pretrain_cmr``."""
KEY = re.compile(r"[a-z][a-z0-9_]*")
"""Keys are parts of run names, file names and DVC's names, where dots and dashes mean something."""


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

    @property
    def variant(self) -> str:
        """What its runs are named after: an arm that only scores a part has the part's runs."""
        return self.parts.get(self.stage, self.key)


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
    description
        What run.json keeps of the arm or part, see :func:`describe_variant`; no part of any name.
    """

    stage: str = ""
    variant: str = ""
    seed: int = 0
    parts: Mapping[str, str] = field(default_factory=dict)
    description: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def run(self, stage: str, task: str | None) -> str:
        """``align-I21``, or ``align-I21.triplet.s43`` within an experiment.

        Raises
        ------
        ConfigError
            The arm names no part for a stage that it builds on.
        """
        name = stage if task is None else f"{stage}-{task}"
        if not self.variant:
            return name
        if stage not in {self.stage, *self.parts}:
            raise ConfigError(
                f"arms.{self.variant}.parts in experiments/arms.yaml: lacks {stage}, which its {self.stage} needs"
            )
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
        content = parse_yaml(path.read_text())
    except OSError:
        raise ConfigError(f"no experiment table at {path}; copy experiments/arms.yaml from the project") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path.name} is not YAML: {error}") from error
    problems: list[str] = []
    try:
        parts = {
            str(stage): {str(key): dict(changes or {}) for key, changes in some.items()}
            for stage, some in content["parts"].items()
        }
        arms = {str(key): _arm(str(key), fields, problems) for key, fields in content["arms"].items()}
        table = ArmTable(str(content["reference"]), _seeds(content["seeds"], problems), parts, arms)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"{path.name} lacks or misspells a key ({error}); expected reference, seeds, parts and arms, each arm with title, group, "
            "stage, parts and changes"
        ) from None
    problems += [] if problems else _mismatches(table)  # of a table that is not whole, these would tell nonsense
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


def scored_run(table: ArmTable, arm: Arm, task: str, seed: int) -> str:
    """Name of the run whose predictions are an arm's: ``align-I21.triplet.s42``, or ``pretrain_cmr-I21.swin.s42``."""
    return choose_naming(table, arm.stage, arm.variant, seed).run(arm.stage, task)


def changes_of(table: ArmTable, naming: Naming) -> dict[str, Any]:
    """What an arm or part changes in a preset, by key from the preset's root: ``align.contrastive_weight`` -> 0.0.

    The seed is that of every section. Sections of parts are changed too, so that the whole preset is the arm's own.
    """
    return {f"{section}.seed": naming.seed for section in SECTIONS} | settings_of(table, naming)


def settings_of(table: ArmTable, naming: Naming) -> dict[str, Any]:
    """What an arm or part changes whatever the seed; see :func:`changes_of`."""
    changes: dict[str, Any] = {}
    for stage, part in naming.parts.items():
        known = table.parts[stage][part] if stage in table.parts else table.arms[part].changes
        changes |= {f"{stage}.{key}": value for key, value in known.items()}
    own = table.parts.get(naming.stage, {}).get(naming.variant)
    own = table.arms[naming.variant].changes if own is None else own
    return changes | {f"{naming.stage}.{key}": value for key, value in own.items()}


def describe_variant(table: ArmTable, naming: Naming) -> dict[str, Any]:
    """What an arm or part is, for run.json: the table may be edited later, what was trained stays what it was.

    Returns
    -------
    dict
        ``key``; ``title``, null for a part; ``stage``; ``parts`` that it builds on, by stage; ``changes``, see
        :func:`settings_of`. The seed is a key of run.json itself.
    """
    is_part = naming.variant in table.parts.get(naming.stage, {})
    return {
        "key": naming.variant,
        "title": None if is_part else table.arms[naming.variant].title,
        "stage": naming.stage,
        "parts": dict(naming.parts),
        "changes": settings_of(table, naming),
    }


def tell_value(value: Any) -> str:
    """A changed value as the table writes it; of one that is taken from elsewhere in the preset, its place there."""
    if isinstance(value, Mapping) and set(value) == {"use"}:
        return str(value["use"])
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("...\n").strip()


def part_problems(arm: Arm, init_from: str | None, has_contrast: bool | None) -> list[str]:
    """Parts that an arm of stage align lacks, and parts that it names and does not use; empty if there are none.

    Parameters
    ----------
    init_from, has_contrast
        What the arm starts from, and whether it has a contrastive term; of None, which only the preset knows, nothing is said.
    """
    uses: dict[str, tuple[bool, str]] = {}
    if init_from in (*START_STAGES, "nothing"):
        uses |= {stage: (stage == init_from, f"init_from {init_from}") for stage in START_STAGES}
    if has_contrast is not None:
        uses["pretrain_cmr"] = (has_contrast, f"contrastive_weight {'above ' if has_contrast else ''}0")
    name = f"arms.{arm.key}.parts"
    lacking = [
        f"{name}: lacks {stage}, which {why} needs"
        for stage, (is_needed, why) in uses.items()
        if is_needed and stage not in arm.parts
    ]
    return lacking + [
        f"{name}.{stage}: {why} does not use it; leave it out"
        for stage, (is_needed, why) in uses.items()
        if not is_needed and stage in arm.parts
    ]


def _seeds(found: Any, problems: list[str]) -> tuple[int, ...]:
    if isinstance(found, list) and all(isinstance(seed, int) for seed in found):
        return tuple(found)
    problems.append(f"seeds: found {found!r}, expected a list of whole numbers, e.g. [42, 43]")
    return (0,)


def _arm(key: str, fields: Mapping[str, Any], problems: list[str]) -> Arm:
    needed = ("title", "group", "stage", "parts", "changes")
    known = (*needed, "tasks", "paper")
    problems += [
        f"arms.{key}.{name}: unknown key; there are {', '.join(known)}" for name in fields if name not in known
    ]
    lacking = [name for name in needed if name not in fields]
    if lacking:
        problems.append(f"arms.{key}: lacks {', '.join(lacking)}")
        fields = {"title": key, "group": GROUPS[0], "stage": SCORED_STAGES[0], "parts": {}, "changes": {}, **fields}
    return Arm(
        key=key,
        title=str(fields["title"]),
        group=str(fields["group"]),
        stage=str(fields["stage"]),
        parts={str(stage): str(part) for stage, part in dict(fields["parts"] or {}).items()},
        changes={str(name): value for name, value in dict(fields["changes"] or {}).items()},
        tasks=tuple(str(task) for task in fields.get("tasks", TASKS)),
        paper=dict(fields.get("paper", {})),
    )


def _mismatches(table: ArmTable) -> list[str]:
    found = [] if table.reference in table.arms else [f"reference: there is no arm {table.reference!r}"]
    if not table.seeds or len(set(table.seeds)) < len(table.seeds) or min(table.seeds) < 0:
        found.append("seeds: give at least one, each once, none negative")
    for stage, some in table.parts.items():
        if stage not in PART_STAGES:
            found.append(f"parts.{stage}: is none of {', '.join(PART_STAGES)}")
        found += _variant_problems(f"parts.{stage}", some)
    found += _variant_problems("arms", {key: arm.changes for key, arm in table.arms.items()})
    for arm in table.arms.values():
        found += _value_problems(arm)
        found += _stage_problems(table, arm) if arm.stage in SCORED_STAGES else ()
    return found


def _variant_problems(place: str, variants: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for key, changes in variants.items():
        if not KEY.fullmatch(key):
            yield f"{place}.{key}: expected a key of a-z, 0-9 and _, beginning with a letter"
        if "seed" in changes:
            yield f"{place}.{key}: a change of seed is not possible, the table's seeds are every run's"


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
    """What does not fit between an arm and the parts it builds on, as far as no preset is needed to tell."""
    name = f"arms.{arm.key}"
    allowed = {"align": PART_STAGES, "pretrain_cmr": ("pretrain_cmr",), "probe": ("align",)}[arm.stage]
    for stage, part in arm.parts.items():
        if stage not in allowed:
            yield f"{name}.parts.{stage}: stage {arm.stage} builds on {' or '.join(allowed)} alone"
        elif part not in table.parts.get(stage, table.arms if stage == "align" else {}):
            yield f"{name}.parts.{stage}: there is no {part!r}"
    if arm.stage == "align":
        yield from part_problems(arm, arm.changes.get("init_from"), _has_contrast(arm))
        return
    yield from (
        f"{name}.parts: lacks {stage}, which stage {arm.stage} needs" for stage in allowed if stage not in arm.parts
    )
    if arm.stage == "pretrain_cmr" and arm.changes:
        yield f"{name}.changes: the arm has the runs of its part; change the part, or make another one"
    below = table.arms.get(arm.parts.get("align", "")) if arm.stage == "probe" else None
    if below is not None and (below.stage != "align" or TASKS[0] not in below.tasks):
        yield f"{name}.parts.align: {below.key!r} has no run of stage align and task {TASKS[0]} to probe"


def _has_contrast(arm: Arm) -> bool | None:
    """Whether an arm itself says that it has a contrastive term; None where it says nothing that is a number."""
    try:
        return float(arm.changes["contrastive_weight"]) > 0
    except (KeyError, TypeError, ValueError):
        return None
