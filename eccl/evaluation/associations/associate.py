"""All regressions of the workspace's own runs, as a table and a forest plot.

::

    reports/associations/associations.parquet     columns of schemas/tables/associations.sql; rows of both splits
    reports/associations/forest_test.png  .svg    one drawing per split that has rows
                         forest_val.png   .svg
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eccl.config import load_params
from eccl.data.lock import writing
from eccl.data.parts import write_parquet
from eccl.errors import ConfigError
from eccl.evaluation.associations.forest import draw_forest
from eccl.evaluation.associations.participants import DAYS_PER_YEAR, Participants, choose_participants, follow
from eccl.evaluation.associations.regression import Fit, fit_hazard, fit_linear, fit_logistic
from eccl.evaluation.associations.table import merge_splits, to_table
from eccl.evaluation.conventions import SCORED_SPLITS
from eccl.evaluation.predictions import Truth, predicted_disease, predicted_traits, read_predictions, read_truth
from eccl.evaluation.test_split.access import choose_split
from eccl.training.inputs.targets import TRAITS
from eccl.training.runs import load_run, run_name
from eccl.versioning.gate import require_passed_gate
from eccl.workspace import Workspace

Float = NDArray[np.float64]
MEASURES = {"trait": "difference", "disease": "odds ratio", "incident": "hazard ratio"}


@dataclass(frozen=True, slots=True)
class _Predictions:
    """Predictions of the own runs: traits (n, traits), and logits by code; with the runs' ids."""

    traits: Float
    logits: dict[str, Float]
    run_ids: dict[str, str]


@dataclass(frozen=True, slots=True)
class Associations:
    """Result of :func:`associate`.

    Parameters
    ----------
    table
        Rows of the split that was computed; the file also contains those of the other split.
    split, split_note
        Split of the participants, and why it is not test although val was not requested.
    followed_until
        End of follow-up, in words.
    paths
        Files written: the table, then the figures.
    kept, dropped
        Rows of the other split that were kept in the file, and those that were of other runs or data and were dropped.
    """

    table: pl.DataFrame
    split: str
    split_note: str
    followed_until: str
    paths: tuple[Path, ...]
    kept: int
    dropped: int


def associate(workspace: Workspace, split: str | None = None) -> Associations:
    """Fit every regression of a split and write reports/associations.

    The split's rows of an earlier call are replaced. Those of the other split are kept while runs and data are the same; their q
    is computed again.

    Parameters
    ----------
    split
        ``test`` or ``val``; on training visits the models are too good. None takes test where every run has access to it, else
        val.

    Raises
    ------
    ConfigError
        The split is another one.
    SplitError
        ``test`` is requested, and a run has no access to it.
    FeatureError
        A run of align is missing or of other data.
    GateError
        The gate is missing, failed without an override, or belongs to other data.
    LockedError
        Another process writes to the workspace.
    """
    if split is not None and split not in SCORED_SPLITS:
        raise ConfigError(
            f"associations are computed on {' or '.join(SCORED_SPLITS)}, found {split!r}; choose one of them"
        )
    gate = require_passed_gate(workspace)
    params = load_params(workspace.params_file)
    instances = tuple(params.presets[params.preset]["evaluation"]["instances"])
    definition = params.cohort.label_definition
    runs = [run_name("align", task) for task in (TRAITS, *params.cohort.diseases)]
    chosen, split_note = choose_split(workspace, runs, gate.data_version, split)
    truth = read_truth(workspace, chosen, instances, params.cohort.diseases, definition)
    people = choose_participants(workspace, truth, params.cohort.followup_end)
    predictions = _read(workspace, truth, people, instances)
    rows = [
        *_traits(truth, people, predictions),
        *_diseases(truth, people, predictions, definition),
        *_incidents(workspace, truth, people, predictions),
    ]
    shared = {"data_version": gate.data_version, "split": chosen}
    table = to_table([{**row, **shared} for row in rows])
    # Of two calls that merge at the same time, one would lose its rows.
    with writing(workspace.state, f"associations --split {chosen}"):
        file = workspace.reports / "associations" / "associations.parquet"
        both, kept, dropped = merge_splits(file, table, chosen)
        write_parquet(both.to_arrow(), file)
        paths = (file, *_draw(both, file.parent))
    return Associations(table, chosen, split_note, people.followed_until, paths, kept, dropped)


