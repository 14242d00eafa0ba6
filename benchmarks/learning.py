"""What every stage learns on a simulated cohort, at a size for two cores.

    python -m benchmarks.learning FOLDER --participants 400

Makes a workspace in FOLDER (kept, and taken up again), trains the stages with a small preset, and writes
results/learning.csv: the autoencoder against filling without learning, the CMR encoder against the mean, and ECCL against
its ablations and with the cached and the live teacher. Arms differ only in what their name states. Scores
are reported as they come out; the test split is read by `evaluate`'s functions alone.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import torch
import yaml

from benchmarks.measure import origin, write_table
from benchmarks.reconstruction import score_reconstruction
from eccl.config import load_params
from eccl.data.parts import read_table
from eccl.evaluation.evaluate import ARMS, mean_r, score_disease, score_traits
from eccl.evaluation.predictions import read_truth
from eccl.features.files import read_features
from eccl.models.mae import MaskedAutoencoder
from eccl.quality.gate import run_gate
from eccl.simulate import SimulationConfig
from eccl.simulate.direct import simulate_into
from eccl.training.inputs.augment import scale_ecg
from eccl.training.inputs.sources import read_all
from eccl.training.inputs.visits import recording_visits
from eccl.training.runs import load_run, load_weights
from eccl.training.session import Session, open_session
from eccl.training.settings import AlignConfig
from eccl.training.stages import align, pretrain_cmr, pretrain_ecg
from eccl.versioning.initialise import init_workspace
from eccl.workspace import MARKER, Workspace

PRESET = "study"
SEEDS = (42, 43, 44)
# What an arm changes in the configuration of `align`.
ALIGN_ARMS: dict[str, dict[str, Any]] = {
    "ECCL": {},
    "ECCL, live teacher": {"teacher": "live"},
    "W/ SSL; W/O CL": {"contrastive_weight": 0.0},
    "W/O SSL; W/ CL": {"init_from": "nothing"},
    "W/O SSL; W/O CL": {"init_from": "nothing", "contrastive_weight": 0.0},
}


def study_preset(demo: dict[str, Any]) -> dict[str, Any]:
    """The demo's preset with wider networks, more epochs and early stopping."""
    preset: dict[str, Any] = yaml.safe_load(yaml.safe_dump(demo))
    mae, cmr, aligned = preset["pretrain_ecg"], preset["pretrain_cmr"], preset["align"]
    mae["encoder"] |= {"patch": [12, 100], "width": 96, "depth": 3, "heads": 4}
    mae["masking"]["decoder"] = {"width": 64, "depth": 2, "heads": 4}
    mae["optimiser"] |= {"epochs": 300, "batch_size": 16, "learning_rate": 4e-3, "warmup_epochs": 10}
    cmr["encoder"] |= {"image_size": 56, "width": 32, "depths": [2, 2], "drop_path": 0.1}
    cmr["teacher_views"] = 8
    cmr["optimiser"] |= {"epochs": 40, "batch_size": 32, "learning_rate": 1e-3, "warmup_epochs": 4, "patience": 10}
    aligned["dropout"] = 0.1
    aligned["optimiser"] |= {"epochs": 40, "batch_size": 32, "learning_rate": 1e-3, "warmup_epochs": 4, "patience": 10}
    for section in (mae, cmr, aligned, preset["evaluation"]):
        section["instances"] = [2]
    return preset


def toy_preset(demo: dict[str, Any]) -> dict[str, Any]:
    """The demo's preset with one epoch per stage: for a check that this module runs."""
    preset: dict[str, Any] = yaml.safe_load(yaml.safe_dump(demo))
    for stage in ("pretrain_ecg", "pretrain_cmr", "align"):
        preset[stage]["optimiser"] |= {"epochs": 1, "warmup_epochs": 0}
    for section in (*(preset[stage] for stage in ("pretrain_ecg", "pretrain_cmr", "align")), preset["evaluation"]):
        section["instances"] = [2]
    return preset


def prepare(folder: Path, participants: int, workers: int, *, is_toy: bool = False) -> Workspace:
    """Workspace with a cohort and a gate result; what is there is kept."""
    if not (folder / MARKER).is_file():
        init_workspace(folder, {"preset": PRESET})
        content = yaml.safe_load((folder / MARKER).read_text())
        content["presets"][PRESET] = (toy_preset if is_toy else study_preset)(content["presets"]["demo"])
        (folder / MARKER).write_text(yaml.safe_dump(content, sort_keys=False))
    workspace = Workspace(folder.resolve())
    config = SimulationConfig(participants=participants, seed=20, corruption_share=0.0, withdrawn=0)
    simulate_into(folder / "raw", config, workspace, workers=workers)
    run_gate(workspace, override="a study of methods on simulated hearts")
    return workspace


