"""A finished run's network on recordings that lie in memory: the very functions by which its stage describes visits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from eccl.data.run_names import training_command
from eccl.errors import FeatureError, VersionError
from eccl.models.projection import Aligned
from eccl.training.inputs.visits import Visits
from eccl.training.loop.runtime import Runtime, RuntimeConfig
from eccl.training.outputs.compute_features import Tables, describe_recordings, predictions, scaler_of
from eccl.training.outputs.rows import vectors_of
from eccl.training.runs import Run, RunIdentity, load_run
from eccl.training.stages import align, probe
from eccl.workspace import Workspace

Int = NDArray[np.int64]


class HeldArray:
    """Recordings in memory as the networks' source of records (:class:`eccl.training.inputs.sources.Source`).

    Parameters
    ----------
    records
        (n, 12, 5000) int16.
    """

    block: Int | None = None
    waited_s = 0.0

    def __init__(self, records: NDArray[np.int16], device: torch.device) -> None:
        self.device = device
        self._records = torch.from_numpy(records)

    def __len__(self) -> int:
        return len(self._records)

    def batch(self, positions: Int) -> Tensor:
        """Records on the device, still int16."""
        return self._records[torch.from_numpy(np.ascontiguousarray(positions))].to(self.device)

    def expect(self, batches: Sequence[Int]) -> None:
        """Nothing to do: everything is here."""


class SteadyHeads(nn.Module):
    """An aligned network whose heads see at least `rows` recordings at a time; what is missing is filled up with zeros.

    A matrix product may sum in another order for a few rows than for many, and the last digit of a prediction would depend
    on how many files there are. The encoder, which is what takes the time, has rows enough: its tokens.
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
        Whose predictions they are.
    encoder
        Whose embeddings they are: the run itself, or the one whose embedding a probe reads.
    describe
        (n, 12, 5000) int16 to rows of the feature views; column ``array_row`` counts the recordings.
    """

    run: Run
    encoder: Run
    describe: Callable[[NDArray[np.int16]], Tables]


def open_run(workspace: Workspace, run: Run, config: RuntimeConfig) -> LoadedRun:
    """Rebuild a run's network from its own record and weights.

    Its precision is the one it was trained in, so that a recording that is in the store gets the store's numbers.

    Raises
    ------
    VersionError
        Weights are missing or not those of their record, do not fit this code, or the encoder of a probe was trained anew.
    FeatureError
        The run's stage does not read ECGs.
    """
    stage = run.record["stage"]
    if stage == align.STAGE:
        return LoadedRun(run, run, _aligned(run, config))
    if stage == probe.STAGE:
        return _probe(workspace, run, config)
    raise FeatureError(f"{run.record['run']} is a run of {stage}; expected one of {align.STAGE} or {probe.STAGE}")


def _aligned(run: Run, config: RuntimeConfig) -> Callable[[NDArray[np.int16]], Tables]:
    if config.precision == "auto":
        config = replace(config, precision=run.record["runtime"]["precision"])
    runtime = Runtime(replace(config, devices=1))
    rebuilt, settings = align.rebuild(run)
    network = SteadyHeads(rebuilt, settings.optimiser.batch_size).to(runtime.device)
    identity, scaler = identity_of(run), scaler_of(run)

    def describe(records: NDArray[np.int16]) -> Tables:
        source = HeldArray(records, runtime.device)
        return describe_recordings(
            cast(Aligned, network), _nobody(len(records)), source, settings, identity, scaler, runtime
        )

    return describe


def _probe(workspace: Workspace, run: Run, config: RuntimeConfig) -> LoadedRun:
    (named,) = run.record["parents"]
    encoder = load_run(workspace, named["run"])
    if encoder.record["weights_sha256"] != named["weights_sha256"]:
        raise VersionError(
            f"{run.record['run']} reads embeddings of {named['run']} as it was, and that was trained anew since; bring the older one "
            f"back (`dvc checkout`), or run `{training_command(str(run.record['run']))}` again"
        )
    embed, (linear, _) = _aligned(encoder, config), probe.rebuild(run)
    identity, scaler = identity_of(run), scaler_of(run)

    def describe(records: NDArray[np.int16]) -> Tables:
        embedding = embed(records)["ecg_embedding"]
        outputs = linear.predict(vectors_of(embedding))
        return {"ecg_embedding": embedding, **predictions("", _nobody(len(records)), identity, outputs, scaler)}

    return LoadedRun(run, encoder, describe)


def identity_of(run: Run) -> RunIdentity:
    """What a finished run's rows say of it."""
    return RunIdentity(
        **{field.name: run.record[field.name] for field in fields(RunIdentity) if field.name in run.record}
    )


def _nobody(count: int) -> Visits:
    """Visits of nobody, by number."""
    number = np.arange(count, dtype=np.int64)
    return Visits(number, np.zeros_like(number), np.full(count, ""), number)
