"""A small cohort with follow-up, and the predictions that the workspace's own runs would have left behind."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from eccl.data import database
from eccl.data.parts import data_version
from eccl.features.files import write_features
from eccl.workspace import Workspace, shipped

FIRST = 9_000_000
CODES = ("I21", "I42", "I48", "I50")
FIELDS = (24100, 24103)
PEOPLE = 240
VISIT = date(2015, 6, 1)
LAST = date(2021, 1, 1)


def write(place: Workspace, table: str, rows: list[dict[str, Any]]) -> None:
    """Write one table of a workspace's data."""
    database.write_table(place.data, table, pa.Table.from_pylist(rows))


def make_place(root: Path, splits: tuple[str, ...] = ("test",)) -> Workspace:
    """A cohort whose heart failure comes the sooner, the lower the first trait is; I42 is nobody's, I21 is a third of the people's.

    Parameters
    ----------
    splits
        Of the first participant, the second and so on, over and over.
    """
    found = Workspace(root)
    text = shipped("params.yaml").read_text()
    assert "  followup_end: null " in text
    found.params_file.write_text(text.replace("followup_end: null", f"followup_end: {LAST}"))
    rng = np.random.default_rng(3)
    eids = [FIRST + i for i in range(PEOPLE)]
    ejection = rng.normal(size=PEOPLE)
    write(found, "fields", [
        {"field_id": f, "title": f"trait {f}", "short_name": f"t{f}", "value_type": "continuous", "trait_index": i}
        for i, f in enumerate(FIELDS)
    ])  # fmt: skip
    write(found, "participants", [{"eid": e, "sex": "FM"[i % 2], "death_date": None} for i, e in enumerate(eids)])
    visits = [
        {"eid": e, "instance": k, "visit_date": VISIT + timedelta(days=1500 * (k - 2)), "age_years": 50 + 20 * rng.random(),
         "height_cm": 170 + 8 * rng.normal(), "weight_kg": 75 + 9 * rng.normal()}
        for i, e in enumerate(eids) for k in ((2, 3) if i % 10 == 0 else (2,))
    ]  # fmt: skip
    write(found, "visits", visits)
    keys = [(row["eid"], row["instance"]) for row in visits]
    write(found, "pairs", [
        {"eid": e, "instance": k, "split": splits[(e - FIRST) % len(splits)], "recording_row": row, "cine_row": row, "trait_count": 2}
        for row, (e, k) in enumerate(keys)
    ])  # fmt: skip
    measured = {e: (ejection[i], rng.normal()) for i, e in enumerate(eids)}
    write(found, "traits", [
        {"eid": e, "instance": k, "field_id": f, "value": measured[e][n]}
        for e, k in keys for n, f in enumerate(FIELDS) if (e + n) % 9
    ])  # fmt: skip
    delays = np.ceil(3000 * rng.exponential(size=PEOPLE) * np.exp(0.8 * ejection)).astype(int)
    write(found, "diagnoses", [
        {"eid": e, "code": "I509", "date": VISIT + timedelta(days=int(delays[i])), "date_status": "known", "source": "hospital",
         "field_id": 41270, "instance": 0, "array_index": 0}
        for i, e in enumerate(eids) if VISIT + timedelta(days=int(delays[i])) <= LAST
    ] + [{"eid": FIRST, "code": "R07", "date": LAST, "date_status": "known", "source": "hospital", "field_id": 41270,
          "instance": 0, "array_index": 1}])  # fmt: skip
    write(found, "labels", [
        {"eid": e, "instance": k, "code": c, "definition": "ever", "horizon_days": None,
         "value": c == "I21" and (e - FIRST) % 3 == 0, "date": None, "source": None}
        for e, k in keys for c in CODES
    ])  # fmt: skip
    write_predictions(found, keys, splits, {e: ejection[i] for i, e in enumerate(eids)}, rng)
    found.gate.mkdir(parents=True)
    gate = {"status": "passed", "data_version": data_version(found.data), "results_sha256": "ab", "override": None}
    (found.gate / "gate.json").write_text(json.dumps(gate))
    open_test_split(found)
    return found


def open_test_split(place: Workspace) -> None:
    """What the stage `evaluate` writes down."""
    runs = {f"align-{task}": {"run_id": f"align-{task}-1", "weights_sha256": "cd"} for task in ("traits", *CODES)}
    scope = {"data_version": data_version(place.data), "label_definition": "ever", "instances": [2, 3]}
    metrics = {**scope, "runs": runs}
    (place.reports / "metrics.json").write_text(json.dumps(metrics))


def write_predictions(
    place: Workspace,
    keys: list[tuple[int, int]],
    splits: tuple[str, ...],
    ejection: dict[int, float],
    rng: np.random.Generator,
) -> None:
    """What the own runs' predictions would look like: of the traits, and of no use for the diseases."""
    version = data_version(place.data)
    for task in ("traits", *CODES):
        run = f"align-{task}"
        shared = {"run_id": f"{run}-1", "data_version": version}
        base = [
            {"eid": e, "instance": k, "array_row": row, "split": splits[(e - FIRST) % len(splits)], **shared}
            for row, (e, k) in enumerate(keys)
        ]
        if task == "traits":
            rows = [
                {**one, "field_id": f, "value": (ejection[one["eid"]] if n == 0 else 0.0) + rng.normal()}
                for one in base
                for n, f in enumerate(FIELDS)
            ]
            write_features(place.features, "trait_prediction", run, pa.Table.from_pylist(rows))
        else:
            logits = rng.normal(size=len(base)).tolist()
            rows = [{**one, "code": task, "logit": x, "probability": 0.5} for one, x in zip(base, logits, strict=True)]
            write_features(place.features, "disease_prediction", run, pa.Table.from_pylist(rows))
        place.run_folder(run).mkdir(parents=True)
        record = {"run": run, "run_id": f"{run}-1", "data_version": version, "weights_sha256": "cd", "parents": []}
        (place.run_folder(run) / "run.json").write_text(json.dumps(record))
