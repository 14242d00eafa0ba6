"""Publish and retract releases of the store.

A release is built in a temporary file and renamed. Readers that hold an older release keep reading it.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from eccl import __version__
from eccl.config import load_params
from eccl.data import database
from eccl.data.files import TEMPORARY_PREFIX, atomic_path, sweep
from eccl.data.lock import writing
from eccl.data.parts import data_version
from eccl.errors import VersionError
from eccl.features.store import FeatureStore
from eccl.features.views import quote
from eccl.ledger.releases import LATEST, Ledger, Release, next_name, read_ledger, to_stamp, write_ledger
from eccl.ledger.tombstones import require_no_pending_withdrawal
from eccl.ledger.withdrawn_check import require_none_withdrawn
from eccl.publishing.build import fill_store
from eccl.publishing.fingerprint import fingerprint
from eccl.versioning.versions import DataVersion, list_versions
from eccl.workspace import Workspace

ROW_GROUP = 16_384


@dataclass(frozen=True, slots=True)
class Published:
    """Outcome of a publication.

    Parameters
    ----------
    rows
        Rows per table.
    is_new
        False if the latest release shows all of this already.
    """

    release: Release
    rows: dict[str, int]
    is_new: bool


def publish(workspace: Workspace, *, force: bool = False) -> Published:
    """Publish the contents of the workspace as a release, unless the latest release shows them already.

    Parameters
    ----------
    force
        Make a release even if nothing changed, or if a release of the same content was retracted.

    Raises
    ------
    LockedError
        Another process is writing.
    WithdrawalError
        A withdrawal was interrupted, or data/ holds withdrawn participants.
    VersionError
        A release of the same content was retracted.
    """
    with writing(workspace.state, "publish"):
        require_no_pending_withdrawal(workspace)
        require_none_withdrawn(workspace)
        ledger = read_ledger(workspace)
        known = list_versions(workspace)
        current = fingerprint(workspace, known)
        latest = _latest(workspace, ledger)
        if latest and latest.fingerprint == current and not force:
            _expose(workspace, latest)
            return Published(latest, _count_rows(latest.path(workspace)), is_new=False)
        if not force:
            _refuse_retracted(ledger, current)
        now = datetime.now(UTC)
        release = Release(next_name(ledger, now), to_stamp(now), data_version(workspace.data), current)
        _build(workspace, release, now, known)
        ledger = replace(ledger, releases=(*ledger.releases, release), aliases={**ledger.aliases, LATEST: release.name})
        ledger = _make_room(workspace, ledger, to_stamp(now))
        write_ledger(workspace, ledger)
        _sweep(workspace, ledger)
        _expose(workspace, release)
    return Published(release, _count_rows(release.path(workspace)), is_new=True)


def has_changes(workspace: Workspace) -> bool:
    """Return whether :func:`publish` would make a release; write nothing."""
    latest = _latest(workspace, read_ledger(workspace))
    return latest is None or latest.fingerprint != fingerprint(workspace, list_versions(workspace), is_cached=False)


def retract(workspace: Workspace, wanted: str, reason: str) -> Release:
    """Retract a release: its file stays, but it can no longer be opened by name.

    ``latest`` and eccl.duckdb follow to the newest release that was not retracted.

    Raises
    ------
    VersionError
        As :func:`check_retraction`.
    """
    with writing(workspace.state, "retract"):
        ledger = read_ledger(workspace)
        release = check_retraction(ledger, wanted, reason)
        retracted = replace(release, retraction={"at": to_stamp(datetime.now(UTC)), "reason": reason.strip()})
        ledger = ledger.with_release(retracted).with_latest()
        write_ledger(workspace, ledger)
        if LATEST in ledger.aliases:
            _expose(workspace, ledger.find(LATEST))
        else:
            workspace.database.unlink(missing_ok=True)
    return retracted


def check_retraction(ledger: Ledger, wanted: str, reason: str) -> Release:
    """Find the release to retract.

    Raises
    ------
    VersionError
        There is no such release, it was retracted before, an alias points at it, or no reason was given.
    """
    if not reason.strip():
        raise VersionError("a retraction needs a reason, which is printed to readers; give --reason TEXT")
    release = ledger.find(wanted)
    if release.retraction:
        raise VersionError(f"release {release.name} was retracted before: {release.retraction['reason']}")
    if aliases := [alias for alias in ledger.aliases_of(release.name) if alias != LATEST]:
        raise VersionError(
            f"alias {aliases[0]} points at release {release.name}; point it at another release first: "
            f"`eccl promote RELEASE --alias {aliases[0]}`"
        )
    return release


def is_published(workspace: Workspace) -> bool:
    """Return whether the latest release shows the data version of the workspace."""
    latest = _latest(workspace, read_ledger(workspace))
    return bool(latest and workspace.database.is_file() and latest.data_version == data_version(workspace.data))


def _refuse_retracted(ledger: Ledger, current: str) -> None:
    for release in ledger.releases:
        if release.retraction and release.fingerprint == current:
            raise VersionError(
                f"nothing changed since release {release.name}, which was retracted ({release.retraction['reason']}); correct the "
                "data or features first (ingest, train, materialize), or publish the same content with `eccl publish --force`"
            )


def _latest(workspace: Workspace, ledger: Ledger) -> Release | None:
    name = ledger.aliases.get(LATEST)
    release = ledger.find(name) if name else None
    return release if release and release.path(workspace).is_file() else None


def _build(workspace: Workspace, release: Release, now: datetime, known: Sequence[DataVersion]) -> None:
    with atomic_path(release.path(workspace)) as temporary, database.memory() as connection:
        # Small row groups: a query for one visit or one run reads little, and long columns are read by all cores.
        connection.execute(f"ATTACH {quote(str(temporary))} AS store (ROW_GROUP_SIZE {ROW_GROUP})").fetchall()
        connection.execute("USE store").fetchall()
        database.create_tables(connection, ["release"])
        row = {
            "name": release.name,
            "published_at": now.replace(tzinfo=None, microsecond=0),
            "data_version": release.data_version,
            "package_version": __version__,
        }
        database.fill_table(connection, "release", pa.Table.from_pylist([row]))
        fill_store(connection, workspace, known)
        connection.execute("USE memory").fetchall()
        connection.execute("DETACH store").fetchall()
    release.path(workspace).chmod(0o444)


def _expose(workspace: Workspace, release: Release) -> None:
    """Copy a release to eccl.duckdb: a client that opens that file for writing damages the copy only."""
    source = release.path(workspace)
    if workspace.database.is_file():
        try:
            with FeatureStore(workspace.database) as store:
                if store.release == release.name and workspace.database.stat().st_size == source.stat().st_size:
                    return
        except duckdb.Error:  # damaged, or made by another version of this package
            pass
    with atomic_path(workspace.database) as temporary:
        shutil.copyfile(source, temporary)


def _make_room(workspace: Workspace, ledger: Ledger, now: str) -> Ledger:
    """Mark the oldest releases beyond `publish.keep_releases` as removed, except those with an alias."""
    keep = load_params(workspace.params_file).publish.keep_releases
    there = [one for one in ledger.releases if not one.removed_at and not ledger.aliases_of(one.name)]
    for release in there[: max(0, len(there) - keep)] if keep else []:
        ledger = ledger.with_release(replace(release, removed_at=now))
    return ledger


def _sweep(workspace: Workspace, ledger: Ledger) -> None:
    """Remove release files that the ledger does not list, which a killed publication leaves behind."""
    sweep(workspace.releases)
    for leftover in workspace.root.glob(f"{TEMPORARY_PREFIX}*-{workspace.database.name}"):  # of a copy that was killed
        leftover.unlink()
    listed = {release.name for release in ledger.releases if not release.removed_at}
    for file in workspace.releases.glob("*.duckdb"):
        if file.stem not in listed:
            file.unlink()


def _count_rows(path: Path) -> dict[str, int]:
    with FeatureStore(path) as store:
        tables = store.sql(
            "SELECT schema_name, table_name, estimated_size FROM duckdb_tables() ORDER BY table_oid"
        ).fetchall()
    return {name if schema == "main" else f"{schema}.{name}": int(rows) for schema, name, rows in tables}
