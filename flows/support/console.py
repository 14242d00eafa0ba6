"""What a person at a terminal sees of a flow; a scheduled run has the same words in its log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from prefect.logging import get_run_logger
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from eccl.commands.progress import columns

console = Console(stderr=True)


def say(message: str) -> None:
    """Tell the terminal and the run's log."""
    console.print(message, highlight=False)
    get_run_logger().info(message)


@contextmanager
def progress(what: str, total: int) -> Iterator[Progress]:
    """Show a bar with rate and time to go; advance it with ``bar.update(bar.task_ids[0], completed=n)``."""
    with Progress(*columns(), console=console) as bar:
        bar.add_task(what, total=total)
        yield bar


def counts_table(title: str, rows: Mapping[str, Mapping[str, int | str]]) -> None:
    """Print counts, one row per thing and one column per count."""
    table = Table(title=title, title_justify="left", title_style="bold")
    names = list(next(iter(rows.values()))) if rows else []
    table.add_column("")
    for name in names:
        table.add_column(name, justify="right")
    for thing, counts in rows.items():
        table.add_row(thing, *(str(counts[name]) for name in names))
    console.print(table)
