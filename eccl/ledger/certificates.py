"""Certificates of withdrawals: counts of what was removed from each store. They contain no ids.

::

    ledger/withdrawals/<date>-<n>.json      the record
    ledger/withdrawals/<date>-<n>.md        the same as a report
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from eccl.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Certificate:
    """One withdrawal that was carried out.

    Parameters
    ----------
    name
        Name of its files, ``<date>-<n>``.
    participants
        Number of withdrawn participants.
    tainted
        By run id, how its model used data of one of them: ``trained``, ``selected``, or ``parent``.
    purged_versions
        Data versions that can no longer be restored completely.
    is_clean
        Whether the search afterwards found nothing.
    content
        The whole record.
    """

    name: str
    withdrawn_on: date
    participants: int
    tainted: Mapping[str, str]
    purged_versions: tuple[str, ...]
    is_clean: bool
    content: Mapping[str, Any]


def certificates_folder(workspace: Workspace) -> Path:
    """Folder of the certificates."""
    return workspace.ledger / "withdrawals"


def read_certificates(workspace: Workspace) -> list[Certificate]:
    """Every certificate of a workspace, oldest first."""
    found = [
        read_certificate(path)
        for path in certificates_folder(workspace).glob("*.json")
        if not path.name.startswith(".")
    ]
    return sorted(found, key=lambda one: (one.withdrawn_on, int(one.name.rpartition("-")[2])))


def read_certificate(path: Path) -> Certificate:
    """Read one certificate."""
    content = json.loads(path.read_text())
    return Certificate(
        name=path.stem,
        withdrawn_on=date.fromisoformat(content["withdrawn_on"]),
        participants=content["participants"],
        tainted={run["run_id"]: run["how"] for run in content["runs_tainted"]},
        purged_versions=tuple(content["purge"]["versions"]) if content["purge"] else (),
        is_clean=not content["search"]["found"],
        content=content,
    )
