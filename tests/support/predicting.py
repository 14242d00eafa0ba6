"""A small simulated cohort with trained runs, and ECG files of some of its visits."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import yaml

from eccl.data.parts import read_table
from eccl.simulate import SimulationConfig
from eccl.simulate.cohort import plan_cohort
from eccl.simulate.direct import simulate_into
from eccl.simulate.files.cohort_files import raw_bytes
from eccl.study.__main__ import main as train_arm
from eccl.training.__main__ import main
from eccl.workspace import Workspace
from tests.support.cache import shared_folder
from tests.support.paths import ROOT
from tests.support.tiny_workspace import tiny_params, write_gate

DISEASES = ("I21", "I42", "I48", "I50")
TRAINED = (
    "pretrain_ecg",
    *(f"{stage} --task {task}" for task in ("traits", *DISEASES, "all") for stage in ("pretrain_cmr", "align")),
    *(f"probe --task {task}" for task in ("traits", "I50")),
)
CONFIG = SimulationConfig(
    participants=60,
    seed=11,
    disease_enrichment=True,
    second_visit_share=0.1,
    missing_ecg_share=0.0,
    missing_cine_share=0.0,
    corruption_share=0.0,
    withdrawn=0,
    slices=(2, 3),
    frames=12,
    full_disclosure_share=0.0,
)


def predicting_workspace() -> Workspace:
    """Trained runs of every kind that reads ECGs; do not write into it."""
    return Workspace(shared_folder("predicting", _build))


def _build(folder: Path) -> None:
    """Data, a passed gate, the experiment table and runs; half of the participants are in the validation split."""
    place = Workspace(folder)
    params = tiny_params(**{"pretrain_cmr.teacher_views": 1})
    params["cohort"]["split_shares"] = {"train": 0.45, "val": 0.45, "test": 0.1}
    place.params_file.write_text(yaml.safe_dump(params))
    simulate_into(folder / "raw", CONFIG, place, workers=1)
    place.arms_file.parent.mkdir()
    shutil.copyfile(ROOT / "experiments" / "arms.yaml", place.arms_file)
    write_gate(place)
    for stage in TRAINED:  # as on the command line
        assert main([*stage.split(), "--workspace", str(place.root)]) == 0, stage
    assert train_arm(["align-I50.neither.s42", "--workspace", str(place.root)]) == 0


def write_files(place: Workspace, folder: Path) -> pl.DataFrame:
    """Write the ECG file of every visit, as it would have been ingested; return `file`, eid, instance, row and split."""
    recordings = pl.DataFrame(read_table(place.data, "recordings", ["eid", "instance", "row"]))
    splits = pl.DataFrame(read_table(place.data, "splits", ["eid", "split"]))
    chosen = recordings.join(splits, on="eid").sort("row")
    people = {person.eid: person for person in plan_cohort(CONFIG).people}
    folder.mkdir(parents=True, exist_ok=True)
    for row in chosen.iter_rows(named=True):
        person = people[row["eid"]]
        (visit,) = (one for one in person.visits if one.instance == row["instance"])
        (folder / f"ecg-{row['row']:03d}.xml").write_bytes(raw_bytes(CONFIG, person, visit, "ecg", None))
    return chosen.with_columns(pl.format("ecg-{}.xml", pl.col("row").cast(pl.String).str.zfill(3)).alias("file"))
