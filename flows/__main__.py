"""Run one flow in this process: ``python -m flows NAME '{"workspace": "...", ...}'``.

The command line starts flows this way, so that the library never imports Prefect.
"""

from __future__ import annotations

import importlib
import json
import os
import sys

# A person watches: the flows print what matters and an error is printed once, below; Prefect's own words stay in its database.
os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")

NAMES = ("ingest", "validate", "train", "publish", "withdraw", "cohort")


def main(name: str, parameters: str) -> int:
    """Run a flow; print an error's message, not its traceback, where it is one of ours."""
    import flows  # noqa: F401
    from eccl.errors import EcclError

    if name not in NAMES:
        print(f"no flow {name}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    run = getattr(importlib.import_module(f"flows.{name}"), name)
    try:
        # The heartbeat costs each flow a second at its end, and nobody listens to it in a one-off run.
        with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
            run(**json.loads(parameters))
    except EcclError as error:
        print(f"eccl: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "{}"))
