"""Targets of a task: standardised traits, one disease label, or for ``all`` the traits and then every disease."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from eccl.data.parts import read_table
from eccl.errors import SchemaError
from eccl.training.inputs.sources import TRAINING_SPLITS
from eccl.training.inputs.visits import Visits
from eccl.training.settings import ALL, DISEASES

Float = NDArray[np.float64]
TRAITS = "traits"


def codes_of(task: str | None) -> tuple[str, ...]:
    """Diseases that a task predicts, in the order of its outputs, after any traits."""
    return DISEASES if task == ALL else (task,) if task in DISEASES else ()


@dataclass(frozen=True, slots=True)
class TraitScaler:
    """Mean and standard deviation of every trait, from the train split only.

    Parameters
    ----------
    field_ids
        UK Biobank fields in the order of the columns.
    mean, scale
        In the traits' units; scale is 1 where a trait is constant or unknown.
    count
        Known values in the train split.
    """

    field_ids: tuple[int, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    count: tuple[int, ...]

    def to_standard(self, values: Float) -> Float:
        """Values in units -> standardised."""
        standardised: Float = (values - np.array(self.mean)) / np.array(self.scale)
        return standardised

    def from_standard(self, values: NDArray[Any]) -> Float:
        """Standardised -> values in units, in float64."""
        in_units: Float = values.astype(np.float64) * np.array(self.scale) + np.array(self.mean)
        return in_units

    def is_learned(self) -> NDArray[np.bool_]:
        """Traits with at least two known training values; others are not predicted."""
        return np.array(self.count) >= 2

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> TraitScaler:
        """Scaler of run.json."""
        return cls(*(tuple(content[name]) for name in ("field_ids", "mean", "scale", "count")))


def fit_scaler(field_ids: tuple[int, ...], values: Float) -> TraitScaler:
    """Fit the scaler on the train split's values, (visits, traits) with NaN for unknown."""
    is_known = ~np.isnan(values)
    count = is_known.sum(axis=0)
    mean = np.where(is_known, values, 0.0).sum(axis=0) / np.maximum(count, 1)
    spread = np.sqrt((np.where(is_known, values - mean, 0.0) ** 2).sum(axis=0) / np.maximum(count, 1))
    scale = np.where((count >= 2) & (spread > 1e-12 * np.maximum(1.0, np.abs(mean))), spread, 1.0)
    return TraitScaler(field_ids, tuple(mean.tolist()), tuple(scale.tolist()), tuple(int(n) for n in count))


def trait_fields(data: Path) -> tuple[int, ...]:
    """Fields of the traits in the order of ``fields.trait_index``.

    Raises
    ------
    SchemaError
        The dictionary names no trait.
    """
    fields = read_table(data, "fields", ["field_id", "trait_index"])
    ordered = fields.filter(pc.is_valid(fields.column("trait_index"))).sort_by("trait_index")
    if not len(ordered):
        raise SchemaError("table fields names no trait (trait_index is null everywhere); run `eccl ingest RAW` again")
    return tuple(ordered.column("field_id").to_pylist())


def trait_values(data: Path, visits: Visits, field_ids: tuple[int, ...]) -> Float:
    """Traits of visits in their units: (visits, traits) float64, NaN where unknown."""
    table = read_table(data, "traits", ["eid", "instance", "field_id", "value"])
    column = {field_id: i for i, field_id in enumerate(field_ids)}
    values = np.full((len(visits), len(field_ids)), np.nan)
    position = visits.find(table.column("eid").to_numpy(), table.column("instance").to_numpy())
    fields, value = table.column("field_id").to_numpy(), table.column("value").to_numpy()
    where = np.array([column.get(int(field_id), -1) for field_id in fields], dtype=np.int64)
    is_used = (position >= 0) & (where >= 0)
    values[position[is_used], where[is_used]] = value[is_used]
    return values