def _draw(both: pl.DataFrame, folder: Path) -> list[Path]:
    """Draw both splits, because q of the other split may have changed with its rows."""
    drawn = [
        path
        for rows in both.partition_by("split", maintain_order=True)
        for path in draw_forest(rows, folder / f"forest_{rows['split'][0]}")
    ]
    for path in set(folder.glob("forest*")) - set(drawn):
        path.unlink()
    return drawn


def _read(workspace: Workspace, truth: Truth, people: Participants, instances: tuple[int, ...]) -> _Predictions:
    rows = read_predictions(workspace, "trait_prediction", run_name("align", TRAITS), truth.split, instances)
    logits = {}
    for code in truth.labels:
        mine = read_predictions(workspace, "disease_prediction", run_name("align", code), truth.split, instances, code)
        logits[code] = predicted_disease(mine, truth)[0][people.positions]
    names = [run_name("align", task) for task in (TRAITS, *truth.labels)]
    run_ids = {name: load_run(workspace, name).run_id for name in names}
    return _Predictions(predicted_traits(rows, truth)[people.positions], logits, run_ids)


def _traits(truth: Truth, people: Participants, predictions: _Predictions) -> Iterator[dict[str, Any]]:
    measured = truth.traits[people.positions]
    for column, name in enumerate(_names(truth)):
        fit = fit_linear(measured[:, column], predictions.traits[:, column], people.covariates)
        yield _row("trait", name, name, run_name("align", TRAITS), predictions, fit)


def _diseases(
    truth: Truth, people: Participants, predictions: _Predictions, definition: str
) -> Iterator[dict[str, Any]]:
    for code, labels in truth.labels.items():
        fit = fit_logistic(labels[people.positions], predictions.logits[code], people.covariates)
        yield {**_row("disease", code, code, run_name("align", code), predictions, fit), "definition": definition}


def _incidents(
    workspace: Workspace, truth: Truth, people: Participants, predictions: _Predictions
) -> Iterator[dict[str, Any]]:
    for code in truth.labels:
        until = follow(workspace, people, code)
        for column, name in enumerate(_names(truth)):
            predictor = predictions.traits[:, column]
            fit = fit_hazard(until.days, until.is_event, predictor, people.covariates)
            is_in = ~np.isnan(np.column_stack([until.days, predictor, *people.covariates.values()])).any(axis=1)
            years = float(until.days[is_in].sum() / DAYS_PER_YEAR)
            row = _row("incident", code, name, run_name("align", TRAITS), predictions, fit)
            note = "; ".join(filter(None, [row["note"], people.followed_until]))
            yield {**row, "person_years": years, "note": note}


def _row(analysis: str, outcome: str, predictor: str, run: str, predictions: _Predictions, fit: Fit) -> dict[str, Any]:
    # Differences stay on the coefficient's scale; logarithms of ratios become ratios.
    values = {"estimate": fit.coefficient, "ci_lower": fit.ci_lower, "ci_upper": fit.ci_upper}
    if analysis != "trait":
        values = {name: None if value is None else float(np.exp(value)) for name, value in values.items()}
    return {
        "analysis": analysis,
        "outcome": outcome,
        "predictor": predictor,
        "run": run,
        "run_id": predictions.run_ids[run],
        "definition": None,
        "n": fit.n,
        "events": fit.events,
        "person_years": None,
        "measure": MEASURES[analysis],
        **values,
        "standard_error": fit.standard_error,
        "statistic": fit.statistic,
        "p": fit.p,
        "q": None,
        "ph_p": fit.ph_p,
        "adjusted_for": ", ".join(fit.adjusted_for),
        "note": fit.note,
    }


def _names(truth: Truth) -> list[str]:
    return [str(short or title) for short, title in truth.fields.select("short_name", "title").iter_rows()]
