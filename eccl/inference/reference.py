"""References of a run beside its weights: its errors on validation, and the recordings it was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from eccl.config import load_params
from eccl.data.parts import read_table, table_files
from eccl.evaluation.suppression import SMALLEST_GROUP
from eccl.features.files import runs_of
from eccl.features.materialized import read_all_features
from eccl.inference.calibration import FEWEST_RESIDUALS, Platt, conformal_margin, fit_platt
from eccl.inference.distribution import FEWEST_RECORDINGS, Cloud, Range
from eccl.training.inputs.targets import disease_labels, trait_values
from eccl.training.inputs.teacher import vectors_of
from eccl.training.inputs.visits import Visits, recording_visits
from eccl.training.runs import Run
from eccl.workspace import Workspace

Float = NDArray[np.float64]

FEWEST_VISITS = max(FEWEST_RESIDUALS, SMALLEST_GROUP)
"""Validation visits below which a trait gets no interval; of nine people it would be their largest error."""
MEASURES = ("flat_leads", "saturated_fraction", "baseline_rms_uv", "noise_rms_uv", "amplitude_p99_uv", "rr_samples")
"""Columns of table ``recordings`` that are compared with the training recordings."""


@dataclass(frozen=True, slots=True)
class Margin:
    """Half-width of a trait's 90 % interval, NaN where `visits` are fewer than :data:`FEWEST_VISITS`.

    `least` and `most` bound the trait: 0 if no measured value is beyond it, as of a volume, or of a strain that only
    shortens. An interval that is cut there contains the same measured values.
    """

    margin: float
    visits: int
    least: float = float("-inf")
    most: float = float("inf")


NO_MARGIN = Margin(float("nan"), 0)


@dataclass(frozen=True, slots=True)
class Curve:
    """Calibration of a disease's probability; `platt` is None if validation has too few cases or others, or equal logits."""

    platt: Platt | None
    cases: int
    others: int

    @property
    def usable(self) -> Platt | None:
        """The curve if it separates cases from others, else None."""
        return self.platt if self.platt is not None and self.platt.separates_cases else None


@dataclass(frozen=True, slots=True)
class RunReference:
    """Errors of a run on the validation split, and its embeddings of the training recordings.

    Parameters
    ----------
    margins
        By field of the trait.
    curves
        By disease code.
    cloud
        Embeddings of the training recordings; None if the workspace does not contain the run's features.
    """

    margins: Mapping[int, Margin] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    cloud: Cloud | None = None


def instances_of(run: Run) -> tuple[int, ...]:
    """Visits that a run was trained and selected on."""
    return tuple(int(one) for one in run.params["config"].get("instances", (2, 3)))


def quality_ranges(workspace: Workspace, runs: Sequence[Run]) -> tuple[Range, ...]:
    """Range of every measure among the train split's recordings at the visits that any of some runs was trained on.

    The first visit of each participant of the validation split is compared with them.
    """
    if not table_files(workspace.data, "recordings"):
        return tuple(Range.of(measure, np.empty(0), np.empty(0)) for measure in MEASURES)
    instances = sorted({instance for run in runs for instance in instances_of(run)})
    visits = recording_visits(workspace.data)
    chosen = visits.select("train", instances), first_visits(visits, "val", instances)
    table = read_table(workspace.data, "recordings", ["row", *MEASURES])
    train, val = (np.isin(table.column("row").to_numpy(), visits.row[positions]) for positions in chosen)
    columns = {measure: table.column(measure).to_numpy().astype(np.float64) for measure in MEASURES}
    return tuple(Range.of(measure, values[train], values[val]) for measure, values in columns.items())


def known_recordings(workspace: Workspace, runs: Sequence[Run]) -> dict[str, str]:
    """SHA-256 of every file that any of some runs may have been trained or selected on -> its split, train or val."""
    if not table_files(workspace.data, "recordings"):
        return {}
    instances = sorted({instance for run in runs for instance in instances_of(run)})
    visits = recording_visits(workspace.data)
    table = read_table(workspace.data, "recordings", ["row", "file_sha256"])
    rows, hashes = table.column("row").to_numpy(), np.array(table.column("file_sha256").to_pylist())
    found: dict[str, str] = {}
    for split in ("val", "train"):  # of two equal files, the one in training counts
        mine = np.isin(rows, visits.row[visits.select(split, instances)])
        found |= dict.fromkeys(hashes[mine].tolist(), split)
    return found


def run_reference(workspace: Workspace, run: Run, encoder: Run) -> RunReference:
    """Intervals and calibration of one run, and embeddings of its encoder, from feature rows of train and validation."""
    reference = validation_reference(workspace, run)
    if not table_files(workspace.data, "recordings"):
        return reference
    return replace(reference, cloud=_cloud(workspace, encoder, recording_visits(workspace.data)))


