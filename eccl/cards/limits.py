"""What a reader of a card has to know before believing it; each sentence follows from the run's own record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eccl.cards.evidence import Evidence
from eccl.evaluation.suppression import SMALLEST_GROUP

SPLITS = {"train": "train", "val": "validation", "test": "test"}
_DEFINITIONS = {
    "ever": "A label is set whenever the diagnosis was made, before or after the visit: what is predicted is partly the future.",
    "prevalent": "A label is set where the diagnosis was made before the visit.",
    "incident": "A label is set where the diagnosis was made within the horizon after the visit.",
}


def known_limits(record: Mapping[str, Any], evidence: Evidence | None, simulated: bool) -> list[str]:
    """Sentences for the card, most general first.

    Parameters
    ----------
    record
        Content of run.json.
    simulated
        Whether every participant is simulated.
    """
    config, task = record["params"].get("config", {}), record["task"]
    found = [_who(simulated), _how(record["stage"])]
    found += ["Validation chose the epoch, so its scores are a little too high; those of the test split are not."]
    if config.get("augment", {}).get("scaling") == "lead_minmax":
        found.append("Every lead is scaled to its own range: the network does not see amplitudes.")
    if task in {"traits", "all"}:
        found.append("Traits are measured by software from the cine (fields 24100 to 24181), not by readers.")
    if evidence is not None and task not in {None, "traits"}:
        found.append(_DEFINITIONS[evidence.definition])
        found.append("A hospital diagnosis is late and incomplete: people without it may have the disease.")
        found.append(
            "The network's own probabilities follow the shares of cases it was trained on; use calibrated ones."
        )
    found += _from_evidence(evidence)
    if record["gate"]["status"] != "green":
        found.append(f"The gate was overridden: {record['gate']['override']}.")
    return found


def _who(simulated: bool) -> str:
    if simulated:
        return "**Every participant is simulated.** The scores say that the code works; they say nothing about people."
    return (
        "UK Biobank's participants are volunteers, healthier than the population, mostly White, and 45 to 85 years old when they "
        "were imaged; nothing is known of others."
    )


def _how(stage: str) -> str:
    if stage == "pretrain_cmr":
        return "Cines are UK Biobank's short-axis cines of field 20209; scanners and protocols elsewhere differ."
    return (
        "ECGs are 10 s at rest, 500 Hz, of one maker's device (field 20205); other devices and filters were not seen."
    )


def _from_evidence(evidence: Evidence | None) -> list[str]:
    if evidence is None:
        return []
    found = []
    small = [
        f"{one.target} on {SPLITS[one.split]}"
        for scores in evidence.scores.values()
        for one in scores
        if one.cases is not None and min(one.cases, one.others or 0) < SMALLEST_GROUP
    ]
    if small:
        found.append(
            f"Fewer than {SMALLEST_GROUP} people with, or without, the disease: {', '.join(small)}. Such scores mean next to nothing and "
            "are not told."
        )
    if evidence.test_note:
        found.append(evidence.test_note)
    return found
