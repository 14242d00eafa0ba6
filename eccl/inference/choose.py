"""Which finished runs a name means: the workspace's five, one run, or an arm of an experiment."""

from __future__ import annotations

from collections.abc import Sequence

from eccl.data.run_records import run_records
from eccl.errors import FeatureError
from eccl.training.runs import RECORD, Run, load_run
from eccl.training.settings.arms import OWN, TASKS
from eccl.workspace import Workspace

READS_ECG = ("align", "probe")
"""Stages whose runs predict from the ECG alone."""


def choose_runs(workspace: Workspace, model: str) -> list[Run]:
    """Finished runs that a name stands for.

    Parameters
    ----------
    model
        A run's name (``align-I50``, ``align-I21.triplet.s43``); a stage (``align``, ``probe``), for its run of each
        task; ``all``, for the run that was trained on every task at once; a stage with an arm and a seed
        (``align.triplet.s43``), for all runs of that arm.

    Raises
    ------
    WorkspaceError
        A run of the workspace's own stages has not been trained.
    FeatureError
        There is no such run, it does not read ECGs, or `all` is not one run.
    """
    if model == "probe":
        missing = [run for task in TASKS if not (workspace.run_folder(run := OWN.run(model, task)) / RECORD).is_file()]
        if missing:
            raise FeatureError(
                f"the workspace has no run {', '.join(missing)} of its own; train the probe as an arm (`eccl table1 --arms probe "
                "--train-only`) and name it with its seed (`--run probe.probe.s42`)"
            )
    if model in READS_ECG:
        return [load_run(workspace, OWN.run(model, task)) for task in TASKS]
    finished = {str(record["run"]): record for record in run_records(workspace.models)}
    readers = sorted(name for name, record in finished.items() if record["stage"] in READS_ECG)
    if model in finished and model not in readers:
        raise FeatureError(
            f"{model} is a run of stage {finished[model]['stage']}, which predicts nothing from an ECG; "
            f"expected one of {_some(readers)}"
        )
    if model == "all":
        chosen = [_only([name for name in readers if finished[name]["task"] == "all"])]
    else:
        chosen = [name for name in readers if name == model or _belongs(name, model)]
    if not chosen:
        raise FeatureError(f"no finished run is called {model!r}; expected `align`, or one of {_some(readers)}")
    return [load_run(workspace, name) for name in sorted(chosen, key=_by_task)]


def _belongs(name: str, arm: str) -> bool:
    """Whether ``align-I21.triplet.s43`` is one of ``align.triplet.s43``."""
    stage, dot, rest = arm.partition(".")
    return bool(dot) and name.startswith(f"{stage}-") and name.partition(".")[2] == rest


def _only(found: Sequence[str]) -> str:
    own = [name for name in found if name == OWN.run("align", "all")]
    if len(own or found) != 1:
        raise FeatureError(
            "no finished run was trained on all tasks at once; train one: `eccl table1 --arms multitask --train-only`"
            if not found
            else f"{len(found)} finished runs were trained on all tasks at once, expected one; name the run: {_some(found)}"
        )
    return (own or found)[0]


def _by_task(name: str) -> tuple[int, str]:
    task = name.partition(".")[0].partition("-")[2]
    return TASKS.index(task) if task in TASKS else len(TASKS), name


def _some(names: Sequence[str], limit: int = 8) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return (", ".join(names[:limit]) or "none (train one: `eccl train align`)") + more
