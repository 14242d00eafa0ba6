"""Predictions of one or several finished runs for recordings outside the store.

::

    predictor = Predictor.open(workspace, choose_runs(workspace, "align"), RuntimeConfig())
    found = predictor.predict(recordings)        # frames: traits, diseases, embeddings, recordings
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from eccl.data.parts import read_table, table_files
from eccl.evaluation.suppression import hide_small
from eccl.features.views import KEYS
from eccl.inference.distribution import FEWEST_RECORDINGS, Power, Range, combine, judge
from eccl.inference.notes import (
    note_on_cloud,
    note_on_curve,
    note_on_margin,
    note_on_power,
    note_on_recording,
    shown_count,
)
from eccl.inference.reading import Recording
from eccl.inference.reference import (
    NO_MARGIN,
    Curve,
    Margin,
    RunReference,
    known_recordings,
    quality_ranges,
    run_reference,
)
from eccl.inference.runs import LoadedRun, open_run
from eccl.ledger.certificates import read_certificates
from eccl.ledger.tombstones import require_no_pending_withdrawal
from eccl.training.compute_features import Tables
from eccl.training.loop.runtime import RuntimeConfig
from eccl.training.runs import Run
from eccl.workspace import Workspace

TRAIT, DISEASE, EMBEDDING, RECORDING = "trait_prediction", "disease_prediction", "ecg_embedding", "recording"
_VIEWS = (TRAIT, DISEASE, EMBEDDING)


@dataclass(frozen=True, slots=True)
class Predictions:
    """Predictions of several runs for several recordings; every frame begins with `file`, the first three continue with the run.

    Parameters
    ----------
    traits
        field_id, short_name, title, units, value, interval_lower, interval_upper (90 %), validation_visits, note.
    diseases
        code, probability, logit (as the network gives them), calibrated_probability, ci_lower, ci_upper (95 %), cases and others of
        the validation split, slope, intercept, cases and visits of the curve (null where none was fitted), note.
    embeddings
        vector, distance, percentile, p, validation_recordings, distribution, note.
    recordings
        file_sha256, the measures that are compared, p and verdict of each, and of all together, embeddings too: `p`, corrected
        for the number of `comparisons`, and `distribution`; note, if a model was trained on the recording, or if too few
        validation recordings leave `distribution` unknown. Counts of 1 to 9 people are null everywhere.
    """

    traits: pl.DataFrame
    diseases: pl.DataFrame
    embeddings: pl.DataFrame
    recordings: pl.DataFrame

    def frames(self) -> dict[str, pl.DataFrame]:
        """The four by name of their file."""
        return {TRAIT: self.traits, DISEASE: self.diseases, EMBEDDING: self.embeddings, RECORDING: self.recordings}


@dataclass(frozen=True, slots=True)
class Predictor:
    """Finished runs, and references from their validation and training recordings."""

    loaded: tuple[LoadedRun, ...]
    references: tuple[RunReference, ...]
    ranges: tuple[Range, ...]
    fields: pl.DataFrame
    tainted_since: Mapping[str, str]
    known: Mapping[str, str]
    """SHA-256 of files that the runs were trained or selected on -> split."""

    @classmethod
    def open(cls, workspace: Workspace, runs: Sequence[Run], config: RuntimeConfig) -> Predictor:
        """Load networks and references.

        Raises
        ------
        VersionError
            Weights are missing, or are not those of their record.
        WithdrawalError
            A withdrawal was interrupted and not resumed yet.
        """
        require_no_pending_withdrawal(workspace)
        loaded = tuple(open_run(workspace, run, config) for run in runs)
        references = tuple(run_reference(workspace, one.run, one.encoder) for one in loaded)
        return cls(
            loaded,
            references,
            quality_ranges(workspace, runs),
            _fields(workspace),
            tainted_runs(workspace),
            known_recordings(workspace, runs),
        )

    @property
    def runs(self) -> list[Run]:
        return [one.run for one in self.loaded]

    @property
    def power(self) -> Power:
        """Number of usable comparisons and of validation recordings."""
        clouds = {
            one.encoder.run_id: reference.cloud for one, reference in zip(self.loaded, self.references, strict=True)
        }
        embedded = [0 if cloud is None else len(cloud.distance) for cloud in clouds.values()]
        return Power.of([*(len(one.distance) for one in self.ranges), *embedded])

    def predict(self, recordings: Sequence[Recording]) -> Predictions:
        """Predict recordings with every run."""
        files = [one.file for one in recordings]
        records = np.stack([one.clean for one in recordings])
        parts: dict[str, list[pl.DataFrame]] = {view: [] for view in _VIEWS}
        embedded: set[str] = set()
        for one, reference in zip(self.loaded, self.references, strict=True):
            found = _named(one.describe(records), files)
            if TRAIT in found:
                parts[TRAIT].append(_with_margins(found[TRAIT], reference.margins, self.fields))
            if DISEASE in found:
                parts[DISEASE].append(_with_curves(found[DISEASE], reference.curves))
            if one.encoder.run_id not in embedded:  # probes share one
                embedded.add(one.encoder.run_id)
                parts[EMBEDDING].append(_with_distance(found[EMBEDDING], reference))
        traits, diseases, embeddings = (
            pl.concat(parts[view]) if parts[view] else pl.DataFrame(schema={"file": pl.String}) for view in _VIEWS
        )
        return Predictions(traits, diseases, embeddings, self._judge(recordings, embeddings))

    def _judge(self, recordings: Sequence[Recording], embeddings: pl.DataFrame) -> pl.DataFrame:
        columns: dict[str, object] = {
            "file": [one.file for one in recordings],
            "file_sha256": [one.file_sha256 for one in recordings],
        }
        compared: list[tuple[NDArray[np.float64], int]] = []
        for one in self.ranges:
            values = np.array([recording.columns[one.measure] for recording in recordings], dtype=np.float64)
            p, known = one.p(values), len(one.distance)
            compared.append((p, known))
            verdicts = judge(p, known).tolist()
            columns |= {
                one.measure: values,
                f"{one.measure}_p": pl.Series(p).fill_nan(None),
                f"{one.measure}_distribution": verdicts,
            }
        by_run = embeddings.group_by("run", maintain_order=True) if len(embeddings) else ()
        for _, rows in by_run:  # each in the order of the recordings
            known = int(rows["validation_recordings"][0] or 0)
            compared.append((rows["p"].cast(pl.Float64).fill_null(float("nan")).to_numpy(), known))
        power = self.power
        note = note_on_power(power)
        notes = [note_on_recording(self.known.get(one.file_sha256), note) for one in recordings]
        together = _together(compared, power, len(recordings))
        return pl.DataFrame({**columns, **together, "note": pl.Series(notes, dtype=pl.String)})


def _together(
    compared: Sequence[tuple[NDArray[np.float64], int]], power: Power, recordings: int
) -> dict[str, pl.Series]:
    """Combine the p-values of several comparisons to one verdict; comparisons with few validation recordings are skipped."""
    counted = [(p, known) for p, known in compared if known >= FEWEST_RECORDINGS]
    p = combine(np.stack([one for one, _ in counted], axis=1)) if counted else np.full(recordings, np.nan)
    return {
        "p": pl.Series(p).fill_nan(None),
        "comparisons": pl.Series([power.comparisons] * recordings, dtype=pl.Int64),
        "distribution": pl.Series(judge(p, power.recordings, power.comparisons).tolist(), dtype=pl.String),
    }


def tainted_runs(workspace: Workspace) -> dict[str, str]:
    """Date of the first withdrawal of a participant in the data of a run, by run id."""
    found: dict[str, str] = {}
    for certificate in read_certificates(workspace):
        for run_id in certificate.tainted:
            found.setdefault(run_id, certificate.withdrawn_on.isoformat())
    return found


def _named(tables: Tables, files: Sequence[str]) -> dict[str, pl.DataFrame]:
    """Key rows of the views by file and run instead of visit; a run id is the run's name, a hyphen and twelve hex digits."""
    names = pl.DataFrame({"array_row": np.arange(len(files), dtype=np.int64), "file": list(files)})
    found = {}
    for view, table in tables.items():
        frame = pl.DataFrame(pa.table(table)).join(names, on="array_row", how="left", maintain_order="left")
        own = [name for name in frame.columns if name not in {*KEYS, "file"}]
        run = pl.col("run_id").str.replace("-[0-9a-f]{12}$", "").alias("run")
        found[view] = frame.select("file", run, "run_id", "data_version", *own)
    return found


