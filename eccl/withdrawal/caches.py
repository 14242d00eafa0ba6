""".eccl/: caches and checkpoints that a participant is part of."""

from __future__ import annotations

import json
import shutil

from eccl.data.files import replace_file
from eccl.withdrawal.journal import Plan
from eccl.withdrawal.rows import ids_in
from eccl.workspace import Workspace


def empty_caches(workspace: Workspace, plan: Plan) -> None:
    """Delete checkpoints and what tables were made from; forget the hashes of the participants' raw files."""
    shutil.rmtree(workspace.checkpoints, ignore_errors=True)
    (workspace.state / "tables.json").unlink(missing_ok=True)
    seen = workspace.state / "seen.json"
    if not seen.is_file():
        return
    try:
        entries = json.loads(seen.read_text())
    except ValueError:  # a cache
        seen.unlink()
        return
    left = {path: entry for path, entry in entries.items() if not plan.select(ids_in(path.encode()))}
    if len(left) < len(entries):
        replace_file(seen, json.dumps(left, sort_keys=True).encode())
