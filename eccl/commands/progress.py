"""Progress bars of long steps, on the terminal's error stream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bar:
    """A bar that is called with (done, total); it is drawn from the first call on."""

    def __init__(self, progress: Progress, what: str) -> None:
        self._progress, self._what = progress, what
        self._task: TaskID | None = None

    def __call__(self, done: int, total: int, what: str | None = None) -> None:
        """Show how many are done, and the name of the current one."""
        if self._task is None:
            self._task = self._progress.add_task(self._what, total=total)
        self._progress.update(self._task, completed=done, total=total, description=what or self._what)

    def print(self, line: str) -> None:
        """Print a line of a child process above the bar."""
        self._progress.console.print(f"  {line}", style="dim", highlight=False, markup=False, soft_wrap=True)


@contextmanager
def bar(what: str) -> Iterator[Bar]:
    """Show a bar with its name, counts, elapsed and remaining time."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("[bold]{task.description:<14}"),
        BarColumn(bar_width=36),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield Bar(progress, what)
