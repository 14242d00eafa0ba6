"""``python -m eccl.training STAGE [--task TASK] [--workspace DIR]``: the command of the stages of dvc.yaml."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from eccl.errors import EcclError
from eccl.training.settings import ALL, TASKLESS, TASKS
from eccl.workspace import find_workspace

STAGES = ("pretrain_ecg", "pretrain_cmr", "pretrain_cmae", "align", "probe")


def main(arguments: Sequence[str] | None = None) -> int:
    """Train one stage; 0 on success, 1 with a message on a known error."""
    parser = argparse.ArgumentParser(
        prog="python -m eccl.training",
        description="Train one stage and write its model and features.",
        epilog="example: python -m eccl.training align --task I50",
    )
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--task", choices=(*TASKS, ALL), help=f"which task; {' and '.join(TASKLESS)} have none")
    parser.add_argument("--workspace", help="folder of the workspace; default: the one around the current folder")
    _add_runtime(parser)
    options = parser.parse_args(arguments)
    try:
        workspace = find_workspace(options.workspace)
        # Imported after the arguments are checked: torch and timm cost seconds.
        from eccl.training.loop.runtime import runtime_from_environment
        from eccl.training.session import open_session

        flags = {name: getattr(options, name) for name in ("devices", "precision", "compile", "arrays")}
        session = open_session(workspace, options.stage, options.task, runtime_from_environment(**flags))
        session.runtime.launch()
        stage = importlib.import_module(f"eccl.training.stages.{options.stage}")
        saved = stage.run(session)
    except EcclError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if saved is None:
        return 0  # a process that helped to train
    print(f"{saved.run_id}  best epoch {saved.record['best_epoch']}  weights {saved.record['weights_sha256'][:12]}")
    return 0


def _add_runtime(parser: argparse.ArgumentParser) -> None:
    """Flags of the runtime; each has an environment variable, which `eccl train` sets."""
    group = parser.add_argument_group("runtime")
    group.add_argument("--devices", type=int, help="GPUs, or processes on a CPU ($ECCL_DEVICES; default 1)")
    group.add_argument("--precision", choices=("auto", "fp32", "bf16"), help="$ECCL_PRECISION; default auto")
    group.add_argument("--compile", action="store_true", default=None, help="compile the network ($ECCL_COMPILE)")
    group.add_argument("--arrays", choices=("auto", "resident", "streamed"), help="$ECCL_ARRAYS; default auto")


def prepare_cpu() -> None:
    """Set environment variables that torch reads when it is loaded; those of the user are kept.

    OpenMP's idle threads sleep instead of spin: spinning ones compete for cores with other processes, and beside a busy
    process a stage on two cores takes four times as long. Tensors of several megabytes use huge pages: a
    batch of cines is written twice as fast. The results are the same to the bit.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


if __name__ == "__main__":
    prepare_cpu()
    sys.exit(main())
