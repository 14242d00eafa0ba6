"""Records of runs as training writes them, and the card of such a run."""

from __future__ import annotations

from typing import Any

from eccl.cards.card import ArmNote, write_card
from eccl.cards.evidence import Evidence

SHA = "0" * 64
CONFIGS: dict[str, dict[str, Any]] = {
    "pretrain_ecg": {"augment": {"scaling": "lead_minmax"}},
    "pretrain_cmr": {"negatives_per_case": 2},
    "pretrain_cmae": {"augment": {"scaling": "lead_minmax"}},
    "align": {"init_from": "pretrain_ecg", "contrastive_weight": 1.0, "negatives_per_case": 2},
    "probe": {"strengths": [0.1, 1.0, 10.0]},
}


def record_of(stage: str, task: str | None, selection: str = "auc", **config: Any) -> dict[str, Any]:
    """Content of run.json of one of the workspace's own runs."""
    run = stage if task is None else f"{stage}-{task}"
    return {
        "run": run, "run_id": f"{run}-0", "stage": stage, "task": task, "variant": None, "seed": None, "preset": "cpu",
        "data_version": "abc", "params": {"config": {**CONFIGS[stage], **config}}, "weights_sha256": SHA,
        "parents": [{"run": "align-traits", "run_id": "align-traits-0"}] if stage == "probe" else [],
        "parameter_count": 1, "gate": {"status": "passed", "sha256": SHA, "override": None}, "device": "cpu",
        "code_version": "1", "best_epoch": 2, "metrics": {"selection": selection, "epochs_run": 3},
        "split_counts": {},
    }  # fmt: skip


def card_of(
    record: dict[str, Any], evidence: Evidence | None = None, scaling: str | None = None, arm: ArmNote | None = None
) -> str:
    """The whole card."""
    return write_card(record, evidence, arm, scaling, "abc", simulated=False, tainted_since=None)


def section(card: str, title: str) -> str:
    """One section of a card, without its title."""
    return card.split(f"## {title}\n\n")[1].split("\n## ")[0]
