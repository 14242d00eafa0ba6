"""What finished runs of experiments leave behind, made up."""

from __future__ import annotations

import json

import pyarrow as pa

from eccl.data.files import sha256_file
from eccl.data.parts import data_version
from eccl.features.files import write_features
from eccl.workspace import Workspace
from tests.support.runs import view_rows

VIEWS = {
    "pretrain_ecg.mae.s42": {},
    "pretrain_cmr-I50.swin.s42": {"cmr_embedding": "", "cmr_teacher": "", "cmr_disease_prediction": "I50"},
    "align-I50.triplet.s42": {
        "ecg_embedding": "",
        "ecg_projection": "",
        "cmr_projection": "",
        "disease_prediction": "I50",
    },
    "align-all.multitask.s42": {"ecg_embedding": "", "trait_prediction": "", "disease_prediction": "I21 I50"},
    "probe-traits.probe.s42": {"trait_prediction": ""},
}
"""Views of each run, with the codes of those that have them."""
PARENTS = {"align-I50.triplet.s42": ("pretrain_ecg.mae.s42", "pretrain_cmr-I50.swin.s42")}


def finish_arms(place: Workspace) -> None:
    """Write models and features of a run of every kind."""
    version = data_version(place.data)
    for run, views in VIEWS.items():
        run_id = f"{run}-{version[:12]}"
        folder = place.run_folder(run)
        folder.mkdir(parents=True)
        (folder / "weights.safetensors").write_bytes(run.encode())
        records = [json.loads((place.run_folder(one) / "run.json").read_text()) for one in PARENTS.get(run, ())]
        what, variant, seed = run.split(".")
        stage, _, task = what.partition("-")
        content = {
            "run": run, "run_id": run_id, "stage": stage, "task": task or None, "variant": variant, "seed": int(seed[1:]),
            "preset": "demo", "data_version": version, "params_sha256": "p" * 64, "parameter_count": 7, "best_epoch": 1,
            "weights_sha256": sha256_file(folder / "weights.safetensors"), "code_version": "0", "device": "cpu",
            "parents": [{name: one[name] for name in ("run", "run_id", "weights_sha256")} for one in records],
            "gate": {"status": "passed", "sha256": "g" * 64, "override": None}, "metrics": {"history": [1]},
        }  # fmt: skip
        (folder / "run.json").write_text(json.dumps(content))
        for view, codes in views.items():
            parts = [view_rows(place, view, f"made-{code}", run_id) for code in codes.split() or [""]]
            write_features(place.features, view, run, pa.concat_tables(parts))