def disease_labels(data: Path, visits: Visits, code: str, definition: str) -> Float:
    """Labels of visits: (visits, 1) float64, 1 with the disease, 0 without, NaN where undecided or not given."""
    table = read_table(data, "labels", ["eid", "instance", "code", "definition", "value"])
    is_wanted = pc.and_(pc.equal(table.column("code"), code), pc.equal(table.column("definition"), definition))
    table = table.filter(pc.and_(is_wanted, pc.is_valid(table.column("value"))))
    values = np.full((len(visits), 1), np.nan)
    position = visits.find(table.column("eid").to_numpy(), table.column("instance").to_numpy())
    label = np.array(table.column("value").to_pylist(), dtype=np.float64)
    values[position[position >= 0], 0] = label[position >= 0]
    return values


@dataclass(frozen=True, slots=True)
class TaskTargets:
    """Targets of one task for an array of visits.

    Parameters
    ----------
    task
        ``traits``, a disease code or ``all``.
    values
        (visits, targets) float64: standardised traits, or 0/1, or both in this order; NaN where unknown, for traits that
        have fewer than two values in the train split, and for every visit of the test split.
    train
        Positions of the train split with at least one known target.
    scaler
        For traits; None for a disease.
    definition
        Label definition, for diseases.
    """

    task: str
    values: Float
    train: NDArray[np.int64]
    scaler: TraitScaler | None
    definition: str

    @property
    def width(self) -> int:
        """Number of outputs of the task's head."""
        return int(self.values.shape[1])

    def train_labels(self) -> Float | None:
        """Labels of `train` for a disease, which the sampler balances; None for traits, and for ``all``."""
        return None if self.scaler is not None else self.values[self.train, 0]

    def count(self, positions: NDArray[np.int64]) -> dict[str, int]:
        """Visits, visits with a known target, and cases of a disease, for run.json."""
        values = self.values[positions]
        counts = {"visits": len(positions), "known": int((~np.isnan(values)).any(axis=1).sum())}
        if self.task == ALL:
            labels = values[:, -len(DISEASES) :]
            return {**counts, **{f"cases_{code}": int((labels[:, i] == 1).sum()) for i, code in enumerate(DISEASES)}}
        return counts if self.scaler is not None else {**counts, "cases": int((values == 1).sum())}

    def record(self) -> dict[str, Any]:
        """Entry of run.json with which predictions are converted to units."""
        return {} if self.scaler is None else {"trait_scaler": asdict(self.scaler)}


def target_params(task: str, definition: str) -> dict[str, Any]:
    """Parameters outside the stage's section that the targets of a task depend on."""
    return {} if task == TRAITS else {"label_definition": definition}


def read_targets(data: Path, visits: Visits, task: str, definition: str, instances: tuple[int, ...]) -> TaskTargets:
    """Read a task's targets; the traits' scaler is fitted on the train split at `instances` alone.

    Targets of the test split are not read, so training and selection cannot use them.
    """
    is_seen = np.isin(visits.split, TRAINING_SPLITS)[:, None]
    codes = codes_of(task)
    labels = np.hstack([np.empty((len(visits), 0)), *(disease_labels(data, visits, one, definition) for one in codes)])
    labels = np.where(is_seen, labels, np.nan)
    if task not in {TRAITS, ALL}:
        return TaskTargets(task, labels, _known(visits, labels, instances), None, definition)
    field_ids = trait_fields(data)
    values = np.where(is_seen, trait_values(data, visits, field_ids), np.nan)
    scaler = fit_scaler(field_ids, values[visits.select("train", instances)])
    standard = np.where(scaler.is_learned(), scaler.to_standard(values), np.nan)
    together = np.hstack([standard, labels])
    return TaskTargets(task, together, _known(visits, together, instances), scaler, definition)


def _known(visits: Visits, values: Float, instances: tuple[int, ...]) -> NDArray[np.int64]:
    train = visits.select("train", instances)
    return train[(~np.isnan(values[train])).any(axis=1)]
