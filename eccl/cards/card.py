"""The values of a model card, which the template card.md.jinja arranges: one Markdown page per run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml

from eccl.cards.evidence import Evidence
from eccl.cards.performance import Estimate
from eccl.data.run_records import gate_status
from eccl.evaluation.conventions import LONG_NAMES, SPLITS
from eccl.evaluation.suppression import SMALLEST_GROUP, count_text, hide_small, is_score_shown
from eccl.study.arms import format_value
from eccl.templates import render

DASH = "–"
_TRAITS = "82 traits of heart and aorta"


@dataclass(frozen=True, slots=True)
class ArmNote:
    """The arm or part that a run was trained as.

    Parameters
    ----------
    description
        See :meth:`eccl.study.arms.Variant.describe`; None if neither the run nor the table contains it.
    is_recorded
        Whether the run itself recorded it; otherwise it is read from the present table.
    """

    description: Mapping[str, Any] | None
    is_recorded: bool


def write_card(
    record: Mapping[str, Any],
    evidence: Evidence | None,
    arm: ArmNote | None,
    scaling: str | None,
    current_version: str,
    simulated: bool,
    tainted_since: str | None,
) -> str:
    """Write the Markdown of one run.

    Parameters
    ----------
    record
        Content of its run.json.
    evidence
        Its scores; None for a run that predicts nothing.
    arm
        The arm of an experiment that it was trained as; None for the workspace's own runs.
    scaling
        How its ECGs are scaled; None if it reads none, or if this is unknown.
    current_version
        Data version of the workspace.
    simulated
        Whether every participant is simulated.
    tainted_since
        Date on which a participant withdrew whose data the model was trained or selected on.
    """
    config = record["params"]["config"]
    counts = record.get("split_counts", {})
    count_names = sorted({name for one in counts.values() for name in one} - {"visits", "known"})
    every = [] if evidence is None else [one for scores in evidence.scores.values() for one in scores]
    diseases = [one for one in every if one.cases is not None]
    return render(
        "cards/card.md.jinja",
        record=record,
        evidence=evidence,
        arm=arm,
        scaling=scaling,
        current_version=current_version,
        simulated=simulated,
        tainted_since=tainted_since,
        init_from=config.get("init_from") or config.get("start_from"),  # the key of earlier records
        target=_target(record["task"]),
        gate_status=gate_status(record["gate"]["status"]),
        penalties=[f"{one:g}" for one in config.get("strengths", ())],
        split_counts=counts,
        count_names=[name for name in ("visits", "known") if any(name in one for one in counts.values())] + count_names,
        split_names=SPLITS,
        smallest=SMALLEST_GROUP,
        targets=[[one for one in every if one.target == first.target] for first in every if first.split == "val"],
        diseases=diseases,
        small=[one for one in diseases if not is_score_shown(one.cases or 0, one.others or 0)],
        traits={one.split: one.traits for one in every if one.target == "traits"},
        params=yaml.safe_dump(dict(record["params"]), default_flow_style=None, width=120),
        **_FUNCTIONS,
    )


def _target(task: str | None) -> str:
    """Name what a task predicts: ``heart failure (ICD-10 I50)``."""
    if task == "traits":
        return _TRAITS
    named = {code: f"{name} ({code})" for code, name in LONG_NAMES.items()}
    if task == "all":
        return f"{_TRAITS}, and {', '.join(named.values())}"
    return f"{LONG_NAMES[task]} (ICD-10 {task})" if task in LONG_NAMES else f"ICD-10 {task}"


def split_count(name: str, counts: Mapping[str, int]) -> str:
    """Print a number of visits; those with a known target, and cases, are hidden if they, or the others, are few."""
    if name == "visits":
        return count_text(counts[name])
    # Visits without a known target are a group, too: under some definitions, the cases from before the visit.
    return case_count(counts[name], counts["visits" if name == "known" else "known"])


def case_count(cases: int, people: int) -> str:
    """Print a number of cases among people (or visits); it is hidden if they, or the others, are few."""
    return count_text(cases, hide_small([cases, people - cases])[0])


def bracket(one: Estimate) -> str:
    """``0.702 (0.650 to 0.751)``; a dash if there is no score."""
    if np.isnan(one.value):
        return DASH
    return f"{one.value:.3f}" + ("" if np.isnan(one.lower) else f" ({one.lower:.3f} to {one.upper:.3f})")


def plain(value: float) -> str:
    """Three significant digits; a dash if there is no number."""
    return DASH if np.isnan(value) else f"{value:.3g}"


_FUNCTIONS = {
    one.__name__: one for one in (format_value, count_text, split_count, case_count, is_score_shown, bracket, plain)
}
