"""A real Prefect server for the flow tests: its own process, port and database."""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Server:
    """A server that can be killed and started again on its database."""

    home: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def environment(self) -> dict[str, str]:
        """Environment of a program that uses it, without the developer's own Prefect settings."""
        others = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        return {**others, **self.settings}

    @property
    def settings(self) -> dict[str, str]:
        return {
            "PREFECT_HOME": str(self.home),
            "PREFECT_API_URL": self.url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_SERVER_UI_ENABLED": "false",
            "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2",  # a minute is too long to wait for in a test
        }

    def start(self, seconds: float = 1200.0) -> None:
        """Start it and wait until it answers."""
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self.port)]
        with (self.home / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=60) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(0.2)
        raise TimeoutError((self.home / "server.log").read_text()[-2000:])

    def kill(self) -> None:
        """Kill it and its children."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


_SHARED: list[Server] = []


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def shared_server() -> Server:
    """The one server of a test session; started at first use, and again where a test killed it."""
    if not _SHARED:
        server = Server(Path(tempfile.mkdtemp(prefix="eccl-prefect-")), free_port())
        _SHARED.append(server)
        atexit.register(server.kill)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # pytest ends as by Ctrl-C, and kills the server
    (server,) = _SHARED
    if server.process is None:
        server.start()
    return server


@contextmanager
def using(server: Server) -> Iterator[Server]:
    """Let this process use a server."""
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_HOME,
        temporary_settings,
    )

    with temporary_settings(
        {PREFECT_API_URL: server.url, PREFECT_HOME: server.home, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    ):
        yield server
