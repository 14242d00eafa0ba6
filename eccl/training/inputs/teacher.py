"""The frozen CMR encoder, the teacher of align: features from the cache, or the encoder itself on newly drawn views.

The cache is the feature views ``cmr_embedding`` (clean view) and ``cmr_teacher`` (K augmented views). Every cached row has a
key over weights, transform and data version: features of another teacher are refused, and an unchanged teacher is not
evaluated again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from eccl.data.run_records import training_command
from eccl.errors import FeatureError
from eccl.features.files import read_features
from eccl.modalities import CINE
from eccl.models.cmr_encoders import CmrEncoder
from eccl.models.projection import FrozenEncoder
from eccl.training.inputs.augment import CineView, clean_view, draw_views, sample_cine
from eccl.training.inputs.sampling import Positions
from eccl.training.inputs.sources import GuardedSource, Source, check_splits, open_source
from eccl.training.inputs.visits import CineGeometry, Visits, cine_visits
from eccl.training.loop.runtime import Runtime
from eccl.training.runs import Run, load_weights, select_prefix
from eccl.training.session import Session
from eccl.training.settings import CineConfig, PretrainCmrConfig


@dataclass(frozen=True, slots=True)
class Cines:
    """Cines and their transform into the network's input."""

    visits: Visits
    frames: Source
    geometry: CineGeometry
    image_size: int
    transform: CineConfig

    def batch(self, positions: Positions, view: CineView) -> Tensor:
        """(batch, 50, image_size, image_size) float32 in [-1, 1]."""
        geometry = self.geometry.at(positions, self.frames.device)
        return sample_cine(self.frames.batch(positions), geometry, self.image_size, self.transform, view)

    def guarded(self) -> Cines:
        """The same cines, without those of the test split."""
        return dataclasses.replace(self, frames=GuardedSource(self.frames, self.visits.split))


def load_cines(data: Path, runtime: Runtime, config: PretrainCmrConfig, wanted: Positions | None = None) -> Cines:
    """Open the cines at some positions among those of :func:`eccl.training.inputs.visits.cine_visits`; default is all."""
    visits, geometry = cine_visits(data)
    if wanted is not None:
        visits, geometry = visits.take(wanted), geometry.at(wanted, torch.device("cpu"))
    frames = open_source(data, CINE.model_array, visits.row, runtime)
    return Cines(visits, frames, geometry, config.encoder.image_size, config.cine)


