"""The values of a model card, which the template card.md.jinja arranges: one Markdown page per run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml

from eccl.cards.evidence import Evidence
from eccl.cards.performance import Estimate, Scores
from eccl.data.run_records import gate_status
from eccl.evaluation.conventions import LONG_NAMES, SPLITS
from eccl.evaluation.suppression import SMALLEST_GROUP, count_text, hide_small, is_score_shown
from eccl.inference.calibration import CONFIDENCE_Z
from eccl.study.arms import format_value
from eccl.templates import render

DASH = "–"
RULES = {"mean_r": "mean R", "auc": "AUC", "mean_r_auc": "mean of mean R and mean AUC", "loss": "loss"}
"""Validation score that chose the epoch, or a probe's penalty; no other value of ``selection`` chose anything."""
_METRICS = {"auc": "AUC", "brier": "Brier score", "ece": "expected calibration error", "mean_r": "mean R"}
_TRAITS = "82 traits of heart and aorta"

Rows = list[list[str]]


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


@dataclass(frozen=True, slots=True)
class Target:
    """Tables of one predicted target: its scores, and its main score by group."""

    title: str
    head: list[str]
    rows: Rows
    group_head: list[str]
    group_rows: Rows


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
    split_head, split_rows = _split_table(record.get("split_counts", {}))
    return render(
        "cards/card.md.jinja",
        record=record,
        evidence=evidence,
        arm=arm,
        arm_changes=_changes(arm),
        scaling=scaling,
        current_version=current_version,
        simulated=simulated,
        tainted_since=tainted_since,
        init_from=config.get("init_from") or config.get("start_from"),  # the key of earlier records
        target=_target(record["task"]),
        gate_status=gate_status(record["gate"]["status"]),
        rules=RULES,
        penalties=[f"{one:g}" for one in config.get("strengths", ())],
        split_head=split_head,
        split_rows=split_rows,
        smallest=SMALLEST_GROUP,
        params=yaml.safe_dump(dict(record["params"]), default_flow_style=None, width=120),
        **_scores(evidence),
    )


def _changes(arm: ArmNote | None) -> list[str]:
    """List the changed parameters of an arm as Markdown, for example ``- `align.alignment.loss`: `triplet` ``."""
    if arm is None or arm.description is None:
        return []
    return [f"`{key}`: {_value(value)}" for key, value in arm.description["changes"].items()]


def _value(value: Any) -> str:
    is_elsewhere = isinstance(value, Mapping) and set(value) == {"use"}
    return f"`{format_value(value)}`{' of the preset' if is_elsewhere else ''}"


def _target(task: str | None) -> str:
    """Name what a task predicts: ``heart failure (ICD-10 I50)``."""
    if task == "traits":
        return _TRAITS
    named = {code: f"{name} ({code})" for code, name in LONG_NAMES.items()}
    if task == "all":
        return f"{_TRAITS}, and {', '.join(named.values())}"
    return f"{LONG_NAMES[task]} (ICD-10 {task})" if task in LONG_NAMES else f"ICD-10 {task}"


def _split_table(split_counts: Mapping[str, Mapping[str, int]]) -> tuple[list[str], Rows]:
    """Visits of each split; cases are hidden where they, or the others, are few."""
    names = [name for name in ("visits", "known") if any(name in one for one in split_counts.values())]
    names += sorted({name for one in split_counts.values() for name in one} - set(names))
    heads = {"known": "with a known target", "cases": "with the disease"}
    head = ["split", *(heads.get(name, name.replace("cases_", "with ")) for name in names)]
    return head, [[SPLITS[split], *(_count(name, one) for name in names)] for split, one in split_counts.items()]


def _count(name: str, counts: Mapping[str, int]) -> str:
    if name == "visits":
        return count_text(counts[name])
    # Visits without a known target are a group, too: under some definitions, the cases from before the visit.
    return case_count(counts[name], counts["visits" if name == "known" else "known"])


def case_count(cases: int, people: int) -> str:
    """Print a number of cases among people (or visits); it is hidden if they, or the others, are few."""
    return count_text(cases, hide_small([cases, people - cases])[0])


