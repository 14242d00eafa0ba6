"""A small cohort, an experiment table of one arm of each kind, and what its runs would have left behind."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import yaml

from eccl.data import database
from eccl.data.parts import data_version
from eccl.features.files import write_features
from eccl.study.arms import ArmTable, load_arms
from eccl.study.jobs import Job, list_jobs
from eccl.workspace import Workspace, shipped

FIRST_EID = 9_000_000
FIELDS = (24100, 24103, 24110)
CODES = ("I21", "I42", "I48", "I50")
WIDTH = 6

SKILL = {
    "eccl": 1.0, "triplet": 0.6, "ssl_only": 0.3, "label_aware": 0.9, "multitask": 0.8, "mean_pooling": 2.0, "probe": 0.5,
    "few_patches": 0.4, "swin": 3.0,
}  # fmt: skip
"""How much of the truth an arm's predictions hold, against noise of 1."""


def small_table() -> dict[str, Any]:
    """One arm of each kind, as experiments/arms.yaml holds them."""
    both = {"pretrain_ecg": "mae", "pretrain_cmr": "swin"}

    def arm(title: str, group: str, stage: str = "align", **more: Any) -> dict[str, Any]:
        return {"title": title, "group": group, "stage": stage, "parents": both, "changes": {}, **more}

    paper = {"I21": 0.7, "I42": 0.8, "I48": 0.7, "I50": 0.8, "traits": 0.4}
    return {
        "reference": "eccl",
        "seeds": [42, 43],
        "pretraining": {
            "pretrain_ecg": {"mae": {}, "mae_few": {"encoder": {"use": "alternatives.ecg.few_patches"}}},
            "pretrain_cmr": {"swin": {}},
            "pretrain_cmae": {},
        },
        "arms": {
            "triplet": arm("Triplet", "table", changes={"alignment.loss": "triplet"}, paper=paper),
            "ssl_only": arm("W/ SSL; W/O CL", "table", parents={"pretrain_ecg": "mae"}, changes={"contrastive_weight": 0.0}),
            "eccl": arm("ECCL", "table", paper=paper),
            "cmr_sup": arm("CMR_Sup", "table", "pretrain_cmr", parents={"pretrain_cmr": "swin"}, paper=paper),
            "label_aware": arm("Label-aware", "beyond", changes={"alignment.loss": "label_aware"}, tasks=list(CODES)),
            "multitask": arm("One encoder", "beyond", tasks=["all"]),
            "mean_pooling": arm("Mean pooling", "beyond", changes={"pooling": "mean"}),
            "probe": arm("Linear probe", "beyond", "probe", parents={"align": "eccl"}),
            "few_patches": arm("fewer patches", "figure_2b", parents={**both, "pretrain_ecg": "mae_few"}, tasks=["traits"]),
        },
    }  # fmt: skip


