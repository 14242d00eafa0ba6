"""Finished runs by name, and their networks applied to recordings in memory with the functions of their stages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from eccl.data.run_records import run_name, run_records, training_command
from eccl.errors import FeatureError, VersionError
from eccl.models.projection import Aligned
from eccl.training.compute_features import Tables, prediction_rows, recording_features
from eccl.training.inputs.sources import ResidentArray
from eccl.training.inputs.teacher import vectors_of
from eccl.training.inputs.visits import Visits
from eccl.training.loop.runtime import RuntimeConfig
from eccl.training.runs import RECORD, Run, load_context, load_run
from eccl.training.settings import TASKS
from eccl.training.stages import align, probe
from eccl.workspace import Workspace

READS_ECG = (align.STAGE, probe.STAGE)
"""Stages whose runs predict from the ECG alone."""


def choose_runs(workspace: Workspace, model: str) -> list[Run]:
    """Return the finished runs that a name stands for.

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
        There is no such run, it does not read ECGs, or `all` matches several runs.
    """
    if model == "probe":
        missing = [run for task in TASKS if not (workspace.run_folder(run := run_name(model, task)) / RECORD).is_file()]
        if missing:
            raise FeatureError(
                f"the workspace has no run {', '.join(missing)} of its own; train the probe as an arm (`eccl table1 --arms probe "
                "--train-only`) and name it with its seed (`--run probe.probe.s42`)"
            )
    if model in READS_ECG:
        return [load_run(workspace, run_name(model, task)) for task in TASKS]
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
    own = [name for name in found if name == run_name("align", "all")]
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


class SteadyHeads(nn.Module):
    """An aligned network whose heads always get at least `rows` recordings; missing rows are filled with zeros.

    A matrix product may sum in another order for a few rows than for many, and the last digit of a prediction would depend
    on the number of files. The encoder, which takes most of the time, has enough rows: its tokens.
    """

    def __init__(self, network: Aligned, rows: int) -> None:
        super().__init__()
        self.encoder: nn.Module = network.encoder
        self.has_projections = network.has_projections
        network.encoder = nn.Identity()
        self.heads = network
        self._rows = rows

    def forward(self, ecg: Tensor) -> tuple[Tensor, ...]:
        """As :meth:`eccl.models.projection.Aligned.forward`."""
        features = self.encoder(ecg)
        missing = max(0, self._rows - len(features))
        filled = functional.pad(features, (0, 0, 0, missing))
        return tuple(one[: len(features)] for one in self.heads(filled))


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A finished run, ready to describe recordings.

    Parameters
    ----------
    run
        Run that predicts.
    encoder
        Run that embeds: the same run, or the one whose embedding a probe reads.
    describe
        (n, 12, 5000) int16 to rows of the feature views; column ``array_row`` counts the recordings.
    """

    run: Run
    encoder: Run
    describe: Callable[[NDArray[np.int16]], Tables]


def open_run(workspace: Workspace, run: Run, config: RuntimeConfig) -> LoadedRun:
    """Rebuild the network of a run of :data:`READS_ECG` from its own record and weights.

    Its precision is that of its training, so that a recording in the store gets the values of the store.

    Raises
    ------
    VersionError
        Weights are missing or not those of their record, do not fit this code, or the encoder of a probe was trained again.
    """
    if run.record["stage"] == probe.STAGE:
        return _probe(workspace, run, config)
    return LoadedRun(run, run, _aligned(run, config))


def _aligned(run: Run, config: RuntimeConfig) -> Callable[[NDArray[np.int16]], Tables]:
    context = load_context(run, align.rebuild, config)
    heads = SteadyHeads(context.network, context.config.optimiser.batch_size).to(context.runtime.device)
    context = replace(context, network=cast(Aligned, heads))

    def describe(records: NDArray[np.int16]) -> Tables:
        return recording_features(
            context, _numbered_visits(len(records)), ResidentArray(records, context.runtime.device)
        )

    return describe


def _probe(workspace: Workspace, run: Run, config: RuntimeConfig) -> LoadedRun:
    (named,) = run.record["parents"]
    encoder = load_run(workspace, named["run"])
    if encoder.record["weights_sha256"] != named["weights_sha256"]:
        raise VersionError(
            f"{run.record['run']} reads embeddings of {named['run']} as it was, and that was trained again since; bring the older one "
            f"back (`dvc checkout`), or run `{training_command(str(run.record['run']))}` again"
        )
    embed, context = _aligned(encoder, config), load_context(run, probe.rebuild, config)

    def describe(records: NDArray[np.int16]) -> Tables:
        embedding = embed(records)["ecg_embedding"]
        outputs = context.network.predict(vectors_of(embedding))
        return {"ecg_embedding": embedding, **prediction_rows(context, _numbered_visits(len(records)), outputs)}

    return LoadedRun(run, encoder, describe)


def _numbered_visits(count: int) -> Visits:
    """Visits without participants, by number."""
    number = np.arange(count, dtype=np.int64)
    return Visits(number, np.zeros_like(number), np.full(count, ""), number)