def _with_margins(traits: pl.DataFrame, margins: Mapping[int, Margin], fields: pl.DataFrame) -> pl.DataFrame:
    numbers = {"field_id": pl.Int32, "margin": pl.Float64, "least": pl.Float64, "most": pl.Float64}
    schema = {**numbers, "validation_visits": pl.Int64, "note": pl.String}
    rows = []
    for field_id in traits["field_id"].unique(maintain_order=True).to_list():
        one = margins.get(field_id, NO_MARGIN)
        margin = None if np.isnan(one.margin) else one.margin
        rows.append((field_id, margin, one.least, one.most, shown_count(one.visits), note_on_margin(one)))
    known = pl.DataFrame(rows, schema=schema, orient="row")
    return (
        traits.join(fields, on="field_id", how="left", maintain_order="left")
        .join(known, on="field_id", how="left", maintain_order="left")
        .select(
            *(name for name in traits.columns if name != "value"),
            "short_name",
            "title",
            "units",
            "value",
            (pl.col("value") - pl.col("margin")).clip("least", "most").alias("interval_lower"),
            (pl.col("value") + pl.col("margin")).clip("least", "most").alias("interval_upper"),
            "validation_visits",
            "note",
        )
    )


def _with_curves(diseases: pl.DataFrame, curves: Mapping[str, Curve]) -> pl.DataFrame:
    parts = []
    for (code,), rows in diseases.group_by("code", maintain_order=True):
        curve = curves.get(str(code), Curve(None, 0, 0))
        calibrated = [None] * 3 if curve.usable is None else curve.usable.apply(rows["logit"].to_numpy())
        names = ("calibrated_probability", "ci_lower", "ci_upper")
        values = [pl.lit(one, pl.Float64) if one is None else pl.Series(one) for one in calibrated]
        described = [pl.lit(value, kind).alias(name) for name, (value, kind) in _calibration(curve).items()]
        parts.append(rows.with_columns(*(one.alias(name) for name, one in zip(names, values, strict=True)), *described))
    return pl.concat(parts)


