"""Make the sample versions that ship with the repository: run from its root, by whoever maintains it.

    python sample/build.py

Two versions of data/ are recorded: eight simulated participants, then all of them. The stages run on the second. Everything
they wrote goes to ``sample/remote``, and data.dvc is marked so that DVC pulls from there and never pushes.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl

from eccl.ingest.run import run_ingest
from eccl.simulate import SimulationConfig, simulate_cohort
from eccl.versioning.repository import run_dvc, run_git
from eccl.versioning.versions import DVC_FILE, record_version
from eccl.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
COHORT = SimulationConfig(
    participants=18, seed=284, disease_enrichment=True, second_visit_share=0.05, missing_ecg_share=0.05,
    missing_cine_share=0.05, corruption_share=0.04, withdrawn=1, slices=(3, 4), full_disclosure_share=0.0,
)  # fmt: skip
FIRST = 8


def main() -> None:
    """Build both versions and train on the second."""
    place = Workspace(ROOT)
    if run_git(ROOT, "status", "--porcelain"):
        sys.exit("commit or stash your changes first: the sample's versions are commits of their own")
    shutil.rmtree(ROOT / "sample" / "remote", ignore_errors=True)
    for name in ("data", "models", "features", ".eccl"):
        shutil.rmtree(ROOT / name, ignore_errors=True)
    for path in (ROOT / "reports").glob("*"):
        if path.name != "studies":  # committed, and of another cohort
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    pipeline = (ROOT / "dvc.yaml").read_text()
    with tempfile.TemporaryDirectory() as folder:
        whole, part = Path(folder) / "whole", Path(folder) / "part"
        simulate_cohort(whole, COHORT, workers=2)
        choose_some(whole, part, FIRST)
        for raw, message in ((part, "Sample: first data version"), (whole, "Sample: second data version")):
            print(run_ingest(place, raw).describe())
            repro("validate")
            record_version(place, message=message)
            (ROOT / "dvc.yaml").write_text(pipeline)
            run_dvc(ROOT, "push", "--quiet", "--remote", "sample", DVC_FILE)
            (ROOT / DVC_FILE).write_text((ROOT / DVC_FILE).read_text().replace("  path: data\n", MARKED))
            run_git(ROOT, "add", "--force", "--", "dvc.yaml", DVC_FILE, "sample/remote")
            run_git(ROOT, "commit", "--quiet", "--amend", "--no-edit")
    repro()
    push_outputs(pipeline)
    run_git(ROOT, "add", "--force", "--", "dvc.lock", "sample/remote")
    run_git(ROOT, "commit", "--quiet", "-m", "Sample: stages trained on the second data version")


MARKED = "  path: data\n  remote: sample\n  push: false\n"


def push_outputs(pipeline: str) -> None:
    """Push the stages' outputs, which their marks forbid, then put the marks back."""
    plain = "".join(line for line in pipeline.splitlines(keepends=True) if line.strip() not in {"push: false"})
    (ROOT / "dvc.yaml").write_text(plain)
    try:
        run_dvc(ROOT, "push", "--quiet")
    finally:
        (ROOT / "dvc.yaml").write_text(pipeline)


def choose_some(whole: Path, part: Path, count: int) -> None:
    """Copy the files and table rows of the first participants."""
    table = pl.read_csv(whole / "tables" / "ukb99999.csv", infer_schema=False)
    eids = sorted(eid for eid in table["eid"] if eid.isdigit())[:count]
    for path in sorted(whole.rglob("*_202*_*_0.*")):
        if path.name.split("_")[0] in eids:
            target = part / path.relative_to(whole)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    (part / "tables").mkdir(parents=True)
    table.filter(pl.col("eid").is_in(eids)).write_csv(part / "tables" / "ukb99999.csv", quote_style="always")
    for path in whole.glob("w*.csv"):
        shutil.copyfile(path, part / path.name)


def repro(*stages: str) -> None:
    """Run DVC stages and show what they say."""
    single = ["--single-item"] if stages else []
    subprocess.run([sys.executable, "-m", "dvc", "repro", *single, *stages], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
