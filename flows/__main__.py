"""Run one flow in this process: ``python -m flows NAME '{"workspace": "...", ...}'``.

The command line starts flows this way, so that the library never imports Prefect.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any

# The flows print their messages and an error is printed once, below; Prefect's own log stays in its database.
os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")


def main(name: str, values: str) -> int:
    """Run a flow; print the message of an error of ours without a traceback."""
    from eccl.errors import EcclError
    from flows.support.parameters import FLOWS, read_parameters

    if name not in FLOWS:
        print(f"no flow {name}; there are {', '.join(FLOWS)}", file=sys.stderr)
        return 2
    try:
        _run(name, dict(read_parameters(name, FLOWS[name], json.loads(values))))
    except EcclError as error:
        print(f"eccl: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        if (message := _server_gone(error)) is None:
            raise
        print(f"eccl: {message}", file=sys.stderr)
        return 1
    return 0


def find_flow(name: str) -> Any:
    """The flow of a name: ``ingest-files`` is ``flows.ingest.ingest_files``."""
    return getattr(importlib.import_module(f"flows.{name.partition('-')[0]}"), name.replace("-", "_"))


def _run(name: str, parameters: dict[str, object]) -> None:
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    # The heartbeat adds a second to the end of each flow, and a single run does not need it.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        find_flow(name)(**parameters)


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
