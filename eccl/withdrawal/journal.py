"""The plan of a withdrawal and the journal that stores it, so that an interrupted withdrawal can be resumed.

The journal holds participant ids: only its owner can read it, and it is deleted when the withdrawal is complete. It does not
record which steps are done: each can be repeated, and an older version of the data may have been restored in between.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from eccl.data.files import atomic_path
from eccl.errors import WithdrawalError
from eccl.ledger.tombstones import journal_path
from eccl.withdrawal.rows import Select
from eccl.workspace import Workspace

Counts = Mapping[str, Mapping[str, int]]
"""``rows`` before, and how many of them are of ``withdrawn`` participants, by name."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Contents of the workspace before a withdrawal changes anything.

    Parameters
    ----------
    certificate, withdrawn_on
        Name and ISO date of its certificate.
    eids
        Participants to remove.
    listed
        The withdrawal list; the search skips it.
    raw
        Folder of raw files to clean; None leaves raw files unchanged.
    data_version
        Before the withdrawal; None if there is no data.
    slots, written
        Slots of the participants by modality: all of them, and those that hold records.
    hashes
        SHA-256 of their raw files, without hashes that rows of other participants have too.
    tables, arrays, features, releases
        Rows (slots) before.
    raw_files, raw_rows
        Number of their raw files, and of their rows in tabular exports; 0 if raw files are left unchanged.
    tainted
        ``run``, ``run_id`` and ``how`` of the models that used data of one of them.
    covered
        Runs whose features are valid for that data version: ``run_id``, and ``visits`` by view.
    """

    certificate: str
    withdrawn_on: str
    eids: tuple[int, ...]
    listed: str
    raw: str | None
    data_version: str | None
    slots: Mapping[str, list[int]]
    written: Mapping[str, list[int]]
    hashes: tuple[str, ...]
    tables: Counts
    arrays: Counts
    features: Counts
    releases: Counts
    raw_files: int
    raw_rows: int
    tainted: tuple[Mapping[str, str], ...]
    covered: Mapping[str, Mapping[str, Any]]

    @property
    def since(self) -> date:
        return date.fromisoformat(self.withdrawn_on)

    @property
    def select(self) -> Select:
        """Function that returns the numbers that are ids of these participants."""
        return frozenset(self.eids).intersection

    @property
    def traces(self) -> int:
        """Number of their rows, slots and files in all stores."""
        counted = (self.tables, self.arrays, self.features, self.releases)
        return sum(n["withdrawn"] for part in counted for n in part.values()) + self.raw_files + self.raw_rows


def write_journal(workspace: Workspace, plan: Plan) -> None:
    """Write the plan to disk, readable by its owner only."""
    with atomic_path(journal_path(workspace)) as temporary:
        temporary.touch(mode=0o600)
        temporary.write_text(json.dumps(asdict(plan)))


def read_journal(workspace: Workspace) -> Plan | None:
    """Read the plan of an interrupted withdrawal; None if there is none.

    Raises
    ------
    WithdrawalError
        It is damaged.
    """
    path = journal_path(workspace)
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(), object_hook=_renamed)
        named = {name: tuple(content[name]) for name in ("eids", "hashes", "tainted")}
        return Plan(**{**content, **named})
    except (ValueError, KeyError, TypeError) as error:
        raise WithdrawalError(
            f".eccl/withdrawal.json cannot be read ({type(error).__name__}): it was changed by hand or by another version; remove it "
            "and run `eccl withdraw LIST` again: data that is removed already is not counted"
        ) from None


def _renamed(content: dict[str, Any]) -> dict[str, Any]:
    # Journals of earlier versions count rows as `theirs`.
    return {"withdrawn" if name == "theirs" else name: value for name, value in content.items()}
