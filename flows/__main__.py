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

NAMES = ("ingest", "ingest-files", "validate", "train", "publish", "withdraw", "cohort")
MODULES = {"ingest-files": "ingest"}


def main(name: str, parameters: str) -> int:
    """Run a flow; print an error's message, not its traceback, where it is one of ours."""
    import flows  # noqa: F401
    from eccl.errors import EcclError

    if name not in NAMES:
        print(f"no flow {name}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    from flows.support.parameters import read_parameters

    try:
        _run(name, read_parameters(name, json.loads(parameters)).model_dump(exclude_unset=True))
    except EcclError as error:
        print(f"eccl: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        if (told := _server_gone(error)) is None:
            raise
        print(f"eccl: {told}", file=sys.stderr)
        return 1
    return 0


def _run(name: str, parameters: dict[str, object]) -> None:
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    run = getattr(importlib.import_module(f"flows.{MODULES.get(name, name)}"), name.replace("-", "_"))
    # The heartbeat costs each flow a second at its end, and nobody listens to it in a one-off run.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        run(**parameters)


def _server_gone(error: BaseException) -> str | None:
    import httpx
    from prefect.settings import PREFECT_API_URL

    causes: list[BaseException] = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None and cause not in causes:
        causes.append(cause)
    if not any(isinstance(cause, httpx.TransportError) for cause in causes):
        return None
    server = PREFECT_API_URL.value() or "of this command"
    return (
        f"the Prefect server {server} does not answer ({type(error).__name__}). What was committed stays, nothing is "
        "half-written; start the server and run the command again. `eccl ingest RAW` without --record needs no server"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "{}"))
