"""Releases of the published store: immutable files with a date for a name, and aliases that point at them.

::

    releases/2026-11-24.duckdb        one file per release; a second one of a day is 2026-11-24.2
    ledger/releases.json              what was published when, aliases, retractions, redactions
    eccl.duckdb                       a copy of the latest release, for clients that know one name only
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
        Of everything the store was built from: equal fingerprints need no new release.
    retraction
        ``at``, ``reason``, ``replacement`` (or None); None while the release stands.
    redactions
        Certificates of the withdrawals that took rows out of it.
    removed_at
        When its file was removed to make room; None while it is there.
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
        """A release by its name, an alias, or the data version it shows (the latest of that version that stands).

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
        """The ledger with one entry replaced."""
        releases = tuple(changed if one.name == changed.name else one for one in self.releases)
        return replace(self, releases=releases)

    def without_aliases(self, name: str, instead: Release | None) -> Ledger:
        """The ledger with a release's aliases moved to another; ``latest`` finds one by itself."""
        moved = self.aliases_of(name)
        aliases = {alias: target for alias, target in self.aliases.items() if alias not in moved}
        if instead is None and LATEST in moved:
            moved = [LATEST]
            instead = next((one for one in reversed(self.releases) if not one.retraction and not one.removed_at), None)
        if instead:
            aliases |= dict.fromkeys(moved, instead.name)
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
    """Write the ledger, aside and renamed."""
    content: dict[str, Any] = {
        "releases": [asdict(release) for release in ledger.releases],
        "aliases": dict(sorted(ledger.aliases.items())),
    }
    replace_file(workspace.ledger / "releases.json", (json.dumps(content, indent=1) + "\n").encode())


def next_name(ledger: Ledger, now: datetime) -> str:
    """Name of the next release: the date, with a number from the day's second one on."""
    day = f"{now:%Y-%m-%d}"
    taken = {release.name for release in ledger.releases}
    number = 1
    while (name := day if number == 1 else f"{day}.{number}") in taken:
        number += 1
    return name


def open_release(workspace: Workspace, wanted: str = LATEST) -> Release:
    """Find a release that may be read.

    Raises
    ------
    VersionError
        There is none of that name, it was retracted, or its file was removed.
    """
    release = read_ledger(workspace).find(wanted)
    if release.retraction:
        instead = release.retraction["replacement"]
        raise VersionError(
            f"release {release.name} was retracted on {str(release.retraction['at'])[:10]}: {release.retraction['reason']}; "
            + (f"use {instead} instead" if instead else "`eccl versions` lists those that stand")
        )
    if not release.path(workspace).is_file():
        raise VersionError(
            f"the file of release {release.name} was removed; `eccl versions` lists those that are there, and data version "
            f"{release.data_version} can be brought back and published again"
        )
    return release


def check_alias(alias: str) -> None:
    """Refuse names that are none for an alias.

    Raises
    ------
    VersionError
        It is ``latest``, or looks like a release's name.
    """
    if alias == LATEST or not alias or alias[0].isdigit():
        raise VersionError(
            f"alias {alias!r} cannot be given: {LATEST} follows `eccl publish`, names with a digit first are releases"
        )


def promote(workspace: Workspace, wanted: str, alias: str) -> Release:
    """Let an alias point at a release.

    Raises
    ------
    VersionError
        The release may not be read, or the alias is ``latest`` or looks like a release's name.
    """
    check_alias(alias)
    with writing(workspace.state, "promote"):
        release = open_release(workspace, wanted)
        ledger = read_ledger(workspace)
        write_ledger(workspace, replace(ledger, aliases={**ledger.aliases, alias: release.name}))
    return release


def note_redaction(workspace: Workspace, name: str, certificate: str) -> None:
    """Note that a withdrawal took rows out of a release."""
    ledger = read_ledger(workspace)
    for release in ledger.releases:
        if release.name == name and certificate not in release.redactions:
            changed = replace(release, redactions=(*release.redactions, certificate))
            write_ledger(workspace, ledger.with_release(changed))


def to_stamp(moment: datetime) -> str:
    """A moment as the ledger writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