def teacher_key(weights_sha256: str, config: PretrainCmrConfig, data_version: str, precision: str) -> str:
    """Content id of a teacher cache, 16 hex digits: equal keys mean equal features (to the last digits of a device)."""
    content = {
        "weights": weights_sha256,
        "transform": {**config.cine.model_dump(), "image_size": config.encoder.image_size},
        "views": [config.seed, config.teacher_views],
        "data_version": data_version,
        "precision": precision,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class CachedTeacher:
    """Features from the store.

    Parameters
    ----------
    visits
        Visits with a cine.
    clean
        (cines, d) float32 on the device.
    augmented
        (K, cines, d) float32 on the device; K may be 0.
    """

    visits: Visits
    clean: Tensor
    augmented: Tensor

    @property
    def feature_dim(self) -> int:
        return int(self.clean.shape[1])

    def sample(self, positions: Positions, generator: torch.Generator) -> Tensor:
        """One of the K cached views of each cine at random; the clean one where there are none."""
        if not len(self.augmented):
            return self.features(positions)
        check_splits(self.visits.split[positions])
        view = torch.randint(len(self.augmented), (len(positions),), generator=generator)
        index = torch.from_numpy(positions).to(self.clean.device)
        return self.augmented[view.to(index.device), index]

    def features(self, positions: Positions) -> Tensor:
        """The clean view of each cine of train and validation."""
        check_splits(self.visits.split[positions])
        return self.features_of_any_split(positions)

    def features_of_any_split(self, positions: Positions) -> Tensor:
        """The clean view of any cine, for the features that are written when training is over."""
        return self.clean[torch.from_numpy(positions).to(self.clean.device)]

    def expect(self, batches: Sequence[Positions]) -> None:
        """Do nothing: all features are in memory."""


class LiveTeacher:
    """The frozen encoder itself, evaluated on a new view in every step."""

    def __init__(self, encoder: FrozenEncoder, cines: Cines, runtime: Runtime) -> None:
        self.visits = cines.visits
        self.feature_dim = encoder.feature_dim
        self._encoder = encoder
        self._cines = cines
        self._guarded = cines.guarded()
        self._runtime = runtime

    def sample(self, positions: Positions, generator: torch.Generator) -> Tensor:
        """A newly drawn view of each cine."""
        view = draw_views(len(positions), self._cines.transform, generator)
        return self._evaluate(self._guarded, positions, view)

    def features(self, positions: Positions) -> Tensor:
        """The clean view of each cine of train and validation."""
        return self._evaluate(self._guarded, positions, clean_view(len(positions)))

    def features_of_any_split(self, positions: Positions) -> Tensor:
        """The clean view of any cine, for the features that are written when training is over."""
        return self._evaluate(self._cines, positions, clean_view(len(positions)))

    def expect(self, batches: Sequence[Positions]) -> None:
        """Receive the batches that come next, in order."""
        self._guarded.frames.expect(batches)

    def _evaluate(self, cines: Cines, positions: Positions, view: CineView) -> Tensor:
        with torch.no_grad(), self._runtime.autocast():
            features: Tensor = self._encoder(cines.batch(positions, view))
        return features.float()


Teacher = CachedTeacher | LiveTeacher


def open_teacher(session: Session, cmr: Run, mode: str) -> Teacher:
    """The teacher in the mode that ``align.teacher`` names."""
    return load_cached_teacher(session, cmr) if mode == "cached" else load_live_teacher(session, cmr)


def load_live_teacher(session: Session, cmr: Run) -> LiveTeacher:
    """Rebuild the frozen encoder from a run's weights."""
    config = config_of(cmr)
    encoder = CmrEncoder(config.encoder)
    load_weights(encoder, select_prefix(cmr.weights(), "encoder."), str(cmr.record["run"]))
    frozen = FrozenEncoder(encoder.to(session.device))
    return LiveTeacher(frozen, load_cines(session.workspace.data, session.runtime, config), session.runtime)


def load_cached_teacher(session: Session, cmr: Run) -> CachedTeacher:
    """Read the frozen encoder's features of every cine.

    Raises
    ------
    FeatureError
        They are of another run or key than the model, or leave cines out.
    """
    visits, _ = cine_visits(session.workspace.data)
    folder, run, device = session.workspace.features, str(cmr.record["run"]), session.device
    columns = ["eid", "instance", "run_id", "vector"]
    clean = _vectors(read_features(folder, "cmr_embedding", run, columns), visits, cmr)
    cached = read_features(folder, "cmr_teacher", run, [*columns, "augmentation", "teacher_key"])
    precision = cmr.record["runtime"]["precision"]
    key = teacher_key(cmr.record["weights_sha256"], config_of(cmr), session.data_version, precision)
    if set(cached.column("teacher_key").unique().to_pylist()) - {key}:
        raise FeatureError(
            "the teacher cache was computed with other weights, another transform or other data than its model records; "
            f"run `{training_command(run)}` again"
        )
    number = cached.column("augmentation").to_numpy()
    augmented = [_vectors(cached.filter(number == view), visits, cmr) for view in np.unique(number)]
    stacked = np.stack(augmented) if augmented else np.empty((0, *clean.shape), dtype=np.float32)
    return CachedTeacher(visits, torch.from_numpy(clean).to(device), torch.from_numpy(stacked).to(device))


def reusable_views(features: Path, run: str, key: str, visits: Visits, views: int) -> list[NDArray[np.float32]] | None:
    """The clean and the augmented views, if an earlier evaluation of the very same teacher has cached all of them.

    Returns
    -------
    list of ndarray or None
        1 + views arrays (cines, d), the clean view first; None where something is missing or the key is another.
    """
    try:
        cached, clean = (read_features(features, view, run) for view in ("cmr_teacher", "cmr_embedding"))
    except FeatureError:
        return None
    if "teacher_key" not in cached.column_names or set(cached.column("teacher_key").unique().to_pylist()) != {key}:
        return None
    if cached.column("run_id").unique().to_pylist() != clean.column("run_id").unique().to_pylist():
        return None
    number = cached.column("augmentation").to_numpy()
    found = [
        order_vectors(clean, visits),
        *(order_vectors(cached.filter(number == view), visits) for view in range(views)),
    ]
    return None if any(np.isnan(one).any() for one in found) else found


def config_of(cmr: Run) -> PretrainCmrConfig:
    """Parameters a CMR encoder was trained with, from its own record."""
    return cmr.read_params(PretrainCmrConfig, "config")


def _vectors(table: pa.Table, visits: Visits, cmr: Run) -> NDArray[np.float32]:
    command = training_command(str(cmr.record["run"]))
    if set(table.column("run_id").unique().to_pylist()) - {cmr.run_id}:
        raise FeatureError(f"the teacher's features are of another run than its model; run `{command}` again")
    ordered = order_vectors(table, visits)
    absent = int(np.isnan(ordered).any(axis=1).sum())
    if absent:
        raise FeatureError(
            f"{absent} of {len(visits)} cines have no teacher features; train the CMR encoder on this data first: "
            f"`{command}`"
        )
    return ordered


def order_vectors(table: pa.Table, visits: Visits) -> NDArray[np.float32]:
    """Vectors in the order of the visits, (visits, d); NaN for a visit without one."""
    vectors = vectors_of(table)
    position = visits.find(table.column("eid").to_numpy(), table.column("instance").to_numpy())
    is_here = position >= 0
    ordered = np.full((len(visits), vectors.shape[1]), np.nan, dtype=np.float32)
    ordered[position[is_here]] = vectors[is_here]
    return ordered


def vectors_of(table: pa.Table) -> NDArray[np.float32]:
    """The ``vector`` column as (rows, d) float32."""
    column = table.column("vector").combine_chunks()
    flat: NDArray[np.float32] = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    return flat.reshape(len(table), -1)
