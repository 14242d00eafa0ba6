"""What a reader of a card has to know before believing it; each sentence follows from the run's own record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eccl.cards.evidence import READS_CINE, Evidence
from eccl.evaluation.conventions import SPLITS
from eccl.evaluation.suppression import SMALLEST_GROUP, is_score_told

RULES = {"mean_r": "mean R", "auc": "AUC", "mean_r_auc": "mean of mean R and mean AUC", "loss": "loss"}
"""What chose the epoch, or a probe's penalty, on validation; where none of these did, nothing was known there."""
_DEFINITIONS = {
    "ever": "A label is set whenever the diagnosis was made, before or after the visit: what is predicted is partly the future.",
    "prevalent": "A label is set where the diagnosis was made on the day of the visit or before.",
    "incident": "A label is set where the diagnosis was made within the horizon after the visit.",
}
_ECG = "ECGs are 10 s at rest, 500 Hz, of one maker's device (field 20205); other devices and filters were not seen."
_CINE = "Cines are UK Biobank's short-axis cines of field 20209; scanners and protocols elsewhere differ."
_INPUTS = {READS_CINE: [_CINE], "pretrain_cmae": [_ECG, _CINE]}
"""By stage; every other one reads ECGs alone."""


def known_limits(
    record: Mapping[str, Any], evidence: Evidence | None, scaling: str | None, simulated: bool
) -> list[str]:
    """Sentences for the card, most general first.

    Parameters
    ----------
    record
        Content of run.json.
    scaling
        How its ECGs are scaled; of a probe, those of its encoder. None where it reads none, or nobody knows.
    simulated
        Whether every participant is simulated.
    """
    task = record["task"]
    found = [_who(simulated), *_INPUTS.get(record["stage"], [_ECG]), _chosen(record, evidence)]
    if scaling == "lead_minmax":
        found.append("Every lead is scaled to its own range: the network does not see amplitudes.")
    if record["stage"] == "probe":
        encoder = record["parents"][0]["run"]
        found.append(
            f"It is linear: it finds what the embedding of `{encoder}` holds in linear form, and nothing that this encoder left out."
        )
    if task in {"traits", "all"}:
        found.append("Traits are measured by software from the cine (fields 24100 to 24181), not by readers.")
    if evidence is not None and task not in {None, "traits"}:
        found += _of_diseases(record, evidence)
    found += _from_evidence(evidence)
    if record["gate"]["override"]:
        found.append(f"The gate was overridden: {record['gate']['override']}.")
    return found


def _who(simulated: bool) -> str:
    if simulated:
        return "**Every participant is simulated.** The scores say that the code works; they say nothing about people."
    return (
        "UK Biobank's participants are volunteers, healthier than the population, mostly White, and 45 to 85 years old when they "
        "were imaged; nothing is known of others."
    )


def _chosen(record: Mapping[str, Any], evidence: Evidence | None) -> str:
    """What the validation split chose, and which scores are too good for that reason."""
    is_probe = record["stage"] == "probe"
    if record["metrics"]["selection"] not in RULES:
        kept = "the strongest penalty was taken" if is_probe else "the last epoch was kept"
        return f"Validation had no target to choose by: {kept}, whether or not it is a good one."
    chosen = "the penalty, and before that the encoder's epoch" if is_probe else "the epoch"
    if evidence is None:
        return f"Validation chose {chosen}, so its recordings are not new to the model."
    test = "those of the test split are not" if "test" in evidence.scores else "no others are told here"
    return f"Validation chose {chosen}, so its scores are a little too high; {test}."


def _of_diseases(record: Mapping[str, Any], evidence: Evidence) -> list[str]:
    # Groups with a fixed share of cases are made for one disease at a time, and a probe is fitted on all visits at once.
    ratio = record["params"]["config"].get("negatives_per_case") if record["task"] != "all" else None
    shares = (
        "The model's own probabilities follow the share of cases in the train split, not that of another population"
        if ratio is None
        else f"Training shows at most {ratio} visits without the disease for each with it, so the model's own probabilities are too "
        "high wherever the disease is rarer"
    )
    calibrated = (
        "nothing calibrates them"
        if record["stage"] == READS_CINE
        else "`eccl predict` calibrates them where validation has cases enough"
    )
    return [
        _DEFINITIONS[evidence.definition],
        "A hospital diagnosis is late and incomplete: people without it may have the disease.",
        f"{shares}; {calibrated}.",
    ]


def _from_evidence(evidence: Evidence | None) -> list[str]:
    if evidence is None:
        return []
    small = [
        f"{one.target} on {SPLITS[one.split]}"
        for scores in evidence.scores.values()
        for one in scores
        if one.cases is not None and one.others is not None and not is_score_told(one.cases, one.others)
    ]
    if not small:
        return []
    return [
        f"Fewer than {SMALLEST_GROUP} people with, or without, the disease: {', '.join(small)}. Such scores mean next to nothing and "
        "are not told."
    ]
