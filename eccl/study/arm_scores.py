"""Scores of every run of the experiment table on one split, and its main score in every resample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eccl.evaluation.bootstrap import Resamples, draw_resamples, resampled_auc, resampled_mean_r
from eccl.evaluation.metrics import score_each, score_logits
from eccl.evaluation.predictions import Truth, count_visits, none, predicted_disease, predicted_traits, vectors
from eccl.evaluation.retrieval import DIRECTIONS, ranks_of_own, summarise
from eccl.evaluation.test_split.selection import Selection, read_selected
from eccl.models.scores import mean_defined
from eccl.study.arm_runs import TRAITS, Cell, views_of
from eccl.training.runs import load_run
from eccl.workspace import Workspace

Float = NDArray[np.float64]
Rows = list[dict[str, Any]]

MAIN = {True: "mean_r", False: "auc"}


@dataclass(frozen=True, slots=True)
class SplitScores:
    """All scores of the runs on one split.

    Parameters
    ----------
    scores, traits, retrieval
        Rows of table1_scores, table1_traits and retrieval.
    resampled
        Arm, column and seed -> (resamples,) the main score; NaN where a resample does not define it.
    counts
        Column -> n visits, cases (None for traits) and participants.
    """

    split: str
    scores: Rows
    traits: Rows
    retrieval: Rows
    resampled: Mapping[tuple[str, str, int], Float]
    counts: Mapping[str, Mapping[str, int | None]]


def main_metric(column: str) -> str:
    """The score that the table prints: ``auc`` of a disease, ``mean_r`` of the traits."""
    return MAIN[column == TRAITS]


def score_split(
    workspace: Workspace, selection: Selection, cells: Sequence[Cell], truth: Truth, resamples: int
) -> SplitScores:
    """Score the runs of finished cells.

    Raises
    ------
    SplitError, VersionError, FeatureError
        A run is not what was frozen, or its predictions are incomplete.
    """
    drawn = draw_resamples(truth.eid, resamples)
    counts = {column: count_visits(truth, column) for column in {cell.column for cell in cells}}
    scores: Rows = []
    traits: Rows = []
    resampled: dict[tuple[str, str, int], Float] = {}
    for cell in cells:
        found, per_trait, again = _score_cell(workspace, selection, cell, truth, drawn)
        keys = _keys(cell, selection, truth.split)
        scores += [
            {
                **keys,
                "task": cell.column,
                "trained_on": cell.task,
                "metric": metric,
                "value": none(value),
                **counts[cell.column],
            }
            for metric, value in found.items()
        ]
        traits += [{**keys, **row} for row in per_trait]
        resampled[cell.arm.key, cell.column, cell.seed] = again
    retrieval = _score_retrieval(workspace, selection, cells, truth)
    return SplitScores(truth.split, scores, traits, retrieval, resampled, counts)


def _score_cell(
    workspace: Workspace, selection: Selection, cell: Cell, truth: Truth, drawn: Resamples
) -> tuple[dict[str, float], Rows, Float]:
    trait_view, disease_view = views_of(cell.arm)
    if cell.column != TRAITS:
        rows = read_selected(workspace, selection, disease_view, cell.run, truth.split, cell.column)
        logit, probability = predicted_disease(rows, truth)
        label = truth.labels[cell.column]
        return score_logits(label, logit, probability), [], resampled_auc(drawn, label, logit)
    predicted = predicted_traits(read_selected(workspace, selection, trait_view, cell.run, truth.split), truth)
    per_trait = _score_traits(truth, predicted)
    spread = _spread(truth.traits)
    errors = np.array([np.nan if row["mae"] is None else row["mae"] for row in per_trait])
    means = {
        "mean_r": mean_defined(_defined(per_trait, "r")),
        "mean_r2": mean_defined(_defined(per_trait, "r2")),
        "mean_mae_sd": mean_defined(np.divide(errors, spread, out=np.full(len(errors), np.nan), where=spread > 0)),
    }
    return means, per_trait, resampled_mean_r(drawn, truth.traits, predicted)


def _score_traits(truth: Truth, predicted: Float) -> Rows:
    fields = truth.fields.select("field_id", "short_name").to_dicts()
    scored = score_each(truth.traits, predicted)
    return [
        {**field, "n": found["n"], **{name: none(found[name]) for name in ("r", "r2", "mae")}}
        for field, found in zip(fields, scored, strict=True)
    ]


def _score_retrieval(workspace: Workspace, selection: Selection, cells: Sequence[Cell], truth: Truth) -> Rows:
    rows: Rows = []
    for cell in {cell.run: cell for cell in cells if is_contrastive(load_run(workspace, cell.run).record)}.values():
        sides = []
        for view in ("ecg_projection", "cmr_projection"):
            sides.append(vectors(read_selected(workspace, selection, view, cell.run, truth.split), truth))
        keys = {**_keys(cell, selection, truth.split), "task": cell.task}
        for direction, ranks in zip(DIRECTIONS, ranks_of_own(*sides), strict=True):
            summary = {name: none(value) for name, value in summarise(ranks).items()}
            rows.append({**keys, "direction": direction, **summary, "n": len(ranks)})
    return rows


def is_contrastive(record: Mapping[str, Any]) -> bool:
    """Whether a run learned a space shared by ECG and CMR."""
    config = record.get("params", {}).get("config", {})
    return record["stage"] == "align" and float(config.get("contrastive_weight", 0)) > 0


def _keys(cell: Cell, selection: Selection, split: str) -> dict[str, Any]:
    named = {"arm": cell.arm.key, "arm_group": cell.arm.group, "seed": cell.seed, "run": cell.run}
    return {**named, "run_id": selection.runs[cell.run]["run_id"], "split": split}


def _spread(values: Float) -> Float:
    """Standard deviation of every trait over its known values; NaN with fewer than two visits."""
    known = [column[~np.isnan(column)] for column in values.T]
    return np.array([column.std(ddof=1) if len(column) > 1 else np.nan for column in known])


def _defined(rows: Rows, name: str) -> Float:
    return np.array([np.nan if row[name] is None else row[name] for row in rows], dtype=np.float64)
