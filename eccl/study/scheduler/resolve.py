"""Every variant under the chosen preset, resolved before the first job: what cannot be trained is told in seconds, all of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from eccl.errors import ConfigError
from eccl.study.scheduler.jobs import Job
from eccl.training.settings.arms import ArmTable, Naming, changes_of, choose_naming, part_problems
from eccl.training.settings.config import TrainingParams, label_problems, read_params, resolve_params


def check_jobs(params_file: Path, table: ArmTable, jobs: Sequence[Job]) -> str:
    """Resolve the variant of every job as its stage will, and return the preset's name.

    Raises
    ------
    ConfigError
        Lists what is wrong with the preset, with any variant under it, and with the parts and tasks that it has then.
    """
    content = read_params(params_file)
    params, own = resolve_params(content)
    name = str(content.get("preset"))
    found: dict[tuple[str, str], list[str]] = {}
    for (stage, variant), tasks in _variants(jobs).items():
        # The number of a seed changes nothing of what may be wrong.
        naming = choose_naming(table, stage, variant, table.seeds[0])
        resolved, problems = resolve_params(content, changes=changes_of(table, naming))
        if resolved is not None:
            problems = list(_disagreements(table, naming, resolved, tasks))
        found[stage, variant] = problems
    told = [*own, *_by_variant(table, found, own)]
    if told or params is None:
        raise ConfigError(
            f"experiments/arms.yaml and preset {name} of params.yaml have {len(told)} problems together; mend them all:\n  "
            + "\n  ".join(told)
        )
    return params.name


def _variants(jobs: Sequence[Job]) -> dict[tuple[str, str], list[str]]:
    """Stage and variant -> its tasks, parents before those that build on them."""
    found: dict[tuple[str, str], list[str]] = {}
    for job in jobs:
        tasks = found.setdefault((job.stage, job.variant), [])
        if job.task is not None and job.task not in tasks:
            tasks.append(job.task)
    return found


def _disagreements(table: ArmTable, naming: Naming, params: TrainingParams, tasks: Sequence[str]) -> Iterator[str]:
    """What the preset makes of an arm of stage align that its parts and tasks do not go with."""
    if naming.stage != "align":
        return
    align = params.preset.align
    yield from part_problems(table.arms[naming.variant], align.init_from, align.contrastive_weight > 0)
    yield from label_problems(align, tasks)


def _by_variant(table: ArmTable, found: dict[tuple[str, str], list[str]], own: Sequence[str]) -> Iterator[str]:
    """Problems with the variant's name; those of the preset itself and of parts are told once, as theirs."""
    for (stage, variant), problems in found.items():
        naming = choose_naming(table, stage, variant, table.seeds[0])
        below = {problem for part in naming.parts.items() for problem in found.get(part, ())}
        name = f"parts.{stage}.{variant}" if variant in table.parts.get(stage, {}) else f"arms.{variant}"
        for problem in problems:
            if problem not in below and problem not in own:
                yield problem if problem.startswith(name) else f"{name}: {problem}"
