"""``python -m eccl.study RUN [--workspace DIR]``: train one run of the experiment table, e.g. as a job of a cluster."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from eccl.errors import ConfigError, EcclError
from eccl.training.__main__ import prepare_cpu
from eccl.workspace import find_workspace


def main(arguments: Sequence[str] | None = None) -> int:
    """Train one run whose parents are trained; 0 on success, 1 with a message on a known error."""
    parser = argparse.ArgumentParser(
        prog="python -m eccl.study",
        description="Train one run of experiments/arms.yaml; the runs that it builds on must be trained.",
        epilog="example: python -m eccl.study align-I21.triplet.s43",
    )
    parser.add_argument("run", help="name of the run: STAGE[-TASK].ARM.sSEED, see `eccl table1 --dry-run --verbose`")
    parser.add_argument("--workspace", help="folder of the workspace; default: the one around the current folder")
    options = parser.parse_args(arguments)
    try:
        from eccl.study.arms import open_table
        from eccl.study.jobs import list_jobs
        from eccl.study.train import train_job

        workspace = find_workspace(options.workspace)
        table = open_table(workspace)
        jobs = {job.run: job for job in list_jobs(table)}
        if options.run not in jobs:
            raise ConfigError(
                f"experiments/arms.yaml has no run {options.run}; `eccl table1 --dry-run --verbose` lists all {len(jobs)}"
            )
        saved = train_job(workspace, table, jobs[options.run])
    except EcclError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if saved is not None:  # None in a process that helped to train
        print(f"{saved.run_id}  best epoch {saved.record['best_epoch']}")
    return 0


if __name__ == "__main__":
    prepare_cpu()
    sys.exit(main())
