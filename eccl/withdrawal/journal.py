"""The journal: all a withdrawal needs to go on after a kill, because what it removes tells it no more.

It names participants, so only its owner may read it, and it is gone when the withdrawal is complete. Which steps are done it
does not say: each can be done again, and somebody may have brought an older version back in between.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from eccl.data.files import aside
from eccl.errors import WithdrawalError
from eccl.ledger.tombstones import journal_path
from eccl.withdrawal.rows import Select
from eccl.workspace import Workspace

Counts = Mapping[str, Mapping[str, int]]
"""``rows`` before, and how many of them are ``theirs``, by name."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a withdrawal found before it changed anything.

    Parameters
    ----------
    certificate, withdrawn_on
        Name and ISO date of its certificate.
    eids
        Participants to remove.
    listed
        The withdrawal list, which holds their ids by right.
    raw
        Folder of raw files to remove them from; None leaves raw files alone.
    data_version
        Before; None where there is no data.
    slots, written
        Their slots by modality: all of them, and those that hold records.
    hashes
        SHA-256 of their raw files, of those that nobody else's row has too.
    tables, arrays, features, releases
        Rows (slots) before.
    raw_files, raw_rows
        Their raw files, and the rows of tabular exports; 0 where raw files are left alone.
    tainted
        ``run``, ``run_id`` and ``how`` of the models that saw one of them.
    covered
        Runs whose features hold for the data before: ``run_id``, and ``visits`` by view.
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
        """Tells which of some numbers are these participants."""
        return frozenset(self.eids).intersection

    @property
    def traces(self) -> int:
        """Rows, slots and files of theirs, over all stores."""
        counted = (self.tables, self.arrays, self.features, self.releases)
        return sum(n["theirs"] for part in counted for n in part.values()) + self.raw_files + self.raw_rows


def write_journal(workspace: Workspace, plan: Plan) -> None:
    """Put the plan on disk; nobody else may read it."""
    with aside(journal_path(workspace)) as temporary:
        temporary.touch(mode=0o600)
        temporary.write_text(json.dumps(asdict(plan)))


def read_journal(workspace: Workspace) -> Plan | None:
    """Read the plan of an interrupted withdrawal; None where there is none.

    Raises
    ------
    WithdrawalError
        It is damaged.
    """
    path = journal_path(workspace)
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text())
        named = {name: tuple(content[name]) for name in ("eids", "hashes", "tainted")}
        return Plan(**{**content, **named})
    except (ValueError, KeyError, TypeError) as error:
        raise WithdrawalError(
            f".eccl/withdrawal.json cannot be read ({type(error).__name__}): it was changed by hand or by another version; remove it "
            "and run `eccl withdraw LIST` again: what is gone already is not missed"
        ) from None
