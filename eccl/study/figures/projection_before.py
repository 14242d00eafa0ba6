"""Outputs of the network that a run of align started from, which is rebuilt from the run's record."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from eccl.errors import VersionError
from eccl.modalities import ECG
from eccl.models.projection import Aligned
from eccl.models.specs import EcgEncoderSpec
from eccl.study.figures.data import Scene, read_vectors
from eccl.training.inputs.augment import scale_ecg
from eccl.training.inputs.sampling import chunks
from eccl.training.inputs.sources import open_source
from eccl.training.loop.runtime import Runtime, RuntimeConfig
from eccl.training.runs import Run, count_targets, load_run
from eccl.training.settings import AlignConfig
from eccl.workspace import Workspace

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Before:
    """Outputs of an untrained alignment for pairs.

    Parameters
    ----------
    features
        (pairs, d): the ECG encoder as it starts.
    z_ecg, z_cmr
        (pairs, projection_width), unit length: random projections of both encoders' features. `z_cmr` has no rows where the run
        reads no CMR.
    """

    features: Vectors
    z_ecg: Vectors
    z_cmr: Vectors


def compute_before(scene: Scene, run: Run, positions: NDArray[np.int64]) -> Before:
    """Apply the network that a run of align started from to some of the pairs that are shown.

    Raises
    ------
    VersionError
        A parent is not the one that the run was trained from.
    """
    runtime = Runtime(RuntimeConfig())
    network, config = rebuild_start(scene.workspace, run, runtime)
    network.to(runtime.device).eval()
    rows = scene.truth.visits["recording_row"].to_numpy().astype(np.int64)[positions]
    ecg = open_source(scene.workspace.data, ECG.model_array, rows, runtime)
    features, z_ecg = [], []
    todo = chunks(len(rows), config.optimiser.batch_size)
    ecg.expect(todo)
    with torch.no_grad():
        for batch in todo:
            with runtime.autocast():
                found, z, _ = network(scale_ecg(ecg.batch(batch), config.augment.scaling))
            features.append(found.float().cpu().numpy())
            z_ecg.append(z.float().cpu().numpy())
    return Before(np.concatenate(features), np.concatenate(z_ecg), _project_cines(scene, run, network, positions))


def _project_cines(scene: Scene, run: Run, network: Aligned, positions: NDArray[np.int64]) -> Vectors:
    teacher = find_parent(scene.workspace, run, "pretrain_cmr")
    if teacher is None:
        return np.empty((0, 0), dtype=np.float32)
    clean = read_vectors(scene, str(teacher.record["run"]), "cmr_embedding")[positions]
    device = next(network.parameters()).device
    with torch.no_grad():
        projected: Vectors = network.project_cmr(torch.from_numpy(clean).to(device)).float().cpu().numpy()
    return projected


def find_parent(workspace: Workspace, run: Run, stage: str) -> Run | None:
    """A run's parent of a stage; None if it has none.

    Raises
    ------
    VersionError
        It was trained again since then.
    """
    for parent in run.record["parents"]:
        found = load_run(workspace, str(parent["run"]))
        if found.record["stage"] != stage:
            continue
        if found.record["weights_sha256"] != parent["weights_sha256"]:
            raise VersionError(
                f"{parent['run']} was trained again since {run.record['run']} started from it, so its earlier "
                f"weights do not exist any more; train {run.record['run']} again"
            )
        return found
    return None


def rebuild_start(workspace: Workspace, run: Run, runtime: Runtime) -> tuple[Aligned, AlignConfig]:
    """The network of a run of align before its first step: the stage's own random weights, and its parent's encoder.

    Raises
    ------
    VersionError
        The parent was trained again since, or its weights do not fit this code.
    """
    from eccl.training.stages import align

    config, spec = run.read_params(AlignConfig, "config"), run.read_params(EcgEncoderSpec, "encoder")
    runtime.seed(config.seed)
    network = align.build(spec, config, run.record["teacher_dim"], count_targets(run))
    for stage in ("pretrain_ecg", "pretrain_cmae"):
        start = find_parent(workspace, run, stage)
        if start is not None:
            align.load_encoder(network, start)
    return network, config
