"""Ledger of the releases of the published store, and the aliases that point at them.

::

    releases/2026-11-24.duckdb        one file per release; a second one of a day is 2026-11-24.2
    ledger/releases.json              releases, aliases, retractions, redactions
    eccl.duckdb                       a copy of the latest release, for clients that open one fixed path
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from eccl.data.files import replace_file
from eccl.data.lock import writing
from eccl.errors import VersionError
from eccl.workspace import Workspace

LATEST = "latest"


@dataclass(frozen=True, slots=True)
class Release:
    """One entry of the ledger.

    Parameters
    ----------
    published_at
        UTC, ISO 8601 to the second.
    fingerprint
        Hash of everything the store was built from; publishing the same contents makes no new release.
    retraction
        ``at`` and ``reason``; None if the release was not retracted.
    redactions
        Certificates of the withdrawals that removed rows from it.
    removed_at
        Time when its file was removed to make room; None while it exists.
    """

    name: str
    published_at: str
    data_version: str
    fingerprint: str
    retraction: Mapping[str, str | None] | None = None
    redactions: tuple[str, ...] = ()
    removed_at: str | None = None

    def path(self, workspace: Workspace) -> Path:
        """The release's file."""
        return workspace.releases / f"{self.name}.duckdb"


@dataclass(frozen=True, slots=True)
class Ledger:
    """ledger/releases.json: releases in the order of publication, and aliases."""

    releases: tuple[Release, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)

    def aliases_of(self, name: str) -> list[str]:
        """Aliases that point at a release."""
        return sorted(alias for alias, target in self.aliases.items() if target == name)

    def find(self, wanted: str) -> Release:
        """Find a release by its name, an alias, or its data version (the latest that was not retracted).

        Raises
        ------
        VersionError
            There is none.
        """
        name = self.aliases.get(wanted, wanted)
        for release in self.releases:
            if release.name == name:
                return release
        shown = [
            one for one in self.releases if one.data_version == wanted and not one.retraction and not one.removed_at
        ]
        if shown:
            return shown[-1]
        known = ", ".join([*self.aliases, *(release.name for release in self.releases)]) or "none yet"
        raise VersionError(
            f"no release {wanted}; there are {known}. `eccl versions` lists them, `eccl publish` makes one"
        )

    def with_release(self, changed: Release) -> Ledger:
        """Return the ledger with one entry replaced."""
        releases = tuple(changed if one.name == changed.name else one for one in self.releases)
        return replace(self, releases=releases)

    def with_latest(self) -> Ledger:
        """Return the ledger with ``latest`` at the newest release that was neither retracted nor removed."""
        aliases = {alias: name for alias, name in self.aliases.items() if alias != LATEST}
        for release in reversed(self.releases):
            if not release.retraction and not release.removed_at:
                return replace(self, aliases={**aliases, LATEST: release.name})
        return replace(self, aliases=aliases)


def read_ledger(workspace: Workspace) -> Ledger:
    """Read the ledger; empty where nothing was published yet."""
    path = workspace.ledger / "releases.json"
    if not path.is_file():
        return Ledger()
    content = json.loads(path.read_text())
    releases = tuple(Release(**{**entry, "redactions": tuple(entry["redactions"])}) for entry in content["releases"])
    return Ledger(releases, content["aliases"])


def write_ledger(workspace: Workspace, ledger: Ledger) -> None:
    """Write the ledger atomically."""
    content: dict[str, Any] = {
        "releases": [asdict(release) for release in ledger.releases],
        "aliases": dict(sorted(ledger.aliases.items())),
    }
    replace_file(workspace.ledger / "releases.json", (json.dumps(content, indent=1) + "\n").encode())


def next_name(ledger: Ledger, now: datetime) -> str:
    """Name the next release: the date, with a number from the second one of a day on."""
    day = f"{now:%Y-%m-%d}"
    taken = {release.name for release in ledger.releases}
    number = 1
    while (name := day if number == 1 else f"{day}.{number}") in taken:
        number += 1
    return name


def open_release(workspace: Workspace, wanted: str = LATEST) -> Release:
    """Find a release that can be opened.

    Raises
    ------
    VersionError
        There is none of that name, it was retracted, or its file was removed.
    """
    release = read_ledger(workspace).find(wanted)
    if release.retraction:
        raise VersionError(
            f"release {release.name} was retracted on {str(release.retraction['at'])[:10]}: {release.retraction['reason']}; "
            "`eccl versions` lists the others"
        )
    if not release.path(workspace).is_file():
        raise VersionError(
            f"the file of release {release.name} was removed; `eccl versions` lists the others, and how to restore data version "
            f"{release.data_version}, which can then be published again"
        )
    return release


def check_alias(alias: str) -> None:
    """Check the name of an alias.

    Raises
    ------
    VersionError
        It is empty, ``latest``, or starts with a digit, as the names of releases do.
    """
    if alias == LATEST or not alias or alias[0].isdigit():
        raise VersionError(
            f"alias {alias!r} cannot be used: {LATEST} is set by `eccl publish`, and names that start with a digit are releases"
        )


def promote(workspace: Workspace, wanted: str, alias: str) -> Release:
    """Point an alias at a release.

    Raises
    ------
    VersionError
        The release cannot be opened, or the alias is not valid.
    """
    check_alias(alias)
    with writing(workspace.state, "promote"):
        release = open_release(workspace, wanted)
        ledger = read_ledger(workspace)
        write_ledger(workspace, replace(ledger, aliases={**ledger.aliases, alias: release.name}))
    return release


def note_redaction(workspace: Workspace, name: str, certificate: str) -> None:
    """Record that a withdrawal removed rows from a release."""
    ledger = read_ledger(workspace)
    for release in ledger.releases:
        if release.name == name and certificate not in release.redactions:
            changed = replace(release, redactions=(*release.redactions, certificate))
            write_ledger(workspace, ledger.with_release(changed))


def to_stamp(moment: datetime) -> str:
    """Format a time for the ledger: UTC, ISO 8601, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
