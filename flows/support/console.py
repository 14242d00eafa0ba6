"""What a flow prints at a terminal; a scheduled run has the same messages in its log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.logging import get_run_logger
from rich.console import Console
from rich.progress import Progress

from eccl.commands.progress import columns

console = Console(stderr=True)


def announce(message: str) -> None:
    """Print a message and write it to the run's log."""
    console.print(message, highlight=False)
    get_run_logger().info(message)


class Bar:
    """A bar with counts, time so far and time to go; lines of a child process are printed above it."""

    def __init__(self, bar: Progress, what: str, total: int) -> None:
        self._bar, self._what = bar, what
        self._task = bar.add_task(what, total=total)

    def at(self, done: int, what: str | None = None) -> None:
        """Set how many are done, and what is being done."""
        self._bar.update(self._task, completed=done, description=what or self._what)

    def show_line(self, line: str) -> None:
        """Print a line."""
        self._bar.console.print(f"  {line}", style="dim", highlight=False, markup=False, soft_wrap=True)


@contextmanager
def progress(what: str, total: int) -> Iterator[Bar]:
    """Show a bar."""
    with Progress(*columns(), console=console) as bar:
        yield Bar(bar, what, total)
