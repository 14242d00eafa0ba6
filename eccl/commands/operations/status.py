"""``eccl status``: the state of the workspace on one screen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from eccl.commands.options import JsonOption, WorkspaceOption
from eccl.modalities import SLOT_TABLES
from eccl.workspace import find_workspace

if TYPE_CHECKING:
    from eccl.operations.status import Status


def status(
    quick: Annotated[
        bool, typer.Option("--quick", help="Skip the state of DVC stages and the remote; saves seconds.")
    ] = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Show the state of the workspace on one screen, and the next command to type.

    Example: eccl status --quick
    """
    from eccl.operations.status import read_status

    found = read_status(find_workspace(workspace), quick=quick)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), default=str, indent=1))
        return
    for name, text in _lines(found):
        typer.echo(f"{name:<11} {text}".rstrip())


def _lines(found: Status) -> Iterator[tuple[str, str]]:
    yield from _data(found)
    yield from _several(
        "missing", [f"{count} visit{'s' * (count != 1)}: {reason}" for reason, count in found.missing.items()]
    )
    yield from _several(
        "quarantine", [f"{one.count} {one.kind}: {one.reason}. {one.remedy}" for one in found.quarantine]
    )
    yield "gate", _gate(found)
    yield from _runs(found)
    if found.experiments.trained:
        stale = f", {found.experiments.stale} of them on other data" if found.experiments.stale else ""
        yield "experiments", f"{found.experiments.trained} runs of arms{stale}"
    if found.stages and not found.runs:
        yield "stages", f"{len(found.stages)} never ran"
    elif found.stages is not None:
        yield from _several("stages", [f"{name}: {why}" for name, why in found.stages.items()] or ["none changed"])
    shown = "contains this data" if found.is_published else "contains other data"
    yield "release", f"{found.release}, {shown}" if found.release else "none"
    yield from _several("interrupted", [f"{one.what}: {one.remedy}" for one in found.interrupted])
    if found.lock.is_held or found.lock.is_stale:
        yield "lock", found.lock.describe()
    yield "next", f"{found.next[0]}    ({found.next[1]})"


def _data(found: Status) -> Iterator[tuple[str, str]]:
    data = found.data
    if data.data_version is None:
        yield "data", "none"
        return
    recorded = f"recorded {data.recorded_at:%Y-%m-%d %H:%M}" if data.recorded_at else "not recorded"
    pushed = {True: f", on {data.remote}", False: f", not on {data.remote}", None: ""}[data.is_pushed]
    yield "data", f"{data.data_version}, {recorded}{pushed}"
    people = ("participants", "visits", *SLOT_TABLES)
    yield "", ", ".join([*(f"{data.rows.get(table, 0):,} {table}" for table in people), f"{found.pairs:,} pairs"])
    others = [f"{table} {count:,}" for table, count in data.rows.items() if table not in {*people, "pairs"} and count]
    yield "", "rows: " + ", ".join(others)
    if found.unreadable:
        yield "invalid", f"cannot be read: {', '.join(found.unreadable)}"


def _gate(found: Status) -> str:
    gate = found.gate
    words = {
        "absent": "not run",
        "other data": "run on other data",
        "unreadable": "gate.json cannot be read",
    }
    counts = f", {gate.critical_failures} critical failures, {gate.warnings} warnings"
    return words.get(gate.status, gate.status + counts)


def _runs(found: Status) -> Iterator[tuple[str, str]]:
    if not found.runs:
        yield "runs", "none"
        return
    listed = []
    for run in found.runs:
        state = (
            "current"
            if run.is_current
            else "no run.json"
            if run.run_id is None
            else f"stale, of data {run.data_version}"
        )
        lacking = [f"{count} visits without {view}" for view, count in run.without.items() if count]
        if not run.is_current or lacking:
            listed.append(f"{run.run}: " + ", ".join([state, *lacking]))
    current = sum(run.is_current for run in found.runs)
    yield from _several("runs", [f"{current} of {len(found.runs)} are current for this data", *listed])


def _several(name: str, lines: list[str], most: int = 8) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines[:most]):
        yield name if number == 0 else "", line
    if len(lines) > most:
        yield "", f"... {len(lines) - most} more (--json)"