def validation_reference(workspace: Workspace, run: Run) -> RunReference:
    """Intervals and calibration of one run, from its feature rows of the validation split.

    One visit per participant counts, the first: two visits of one person are not independent. The test split is not read.
    """
    if not table_files(workspace.data, "recordings"):
        return RunReference()
    visits = recording_visits(workspace.data)
    val = visits.take(first_visits(visits, "val", instances_of(run)))
    return RunReference(_margins(workspace, run, val), _curves(workspace, run, val))


def first_visits(visits: Visits, split: str, instances: Sequence[int]) -> NDArray[np.int64]:
    """Positions of the first visit of each participant of a split."""
    chosen = visits.select(split, instances)
    _, first = np.unique(visits.eid[chosen], return_index=True)
    return chosen[first]


def _margins(workspace: Workspace, run: Run, val: Visits) -> dict[int, Margin]:
    rows = _rows(workspace, run, "trait_prediction", ["field_id", "value"])
    if rows is None:
        return {}
    field_id = rows.column("field_id").to_numpy()
    known = tuple(int(one) for one in np.unique(field_id))
    place = _positions(rows, val)
    is_mine = place >= 0
    predicted = np.full((len(val), len(known)), np.nan)
    predicted[place[is_mine], np.searchsorted(known, field_id[is_mine])] = rows.column("value").to_numpy()[is_mine]
    measured = trait_values(workspace.data, val, known)
    return {one: _margin(measured[:, i], predicted[:, i]) for i, one in enumerate(known)}


def _margin(measured: Float, predicted: Float) -> Margin:
    is_known = ~(np.isnan(measured) | np.isnan(predicted))
    measured, visits = measured[is_known], int(is_known.sum())
    if visits < FEWEST_VISITS:
        return Margin(float("nan"), visits)
    margin = conformal_margin(measured - predicted[is_known])
    return Margin(
        margin,
        visits,
        least=0.0 if measured.min() >= 0 else float("-inf"),
        most=0.0 if measured.max() <= 0 else float("inf"),
    )


def _curves(workspace: Workspace, run: Run, val: Visits) -> dict[str, Curve]:
    rows = _rows(workspace, run, "disease_prediction", ["code", "logit"])
    if rows is None:
        return {}
    definition = label_definition(workspace, run)
    codes, place = np.array(rows.column("code").to_pylist()), _positions(rows, val)
    logits = rows.column("logit").to_numpy()
    curves = {}
    for code in np.unique(codes).tolist():
        logit = np.full(len(val), np.nan)
        is_mine = (place >= 0) & (codes == code)
        logit[place[is_mine]] = logits[is_mine]
        label = disease_labels(workspace.data, val, code, definition)[:, 0]
        is_known = ~(np.isnan(label) | np.isnan(logit))
        cases = int((label[is_known] > 0.5).sum())
        platt = fit_platt(label[is_known], logit[is_known])
        curves[code] = Curve(platt, cases, int(is_known.sum()) - cases)
    return curves


def label_definition(workspace: Workspace, run: Run) -> str:
    """Definition of the labels a run was trained on; of a run of traits, that of params.yaml."""
    own = run.params.get("label_definition")
    return str(own) if own is not None else load_params(workspace.params_file).cohort.label_definition


def _cloud(workspace: Workspace, run: Run, visits: Visits) -> Cloud | None:
    rows = _rows(workspace, run, "ecg_embedding", ["vector"])
    if rows is None:
        return None
    place, vectors = _positions(rows, visits), vectors_of(rows)
    instances = instances_of(run)
    wanted = visits.select("train", instances), first_visits(visits, "val", instances)
    train, val = (vectors[np.isin(place, positions)] for positions in wanted)
    return Cloud.of(train, val) if len(train) >= FEWEST_RECORDINGS else None


def _rows(workspace: Workspace, run: Run, view: str, columns: list[str]) -> pa.Table | None:
    """A run's rows of a view that this very run computed; None if it wrote none."""
    name = str(run.record["run"])
    if name not in runs_of(workspace.features, view):
        return None
    keys = ["eid", "instance", "array_row", "run_id"]
    rows: pa.Table = read_all_features(workspace.features, view, name, [*keys, *columns])
    return rows.filter(pc.equal(rows.column("run_id"), run.run_id))


def _positions(rows: pa.Table, visits: Visits) -> NDArray[np.int64]:
    """Position of each row's visit; -1 if it is not among them, or has another slot now."""
    place = visits.find(rows.column("eid").to_numpy(), rows.column("instance").to_numpy())
    is_current = visits.row[place] == rows.column("array_row").to_numpy() if len(visits) else np.zeros(len(place), bool)
    return np.where((place >= 0) & is_current, place, -1)
