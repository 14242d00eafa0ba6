"""A workspace that has everything: data with a passed gate, runs with weights, features, a published store."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from eccl.data.files import sha256_file
from eccl.data.parts import data_version
from eccl.publishing.publish import publish
from eccl.workspace import Workspace
from tests.support.runs import finish_every_run
from tests.support.workspaces import copy_data


def make_whole(source: Workspace, folder: Path) -> Workspace:
    """Make it from an ingested cohort."""
    workspace = copy_data(source, folder)
    _write_passed_gate(workspace)
    finish_every_run(workspace)
    for record in sorted(workspace.models.glob("*/run.json")):
        weights = record.with_name("weights.safetensors")
        weights.write_bytes(record.parent.name.encode())
        _note(record, "weights_sha256", sha256_file(weights))
    for record in sorted(workspace.models.glob("*/run.json")):
        parents = json.loads(record.read_text())["parents"]
        for parent in parents:
            parent["weights_sha256"] = sha256_file(workspace.run_folder(parent["run"]) / "weights.safetensors")
        _note(record, "parents", parents)
    publish(workspace)
    return workspace


def copy_whole(source: Workspace, folder: Path) -> Workspace:
    """A copy that a test may break; times are kept, because a store's fingerprint contains them."""
    shutil.copytree(source.root, folder, dirs_exist_ok=True)
    return Workspace(folder)


def _write_passed_gate(workspace: Workspace) -> None:
    # Running the gate takes seconds, and what it finds is tested elsewhere.
    verdict = {"status": "passed", "data_version": data_version(workspace.data), "results_sha256": "0" * 64}
    counts = {"expectations": 9, "critical_failures": 0, "warnings": 0, "override": None}
    workspace.gate.mkdir(parents=True)
    (workspace.gate / "gate.json").write_text(json.dumps(verdict | counts))


def _note(record: Path, name: str, value: object) -> None:
    record.write_text(json.dumps(json.loads(record.read_text()) | {name: value}))
