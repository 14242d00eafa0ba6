"""A tiny workspace under git with a small experiment table."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from eccl.study.arms import open_table
from eccl.study.jobs import Job
from eccl.study.train import Outcome, Progress, run_jobs
from eccl.versioning.repository import dvc_lock
from eccl.workspace import Workspace
from tests.support.tiny_workspace import build_workspace

TABLE = """\
reference: eccl
seeds: [42, 43]
pretraining:
  pretrain_ecg:
    mae: {}
  pretrain_cmr:
    swin: {}
arms:
  ssl_only: {title: SSL, group: table, stage: align, parents: {pretrain_ecg: mae}, changes: {contrastive_weight: 0.0}, tasks: [traits]}
  eccl: {title: ECCL, group: table, stage: align, parents: {pretrain_ecg: mae, pretrain_cmr: swin}, changes: {}, tasks: [traits, I50]}
  cmr_sup: {title: CMR, group: table, stage: pretrain_cmr, parents: {pretrain_cmr: swin}, changes: {}, tasks: [I50]}
"""


def versioned_workspace(root: Path, **changes: object) -> Workspace:
    """Data, a passed gate, the table and git; nothing is trained."""
    place = build_workspace(root, **changes)
    place.arms_file.parent.mkdir()
    place.arms_file.write_text(TABLE)
    (root / ".gitignore").write_text("/data\n/models/\n/features/\n/reports/\n/.eccl/\n")
    for command in (
        ["git", "init", "--quiet"],
        ["git", "config", "user.email", "eccl@localhost"],
        ["git", "config", "user.name", "eccl"],
    ):
        subprocess.run(command, cwd=root, check=True, capture_output=True)
    return place


def train(
    place: Workspace,
    jobs: Sequence[Job],
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Outcome:
    """Run jobs as `eccl table1` does."""
    with dvc_lock(place.root, "eccl table1"):
        return run_jobs(place, open_table(place), jobs, "tiny", on_progress)
