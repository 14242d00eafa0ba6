"""A tiny workspace in which an ECG, a cine, the traits and the labels of a visit share one hidden number."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import yaml
from pydantic import BaseModel

from eccl.data.arrays import prepare_array, write_shard
from eccl.data.layouts import cine_specs, ecg_specs
from eccl.data.parts import data_version, part_path, write_parquet
from eccl.training.__main__ import main
from eccl.workspace import Workspace
from eccl.yaml_text import parse_yaml
from tests.support.cache import shared_folder
from tests.support.workspaces import copy_all

FIRST_EID = 9_000_101
FIELDS = tuple(range(24100, 24106))
CODES = ("I21", "I42", "I48", "I50")
Config = TypeVar("Config", bound=BaseModel)
Copy = Callable[[Workspace], Workspace]
SHARD = 16
TINY = Path(__file__).with_name("tiny.yaml")
WINDOW = 112


def tiny_params(**changes: Any) -> dict[str, Any]:
    """tiny.yaml as params.yaml's content; `changes` are ``section.key=value`` within its preset."""
    content: dict[str, Any] = parse_yaml(TINY.read_text())
    _set(content["presets"]["tiny"], changes)
    return content


def _set(preset: dict[str, Any], changes: dict[str, Any]) -> None:
    for path, value in changes.items():
        place = preset
        *sections, last = path.split(".")
        for section in sections:
            place = place[section]
        place[last] = value


def build_workspace(root: Path, participants: int = 24, seed: int = 5, **changes: Any) -> Workspace:
    """Write a workspace: every third participant has a second visit, some visits lack one modality or some traits."""
    root.mkdir(parents=True, exist_ok=True)
    workspace = Workspace(root)
    workspace.params_file.write_text(yaml.safe_dump(tiny_params(**changes)))
    rng = np.random.default_rng(seed)
    eids = [FIRST_EID + i for i in range(participants)]
    keys = [(eid, 2) for eid in eids] + [(eid, 3) for eid in eids[::3]]
    hidden = {key: float(rng.normal()) for key in keys}
    with_ecg, with_cine = keys[:-1], keys[1:]
    split = {eid: ("train", "val", "train", "test")[i % 4] for i, eid in enumerate(eids)}
    _write_table(workspace, "splits", [{"eid": eid, "split": split[eid], "bucket": 0.5} for eid in eids])
    _write_recordings(workspace, with_ecg, hidden, rng)
    _write_cines(workspace, with_cine, hidden, rng)
    both = [key for key in with_ecg if key in set(with_cine)]
    _write_table(
        workspace,
        "pairs",
        [
            {
                "eid": key[0], "instance": key[1], "split": split[key[0]], "recording_row": with_ecg.index(key),
                "cine_row": with_cine.index(key), "trait_count": len(FIELDS),
            }
            for key in both
        ],
    )  # fmt: skip
    _write_targets(workspace, keys, hidden, rng)
    write_gate(workspace)
    return workspace


def untrained_workspace() -> Workspace:
    """The shared tiny workspace before any training; do not write into it."""
    return Workspace(shared_folder("untrained", lambda folder: build_workspace(folder)))


def trained_workspace() -> Workspace:
    """The shared tiny workspace with runs of all three stages for the traits and for I50; do not write into it."""
    source = untrained_workspace()

    def build(folder: Path) -> None:
        workspace = copy_all(source, folder)
        assert train(workspace, "pretrain_ecg") == 0
        for task in ("traits", "I50"):
            for stage in ("pretrain_cmr", "align"):
                assert train(workspace, stage, "--task", task) == 0, (stage, task)

    return Workspace(shared_folder("trained", build))


def train(workspace: Workspace, *arguments: str) -> int:
    """Run one stage in this process, e.g. ``train(workspace, "align", "--task", "I50")``; returns the exit status."""
    return main([*arguments, "--workspace", str(workspace.root)])


def change_params(workspace: Workspace, **changes: Any) -> None:
    """Set values of the preset in use, each as ``section.key=value``."""
    content = parse_yaml(workspace.params_file.read_text())
    _set(content["presets"][content["preset"]], changes)
    workspace.params_file.write_text(yaml.safe_dump(content))


def changed(config: Config, **values: Any) -> Config:
    """Copy a frozen configuration with other values."""
    return config.model_copy(update=values)


