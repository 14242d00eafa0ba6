"""How a run does, as sections of its card: scores of everybody and of groups, calibration, every trait."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eccl.cards.evidence import Evidence
from eccl.cards.markdown import DASH, bracket, plain, table
from eccl.cards.performance import Group, Scores
from eccl.evaluation.conventions import SPLITS
from eccl.evaluation.suppression import SMALLEST_GROUP, count_text, hide_small, is_score_told
from eccl.inference.calibration import CONFIDENCE_Z

_METRICS = {"auc": "AUC", "brier": "Brier score", "ece": "expected calibration error", "mean_r": "mean R"}


def tell_performance(evidence: Evidence) -> list[str]:
    """Sections on the scores of one run."""
    parts = [_head(evidence)]
    for target in [one.target for one in evidence.scores["val"]]:
        mine = [one for scores in evidence.scores.values() for one in scores if one.target == target]
        parts += [_metrics(target, mine), _groups(mine)]
    parts += _calibration(evidence)
    if any(one.traits for one in evidence.scores["val"]):
        parts.append(_traits(evidence))
    return parts


def case_count(cases: int, people: int) -> str:
    """A number of cases among people (or visits) for print; hidden where they, or the others, are few."""
    return count_text(cases, hide_small([cases, people - cases])[0])


def _head(evidence: Evidence) -> str:
    has_diseases = any(one.cases is not None for one in evidence.scores["val"])
    labels = f" Labels of diseases are those of the definition `{evidence.definition}`." if has_diseases else ""
    of_diseases = " The people with the disease are such a group, and so are those without it." if has_diseases else ""
    note = f"\n{evidence.test_note}\n" if evidence.test_note else ""
    return (
        "## Performance\n\n"
        f"On visits with an ECG and a cine. In brackets, 95 % of bootstrap resamples of the participants.{labels}\n\n"
        "A participant is in the group of the first visit that is scored, with all scored visits.\n\n"
        f"Groups of fewer than {SMALLEST_GROUP} people are not told of (`<{SMALLEST_GROUP}`), nor is a group that would give such a one "
        f"away (`hidden`); neither are their scores ({DASH}).{of_diseases}\n{note}"
    )


def _metrics(target: str, scores: Sequence[Scores]) -> str:
    title = "Traits" if target == "traits" else target
    head = ["score", *(SPLITS[one.split] for one in scores)]
    rows = [["participants", *(count_text(one.people) for one in scores)]]
    if scores[0].cases is not None:
        rows.append(["with the disease", *(case_count(one.cases or 0, one.people) for one in scores)])
    rows += [[_name(name), *(bracket(one.metrics[name]) for one in scores)] for name in scores[0].metrics]
    return f"### {title}\n\n{table(head, rows)}"


def _groups(scores: Sequence[Scores]) -> str:
    rows: list[list[str]] = []
    for i, group in enumerate(scores[0].groups):
        cells = [cell for one in scores for cell in _group_cells(one.groups[i])]
        rows.append([group.partition, group.name, *cells])
    has_cases = scores[0].cases is not None
    names = ["participants", *(["with the disease"] if has_cases else []), _name(next(iter(scores[0].metrics)))]
    head = ["by", "group", *(f"{SPLITS[one.split]}: {name}" for one in scores for name in names)]
    return table(head, rows)


def _group_cells(group: Group) -> list[str]:
    cases = [] if group.cases is None else [count_text(group.cases, group.are_cases_hidden)]
    return [count_text(group.people, group.is_hidden), *cases, bracket(group.score)]


def _calibration(evidence: Evidence) -> list[str]:
    if not evidence.reference.curves:
        return []
    rows = []
    for code, curve in evidence.reference.curves.items():
        if curve.platt is None or not is_score_told(curve.cases, curve.others):
            is_few = not is_score_told(curve.cases, curve.others)
            why = "too few participants with, or without, the disease" if is_few else "the same output for everybody"
            rows.append([code, why, DASH])
            continue
        spread = CONFIDENCE_Z * np.sqrt(np.diag(curve.platt.covariance))
        values = (curve.platt.intercept, curve.platt.slope)
        rows.append([code, *(f"{v:.2f} ({v - s:.2f} to {v + s:.2f})" for v, s in zip(values, spread, strict=True))])
    text = (
        "## Calibration\n\nThe logistic curve by which `eccl predict` turns a logit into a probability, fitted on validation. An "
        "intercept of 0 and a slope of 1 would leave the model's own probability as it is. Where the interval of the slope reaches 0, "
        "the model does not tell cases from others, and no calibrated probability is given.\n\n"
    )
    return [text + table(["disease", "intercept", "slope"], rows)]


def _traits(evidence: Evidence) -> str:
    by_split = {
        split: one.traits for split, scores in evidence.scores.items() for one in scores if one.target == "traits"
    }
    margins = evidence.reference.margins
    head = ["field", "trait", "unit", *(f"{SPLITS[split]}: {one}" for split in by_split for one in ("R", "mean error"))]
    head += ["90 % interval, ±"] if margins else []
    rows = []
    for field_id, title, unit in evidence.fields.select("field_id", "title", "units").iter_rows():
        cells = [str(field_id), str(title), unit or ""]
        if field_id in by_split["val"]:
            scores = [traits[field_id] for traits in by_split.values() if field_id in traits]
            cells += [cell for r, error in scores for cell in (bracket(r), plain(error))]
            cells += [_margin(evidence, field_id)] if margins else []
        else:
            cells.append("not learned")
        rows.append([*cells, *[""] * (len(head) - len(cells))])
    told = (
        " The interval is that of `eccl predict`: on new visits 90 % of measured values lie in it." if margins else ""
    )
    return (
        "## Traits one by one\n\nR is the correlation of predicted and measured values; mean error is the mean absolute one, in the "
        f"trait's unit.{told}\n\n{table(head, rows)}"
    )


def _margin(evidence: Evidence, field_id: int) -> str:
    """Half-width of a trait's interval: of few people, it would be the error of one of them."""
    found = evidence.reference.margins.get(field_id)
    return plain(found.margin) if found is not None and is_score_told(found.visits) else DASH


def _name(metric: str) -> str:
    return _METRICS.get(metric, metric.replace("_", " "))
