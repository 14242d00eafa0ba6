"""What a status says, as types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from eccl.operations.locks import Lock
from eccl.operations.runs import ExperimentState, RunState


@dataclass(frozen=True, slots=True)
class DataState:
    """The version under data/.

    Parameters
    ----------
    data_version
        None where there is no data.
    git_commit, recorded_at
        Where it was recorded; None where it was not.
    remote, is_pushed
        The default remote, and whether it has this version; None where nobody was asked.
    rows
        Rows by table.
    """

    data_version: str | None = None
    git_commit: str | None = None
    recorded_at: datetime | None = None
    remote: str | None = None
    is_pushed: bool | None = None
    rows: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GateState:
    """Result of the gate: ``passed``, ``failed``, ``overridden``, ``absent``, ``unreadable``, or ``other data``."""

    status: str
    critical_failures: int = 0
    warnings: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """Files or rows refused for one reason."""

    kind: str
    reason: str
    count: int
    remedy: str


@dataclass(frozen=True, slots=True)
class Interruption:
    """Something that was begun and not ended."""

    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Status:
    """One screen about a workspace.

    Parameters
    ----------
    pairs, missing
        Visits that are pairs; and visits that are none, by reason.
    stages
        Stages whose inputs changed, with the reason; None where DVC was not asked or cannot say.
    runs, experiments
        The workspace's own runs; and what the experiment table has left, counted.
    release, is_published
        Latest release, and whether it shows the data that the workspace holds.
    unreadable
        Tables that could not be read.
    next
        The command to type, and why.
    """

    data: DataState
    gate: GateState
    pairs: int
    missing: Mapping[str, int]
    runs: tuple[RunState, ...]
    experiments: ExperimentState
    stages: Mapping[str, str] | None
    quarantine: tuple[Refusal, ...]
    interrupted: tuple[Interruption, ...]
    lock: Lock
    release: str | None
    is_published: bool
    unreadable: tuple[str, ...]
    next: tuple[str, str] = ("", "")

    def to_dict(self) -> dict[str, Any]:
        """The status as JSON."""
        return asdict(self) | {"next": {"command": self.next[0], "why": self.next[1]}}
