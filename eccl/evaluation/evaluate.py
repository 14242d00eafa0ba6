"""The evaluate stage: the workspace's own runs on validation and test, as numbers, as a table and as a figure.

Every call is an access to the test split; reports/metrics.json lists the weights that were scored.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from eccl.config import Params, load_params
from eccl.data.files import atomic_path, replace_file
from eccl.evaluation.conventions import NAMES, SCORED_SPLITS
from eccl.evaluation.metrics import score_each, score_logits
from eccl.evaluation.predictions import (
    Truth,
    count_visits,
    none,
    predicted_disease,
    predicted_traits,
    read_predictions,
    read_truth,
)
from eccl.evaluation.suppression import is_score_shown, is_simulated
from eccl.evaluation.test_split.access import scored_runs
from eccl.evaluation.trait_figure import draw_traits
from eccl.features.files import read_features
from eccl.models.scores import mean_defined
from eccl.templates import render
from eccl.training.inputs.targets import TRAITS
from eccl.training.runs import run_name
from eccl.versioning.gate import require_passed_gate
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
"""ECCL reads the ECG alone; CMR_Sup reads the cine and is an upper reference."""


def evaluate(workspace: Workspace) -> str:
    """Score the workspace's own runs and write reports/metrics.json and reports/evaluation.

    Returns
    -------
    str
        Table 1 as Markdown.
    """
    params = load_params(workspace.params_file)
    gate = require_passed_gate(workspace)
    instances = tuple(params.presets[params.preset]["evaluation"]["instances"])
    codes, definition = params.cohort.diseases, params.cohort.label_definition
    truths = [read_truth(workspace, split, instances, codes, definition) for split in SCORED_SPLITS]
    pairs = [(arm, truth) for arm in ARMS for truth in truths]
    by_pair = [score_traits(workspace, arm, truth, instances) for arm, truth in pairs]
    rows = [
        _table_row(workspace, arm, truth, instances, mine) for (arm, truth), mine in zip(pairs, by_pair, strict=True)
    ]
    table, traits = pl.DataFrame(rows, infer_schema_length=None), pl.concat(by_pair)
    text = _to_markdown(rows, codes, definition, is_simulated(workspace))
    with atomic_path(workspace.reports / "evaluation") as folder:
        folder.mkdir()
        table.write_csv(folder / "table1.csv")
        (folder / "table1.md").write_text(text)
        traits.write_csv(folder / "trait_r.csv")
        draw_traits(traits.filter(pl.col("split") == "test"), "test", folder / "trait_r.png")
    runs = scored_runs(workspace, _run_ids(workspace, params))
    scored_on = {"data_version": gate.data_version, "label_definition": definition, "instances": list(instances)}
    metrics = {**scored_on, "preset": params.preset, "runs": runs, **_nested(table)}
    replace_file(workspace.reports / "metrics.json", (json.dumps(metrics, indent=2) + "\n").encode())
    return text


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
) -> dict[str, float | int | None]:
    """Visits and cases of one disease, ROC AUC and the other scores; None where one is not defined."""
    rows = read_predictions(workspace, arm.disease_view, f"{arm.stage}-{code}", truth.split, instances, code)
    scores = score_logits(truth.labels[code], *predicted_disease(rows, truth))
    counts = count_visits(truth, code)
    return {"n": counts["n"], "cases": counts["cases"], **{name: none(value) for name, value in scores.items()}}


def mean_r(traits: pl.DataFrame, column: str = "r") -> float | None:
    """Mean R (or another column) over the traits for which it is defined; None if there is none."""
    value = mean_defined(traits[column].cast(pl.Float64).fill_null(float("nan")).to_numpy())
    return None if np.isnan(value) else value


def _table_row(
    workspace: Workspace, arm: OwnArm, truth: Truth, instances: tuple[int, ...], traits: pl.DataFrame
) -> dict[str, Any]:
    """Scores of an arm on a split, as in the paper's Table 1, with the counts of cases and visits."""
    row: dict[str, Any] = {"arm": arm.name, "split": truth.split}
    for code in truth.labels:
        scores = score_disease(workspace, arm, code, truth, instances)
        row |= {f"{NAMES.get(code, code)}_{name}": value for name, value in scores.items()}
    visits = int(traits["n"].max() or 0)  # type: ignore[arg-type]
    return {**row, "mean_r": mean_r(traits), "mean_r2": mean_r(traits, "r2"), "visits": visits}


def _to_markdown(rows: list[dict[str, Any]], codes: tuple[str, ...], definition: str, are_small_shown: bool) -> str:
    """The table with cases and visits in parentheses; small groups are shown only of simulated participants."""

    def number(value: float | None) -> str:
        return "n/a" if value is None else f"{value:.3f}"

    def auc(row: dict[str, Any], name: str) -> str:
        cases, n = row[f"{name}_cases"], row[f"{name}_n"]
        is_shown = are_small_shown or is_score_shown(cases, n - cases)
        return f"{number(row[f'{name}_auc'])} ({cases}/{n})" if is_shown else "too few"

    diseases = [NAMES.get(code, code) for code in codes]
    return render(
        "evaluation/table1.md.jinja", rows=rows, diseases=diseases, definition=definition, auc=auc, number=number
    )


def _run_ids(workspace: Workspace, params: Params) -> dict[str, set[str]]:
    """Run ids in the rows that are scored, by run."""
    views = [(arm.trait_view, run_name(arm.stage, TRAITS)) for arm in ARMS]
    views += [(arm.disease_view, run_name(arm.stage, code)) for arm in ARMS for code in params.cohort.diseases]
    return {
        run: set(read_features(workspace.features, view, run, ["run_id"]).column("run_id").unique().to_pylist())
        for view, run in views
    }


def _nested(table: pl.DataFrame) -> dict[str, dict[str, dict[str, Any]]]:
    nested: dict[str, dict[str, dict[str, Any]]] = {}
    for row in table.iter_rows(named=True):
        split, arm = row.pop("split"), row.pop("arm")
        nested.setdefault(split, {})[arm] = row
    return nested
