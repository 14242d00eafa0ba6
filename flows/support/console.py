"""Messages of a flow, at a terminal and in the run's log."""

from __future__ import annotations

from prefect.logging import get_run_logger
from rich.console import Console


def announce(message: str) -> None:
    """Print a message and write it to the run's log."""
    Console(stderr=True).print(message, highlight=False)
    get_run_logger().info(message)
