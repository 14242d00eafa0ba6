"""The history of looks at the test split: every selection of runs that was scored on it, of whatever data version.

::

    experiments/looks.json     [{"data_version", "preset", "selection", "runs", "reason"}, ...]   oldest first

The file lies beside the experiment table, not below reports/: git keeps it, and neither a new data version nor a deleted
report makes a look undone. It holds no time: equal looks give equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eccl.data.files import replace_file
from eccl.errors import SplitError
from eccl.workspace import Workspace

FILE = "looks.json"
Look = Mapping[str, Any]


def looks_file(workspace: Workspace) -> Path:
    """Where the history lies."""
    return workspace.arms_file.parent / FILE


def read_looks(workspace: Workspace) -> list[Look]:
    """Every look, oldest first; none before the first table.

    Raises
    ------
    SplitError
        The file cannot be read: a lost history would make every look the first.
    """
    file = looks_file(workspace)
    if not file.is_file():
        return []
    try:
        looks: list[Look] = json.loads(file.read_text())
        if isinstance(looks, list) and all(
            {"data_version", "selection", "runs", "reason"} <= set(look) for look in looks
        ):
            return looks
    except (ValueError, TypeError):
        pass
    raise SplitError(
        f"experiments/{FILE}, the history of looks at the test split, is no list of looks; bring it back from git "
        f"(`git checkout -- experiments/{FILE}`): without it nobody can say how often the split was scored"
    )


def add_look(
    workspace: Workspace, data_version: str, preset: str, selection: str, runs: Sequence[str], again: str | None
) -> None:
    """Write down that a selection is about to be scored on the test split; one that was scored before adds nothing.

    Parameters
    ----------
    selection
        SHA-256 of the selection.
    again
        Why another selection is scored, in words.

    Raises
    ------
    SplitError
        Another selection was scored before, of this or of another data version, and no reason is given.
    """
    looks = read_looks(workspace)
    if any(look["selection"] == selection for look in looks):
        return
    reason = (again or "").strip() or None
    if looks and reason is None:
        raise SplitError(_refusal(looks, data_version, set(runs)))
    look = {
        "data_version": data_version,
        "preset": preset,
        "selection": selection,
        "runs": sorted(runs),
        "reason": reason if looks else None,
    }
    text = json.dumps([*looks, look], indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    replace_file(looks_file(workspace), text.encode())


def _refusal(looks: Sequence[Look], data_version: str, runs: set[str]) -> str:
    last = looks[-1]
    known = set(last["runs"])
    of = "this data version" if last["data_version"] == data_version else f"data version {last['data_version']}"
    return (
        f"the test split was scored already, last for another selection of {of} ({len(known)} runs; {len(runs - known)} of these "
        f"{len(runs)} are new, {len(known - runs)} are gone, others were trained again or are scored by another label or on other data); "
        f'say why it is scored once more (`eccl table1 --again "REASON"`): the reason is kept in experiments/{FILE}'
    )
