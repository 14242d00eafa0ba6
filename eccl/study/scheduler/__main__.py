"""``python -m eccl.study.scheduler WORKSPACE FILE:STAGE...``: the process that runs jobs one after another, for `eccl table1`.

It lives as long as whoever started it: when its standard input ends, it ends the stage that it runs and itself. A training
goes on after its last checkpoint when it is started again.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from eccl.study.scheduler.events import to_line

_AGAIN_S = 5.0
_is_over = threading.Event()


def main(arguments: Sequence[str]) -> int:
    """Run stages in order, and tell of each in a marked line of standard output; 1 after the first that fails."""
    # A handler, and not SIG_IGN, which the stages would inherit: DVC finishes its note of the last stage, they end.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from dvc.exceptions import DvcException

    from eccl.study.scheduler.stages import run_stage

    root = Path(arguments[0])
    for stage in arguments[1:]:
        if _is_over.is_set():
            return 1
        print(to_line("begun"), flush=True)
        try:
            has_run = run_stage(root, stage)
        except DvcException as error:
            print(f"{type(error).__name__}: {error}", flush=True)
            print(to_line("failed"), flush=True)
            return 1
        print(to_line("finished" if has_run else "unchanged"), flush=True)
    return 0


def _end_with_parent() -> None:
    while os.read(0, 1024):  # not sys.stdin, whose lock the interpreter wants at its end
        pass
    _is_over.set()
    while True:
        os.killpg(os.getpgrp(), signal.SIGTERM)
        time.sleep(_AGAIN_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
