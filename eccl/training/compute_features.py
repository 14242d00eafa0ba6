"""Features of visits, computed by a trained network, as rows of the feature views.

The stage calls these functions for every visit when training is over, ``eccl materialize`` for visits that were ingested
later, and ``eccl predict`` for recordings outside the store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from eccl.features.files import write_features
from eccl.models.projection import Aligned, FrozenEncoder, Supervised
from eccl.training.inputs.augment import clean_view, scale_ecg, stable_views
from eccl.training.inputs.sampling import Positions, chunks
from eccl.training.inputs.sources import Source
from eccl.training.inputs.targets import codes_of
from eccl.training.inputs.teacher import Cines
from eccl.training.inputs.visits import Visits
from eccl.training.runs import RunContext, RunIdentity
from eccl.training.settings import AlignConfig, PretrainCmrConfig

Tables = dict[str, pa.Table]


def recording_features(context: RunContext[Aligned, AlignConfig], recordings: Visits, ecg: Source) -> Tables:
    """Compute embedding, projection and prediction of each recording; `ecg` holds them in the same order.

    Returns
    -------
    dict
        Table by view; without projections in the network there is no ``ecg_projection``.
    """
    network, config = context.network.eval(), context.config
    parts: list[list[NDArray[Any]]] = []
    batches = chunks(len(recordings), config.optimiser.batch_size)
    ecg.expect(batches)
    with torch.no_grad():
        for batch in batches:
            with context.runtime.autocast():
                values = network(scale_ecg(ecg.batch(batch), config.augment.scaling))
            parts.append([one.float().cpu().numpy() for one in values])
    features, z_ecg, outputs = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    tables = {"ecg_embedding": vector_rows(recordings, context.identity, features)}
    if network.has_projections:
        tables["ecg_projection"] = vector_rows(recordings, context.identity, z_ecg)
    return tables | prediction_rows(context, recordings, outputs)


def cine_projections(
    context: RunContext[Aligned, AlignConfig], cines: Visits, features: Callable[[Positions], Tensor]
) -> Tables:
    """Compute the position of each cine in the shared space.

    Parameters
    ----------
    features
        The teacher's features of the clean view by position, (batch, teacher_dim).
    """
    network = context.network.eval()
    with torch.no_grad():
        parts = [
            network.project_cmr(features(batch)).cpu().numpy()
            for batch in chunks(len(cines), context.config.optimiser.batch_size)
        ]
    return {"cmr_projection": vector_rows(cines, context.identity, np.concatenate(parts))}


def teacher_features(
    context: RunContext[Supervised, PretrainCmrConfig], cines: Cines, augmentation: int | None = None
) -> NDArray[np.float32]:
    """Compute the frozen encoder's features of cines, (cines, d), in an augmented view or, for None, in the clean one."""
    teacher, config = FrozenEncoder(context.network.encoder), context.config
    found = np.empty((len(cines.visits), teacher.feature_dim), dtype=np.float32)
    batches = chunks(len(cines.visits), config.optimiser.batch_size)
    cines.frames.expect(batches)
    for batch in batches:
        rows = cines.visits.row[batch]
        view = clean_view(len(rows))
        if augmentation is not None:
            view = stable_views(rows, augmentation, config.cine, config.seed)
        with context.runtime.autocast():
            features = teacher(cines.batch(batch, view))
        found[batch] = features.float().cpu().numpy()
    return found


def cine_features(
    context: RunContext[Supervised, PretrainCmrConfig], cines: Visits, clean: NDArray[np.float32]
) -> Tables:
    """Embedding and prediction of each cine, from its features of the clean view, (cines, d)."""
    with torch.no_grad():
        outputs = context.network.head(torch.from_numpy(clean).to(context.runtime.device)).float().cpu().numpy()
    return {
        "cmr_embedding": vector_rows(cines, context.identity, clean),
        **prediction_rows(context, cines, outputs, "cmr_"),
    }


def prediction_rows(context: RunContext[Any, Any], visits: Visits, outputs: NDArray[Any], prefix: str = "") -> Tables:
    """Rows of the predictions of visits; task ``all`` has both views.

    Parameters
    ----------
    outputs
        (visits, targets): standardised traits, logits, or both in this order.
    prefix
        Empty, or ``cmr_`` for predictions from a cine.
    """
    tables: Tables = {}
    traits, identity, scaler = 0, context.identity, context.scaler
    if scaler is not None:  # in the traits' units; traits without training values have no rows
        traits = len(scaler.field_ids)
        learned = np.flatnonzero(scaler.is_learned())
        every = np.repeat(np.arange(len(visits)), len(learned))
        columns = _keys(visits.take(every), identity)
        field_ids = np.array(scaler.field_ids, dtype=np.int32)[learned]
        columns["field_id"] = pa.array(np.tile(field_ids, len(visits)), pa.int32())
        values = scaler.from_standard(outputs[:, :traits])
        columns["value"] = pa.array(values[:, learned].reshape(-1), pa.float64())
        tables[f"{prefix}trait_prediction"] = pa.table(columns)
    diseases = []
    for i, code in enumerate(codes_of(identity.task)):
        logit = outputs[:, traits + i].astype(np.float64)
        columns = _keys(visits, identity)
        columns["code"] = pa.array([code] * len(visits), pa.string())
        columns["probability"] = pa.array(0.5 * (1 + np.tanh(logit / 2)), pa.float64())  # never overflows
        columns["logit"] = pa.array(logit, pa.float64())
        diseases.append(pa.table(columns))
    return {**tables, **({f"{prefix}disease_prediction": pa.concat_tables(diseases)} if diseases else {})}


def vector_rows(
    visits: Visits, identity: RunIdentity, vectors: NDArray[Any], augmentation: int | None = None, key: str = ""
) -> pa.Table:
    """Rows with a ``vector``: (visits, d) float32 as fixed-size lists.

    Parameters
    ----------
    augmentation
        Number of the augmented view, for the teacher cache.
    key
        Content id of the teacher cache.
    """
    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
    columns = {**_keys(visits, identity), "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])}
    if augmentation is not None:
        columns["augmentation"] = pa.array(np.full(len(visits), augmentation), pa.int16())
        columns["teacher_key"] = pa.array([key] * len(visits), pa.string())
    return pa.table(columns)


def write_tables(features: Path, run: str, tables: Mapping[str, pa.Table]) -> None:
    """Write the views of one run into the files of its stage."""
    for view, table in tables.items():
        write_features(features, view, run, table)


def _keys(visits: Visits, identity: RunIdentity) -> dict[str, pa.Array]:
    count = len(visits)
    return {
        "eid": pa.array(visits.eid, pa.int64()),
        "instance": pa.array(visits.instance, pa.int8()),
        "split": pa.array(visits.split.tolist(), pa.string()),
        "run_id": pa.array([identity.run_id] * count, pa.string()),
        "data_version": pa.array([identity.data_version] * count, pa.string()),
        "array_row": pa.array(visits.row, pa.int64()),
    }
