"""What finished runs leave behind, made up: run.json and rows of every view they write."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa

from eccl.data.parts import data_version, read_table
from eccl.features.files import write_features
from eccl.features.views import computed_views
from eccl.workspace import Workspace

WIDTH = 8
TRAITS = (24100, 24103)


def visit_keys(place: Workspace, modality: str) -> pa.Table:
    """Keys of every visit with a record, with its slot and split."""
    table = read_table(place.data, "recordings" if modality == "ecg" else "cines", ["eid", "instance", "row"])
    splits = read_table(place.data, "splits", ["eid", "split"])
    joined = table.rename_columns(["eid", "instance", "array_row"]).join(splits, "eid")
    return joined.sort_by([("eid", "ascending"), ("instance", "ascending")])


def view_rows(place: Workspace, view: str, run: str, run_id: str, *, version: str | None = None) -> pa.Table:
    """Rows of one view for every visit that could have them; vectors depend on the slot alone."""
    declared = next(one for one in computed_views() if one.name == view)
    keys = visit_keys(place, str(declared.modality))
    count = keys.num_rows
    table = keys.append_column("run_id", pa.array([run_id] * count)).append_column(
        "data_version", pa.array([version or data_version(place.data)] * count)
    )
    if not declared.key:
        return table.append_column("vector", vectors(table.column("array_row").to_pylist()))
    values: list[Any] = {"field_id": TRAITS, "code": (run.rpartition("-")[2],), "augmentation": (0, 1)}[declared.key]
    parts = []
    for number, key in enumerate(values):
        part = table.append_column(declared.key, pa.array([key] * count))
        slots = np.asarray(table.column("array_row"), dtype=np.float64)
        own = {
            "value": slots + 100 * number,
            "probability": 1 / (2 + slots),
            "logit": -np.log(1 + slots),
            "teacher_key": ["0" * 16] * count,
        }
        for column in declared.own_columns:
            if column in own:
                part = part.append_column(column, pa.array(own[column]))
            elif column == "vector":
                part = part.append_column("vector", vectors(slots.astype(int).tolist()))
        parts.append(part)
    return pa.concat_tables(parts)


def vectors(slots: list[int]) -> pa.FixedSizeListArray:
    """Vectors (n, WIDTH) of length 1 that depend on the slot."""
    found = np.stack([np.random.default_rng(slot).normal(size=WIDTH) for slot in slots]).astype(np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return pa.FixedSizeListArray.from_arrays(pa.array(found.ravel()), WIDTH)


def finish_run(place: Workspace, run: str, *, version: str | None = None, parents: tuple[str, ...] = ()) -> str:
    """Write run.json and every view of one run, e.g. ``align-I50``; returns the run id."""
    stage, _, task = run.partition("-")
    trained_on = version or data_version(place.data)
    run_id = f"{run}-{trained_on[:12]}"
    kind = "trait" if task == "traits" else "disease"
    for view in computed_views():
        if view.stage == stage and ("prediction" not in view.name or kind in view.name):
            write_features(place.features, view.name, run, view_rows(place, view.name, run, run_id, version=trained_on))
    described = [json.loads((place.run_folder(one) / "run.json").read_text()) for one in parents]
    content = {
        "run": run, "run_id": run_id, "stage": stage, "task": task or None, "preset": "demo", "data_version": trained_on,
        "params_sha256": "p" * 64, "weights_sha256": "w" * 64, "parameter_count": 7, "best_epoch": 1, "code_version": "0",
        "parents": [{name: one[name] for name in ("run", "run_id", "weights_sha256")} for one in described],
        "gate": {"status": "passed", "sha256": "g" * 64, "override": None}, "metrics": {"history": [1]}, "device": "cpu",
    }  # fmt: skip
    place.run_folder(run).mkdir(parents=True, exist_ok=True)
    (place.run_folder(run) / "run.json").write_text(json.dumps(content))
    return run_id


def finish_every_run(place: Workspace, *, version: str | None = None) -> None:
    """Runs of all stages for traits and one disease."""
    finish_run(place, "pretrain_ecg", version=version)
    for task in ("traits", "I50"):
        finish_run(place, f"pretrain_cmr-{task}", version=version)
        finish_run(place, f"align-{task}", version=version, parents=("pretrain_ecg", f"pretrain_cmr-{task}"))