class Place:
    """The workspace, its truth, and a pen for what runs leave behind."""

    def __init__(self, root: Path, people: int = 90, second: int = 5, seed: int = 3) -> None:
        self.workspace = Workspace(root)
        self.rng = np.random.default_rng(seed)
        root.mkdir(parents=True, exist_ok=True)
        self.workspace.params_file.write_text(shipped("params.yaml").read_text())  # preset demo: visits 2 and 3
        self.workspace.arms_file.parent.mkdir()
        self.workspace.arms_file.write_text(yaml.safe_dump(small_table(), sort_keys=False))
        eids = FIRST_EID + np.arange(people)
        visits = [(int(eid), 2) for eid in eids] + [(int(eid), 3) for eid in eids[::second]]
        self.visits = [(eid, instance, ("train", "val", "test")[eid % 3]) for eid, instance in sorted(visits)]
        self.hidden = self.rng.normal(size=len(self.visits))
        self._write_cohort()

    @property
    def table(self) -> ArmTable:
        return load_arms(self.workspace.arms_file)

    def jobs(self, **chosen: Any) -> list[Job]:
        return list_jobs(self.table, **chosen)

    def runs(self, **chosen: Any) -> list[str]:
        return [job.run for job in self.jobs(**chosen)]

    def is_case(self, code: str) -> np.ndarray:
        return self.hidden > 0.2 + 0.25 * CODES.index(code)

    def trait(self, field: int) -> np.ndarray:
        return 100 + 10 * self.hidden * (1 + FIELDS.index(field))

    def write_labels(self, only_controls: Iterable[str] = ()) -> None:
        rows = []
        for code in CODES:
            case = self.is_case(code) & (code not in set(only_controls))
            rows += [
                {
                    "eid": eid,
                    "instance": instance,
                    "code": code,
                    "definition": "ever",
                    "horizon_days": None,
                    "value": None if place % 17 == 16 else bool(case[place]),
                    "date": None,
                    "source": None,
                }
                for place, (eid, instance, _) in enumerate(self.visits)
            ]
        self._write("labels", rows)
        self.write_gate()

    def write_gate(self) -> None:
        self.workspace.gate.mkdir(parents=True, exist_ok=True)
        gate = {
            "status": "passed",
            "data_version": data_version(self.workspace.data),
            "results_sha256": "ab",
            "override": None,
        }
        (self.workspace.gate / "gate.json").write_text(json.dumps(gate))

    def finish(self, jobs: Iterable[Job], **changes: Any) -> None:
        """Leave behind what finished runs of the jobs would."""
        for job in jobs:
            self.finish_run(job, **changes)

    def finish_run(self, job: Job, weights: str | None = None, seed: int | None = None) -> None:
        rng = np.random.default_rng([sum(job.run.encode()), job.seed if seed is None else seed])
        run_id = f"{job.run}-{sum(job.run.encode()):012x}"
        folder = self.workspace.run_folder(job.run)
        folder.mkdir(parents=True, exist_ok=True)
        weight = 0.0 if job.variant == "ssl_only" else 1.0
        record = {
            "run": job.run, "run_id": run_id, "stage": job.stage, "task": job.task, "variant": job.variant, "seed": job.seed,
            "data_version": data_version(self.workspace.data), "weights_sha256": weights or f"{sum(job.run.encode()):064x}",
            "best_epoch": 3, "metrics": {"selection": "auc", "best": {"val_score": 0.7}},
            "params": {"config": {"contrastive_weight": weight}},
        }  # fmt: skip
        (folder / "run.json").write_text(json.dumps(record))
        if job.stage in {"align", "probe", "pretrain_cmr"}:
            self._write_predictions(job, run_id, rng)
        if job.stage == "align" and weight:
            own = self.hidden[:, None] * np.ones(WIDTH) + rng.normal(size=(len(self.visits), WIDTH))
            for view in ("ecg_projection", "cmr_projection"):
                self.write_vectors(view, job.run, run_id, own + SKILL[job.variant] * 0.1 * rng.normal(size=own.shape))

    def write_vectors(self, view: str, run: str, run_id: str, vector: np.ndarray) -> None:
        unit = (vector / np.linalg.norm(vector, axis=1, keepdims=True)).astype(np.float32)
        column = pa.FixedSizeListArray.from_arrays(pa.array(unit.reshape(-1)), unit.shape[1])
        table = pa.table({**self._keys(run_id), "vector": column})
        write_features(self.workspace.features, view, run, table)

    def _write_predictions(self, job: Job, run_id: str, rng: np.random.Generator) -> None:
        prefix, skill = ("cmr_" if job.stage == "pretrain_cmr" else ""), SKILL[job.variant]
        keys = self._keys(run_id)
        tasks = ("traits", *CODES) if job.task == "all" else (job.task,)
        diseases = []
        for code in (task for task in tasks if task in CODES):
            logit = skill * (self.is_case(code) - 0.5) + rng.normal(size=len(self.visits))
            own = {"code": [code] * len(logit), "probability": 1 / (1 + np.exp(-logit)), "logit": logit}
            diseases.append(pa.table({**keys, **own}))
        if diseases:
            write_features(self.workspace.features, f"{prefix}disease_prediction", job.run, pa.concat_tables(diseases))
        if "traits" in tasks:
            tables = []
            for field in FIELDS:
                value = self.trait(field) + 10 / skill * rng.normal(size=len(self.visits))
                field_id = pa.array([field] * len(value), pa.int32())
                tables.append(pa.table({**keys, "field_id": field_id, "value": value}))
            write_features(self.workspace.features, f"{prefix}trait_prediction", job.run, pa.concat_tables(tables))

    def _keys(self, run_id: str) -> dict[str, Any]:
        count = len(self.visits)
        return {
            "eid": [eid for eid, _, _ in self.visits],
            "instance": pa.array([instance for _, instance, _ in self.visits], pa.int8()),
            "split": [split for _, _, split in self.visits],
            "run_id": [run_id] * count,
            "data_version": [data_version(self.workspace.data)] * count,
            "array_row": np.arange(count),
        }

    def _write_cohort(self) -> None:
        fields = [
            {"field_id": f, "title": f"trait {f}", "short_name": f"t{f}", "value_type": "continuous"} for f in FIELDS
        ]
        self._write("fields", [{**field, "trait_index": index} for index, field in enumerate(fields)])
        self._write(
            "traits",
            [
                {"eid": eid, "instance": instance, "field_id": field, "value": float(self.trait(field)[place])}
                for place, (eid, instance, _) in enumerate(self.visits)
                for field in FIELDS
                if (place + field) % 7
            ],
        )
        self._write(
            "pairs",
            [
                {
                    "eid": eid,
                    "instance": instance,
                    "split": split,
                    "recording_row": row,
                    "cine_row": row,
                    "trait_count": 3,
                }
                for row, (eid, instance, split) in enumerate(self.visits)
            ],
        )
        self.write_labels()

    def _write(self, table: str, rows: list[Mapping[str, Any]]) -> None:
        database.write_table(self.workspace.data, table, pa.Table.from_pylist([dict(row) for row in rows]))


def rows_of(workspace: Workspace, name: str) -> pl.DataFrame:
    """A table of reports/table1."""
    return pl.read_parquet(workspace.reports / "table1" / f"{name}.parquet")
