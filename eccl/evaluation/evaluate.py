"""The evaluate stage: the workspace's own runs on validation and test, as numbers, as a table and as a figure.

Every call is a look at the test split; reports/metrics.json says for which weights.
"""

from __future__ import annotations

import json
from typing import Any

import polars as pl

from eccl.config import Params, load_params
from eccl.data.files import atomic_path, replace_file
from eccl.evaluation.conventions import SCORED_SPLITS
from eccl.evaluation.own_table import build_table, to_markdown
from eccl.evaluation.predictions import read_truth
from eccl.evaluation.scoring import ARMS, mean_r, score_disease, score_traits
from eccl.evaluation.suppression import is_simulated
from eccl.evaluation.test_split.access import scored_runs
from eccl.evaluation.trait_figure import draw_traits
from eccl.features.files import read_features
from eccl.training.inputs.targets import TRAITS
from eccl.training.runs import run_name
from eccl.versioning.gate import require_passed_gate
from eccl.workspace import Workspace


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
    traits = pl.concat([score_traits(workspace, arm, truth, instances) for arm in ARMS for truth in truths])
    diseases = [
        score_disease(workspace, arm, code, truth, instances) for arm in ARMS for truth in truths for code in codes
    ]
    rows = [
        {
            "arm": arm.name,
            "split": split,
            "mean_r": mean_r(mine),
            "mean_r2": mean_r(mine, "r2"),
            "n": int(mine["n"].max() or 0),  # type: ignore[arg-type]
        }
        for arm in ARMS
        for split in SCORED_SPLITS
        for mine in [traits.filter((pl.col("arm") == arm.name) & (pl.col("split") == split))]
    ]
    table = build_table(diseases, rows)
    text = to_markdown(table, definition, is_simulated(workspace))
    with atomic_path(workspace.reports / "evaluation") as folder:
        folder.mkdir()
        table.write_csv(folder / "table1.csv")
        (folder / "table1.md").write_text(text)
        traits.write_csv(folder / "trait_r.csv")
        draw_traits(traits.filter(pl.col("split") == "test"), "test", folder / "trait_r.png")
    runs = scored_runs(workspace, _run_ids(workspace, params))
    scored_on = {
        "data_version": gate.data_version,
        "label_definition": params.cohort.label_definition,
        "instances": list(instances),
    }
    metrics = {**scored_on, "preset": params.preset, "runs": runs, **_nested(table)}
    replace_file(workspace.reports / "metrics.json", (json.dumps(metrics, indent=2) + "\n").encode())
    return text


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
