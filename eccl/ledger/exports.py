"""Files exported from the store: one line each in ledger/exports.jsonl, so that a withdrawal can list them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from eccl.data.files import replace_file
from eccl.ledger.releases import to_stamp
from eccl.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Export:
    """One file that was written from the store.

    Parameters
    ----------
    at
        UTC, ISO 8601.
    release
        Release it was read from.
    has_eid
        Whether its rows contain participant ids.
    """

    at: str
    path: str
    release: str
    has_eid: bool
    rows: int


def record_export(workspace: Workspace, path: Path, release: str, *, has_eid: bool, rows: int) -> Export:
    """Append one export to the ledger."""
    export = Export(to_stamp(datetime.now(UTC)), str(path.resolve()), release, has_eid, rows)
    workspace.ledger.mkdir(exist_ok=True)
    with (workspace.ledger / "exports.jsonl").open("a") as stream:
        stream.write(json.dumps(asdict(export)) + "\n")
    return export


def list_exports(workspace: Workspace) -> list[Export]:
    """Every recorded export, oldest first."""
    path = workspace.ledger / "exports.jsonl"
    return [Export(**json.loads(line)) for line in path.read_text().splitlines()] if path.is_file() else []


def redact_exports(workspace: Workspace, redact: Callable[[str], str]) -> None:
    """Replace ids of withdrawn participants in the paths of the ledger."""
    exports = list_exports(workspace)
    if any(redact(export.path) != export.path for export in exports):
        lines = [json.dumps({**asdict(export), "path": redact(export.path)}) + "\n" for export in exports]
        replace_file(workspace.ledger / "exports.jsonl", "".join(lines).encode())
