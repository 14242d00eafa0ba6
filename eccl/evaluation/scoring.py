"""Predictions against truth: Pearson R of every trait and ROC AUC of every disease, by arm and split, over all pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from eccl.errors import FeatureError
from eccl.models.scores import mean_defined, pearson_r, roc_auc
from eccl.store.feature_views import declared_view
from eccl.store.features import read_features
from eccl.store.materialized import is_covered, read_all_features
from eccl.store.parts import data_version, read_table
from eccl.workspace import Workspace

TRAITS = "traits"


@dataclass(frozen=True, slots=True)
class Arm:
    """One row of Table 1: which views and runs hold its predictions.

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
    """Pearson R of every trait.

    Returns
    -------
    polars.DataFrame
        arm, split, field_id, title, short_name, n, r; r is null where it is not defined.
    """
    predicted = _predictions(workspace, arm.trait_view, f"{arm.stage}-{TRAITS}", split, instances)
    measured = _table(workspace, "traits").rename({"value": "measured"})
    joined = predicted.join(measured, on=["eid", "instance", "field_id"], how="inner")
    fields = _table(workspace, "fields").filter(pl.col("trait_index").is_not_null()).sort("trait_index")
    rows = []
    for field in fields.iter_rows(named=True):
        mine = joined.filter(pl.col("field_id") == field["field_id"])
        r = pearson_r(mine["measured"].to_numpy(), mine["value"].to_numpy())
        named = {name: field[name] for name in ("field_id", "title", "short_name")}
        rows.append({"arm": arm.name, "split": split, **named, "n": mine.height, "r": None if np.isnan(r) else r})
    return pl.DataFrame(rows, schema_overrides={"r": pl.Float64})


def score_disease(
    workspace: Workspace, arm: Arm, code: str, split: str, instances: Sequence[int], definition: str
) -> dict[str, float | int | str | None]:
    """ROC AUC of one disease, with the counts behind it; auc is None where one class is absent."""
    predicted = _predictions(workspace, arm.disease_view, f"{arm.stage}-{code}", split, instances)
    labels = _table(workspace, "labels").filter(
        (pl.col("code") == code) & (pl.col("definition") == definition) & pl.col("value").is_not_null()
    )
    joined = predicted.join(labels.select("eid", "instance", "value"), on=["eid", "instance"], how="inner")
    auc = roc_auc(joined["value"].cast(pl.Float64).to_numpy(), joined["logit"].to_numpy())
    counts = {"n": joined.height, "cases": int(joined["value"].sum())}
    return {"arm": arm.name, "split": split, "code": code, **counts, "auc": None if np.isnan(auc) else auc}


def mean_r(traits: pl.DataFrame) -> float | None:
    """Mean R over the traits for which it is defined; None if there is none."""
    value = mean_defined(traits["r"].cast(pl.Float64).fill_null(float("nan")).to_numpy())
    return None if np.isnan(value) else value


def _predictions(workspace: Workspace, view: str, run: str, split: str, instances: Sequence[int]) -> pl.DataFrame:
    _require_covered(workspace, view, run)
    table = pl.DataFrame(read_all_features(workspace.features, view, run))
    # Every arm is scored on the same visits, those with both an ECG and a cine, and on what their current slots hold:
    # a visit whose file was replaced keeps the rows of the older one.
    slot = "recording_row" if declared_view(view).modality == "ecg" else "cine_row"
    pairs = _table(workspace, "pairs").filter(pl.col("instance").is_in(list(instances)))
    pairs = pairs.select("eid", "instance", pl.col(slot).alias("array_row"))
    absent = pairs.join(table, on=pairs.columns, how="anti").height
    if absent:
        raise FeatureError(f"{run} predicts nothing for {absent} of {pairs.height} pairs, expected all; train it again")
    return table.join(pairs, on=pairs.columns, how="semi").filter(pl.col("split") == split)


def _require_covered(workspace: Workspace, view: str, run: str) -> None:
    current = data_version(workspace.data)
    own = read_features(workspace.features, view, run, ["run_id", "data_version"])
    for origin in own.group_by(["run_id", "data_version"]).aggregate([]).to_pylist():
        if not is_covered(workspace.features, run, origin["run_id"], origin["data_version"], current):
            raise FeatureError(
                f"{run} was trained on another data version ({origin['data_version']}) than the workspace holds ({current}); run "
                f"`eccl materialize {run}` to describe the visits that came since, or `eccl train {run.replace('-', '@', 1)}`"
            )


def _table(workspace: Workspace, name: str) -> pl.DataFrame:
    return pl.DataFrame(read_table(workspace.data, name))
