"""The test-access log: every selection of runs that was scored on the test split, of whatever data version.

::

    experiments/test_access.json     [{"data_version", "preset", "selection", "runs", "reason"}, ...]   oldest first

The file is beside the experiment table, not below reports/: git keeps it, and neither a new data version nor a deleted report
removes an access. It contains no time: equal accesses give equal bytes. Older versions called it ``looks.json``; it is
renamed when the log is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eccl.data.files import replace_file
from eccl.errors import SplitError
from eccl.workspace import Workspace

FILE = "test_access.json"
OLDER_FILE = "looks.json"
Access = Mapping[str, Any]


def access_file(workspace: Workspace) -> Path:
    """Path of the log."""
    return workspace.arms_file.parent / FILE


def read_accesses(workspace: Workspace) -> list[Access]:
    """Every access, oldest first; none before the first table.

    Raises
    ------
    SplitError
        The file cannot be read: without the log every access would count as the first.
    """
    file = access_file(workspace)
    older = file.with_name(OLDER_FILE)
    if older.is_file() and not file.is_file():
        older.rename(file)
    if not file.is_file():
        return []
    try:
        accesses: list[Access] = json.loads(file.read_text())
        if isinstance(accesses, list) and all(
            {"data_version", "selection", "runs", "reason"} <= set(one) for one in accesses
        ):
            return accesses
    except (ValueError, TypeError):
        pass
    raise SplitError(
        f"experiments/{FILE}, the test-access log, is no list of accesses; restore it from git "
        f"(`git checkout -- experiments/{FILE}`): without it the number of accesses to the test split is unknown"
    )


def log_access(
    workspace: Workspace, data_version: str, preset: str, selection: str, runs: Sequence[str], reason: str | None
) -> None:
    """Log that a selection is about to be scored on the test split; one that is in the log already adds nothing.

    Parameters
    ----------
    selection
        SHA-256 of the selection.
    reason
        Why another selection than before is scored, in words.

    Raises
    ------
    SplitError
        Another selection was scored before, of this or of another data version, and no reason is given.
    """
    accesses = read_accesses(workspace)
    if any(one["selection"] == selection for one in accesses):
        return
    reason = (reason or "").strip() or None
    if accesses and reason is None:
        raise SplitError(_refusal(accesses, data_version, set(runs)))
    access = {
        "data_version": data_version,
        "preset": preset,
        "selection": selection,
        "runs": sorted(runs),
        "reason": reason if accesses else None,
    }
    text = json.dumps([*accesses, access], indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    replace_file(access_file(workspace), text.encode())


def _refusal(accesses: Sequence[Access], data_version: str, runs: set[str]) -> str:
    last = accesses[-1]
    known = set(last["runs"])
    of = "this data version" if last["data_version"] == data_version else f"data version {last['data_version']}"
    return (
        f"the test split was scored already, last for another selection of {of} ({len(known)} runs; {len(runs - known)} of these "
        f"{len(runs)} are new, {len(known - runs)} are no longer in it, others were trained again or are scored by another label or on "
        f'other data); give the reason why it is scored once more (`eccl table1 --rescore "REASON"`), which is kept in experiments/{FILE}'
    )
