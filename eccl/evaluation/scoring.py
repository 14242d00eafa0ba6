"""Scores of the workspace's own runs, by arm and split, over all pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from eccl.evaluation.disease_metrics import score_logits
from eccl.evaluation.predictions import Truth, count_visits, none, predicted_disease, predicted_traits, read_predictions
from eccl.evaluation.trait_metrics import score_each
from eccl.models.scores import mean_defined
from eccl.training.inputs.targets import TRAITS
from eccl.workspace import Workspace


@dataclass(frozen=True, slots=True)
class OwnArm:
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
    OwnArm("ECCL", "align", "trait_prediction", "disease_prediction"),
    OwnArm("CMR_Sup", "pretrain_cmr", "cmr_trait_prediction", "cmr_disease_prediction"),
)
"""ECCL reads the ECG alone; CMR_Sup reads the cine and is the reference from above."""


def score_traits(workspace: Workspace, arm: OwnArm, truth: Truth, instances: tuple[int, ...]) -> pl.DataFrame:
    """Pearson R, R2 and mean absolute error of every trait.

    Parameters
    ----------
    truth, instances
        Pairs of a split, and the visits they are of.

    Returns
    -------
    polars.DataFrame
        arm, split, field_id, title, short_name, n, r, r2, mae (in the trait's unit); null where a score is not defined.
    """
    rows = read_predictions(workspace, arm.trait_view, f"{arm.stage}-{TRAITS}", truth.split, instances)
    scored = score_each(truth.traits, predicted_traits(rows, truth))
    named = truth.fields.select("field_id", "title", "short_name").to_dicts()
    table = [
        {"arm": arm.name, "split": truth.split, **field, **{name: none(value) for name, value in found.items()}}
        for field, found in zip(named, scored, strict=True)
    ]
    return pl.DataFrame(table, schema_overrides=dict.fromkeys(("r", "r2", "mae"), pl.Float64))


def score_disease(
    workspace: Workspace, arm: OwnArm, code: str, truth: Truth, instances: tuple[int, ...]
) -> dict[str, float | int | str | None]:
    """ROC AUC and the other scores of one disease, with the counts behind them; None where one is not defined."""
    rows = read_predictions(workspace, arm.disease_view, f"{arm.stage}-{code}", truth.split, instances, code)
    scores = score_logits(truth.labels[code], *predicted_disease(rows, truth))
    counts = count_visits(truth, code)
    told = {"arm": arm.name, "split": truth.split, "code": code, "n": counts["n"], "cases": counts["cases"]}
    return {**told, **{name: none(value) for name, value in scores.items()}}


def mean_r(traits: pl.DataFrame, column: str = "r") -> float | None:
    """Mean R (or another column) over the traits for which it is defined; None if there is none."""
    value = mean_defined(traits[column].cast(pl.Float64).fill_null(float("nan")).to_numpy())
    return None if np.isnan(value) else value