def _calibration(curve: Curve) -> dict[str, tuple[float | str | None, type[pl.DataType]]]:
    """Sizes and parameters of a curve by column; a small group, and a count from which it could be computed, are null."""
    counts = curve.cases, curve.others
    cases, others = (None if hidden else count for count, hidden in zip(counts, hide_small(counts), strict=True))
    platt = curve.platt
    return {
        "validation_cases": (cases, pl.Int64),
        "validation_others": (others, pl.Int64),
        "calibration_slope": (None if platt is None else platt.slope, pl.Float64),
        "calibration_intercept": (None if platt is None else platt.intercept, pl.Float64),
        "calibration_cases": (None if platt is None else curve.cases, pl.Int64),
        "calibration_visits": (None if platt is None else sum(counts), pl.Int64),
        "note": (note_on_curve(curve), pl.String),
    }


def _with_distance(embeddings: pl.DataFrame, reference: RunReference) -> pl.DataFrame:
    cloud, count = reference.cloud, embeddings.height
    if cloud is None:
        distance = percentile = p = np.full(count, np.nan)
        known = 0
    else:
        distance = cloud.measure(np.stack(embeddings["vector"].to_list()))
        percentile, p, known = cloud.percentile(distance), cloud.p(distance), len(cloud.distance)
    return embeddings.with_columns(
        pl.Series("distance", distance).fill_nan(None),
        pl.Series("percentile", percentile).fill_nan(None),
        pl.Series("p", p).fill_nan(None),
        pl.lit(shown_count(known), pl.Int64).alias("validation_recordings"),
        pl.Series("distribution", judge(p, known).tolist(), dtype=pl.String),
        pl.lit(note_on_cloud(known), pl.String).alias("note"),
    )


def _fields(workspace: Workspace) -> pl.DataFrame:
    schema = {"field_id": pl.Int32, "short_name": pl.String, "title": pl.String, "units": pl.String}
    if not table_files(workspace.data, "fields"):
        return pl.DataFrame(schema=schema)
    table = pl.DataFrame(read_table(workspace.data, "fields"))
    absent = [pl.lit(None, kind).alias(name) for name, kind in schema.items() if name not in table.columns]
    return table.with_columns(absent).select(pl.col(name).cast(kind) for name, kind in schema.items())
