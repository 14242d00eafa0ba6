"""Checks of the experiment table under the chosen preset: arms that cannot be trained, and arms that change nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from eccl.errors import ConfigError
from eccl.study.arms import Arm, ArmTable, Variant, parent_problems
from eccl.study.jobs import Job
from eccl.training.settings import ALL, TrainingParams, label_problems, read_params, resolve_params


def check_jobs(params_file: Path, table: ArmTable, jobs: Sequence[Job]) -> str:
    """Resolve the configuration of every job as its stage will, and return the preset's name.

    Raises
    ------
    ConfigError
        Lists all problems of the preset, of any arm under it, and of the parents and tasks of the arms.
    """
    content = read_params(params_file)
    params, own = resolve_params(content)
    name = str(content.get("preset"))
    found: dict[tuple[str, str], list[str]] = {}
    for (stage, key), tasks in _variants(jobs).items():
        variant = table.variant(stage, key)
        # No problem depends on the seed.
        resolved, problems = resolve_params(content, changes=variant.settings(table.seeds[0]))
        found[stage, key] = problems if resolved is None else list(_disagreements(table, variant, resolved, tasks))
    problems = [*own, *_by_variant(table, found, own)]
    if problems or params is None:
        raise ConfigError(
            f"experiments/arms.yaml and preset {name} of params.yaml have {len(problems)} problems together; correct them all:\n  "
            + "\n  ".join(problems)
        )
    return params.name


def find_equal_arms(params_file: Path, table: ArmTable, among: Collection[str] | None = None) -> list[str]:
    """Keys of arms whose configuration under the chosen preset is that of the reference, in the table's order.

    Their runs have the same numbers at the same seed, so a difference of 0 is no result.

    Parameters
    ----------
    among
        Arms to compare; None is all.
    """
    content = read_params(params_file)
    reference = table.arms[table.reference]
    own = _resolved(content, table, reference)
    if own is None:
        return []
    others = [arm for key, arm in table.arms.items() if key != table.reference and (among is None or key in among)]
    return [arm.key for arm in others if _is_comparable(arm, reference) and _resolved(content, table, arm) == own]


def _is_comparable(arm: Arm, reference: Arm) -> bool:
    """Whether two arms are trained by the same stages, and on one task at a time."""
    is_split = ALL not in arm.tasks and ALL not in reference.tasks
    return is_split and arm.stage == reference.stage and set(arm.parents) == set(reference.parents)


def _resolved(content: Mapping[str, Any], table: ArmTable, arm: Arm) -> TrainingParams | None:
    variant = table.variant(arm.stage, arm.variant)
    return resolve_params(content, changes=variant.settings(table.seeds[0]))[0]


def _variants(jobs: Sequence[Job]) -> dict[tuple[str, str], list[str]]:
    """Stage and variant -> its tasks, parents before the variants that build on them."""
    found: dict[tuple[str, str], list[str]] = {}
    for job in jobs:
        tasks = found.setdefault((job.stage, job.variant), [])
        if job.task is not None and job.task not in tasks:
            tasks.append(job.task)
    return found


def _disagreements(table: ArmTable, variant: Variant, params: TrainingParams, tasks: Sequence[str]) -> Iterator[str]:
    """Parents and tasks of an arm of stage align that do not fit its configuration under the preset."""
    if variant.stage != "align":
        return
    align = params.preset.align
    yield from parent_problems(table.arms[variant.key], align.init_from, align.contrastive_weight > 0)
    yield from label_problems(align, tasks)


def _by_variant(table: ArmTable, found: Mapping[tuple[str, str], list[str]], own: Sequence[str]) -> Iterator[str]:
    """Problems with the variant's name; those of the preset and of pre-trainings are listed once, under their own name."""
    for (stage, key), problems in found.items():
        parents = table.variant(stage, key).parents
        below = {problem for parent in parents.items() for problem in found.get(parent, ())}
        name = f"pretraining.{stage}.{key}" if table.is_pretraining(stage, key) else f"arms.{key}"
        for problem in problems:
            if problem not in below and problem not in own:
                yield problem if problem.startswith(name) else f"{name}: {problem}"