def write_gate(workspace: Workspace, status: str = "passed", override: str | None = None) -> None:
    """Write the gate's result for the data as it is now."""
    workspace.gate.mkdir(parents=True, exist_ok=True)
    content = {
        "status": status, "override": override, "critical_failures": 0 if status == "passed" else 1,
        "data_version": data_version(workspace.data), "results_sha256": "0" * 64,
    }  # fmt: skip
    (workspace.gate / "gate.json").write_text(json.dumps(content))


def _write_table(workspace: Workspace, table: str, rows: list[dict[str, Any]]) -> None:
    write_parquet(pa.Table.from_pylist(rows), workspace.tables / f"{table}.parquet")


def _write_recordings(
    workspace: Workspace, keys: list[tuple[int, int]], hidden: dict[Any, float], rng: np.random.Generator
) -> None:
    raw, clean = ecg_specs(SHARD)
    beat = np.sin(np.arange(5000) / 40)
    records = {}
    for row, key in enumerate(keys):
        noise = rng.normal(0, 60, (12, 5000))
        records[row] = (noise + 300 * beat + 400 * hidden[key] * (beat > 0.9)).astype(np.int16)
    for spec in (raw, clean):
        prepare_array(workspace.data, spec, -(-len(keys) // SHARD))
        for shard in range(-(-len(keys) // SHARD)):
            some = {row: record for row, record in records.items() if row // SHARD == shard}
            write_shard(workspace.data, spec, shard, some)
    for shard in range(-(-len(keys) // SHARD)):
        rows = [
            {"eid": eid, "instance": instance, "row": row}
            for row, (eid, instance) in enumerate(keys)
            if row // SHARD == shard
        ]
        write_parquet(pa.Table.from_pylist(rows), part_path(workspace.data, "recordings", shard))


def _write_cines(
    workspace: Workspace, keys: list[tuple[int, int]], hidden: dict[Any, float], rng: np.random.Generator
) -> None:
    (spec,) = cine_specs(SHARD, 50, WINDOW, {})
    prepare_array(workspace.data, spec, -(-len(keys) // SHARD))
    y, x = np.mgrid[:WINDOW, :WINDOW]
    for shard in range(-(-len(keys) // SHARD)):
        records, rows = {}, []
        for row, key in enumerate(keys):
            if row // SHARD != shard:
                continue
            radius = 18 + 3 * hidden[key]
            disc = np.hypot(y - 56, x - 50) < radius
            records[row] = (40 * rng.random((50, WINDOW, WINDOW)) + 180 * disc).astype(np.uint8)
            rows.append(
                {
                    "eid": key[0], "instance": key[1], "row": row, "box_top": 28, "box_left": 22, "box_bottom": 84,
                    "box_right": 78, "spacing_row_mm": 1.83, "spacing_column_mm": 1.83,
                }
            )  # fmt: skip
        write_shard(workspace.data, spec, shard, records)
        write_parquet(pa.Table.from_pylist(rows), part_path(workspace.data, "cines", shard))


def _write_targets(
    workspace: Workspace, keys: list[tuple[int, int]], hidden: dict[Any, float], rng: np.random.Generator
) -> None:
    names = [
        {"field_id": field, "title": f"trait {i}", "units": "mL", "trait_index": i} for i, field in enumerate(FIELDS)
    ]
    _write_table(workspace, "fields", [*names, {"field_id": 31, "title": "Sex", "units": None, "trait_index": None}])
    traits, labels = [], []
    for number, key in enumerate(keys):
        for i, field in enumerate(FIELDS):
            if (number + i) % 7:  # some are missing
                value = 100 + 10 * (i + 1) * hidden[key] + float(rng.normal())
                traits.append({"eid": key[0], "instance": key[1], "field_id": field, "value": value})
        for i, code in enumerate(CODES):
            value = None if number % 11 == 10 else hidden[key] > 0.3 * i
            labels.append(
                {
                    "eid": key[0], "instance": key[1], "code": code, "definition": "ever", "value": value,
                }
            )  # fmt: skip
            labels.append(
                {
                    "eid": key[0], "instance": key[1], "code": code, "definition": "incident", "value": True,
                }
            )  # fmt: skip
    _write_table(workspace, "traits", traits)
    _write_table(workspace, "labels", labels)
