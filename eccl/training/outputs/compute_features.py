"""What a trained network says of visits, as rows of the feature views.

Two triggers use the same functions: the stage, when training is over, for every visit; and ``eccl materialize``, for
visits that were ingested later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from eccl.models.projection import Aligned, Supervised
from eccl.training.inputs.augment import clean_view, scale_ecg, stable_views
from eccl.training.inputs.sampling import Positions, chunks
from eccl.training.inputs.sources import Source
from eccl.training.inputs.targets import TraitScaler
from eccl.training.inputs.teacher import Cines
from eccl.training.inputs.visits import Visits
from eccl.training.loop.frozen import FrozenEncoder
from eccl.training.loop.runtime import Runtime
from eccl.training.outputs.rows import disease_rows, trait_rows, vector_rows
from eccl.training.runs import Run, RunIdentity
from eccl.training.settings.config import ALL, DISEASES, AlignConfig, PretrainCmrConfig

Tables = dict[str, pa.Table]


def describe_recordings(
    network: Aligned,
    recordings: Visits,
    ecg: Source,
    config: AlignConfig,
    identity: RunIdentity,
    scaler: TraitScaler | None,
    runtime: Runtime,
) -> Tables:
    """Embedding, projection and prediction of each recording; `ecg` holds them in the same order.

    Parameters
    ----------
    scaler
        Brings traits back into their units; None for a disease.

    Returns
    -------
    dict
        Table by view; without projections in the network there is no ``ecg_projection``.
    """
    parts: list[list[NDArray[Any]]] = []
    network.eval()
    todo = chunks(len(recordings), config.optimiser.batch_size)
    ecg.expect(todo)
    with torch.no_grad():
        for batch in todo:
            with runtime.autocast():
                values = network(scale_ecg(ecg.batch(batch), config.augment.scaling))
            parts.append([one.float().cpu().numpy() for one in values])
    features, z_ecg, outputs = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    projected = {"ecg_projection": vector_rows(recordings, identity, z_ecg)} if network.has_projections else {}
    return {
        "ecg_embedding": vector_rows(recordings, identity, features),
        **projected,
        **predictions("", recordings, identity, outputs, scaler),
    }


def project_cines(
    network: Aligned,
    cines: Visits,
    look: Callable[[Positions], Tensor],
    config: AlignConfig,
    identity: RunIdentity,
) -> Tables:
    """Where each cine lies in the shared space.

    Parameters
    ----------
    look
        The teacher's features of the clean view by position, (batch, teacher_dim).
    """
    network.eval()
    parts = []
    with torch.no_grad():
        for batch in chunks(len(cines), config.optimiser.batch_size):
            parts.append(network.project_cmr(look(batch)).cpu().numpy())
    return {"cmr_projection": vector_rows(cines, identity, np.concatenate(parts))}


def describe_cines(
    network: Supervised,
    cines: Visits,
    clean: NDArray[np.float32],
    identity: RunIdentity,
    scaler: TraitScaler | None,
    runtime: Runtime,
) -> Tables:
    """Embedding and prediction of each cine.

    Parameters
    ----------
    clean
        (cines, d) features of the clean view, from :func:`look_at_cines`.
    """
    with torch.no_grad():
        outputs = network.head(torch.from_numpy(clean).to(runtime.device)).float().cpu().numpy()
    return {
        "cmr_embedding": vector_rows(cines, identity, clean),
        **predictions("cmr_", cines, identity, outputs, scaler),
    }


def look_at_cines(
    teacher: FrozenEncoder, cines: Cines, config: PretrainCmrConfig, runtime: Runtime, augmentation: int | None = None
) -> NDArray[np.float32]:
    """Features of cines, (cines, d), in one of the augmented views or, for None, in the clean one."""
    found = np.empty((len(cines.visits), teacher.feature_dim), dtype=np.float32)
    todo = chunks(len(cines.visits), config.optimiser.batch_size)
    cines.frames.expect(todo)
    for batch in todo:
        rows = cines.visits.row[batch]
        view = (
            clean_view(len(rows))
            if augmentation is None
            else stable_views(rows, augmentation, config.cine, config.seed)
        )
        with runtime.autocast():
            features = teacher(cines.batch(batch, view))
        found[batch] = features.float().cpu().numpy()
    return found


def scaler_of(run: Run) -> TraitScaler | None:
    """The scaler a finished run was trained with, from its own record; None for a disease."""
    content = run.record.get("trait_scaler")
    return None if content is None else TraitScaler.from_json(content)


def count_targets(run: Run) -> int:
    """Outputs of a finished run's head."""
    scaler = scaler_of(run)
    traits = 0 if scaler is None else len(scaler.field_ids)
    return traits + len(codes_of(run.record["task"]))


def codes_of(task: str | None) -> tuple[str, ...]:
    """Diseases that a task predicts, in the order of its outputs, after any traits."""
    return DISEASES if task == ALL else (task,) if task in DISEASES else ()


def predictions(
    prefix: str, visits: Visits, identity: RunIdentity, outputs: NDArray[Any], scaler: TraitScaler | None
) -> Tables:
    """Rows of the predictions of visits; task ``all`` has both views.

    Parameters
    ----------
    prefix
        Nothing, or ``cmr_`` for what a cine tells.
    outputs
        (visits, targets): standardised traits, logits, or both in this order.
    """
    tables, traits = {}, 0
    if scaler is not None:
        traits = len(scaler.field_ids)
        tables[f"{prefix}trait_prediction"] = trait_rows(visits, identity, outputs[:, :traits], scaler)
    codes = codes_of(identity.task)
    rows = [disease_rows(visits, identity, outputs[:, traits + i], code) for i, code in enumerate(codes)]
    return {**tables, **({f"{prefix}disease_prediction": pa.concat_tables(rows)} if rows else {})}
