"""Scores of the workspace's own runs, by arm and split, over all pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from eccl.evaluation.disease_metrics import score_logits
from eccl.evaluation.predictions import read_predictions
from eccl.models.scores import mean_absolute_error, mean_defined, pearson_r, r_squared
from eccl.store.parts import read_table
from eccl.workspace import Workspace

TRAITS = "traits"


@dataclass(frozen=True, slots=True)
class Arm:
    """One row of the table of own runs: which views and runs hold its predictions.

    Parameters
    ----------
    name
        Name in the table.
    stage
        Stage whose runs predict, e.g. ``align``; the run of a task is ``<stage>-<task>``.
    trait_view, disease_view
        Feature views of the predictions.
    """

    name: str
    stage: str
    trait_view: str
    disease_view: str


ARMS = (
    Arm("ECCL", "align", "trait_prediction", "disease_prediction"),
    Arm("CMR_Sup", "pretrain_cmr", "cmr_trait_prediction", "cmr_disease_prediction"),
)
"""ECCL reads the ECG alone; CMR_Sup reads the cine and is the reference from above."""


def score_traits(workspace: Workspace, arm: Arm, split: str, instances: Sequence[int]) -> pl.DataFrame:
    """Pearson R, R2 and mean absolute error of every trait.

    Returns
    -------
    polars.DataFrame
        arm, split, field_id, title, short_name, n, r, r2, mae (in the trait's unit); null where a score is not defined.
    """
    predicted = read_predictions(workspace, arm.trait_view, f"{arm.stage}-{TRAITS}", split, instances)
    measured = _table(workspace, "traits").rename({"value": "measured"})
    joined = predicted.join(measured, on=["eid", "instance", "field_id"], how="inner")
    fields = _table(workspace, "fields").filter(pl.col("trait_index").is_not_null()).sort("trait_index")
    rows = []
    for field in fields.iter_rows(named=True):
        mine = joined.filter(pl.col("field_id") == field["field_id"])
        both = mine["measured"].to_numpy(), mine["value"].to_numpy()
        scores = {"r": pearson_r(*both), "r2": r_squared(*both), "mae": mean_absolute_error(*both)}
        named = {name: field[name] for name in ("field_id", "title", "short_name")}
        rows.append({"arm": arm.name, "split": split, **named, "n": mine.height, **_nulls(scores)})
    return pl.DataFrame(rows, schema_overrides=dict.fromkeys(("r", "r2", "mae"), pl.Float64))


def score_disease(
    workspace: Workspace, arm: Arm, code: str, split: str, instances: Sequence[int], definition: str
) -> dict[str, float | int | str | None]:
    """ROC AUC and the other scores of one disease, with the counts behind them; None where one is not defined."""
    predicted = read_predictions(workspace, arm.disease_view, f"{arm.stage}-{code}", split, instances, code)
    labels = _table(workspace, "labels").filter(
        (pl.col("code") == code) & (pl.col("definition") == definition) & pl.col("value").is_not_null()
    )
    joined = predicted.join(labels.select("eid", "instance", "value"), on=["eid", "instance"], how="inner")
    scores = score_logits(
        joined["value"].cast(pl.Float64).to_numpy(), joined["logit"].to_numpy(), joined["probability"].to_numpy()
    )
    counts = {"n": joined.height, "cases": int(joined["value"].sum())}
    return {"arm": arm.name, "split": split, "code": code, **counts, **_nulls(scores)}


def mean_r(traits: pl.DataFrame, column: str = "r") -> float | None:
    """Mean R (or another column) over the traits for which it is defined; None if there is none."""
    value = mean_defined(traits[column].cast(pl.Float64).fill_null(float("nan")).to_numpy())
    return None if np.isnan(value) else value


def _nulls(scores: dict[str, float]) -> dict[str, float | None]:
    return {name: None if np.isnan(value) else value for name, value in scores.items()}


def _table(workspace: Workspace, name: str) -> pl.DataFrame:
    return pl.DataFrame(read_table(workspace.data, name))
