"""The table of the workspace's own runs: one row per arm and split, the counts beside the scores."""

from __future__ import annotations

import io
from typing import Any

import polars as pl

from eccl.evaluation.conventions import NAMES
from eccl.evaluation.suppression import is_score_shown


def build_table(diseases: list[dict[str, Any]], mean_rs: list[dict[str, Any]]) -> pl.DataFrame:
    """Arrange scores as the paper's Table 1.

    Parameters
    ----------
    diseases
        Rows of :func:`eccl.evaluation.scoring.score_disease`.
    mean_rs
        Rows with arm, split, n (visits), mean_r and mean_r2.

    Returns
    -------
    polars.DataFrame
        arm, split, per disease its scores, cases and n, then the traits' means and the visits behind them.
    """
    rows = []
    for entry in mean_rs:
        row: dict[str, Any] = {"arm": entry["arm"], "split": entry["split"]}
        mine = [d for d in diseases if (d["arm"], d["split"]) == (entry["arm"], entry["split"])]
        for disease in mine:
            name = NAMES.get(disease["code"], disease["code"])
            scores = {key: value for key, value in disease.items() if key not in {"arm", "split", "code"}}
            row |= {f"{name}_{key}": value for key, value in scores.items()}
        rows.append({**row, "mean_r": entry["mean_r"], "mean_r2": entry["mean_r2"], "visits": entry["n"]})
    return pl.DataFrame(rows, infer_schema_length=None)


def to_markdown(table: pl.DataFrame, definition: str, are_small_shown: bool) -> str:
    """Draw the table for a reader: scores with cases and visits in parentheses.

    Parameters
    ----------
    are_small_shown
        Whether scores and counts below ten may be printed: nobody but simulated participants is behind them.
    """
    diseases = [name.removesuffix("_auc") for name in table.columns if name.endswith("_auc")]
    header = ["arm", "split", *(f"{name} AUC (cases/n)" for name in diseases), "mean R (visits)"]
    stream = io.StringIO()
    stream.write("| " + " | ".join(header) + " |\n|" + "---|" * len(header) + "\n")
    for row in table.iter_rows(named=True):
        counts = {d: (row[f"{d}_cases"], row[f"{d}_n"]) for d in diseases}
        is_told = {d: are_small_shown or is_score_shown(cases, n - cases) for d, (cases, n) in counts.items()}
        cells = [
            f"{_number(row[f'{d}_auc'])} ({cases}/{n})" if is_told[d] else "too few" for d, (cases, n) in counts.items()
        ]
        stream.write(
            "| "
            + " | ".join([row["arm"], row["split"], *cells, f"{_number(row['mean_r'])} ({row['visits']})"])
            + " |\n"
        )
    stream.write(f"\nLabels by the definition `{definition}`. ECCL reads the ECG alone, CMR_Sup the cine.\n")
    return stream.getvalue()


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"
