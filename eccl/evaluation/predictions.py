"""Predictions of runs for the visits of a split, and the true values of these visits, in the same order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eccl.data.parts import data_version, read_table
from eccl.data.run_records import is_of_experiment, training_command
from eccl.errors import FeatureError
from eccl.features.files import read_features
from eccl.features.materialized import is_covered, read_all_features
from eccl.features.views import KEYS, declared_view
from eccl.training.inputs.targets import TRAITS
from eccl.workspace import Workspace

Float = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Truth:
    """Visits of a split with an ECG and a cine, sorted by participant and visit: what every arm is scored on.

    Parameters
    ----------
    split
        ``train``, ``val`` or ``test``.
    visits
        eid, instance, recording_row, cine_row.
    labels
        Code -> (visits,) 0, 1 or NaN for undecided.
    fields
        field_id, title and short_name of the traits, in their order.
    traits
        (visits, traits) in the trait's unit; NaN where it was not measured.
    """

    split: str
    visits: pl.DataFrame
    labels: Mapping[str, Float]
    fields: pl.DataFrame
    traits: Float

    def __len__(self) -> int:
        return self.visits.height

    @property
    def eid(self) -> Ints:
        return self.visits["eid"].to_numpy().astype(np.int64)


def read_truth(
    workspace: Workspace, split: str, instances: Sequence[int], codes: Sequence[str], definition: str
) -> Truth:
    """Read labels and traits of a split's pairs.

    Parameters
    ----------
    instances
        Visits that are scored.
    codes, definition
        Diseases, and the definition of their labels.
    """
    pairs = pl.DataFrame(read_table(workspace.data, "pairs", ["eid", "instance", "split", "recording_row", "cine_row"]))
    chosen = (pl.col("split") == split) & pl.col("instance").is_in(list(instances))
    visits = pairs.filter(chosen).drop("split").sort("eid", "instance")
    place = visits.select("eid", "instance").with_row_index("place")
    labels = pl.DataFrame(read_table(workspace.data, "labels", ["eid", "instance", "code", "definition", "value"]))
    labels = labels.filter(pl.col("definition") == definition).join(place, on=["eid", "instance"])
    fields = pl.DataFrame(read_table(workspace.data, "fields")).filter(pl.col("trait_index").is_not_null())
    fields = fields.sort("trait_index")
    fields = fields.select("field_id", "title", short_name="short_name" if "short_name" in fields.columns else "title")
    measured = pl.DataFrame(read_table(workspace.data, "traits", ["eid", "instance", "field_id", "value"]))
    return Truth(
        split,
        visits,
        {code: _column(labels.filter(pl.col("code") == code), visits.height) for code in codes},
        fields,
        _matrix(measured.join(place, on=["eid", "instance"]), fields["field_id"].to_list(), visits.height),
    )


def read_predictions(
    workspace: Workspace,
    view: str,
    run: str,
    split: str,
    instances: Sequence[int],
    code: str | None = None,
    current: str | None = None,
) -> pl.DataFrame:
    """Rows of a run for the pairs of a split, of the slots that the pairs have now.

    Parameters
    ----------
    code
        Disease whose rows are wanted; None takes all rows.
    current
        Data version of the workspace, where it is known: it takes reading every table.

    Raises
    ------
    FeatureError
        The run has not written the view, was not backfilled for the data, or has no prediction for some pair.
    """
    _require_covered(workspace, view, run, current or data_version(workspace.data))
    declared = declared_view(view)
    columns = [*(key for key in KEYS if key not in {"run_id", "data_version"}), *declared.own_columns]
    table = pl.DataFrame(read_all_features(workspace.features, view, run, columns))
    if code is not None:
        table = table.filter(pl.col("code") == code)
    # Every arm is scored on the same visits, those with both an ECG and a cine, and on what their current slots hold:
    # a visit whose file was replaced keeps the rows of the older one.
    slot = "recording_row" if declared.modality == "ecg" else "cine_row"
    pairs = pl.DataFrame(read_table(workspace.data, "pairs", ["eid", "instance", slot]))
    pairs = pairs.filter(pl.col("instance").is_in(list(instances))).rename({slot: "array_row"})
    absent = pairs.join(table, on=pairs.columns, how="anti").height
    if absent:
        raise FeatureError(
            f"{run} has no prediction for {absent} of {pairs.height} pairs, expected all; train it again: `{training_command(run)}`"
        )
    return table.join(pairs, on=pairs.columns, how="semi").filter(pl.col("split") == split)


def predicted_traits(rows: pl.DataFrame, truth: Truth) -> Float:
    """Predicted traits as `truth.traits` has the measured ones; NaN where a run did not learn a trait."""
    return _matrix(_placed(rows, truth), truth.fields["field_id"].to_list(), len(truth))


def predicted_disease(rows: pl.DataFrame, truth: Truth) -> tuple[Float, Float]:
    """Logit and probability of one disease, (visits,) each, in the order of `truth`."""
    placed = _placed(rows, truth)
    return _column(placed, len(truth), "logit"), _column(placed, len(truth), "probability")


def vectors(rows: pl.DataFrame, truth: Truth) -> NDArray[np.float32]:
    """Vectors of a view, (visits, d), in the order of `truth`.

    Raises
    ------
    FeatureError
        Some visit has no vector, or several.
    """
    placed = _placed(rows, truth).sort("place")
    if placed["place"].to_list() != list(range(len(truth))):
        raise FeatureError(
            f"{placed['place'].n_unique()} of {len(truth)} visits of the {truth.split} split have a vector, in {placed.height} rows; "
            "expected one of each visit. The rows were read for other visits: draw or score again"
        )
    ordered = placed["vector"]
    if not len(truth):
        return np.empty((0, 0), np.float32)
    flat = ordered.to_arrow().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, dtype=np.float32).reshape(len(truth), -1)


def _placed(rows: pl.DataFrame, truth: Truth) -> pl.DataFrame:
    place = truth.visits.select("eid", "instance").with_row_index("place")
    return rows.join(place, on=["eid", "instance"])


def _column(placed: pl.DataFrame, size: int, name: str = "value") -> Float:
    values = np.full(size, np.nan)
    values[placed["place"].to_numpy()] = placed[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return values


def _matrix(placed: pl.DataFrame, field_ids: list[int], size: int) -> Float:
    values = np.full((size, len(field_ids)), np.nan)
    column = pl.DataFrame({"field_id": field_ids, "column": range(len(field_ids))})
    known = placed.with_columns(pl.col("field_id").cast(pl.Int64)).join(
        column.with_columns(pl.col("field_id").cast(pl.Int64)), on="field_id"
    )
    values[known["place"].to_numpy(), known["column"].to_numpy()] = known["value"].to_numpy()
    return values


def _require_covered(workspace: Workspace, view: str, run: str, current: str) -> None:
    own = read_features(workspace.features, view, run, ["run_id", "data_version"])
    for origin in own.group_by(["run_id", "data_version"]).aggregate([]).to_pylist():
        if not is_covered(workspace.features, run, origin["run_id"], origin["data_version"], current):
            later = (
                ""
                if is_of_experiment(run)
                else f"`eccl materialize {run}` to compute the features of later visits, or "
            )
            raise FeatureError(
                f"{run} was trained on another data version ({origin['data_version']}) than the workspace holds ({current}); run "
                f"{later}`{training_command(run)}`"
            )


def count_visits(truth: Truth, column: str) -> dict[str, int | None]:
    """Visits with a known target, cases among them, and the participants behind them."""
    if column == TRAITS:
        is_known, cases = ~np.isnan(truth.traits).all(axis=1), None
    else:
        is_known = ~np.isnan(truth.labels[column])
        cases = int(np.nansum(truth.labels[column]))
    return {"n": int(is_known.sum()), "cases": cases, "participants": len(np.unique(truth.eid[is_known]))}


def none(value: float) -> float | None:
    """A score as it is stored: null where it is not defined."""
    return None if np.isnan(value) else float(value)