def _scores(evidence: Evidence | None) -> dict[str, Any]:
    """Values of the sections on scores."""
    if evidence is None:
        return dict.fromkeys(("targets", "calibration", "traits", "trait_head", "small", "diseases"), ())
    every = [one for scores in evidence.scores.values() for one in scores]
    targets = [[one for one in every if one.target == first.target] for first in evidence.scores["val"]]
    by_split = {one.split: one.traits for one in every if one.target == "traits"}
    has_margins = bool(evidence.reference.margins)
    trait_head = ["field", "trait", "unit"]
    trait_head += [f"{SPLITS[split]}: {name}" for split in by_split for name in ("R", "mean error")]
    trait_head += ["90 % interval, ±"] if has_margins else []
    return {
        "targets": [_target_tables(scores) for scores in targets],
        "calibration": list(_calibration(evidence)),
        "traits": list(_trait_rows(evidence, by_split, len(trait_head))) if by_split else [],
        "trait_head": trait_head,
        "small": [f"{one.target} on {SPLITS[one.split]}" for one in every if _is_small(one)],
        "diseases": [one.target for one in every if one.cases is not None],
    }


def _is_small(one: Scores) -> bool:
    return one.cases is not None and one.others is not None and not is_score_shown(one.cases, one.others)


def _target_tables(scores: Sequence[Scores]) -> Target:
    first = scores[0]
    has_cases = first.cases is not None
    splits = [SPLITS[one.split] for one in scores]
    rows = [["participants", *(count_text(one.people) for one in scores)]]
    if has_cases:
        rows.append(["with the disease", *(case_count(one.cases or 0, one.people) for one in scores)])
    rows += [[_name(name), *(bracket(one.metrics[name]) for one in scores)] for name in first.metrics]
    names = ["participants", *(["with the disease"] if has_cases else []), _name(next(iter(first.metrics)))]
    group_rows = [
        [group.partition, group.name, *(cell for one in scores for cell in _group_cells(one, i))]
        for i, group in enumerate(first.groups)
    ]
    title = "Traits" if first.target == "traits" else first.target
    group_head = ["by", "group", *(f"{split}: {name}" for split in splits for name in names)]
    return Target(title, ["score", *splits], rows, group_head, group_rows)


def _group_cells(scores: Scores, i: int) -> list[str]:
    group = scores.groups[i]
    cases = [] if group.cases is None else [count_text(group.cases, group.are_cases_hidden)]
    return [count_text(group.people, group.is_hidden), *cases, bracket(group.score)]


def _calibration(evidence: Evidence) -> Iterator[list[str]]:
    for code, curve in evidence.reference.curves.items():
        if not is_score_shown(curve.cases, curve.others):
            yield [code, "too few participants with, or without, the disease", DASH]
        elif curve.platt is None:
            yield [code, "the same output for every visit", DASH]
        else:
            spread = CONFIDENCE_Z * np.sqrt(np.diag(curve.platt.covariance))
            values = (curve.platt.intercept, curve.platt.slope)
            yield [code, *(f"{v:.2f} ({v - s:.2f} to {v + s:.2f})" for v, s in zip(values, spread, strict=True))]


def _trait_rows(
    evidence: Evidence, by_split: Mapping[str, Mapping[int, tuple[Estimate, float]]], width: int
) -> Iterator[list[str]]:
    for field_id, title, unit in evidence.fields.select("field_id", "title", "units").iter_rows():
        cells = [str(field_id), str(title), unit or ""]
        if field_id in by_split["val"]:
            scores = [traits[field_id] for traits in by_split.values() if field_id in traits]
            cells += [cell for r, error in scores for cell in (bracket(r), plain(error))]
            cells += [_margin(evidence, field_id)] if evidence.reference.margins else []
        else:
            cells.append("not learned")
        yield [*cells, *[""] * (width - len(cells))]


def _margin(evidence: Evidence, field_id: int) -> str:
    """Half-width of a trait's interval; from few people, it would be the error of one of them."""
    found = evidence.reference.margins.get(field_id)
    return plain(found.margin) if found is not None and is_score_shown(found.visits) else DASH


def _name(metric: str) -> str:
    return _METRICS.get(metric, metric.replace("_", " "))


def bracket(one: Estimate) -> str:
    """``0.702 (0.650 to 0.751)``; a dash if there is no score."""
    if np.isnan(one.value):
        return DASH
    return f"{one.value:.3f}" + ("" if np.isnan(one.lower) else f" ({one.lower:.3f} to {one.upper:.3f})")


def plain(value: float) -> str:
    """Three significant digits; a dash if there is no number."""
    return DASH if np.isnan(value) else f"{value:.3g}"