def study(workspace: Workspace, tasks: list[str], seeds: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    """Train and score everything, row by row."""
    yield from _autoencoder(workspace)
    for task in tasks:
        _run_once(workspace, "pretrain_cmr", task)
        yield from _cmr(workspace, task)
        for arm, changes in ALIGN_ARMS.items():
            for seed in seeds:
                session = open_session(workspace, "align", task)
                started = time.perf_counter()
                align.run(_changed(session, {**changes, "seed": seed}))
                spent = time.perf_counter() - started
                best = load_run(workspace, f"align-{task}").record["best_epoch"]
                for row in _score(workspace, 0, task):
                    yield {
                        "stage": "align",
                        "arm": arm,
                        "seed": seed,
                        **row,
                        "best_epoch": best,
                        "seconds": f"{spent:.0f}",
                    }


def _run_once(workspace: Workspace, stage: str, task: str | None) -> None:
    module = {"pretrain_ecg": pretrain_ecg, "pretrain_cmr": pretrain_cmr}[stage]
    run = stage if task is None else f"{stage}-{task}"
    if not (workspace.run_folder(run) / "run.json").is_file():
        module.run(open_session(workspace, stage, task))


def _changed(session: Session, changes: dict[str, Any]) -> Session:
    config: AlignConfig = session.params.preset.align.model_copy(update=changes)
    preset = session.params.preset.model_copy(update={"align": config})
    return dataclasses.replace(session, params=dataclasses.replace(session.params, preset=preset))


def _autoencoder(workspace: Workspace) -> Iterator[dict[str, Any]]:
    _run_once(workspace, "pretrain_ecg", None)
    session = open_session(workspace, "pretrain_ecg", None)
    config, run = session.params.preset.pretrain_ecg, load_run(workspace, "pretrain_ecg")
    module = MaskedAutoencoder(config.encoder, config.masking)
    load_weights(module, run.weights(), "pretrain_ecg")
    visits = recording_visits(workspace.data)
    for split in ("val", "test"):
        rows = visits.row[visits.select(split, config.instances)]
        ecg = torch.from_numpy(read_all(workspace.data, "ecg.zarr/clean", rows))
        found = score_reconstruction(module, scale_ecg(ecg, config.augment.scaling))
        for arm, value in dataclasses.asdict(found).items():
            yield {
                "stage": "pretrain_ecg", "arm": arm, "seed": config.seed, "task": "", "split": split,
                "score": "mse of hidden samples", "value": f"{value:.5f}", "n": len(rows), "cases": "",
                "best_epoch": run.record["best_epoch"], "seconds": "",
            }  # fmt: skip


def _cmr(workspace: Workspace, task: str) -> Iterator[dict[str, Any]]:
    record = load_run(workspace, f"pretrain_cmr-{task}").record
    extra = {"best_epoch": record["best_epoch"], "seconds": ""}
    for row in _score(workspace, 1, task):
        yield {"stage": "pretrain_cmr", "arm": "CMR_Sup", "seed": record["params"]["config"]["seed"], **row, **extra}
    if task == "traits":
        better, traits = beaten_mean(workspace, "test")
        yield {
            "stage": "pretrain_cmr", "arm": "CMR_Sup", "seed": record["params"]["config"]["seed"], "task": task,
            "split": "test", "score": "traits better than the mean", "value": f"{better}", "n": traits, "cases": "", **extra,
        }  # fmt: skip


def beaten_mean(workspace: Workspace, split: str) -> tuple[int, int]:
    """On how many traits the CMR encoder's squared error is below that of the train split's mean, of how many."""
    predicted = pl.DataFrame(read_features(workspace.features, "cmr_trait_prediction", "pretrain_cmr-traits"))
    measured = pl.DataFrame(read_table(workspace.data, "traits")).rename({"value": "measured"})
    joined = predicted.join(measured, on=["eid", "instance", "field_id"])
    means = joined.filter(pl.col("split") == "train").group_by("field_id").agg(mean=pl.col("measured").mean())
    scored = joined.filter((pl.col("split") == split) & (pl.col("instance") == 2)).join(means, on="field_id")
    errors = scored.group_by("field_id").agg(
        network=(pl.col("value") - pl.col("measured")).pow(2).mean(),
        mean=(pl.col("mean") - pl.col("measured")).pow(2).mean(),
    )
    return int((errors["network"] < errors["mean"]).sum()), errors.height


def _score(workspace: Workspace, arm: int, task: str) -> Iterator[dict[str, Any]]:
    cohort = load_params(workspace.params_file).cohort
    for split in ("val", "test"):
        common = {"task": task, "split": split}
        truth = read_truth(workspace, split, [2], cohort.diseases, "ever")
        if task == "traits":
            traits = score_traits(workspace, ARMS[arm], truth, (2,))
            value, n = mean_r(traits), int(traits["n"].max() or 0)  # type: ignore[arg-type]
            yield {**common, "score": "mean R of 82 traits", "value": _number(value), "n": n, "cases": ""}
        else:
            found = score_disease(workspace, ARMS[arm], task, truth, (2,))
            yield {**common, "score": "AUC", "value": _number(found["auc"]), "n": found["n"], "cases": found["cases"]}


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.4f}"


def main(arguments: list[str] | None = None) -> int:
    """Run the study and write its table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--participants", type=int, default=400)
    parser.add_argument("--tasks", nargs="+", default=["traits", "I48", "I50"])
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--toy", action="store_true", help="one epoch per stage: check that everything runs")
    parser.add_argument("--name", default="learning", help="results/<name>.csv")
    options = parser.parse_args(arguments)
    workspace = prepare(options.folder, options.participants, options.workers, is_toy=options.toy)
    machine, commit = origin()
    rows = []
    for row in study(workspace, options.tasks, tuple(options.seeds)):
        rows.append({**row, "participants": options.participants, "machine": machine, "commit": commit})
        print(
            "  ".join(str(row[name]) for name in ("stage", "arm", "seed", "task", "split", "score", "value")),
            flush=True,
        )
        write_table(rows, options.name)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
