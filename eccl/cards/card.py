"""The card itself: one Markdown page per run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import yaml

from eccl.cards.evidence import Evidence
from eccl.cards.limits import SPLITS, known_limits
from eccl.cards.performance import Estimate, Group, Scores
from eccl.evaluation.suppression import SMALLEST_GROUP, count_text, hide_small
from eccl.inference.calibration import CONFIDENCE_Z
from eccl.training.arms import Arm

_STAGES = {
    "pretrain_ecg": "Masked autoencoder of ECGs; its encoder is where `align` starts from.",
    "pretrain_cmr": "Predicts from the cine of a cardiac MR. Frozen, it is the teacher of `align`.",
    "pretrain_cmae": "Cross-modal autoencoder of ECGs and cines; its ECG encoder is where an arm of `align` starts from.",
    "align": "Predicts from a resting 12-lead ECG alone. It was trained beside the cine of the same visit.",
    "probe": "A linear model on the frozen embedding of an ECG encoder.",
}
_TARGETS = {"traits": "82 traits of heart and aorta", "all": "82 traits and the diseases I21, I42, I48, I50"}


def write_card(
    record: Mapping[str, Any],
    evidence: Evidence | None,
    arm: Arm | None,
    changes: Mapping[str, Any],
    current_version: str,
    simulated: bool,
    tainted_since: str | None,
) -> str:
    """Markdown of one run.

    Parameters
    ----------
    record
        Content of its run.json.
    evidence
        Its scores; None for a run that predicts nothing.
    arm, changes
        Arm of the experiment table and what it changes against the preset; None and nothing for the workspace's own runs
        and for parts.
    current_version
        Data version of the workspace.
    simulated
        Whether every participant is simulated.
    tainted_since
        Date on which somebody whom the model saw withdrew.
    """
    parts = [
        _head(record, tainted_since),
        _origin(record, current_version),
        _arm(record, arm, changes),
        *(_performance(evidence) if evidence else ["## Performance\n\nIt predicts neither traits nor diseases.\n"]),
        "## Known limits\n\n" + _list(known_limits(record, evidence, simulated)),
        f"## Parameters\n\nAs resolved when it was trained.\n\n```yaml\n{yaml.safe_dump(dict(record['params']))}```\n",
    ]
    return "\n".join(parts)


def _head(record: Mapping[str, Any], tainted_since: str | None) -> str:
    task = record["task"]
    predicts = f" It predicts {_TARGETS.get(str(task), f'the disease {task} (ICD-10)')}." if task else ""
    taint = f"\n**Somebody whom this model saw withdrew on {tainted_since}.**\n" if tainted_since else ""
    return (
        f"# {record['run']}\n\n{_STAGES.get(record['stage'], record['stage'])}{predicts}\n"
        f"For research on groups of people; it is no medical device and decides nothing about anybody.\n{taint}"
    )


def _origin(record: Mapping[str, Any], current_version: str) -> str:
    gate = record["gate"]
    override = f" ({gate['override']})" if gate["override"] else ""
    now = "" if record["data_version"] == current_version else f"; the workspace holds {current_version} now"
    rows = [
        ("run id", f"`{record['run_id']}`"),
        ("weights", f"`{record['weights_sha256'][:16]}`, {record['parameter_count']:,} parameters"),
        ("data version", f"`{record['data_version']}`{now}"),
        ("gate", f"{gate['status']}{override}, `{gate['sha256'][:16]}`"),
        ("preset", record["preset"]),
        ("best epoch", str(record["best_epoch"])),
        ("parents", ", ".join(f"`{parent['run_id']}`" for parent in record["parents"]) or "none"),
        ("trained on", f"{record['device']}, version {record['code_version']}"),
    ]
    splits = "".join(
        f"| {SPLITS[split]} | {_counts(counts)} |\n" for split, counts in record.get("split_counts", {}).items()
    )
    return (
        "## Origin\n\n| | |\n|---|---|\n"
        + "".join(f"| {name} | {value} |\n" for name, value in rows)
        + (f"\n| split | visits it was trained and selected on |\n|---|---|\n{splits}" if splits else "")
    )


def _counts(counts: Mapping[str, int]) -> str:
    """Counts of one split in run.json; cases are hidden where they, or the others, are few."""
    told = [
        f"{name.replace('_', ' ')} {_case_count(count, counts['known']) if name.startswith('cases') else count_text(count)}"
        for name, count in counts.items()
    ]
    return "; ".join(told)


def _case_count(cases: int, people: int) -> str:
    return count_text(cases, hide_small([cases, people - cases])[0])


def _arm(record: Mapping[str, Any], arm: Arm | None, changes: Mapping[str, Any]) -> str:
    if record.get("variant") is None:
        return "## Arm\n\nThe workspace's own run: the preset as it is.\n"
    title = f"{arm.title} (group {arm.group})" if arm else "a part that arms share"
    lines = [f"`{key}`: `{value}`" for key, value in changes.items()]
    told = _list(lines) if lines else "Nothing but the seed.\n"
    return f"## Arm\n\n`{record['variant']}`, seed {record['seed']}: {title}. What it changes against the preset:\n\n{told}"


def _performance(evidence: Evidence) -> list[str]:
    head = (
        "## Performance\n\nOn visits with an ECG and a cine. In brackets, 95 % of bootstrap resamples of the participants. "
        f"Labels by the definition `{evidence.definition}`.\n{evidence.test_note and f'{chr(10)}{evidence.test_note}{chr(10)}'}"
    )
    parts = [head]
    for target in [one.target for one in evidence.scores["val"]]:
        mine = [one for scores in evidence.scores.values() for one in scores if one.target == target]
        parts.append(_metrics(target, mine))
        parts.append(_groups(mine))
    parts += _calibration(evidence)
    if any(one.traits for one in evidence.scores["val"]):
        parts.append(_traits(evidence))
    return parts


def _metrics(target: str, scores: Sequence[Scores]) -> str:
    title = "Traits" if target == "traits" else target
    head = ["score", *(SPLITS[one.split] for one in scores)]
    rows = [["participants", *(count_text(one.people) for one in scores)]]
    if scores[0].cases is not None:
        rows.append(["with the disease", *(_case_count(one.cases or 0, one.people) for one in scores)])
    rows += [[name.replace("_", " "), *(_bracket(one.metrics[name]) for one in scores)] for name in scores[0].metrics]
    return f"### {title}\n\n{_table(head, rows)}"


def _groups(scores: Sequence[Scores]) -> str:
    rows: list[list[str]] = []
    for i, group in enumerate(scores[0].groups):
        cells = [cell for one in scores for cell in _group_cells(one.groups[i])]
        rows.append([group.partition, group.name, *cells])
    has_cases = scores[0].cases is not None
    names = ["people", *(["with the disease"] if has_cases else []), next(iter(scores[0].metrics)).replace("_", " ")]
    head = ["subgroup", "", *(f"{SPLITS[one.split]}: {name}" for one in scores for name in names)]
    return (
        f"{_table(head, rows)}\nGroups of fewer than {SMALLEST_GROUP} people, with or without the disease, are not told of; nor is a "
        "group that would give such a one away.\n"
    )


def _group_cells(group: Group) -> list[str]:
    cases = [] if group.cases is None else [count_text(group.cases, group.are_cases_hidden)]
    return [count_text(group.people, group.is_hidden), *cases, _bracket(group.score)]


def _calibration(evidence: Evidence) -> list[str]:
    if not evidence.reference.curves:
        return []
    rows = []
    for code, curve in evidence.reference.curves.items():
        if curve.platt is None or min(curve.cases, curve.others) < SMALLEST_GROUP:
            rows.append([code, "too few visits with or without the disease", ""])
            continue
        spread = CONFIDENCE_Z * np.sqrt(np.diag(curve.platt.covariance))
        values = (curve.platt.intercept, curve.platt.slope)
        rows.append([code, *(f"{v:.2f} ({v - s:.2f} to {v + s:.2f})" for v, s in zip(values, spread, strict=True))])
    text = (
        "## Calibration\n\nThe logistic curve by which `eccl predict` turns a logit into a probability, fitted on validation. An "
        "intercept of 0 and a slope of 1 would leave the network's own probability as it is.\n\n"
    )
    return [text + _table(["disease", "intercept", "slope"], rows)]


def _traits(evidence: Evidence) -> str:
    names = dict(zip(evidence.fields["field_id"].to_list(), evidence.fields["short_name"].to_list(), strict=True))
    by_split = {
        split: one.traits for split, scores in evidence.scores.items() for one in scores if one.target == "traits"
    }
    margins = evidence.reference.margins
    rows = []
    for field_id, name in names.items():
        if field_id not in by_split["val"]:
            rows.append(
                [str(field_id), str(name), *["not learned"] * 1, *[""] * (2 * len(by_split) - 1 + bool(margins))]
            )
            continue
        cells = [
            cell
            for traits in by_split.values()
            for cell in (_bracket(traits[field_id][0]), _plain(traits[field_id][1]))
            if field_id in traits
        ]
        margin = [_plain(margins[field_id].margin) if field_id in margins else ""] if margins else []
        rows.append([str(field_id), str(name), *cells, *margin])
    head = ["field", "trait", *(f"{SPLITS[split]}: {what}" for split in by_split for what in ("R", "mean error"))]
    head += ["90 % interval, ±"] if margins else []
    return f"## Traits one by one\n\nErrors in the trait's unit.\n\n{_table(head, rows)}"


def _bracket(one: Estimate) -> str:
    if np.isnan(one.value):
        return "–"
    return f"{one.value:.3f}" + ("" if np.isnan(one.lower) else f" ({one.lower:.3f} to {one.upper:.3f})")


def _plain(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3g}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _list(lines: Iterable[str]) -> str:
    return "".join(f"- {line}\n" for line in lines)
