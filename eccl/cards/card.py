"""The card itself: one Markdown page per run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from eccl.cards.arm import ArmNote, tell_arm
from eccl.cards.evidence import Evidence
from eccl.cards.limits import RULES, known_limits
from eccl.cards.markdown import bullets, table
from eccl.cards.results import case_count, tell_performance
from eccl.data.gate_result import gate_status
from eccl.evaluation.conventions import LONG_NAMES, SPLITS
from eccl.evaluation.suppression import count_text, hide_small

_TRAITS = "82 traits of heart and aorta"
_STARTS = {
    "pretrain_ecg": "was pre-trained as a masked autoencoder of ECGs",
    "pretrain_cmae": "was pre-trained as a cross-modal autoencoder of ECGs and cines",
    "nothing": "started from random weights",
}


def write_card(
    record: Mapping[str, Any],
    evidence: Evidence | None,
    arm: ArmNote | None,
    scaling: str | None,
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
    arm
        What it was trained as within an experiment; None for the workspace's own runs.
    scaling
        How its ECGs are scaled; None where it reads none, or nobody knows.
    current_version
        Data version of the workspace.
    simulated
        Whether every participant is simulated.
    tainted_since
        Date on which somebody whom the model saw withdrew.
    """
    params = yaml.safe_dump(dict(record["params"]), default_flow_style=None, width=120)
    parts = [
        _head(record, tainted_since),
        _origin(record, current_version),
        tell_arm(record, arm),
        *(tell_performance(evidence) if evidence else ["## Performance\n\nIt predicts neither traits nor diseases.\n"]),
        "## Known limits\n\n" + bullets(known_limits(record, evidence, scaling, simulated)),
        f"## Parameters\n\nAs resolved when it was trained.\n\n```yaml\n{params}```\n",
    ]
    return "\n".join(parts)


def _head(record: Mapping[str, Any], tainted_since: str | None) -> str:
    taint = f"\n**Somebody whom this model saw withdrew on {tainted_since}.**\n" if tainted_since else ""
    return (
        f"# {record['run']}\n\n{_what_it_is(record)}\n\n"
        f"For research on groups of people; it is no medical device and decides nothing about anybody.\n{taint}"
    )


def _what_it_is(record: Mapping[str, Any]) -> str:
    stage, config, target = record["stage"], record["params"]["config"], _target(record["task"])
    if stage == "align":
        teacher = (
            "while it learned to predict, it was aligned with a frozen CMR encoder, which saw the cine of the same visit"
            if config["contrastive_weight"] > 0
            else "no CMR encoder took part"
        )
        start = _STARTS[config.get("init_from") or config["start_from"]]  # the key of earlier records
        return f"Predicts {target} from a resting 12-lead ECG alone. Its encoder {start}; {teacher}."
    if stage == "probe":
        encoder = record["parents"][0]["run"]
        return f"Predicts {target} from a resting 12-lead ECG: a linear model on the frozen embedding of `{encoder}`."
    return {
        "pretrain_ecg": "Masked autoencoder of ECGs; its encoder is where `align` starts from.",
        "pretrain_cmr": f"Predicts {target} from the cine of a cardiac MR. Frozen, it is the teacher of `align`.",
        "pretrain_cmae": "Cross-modal autoencoder of ECGs and cines; its ECG encoder is where an arm of `align` starts from.",
    }.get(stage, str(stage))


def _target(task: str | None) -> str:
    """What a task predicts, in words: ``heart failure (ICD-10 I50)``."""
    if task == "traits":
        return _TRAITS
    named = [f"{name} ({'ICD-10 ' if task == code else ''}{code})" for code, name in LONG_NAMES.items()]
    if task == "all":
        return f"{_TRAITS}, and {', '.join(named)}"
    return next((one for code, one in zip(LONG_NAMES, named, strict=True) if code == task), f"ICD-10 {task}")


def _origin(record: Mapping[str, Any], current_version: str) -> str:
    gate = record["gate"]
    override = f" ({gate['override']})" if gate["override"] else ""
    now = "" if record["data_version"] == current_version else f"; the workspace holds {current_version} now"
    rows = [
        ("run id", f"`{record['run_id']}`"),
        ("weights", f"{record['parameter_count']:,} parameters, SHA-256 `{record['weights_sha256'][:16]}`"),
        ("data version", f"`{record['data_version']}`{now}"),
        ("data gate", f"{gate_status(gate['status'])}{override}, SHA-256 `{gate['sha256'][:16]}`"),
        ("preset", f"`{record['preset']}`"),
        _choice(record),
        ("parents", ", ".join(f"`{parent['run_id']}`" for parent in record["parents"]) or "none"),
        ("device", str(record["device"])),
        ("code", f"version {record['code_version']}"),
    ]
    return f"## Origin\n\n{table(['', ''], rows)}{_split_table(record.get('split_counts', {}))}"


def _choice(record: Mapping[str, Any]) -> tuple[str, str]:
    """What was chosen on the validation split, among how many, and by what: an epoch, or the penalty of a probe."""
    metrics, number = record["metrics"], record["best_epoch"]
    rule = metrics["selection"]
    how = f"by validation's {RULES[rule]}" if rule in RULES else "by nothing: validation had no target to choose by"
    if record["stage"] != "probe":
        return "epoch", f"{number}, chosen among {metrics['epochs_run']} {how}"
    strengths = [f"{one:g}" for one in record["params"]["config"]["strengths"]]
    return "penalty", f"{strengths[number - 1]}, chosen among {', '.join(strengths)} {how}"


def _split_table(split_counts: Mapping[str, Mapping[str, int]]) -> str:
    """Visits of each split; cases are hidden where they, or the others, are few."""
    if not split_counts:
        return ""
    names = [name for name in ("visits", "known") if any(name in one for one in split_counts.values())]
    names += sorted({name for one in split_counts.values() for name in one} - set(names))
    heads = {"known": "with a known target", "cases": "with the disease"}
    head = [heads.get(name, name.replace("cases_", "with ")) for name in names]
    rows = [[SPLITS[split], *(_count(name, counts) for name in names)] for split, counts in split_counts.items()]
    return f"\nVisits it was trained and selected on:\n\n{table(['split', *head], rows)}"


def _count(name: str, counts: Mapping[str, int]) -> str:
    if name == "visits":
        return count_text(counts[name])
    if (
        name == "known"
    ):  # whose target is not known is a group, too: under some definitions, the cases from before the visit
        return count_text(counts[name], hide_small([counts[name], counts["visits"] - counts[name]])[0])
    return case_count(counts[name], counts["known"])
