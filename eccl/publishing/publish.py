"""Publish: build a release aside, swap it in, and let the aliases follow.

Readers that hold an older release keep reading it; whoever opens the store next gets the new one.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from eccl import __version__
from eccl.config import load_params
from eccl.data import database
from eccl.data.files import TEMPORARY_PREFIX, aside, sweep
from eccl.data.lock import writing
from eccl.data.parts import data_version
from eccl.errors import VersionError
from eccl.features.store import FeatureStore
from eccl.features.views import quote
from eccl.ledger.releases import LATEST, Ledger, Release, next_name, open_release, read_ledger, to_stamp, write_ledger
from eccl.ledger.tombstones import require_no_pending_withdrawal
from eccl.ledger.withdrawn_check import require_nobody_returned
from eccl.publishing.build import REPORT_TABLES, fill_store
from eccl.versioning.versions import DataVersion, list_versions
from eccl.workspace import Workspace, shipped

ROW_GROUP = 16_384


@dataclass(frozen=True, slots=True)
class Published:
    """Outcome of a publication.

    Parameters
    ----------
    rows
        Rows per table.
    is_new
        False where the latest release shows all of this already.
    """

    release: Release
    rows: dict[str, int]
    is_new: bool


def publish(workspace: Workspace, *, force: bool = False) -> Published:
    """Publish what the workspace holds now as a release, unless the latest one shows it already.

    Parameters
    ----------
    force
        Make a release also where nothing changed, and where the same content was retracted.

    Raises
    ------
    LockedError
        Somebody else is writing.
    WithdrawalError
        A withdrawal was interrupted, or somebody who withdrew is in the data again.
    VersionError
        A release of exactly this content was retracted.
    """
    with writing(workspace.state, "publish"):
        require_no_pending_withdrawal(workspace)
        require_nobody_returned(workspace)
        ledger = read_ledger(workspace)
        known = list_versions(workspace)
        fingerprint = _fingerprint(workspace, known)
        latest = _latest(workspace, ledger)
        if latest and latest.fingerprint == fingerprint and not force:
            _expose(workspace, latest)
            return Published(latest, _count_rows(latest.path(workspace)), is_new=False)
        if not force:
            _refuse_retracted(ledger, fingerprint)
        now = datetime.now(UTC)
        release = Release(next_name(ledger, now), to_stamp(now), data_version(workspace.data), fingerprint)
        _build(workspace, release, now, known)
        ledger = replace(ledger, releases=(*ledger.releases, release), aliases={**ledger.aliases, LATEST: release.name})
        ledger = _make_room(workspace, ledger, to_stamp(now))
        write_ledger(workspace, ledger)
        _sweep(workspace, ledger)
        _expose(workspace, release)
    return Published(release, _count_rows(release.path(workspace)), is_new=True)


def has_news(workspace: Workspace) -> bool:
    """Whether a publication would make a release."""
    latest = _latest(workspace, read_ledger(workspace))
    return latest is None or latest.fingerprint != _fingerprint(workspace, list_versions(workspace))


def retract(workspace: Workspace, wanted: str, reason: str, replacement: str | None = None) -> Release:
    """Take a release back: its file stays, but nobody opens it by name any more.

    Its aliases go to the replacement; ``latest`` goes to the newest release that stands where there is none, and
    eccl.duckdb follows it.

    Raises
    ------
    VersionError
        There is no such release, the replacement may not be read, or no reason was given.
    """
    with writing(workspace.state, "retract"):
        ledger = read_ledger(workspace)
        release, instead = check_retraction(workspace, wanted, reason, replacement)
        note = {
            "at": to_stamp(datetime.now(UTC)),
            "reason": reason.strip(),
            "replacement": instead.name if instead else None,
        }
        retracted = replace(release, retraction=note)
        ledger = ledger.with_release(retracted).without_aliases(release.name, instead)
        write_ledger(workspace, ledger)
        if LATEST in ledger.aliases:
            _expose(workspace, ledger.find(LATEST))
        else:
            workspace.database.unlink(missing_ok=True)
    return retracted


def check_retraction(
    workspace: Workspace, wanted: str, reason: str, replacement: str | None
) -> tuple[Release, Release | None]:
    """The release to retract and the one that replaces it; raises as :func:`retract`."""
    if not reason.strip():
        raise VersionError("a retraction needs a reason that its readers will see; give --reason TEXT")
    release = read_ledger(workspace).find(wanted)
    if release.retraction:
        raise VersionError(
            f"release {release.name} was retracted before: {release.retraction['reason']}; its readers know that reason"
        )
    instead = open_release(workspace, replacement) if replacement else None
    if instead and instead.name == release.name:
        raise VersionError(f"release {release.name} cannot replace itself; give another one")
    return release, instead


def is_published(workspace: Workspace) -> bool:
    """Whether the latest release shows the data version that the workspace holds."""
    latest = _latest(workspace, read_ledger(workspace))
    return bool(latest and workspace.database.is_file() and latest.data_version == data_version(workspace.data))


def _refuse_retracted(ledger: Ledger, fingerprint: str) -> None:
    for release in ledger.releases:
        if release.retraction and release.fingerprint == fingerprint:
            raise VersionError(
                f"nothing changed since release {release.name}, which was retracted ({release.retraction['reason']}); mend what was "
                "wrong (ingest, train, materialize), then publish; `eccl publish --force` publishes it again"
            )


def _latest(workspace: Workspace, ledger: Ledger) -> Release | None:
    name = ledger.aliases.get(LATEST)
    release = ledger.find(name) if name else None
    return release if release and release.path(workspace).is_file() else None


def _build(workspace: Workspace, release: Release, now: datetime, known: Sequence[DataVersion]) -> None:
    with aside(release.path(workspace)) as temporary:
        connection = duckdb.connect()
        try:
            # Small row groups: a question about one visit or one run reads little, and long columns are read by all cores.
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
        finally:
            connection.close()
    release.path(workspace).chmod(0o444)


def _expose(workspace: Workspace, release: Release) -> None:
    """Let eccl.duckdb be a copy of a release: whoever opens that file for writing spoils a copy."""
    source = release.path(workspace)
    if workspace.database.is_file():
        try:
            with FeatureStore(workspace.database) as store:
                if store.release == release.name and workspace.database.stat().st_size == source.stat().st_size:
                    return
        except duckdb.Error:  # damaged, or made by another version of this package
            pass
    with aside(workspace.database) as temporary:
        shutil.copyfile(source, temporary)


def _make_room(workspace: Workspace, ledger: Ledger, now: str) -> Ledger:
    """Mark the oldest releases without an alias beyond those to keep as removed; the ledger remembers them."""
    keep = load_params(workspace.params_file).publish.keep_releases
    there = [one for one in ledger.releases if not one.removed_at and not ledger.aliases_of(one.name)]
    for release in there[: max(0, len(there) - keep)] if keep else []:
        ledger = ledger.with_release(replace(release, removed_at=now))
    return ledger


def _sweep(workspace: Workspace, ledger: Ledger) -> None:
    """Remove files of releases that the ledger does not list, or no more: a publication may have been killed before or after it."""
    sweep(workspace.releases)
    for leftover in workspace.root.glob(f"{TEMPORARY_PREFIX}*-{workspace.database.name}"):  # of a copy that was killed
        leftover.unlink()
    listed = {release.name for release in ledger.releases if not release.removed_at}
    for file in workspace.releases.glob("*.duckdb"):
        if file.stem not in listed:
            file.unlink()


def _fingerprint(workspace: Workspace, known: Sequence[DataVersion]) -> str:
    """Hash of what a store is built from. Large files count by size and time: a copy of them is published anew."""
    digest = hashlib.sha256(f"{__version__}\0{data_version(workspace.data)}\n".encode())
    for version in known:
        digest.update(json.dumps(version.to_row(), default=str, sort_keys=True).encode())
    for file in _inputs(workspace):
        status = file.stat()
        digest.update(f"{file}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _inputs(workspace: Workspace) -> Iterator[Path]:
    for folder in (workspace.features, workspace.gate, workspace.ledger / "withdrawals", shipped("schemas")):
        yield from sorted(path for path in folder.rglob("*") if path.is_file())
    yield from sorted(workspace.models.glob("*/run.json"))
    yield from sorted(path for name in REPORT_TABLES.values() if (path := workspace.reports / name).is_file())
    yield from sorted(Path(__file__).parent.glob("build*.py"))  # a mended build is something new, too


def _count_rows(path: Path) -> dict[str, int]:
    with FeatureStore(path) as store:
        tables = store.sql(
            "SELECT schema_name, table_name, estimated_size FROM duckdb_tables() ORDER BY table_oid"
        ).fetchall()
    return {name if schema == "main" else f"{schema}.{name}": int(rows) for schema, name, rows in tables}
