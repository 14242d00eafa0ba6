"""Releases: immutable, dated, aliased, compared, retracted, and kept for as long as they are wanted."""

from __future__ import annotations

import os
import re
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import eccl
from eccl.data.parts import data_version, read_table, write_parquet
from eccl.errors import VersionError, WorkspaceError
from eccl.ledger.releases import note_redaction, open_release, promote, read_ledger, write_ledger
from eccl.publishing.diff import diff_releases
from eccl.publishing.publish import has_changes, publish, retract
from eccl.workspace import Workspace, shipped
from tests.support.runs import finish_run


def change_sex(place: Workspace) -> None:
    """Make another data version: one participant's sex is unknown from now on."""
    table = read_table(place.data, "participants")
    sex = table.column("sex").to_pylist()
    sex[0] = None
    index = table.column_names.index("sex")
    write_parquet(
        table.set_column(index, "sex", pa.array(sex, pa.string())), place.data / "tables" / "participants.parquet"
    )


def test_a_release_is_a_dated_read_only_file(place: Workspace) -> None:
    published = publish(place)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", published.release.name)
    path = published.release.path(place)
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert path.read_bytes() == place.database.read_bytes()
    with eccl.open(place.root) as store:
        assert (store.release, store.data_version) == (published.release.name, data_version(place.data))
        assert store.path == path


def test_nothing_new_makes_no_release_and_a_lost_copy_comes_back(place: Workspace) -> None:
    first = publish(place)
    place.database.unlink()
    again = publish(place)
    assert (first.is_new, again.is_new) == (True, False)
    assert again.release == first.release
    assert again.rows == first.rows
    assert place.database.is_file()
    assert len(read_ledger(place).releases) == 1


def test_a_copied_workspace_publishes_nothing_new(place: Workspace, tmp_path: Path) -> None:
    finish_run(place, "align-traits")
    publish(place)
    copy = Workspace(tmp_path / "elsewhere" / "copy")
    shutil.copytree(place.root, copy.root, copy_function=shutil.copyfile)
    assert not has_changes(copy)
    assert not publish(copy).is_new


def test_a_changed_byte_in_a_feature_file_is_published(place: Workspace) -> None:
    finish_run(place, "align-traits")
    publish(place)
    file = place.features / "ecg_embedding" / "align-traits.parquet"
    status, content = file.stat(), bytearray(file.read_bytes())
    file.write_bytes(content)
    assert not has_changes(place)
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))  # the size and the modification time are the same
    assert has_changes(place)


def test_gate_results_and_definitions_are_published(
    place: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(place)
    with monkeypatch.context() as patch:
        shutil.copytree(shipped("schemas"), tmp_path / "schemas")
        patch.setattr("eccl.publishing.fingerprint.shipped", lambda name: tmp_path / name)
        assert not has_changes(place)
        view = tmp_path / "schemas" / "views" / "coverage.sql"
        view.write_text(view.read_text() + "-- another comment\n")
        assert has_changes(place)
    with monkeypatch.context() as patch:
        patch.setattr("eccl.publishing.fingerprint.__version__", "9.9.9")
        assert has_changes(place)
    assert not has_changes(place)
    place.gate.mkdir(parents=True, exist_ok=True)
    (place.gate / "results.parquet").write_bytes(b"other results")
    assert has_changes(place)


def test_names_of_one_day_are_numbered_and_versions_open_by_any_name(place: Workspace) -> None:
    first = publish(place).release
    before = data_version(place.data)
    promote(place, first.name, "stable")
    change_sex(place)
    second = publish(place).release
    assert second.name == f"{first.name}.2"
    # All of them at once, in one process.
    with (
        eccl.open(place.root) as latest,
        eccl.open(place.root, release="stable") as stable,
        eccl.open(place.root, release=before) as data,
    ):
        assert [store.release for store in (latest, stable, data)] == [second.name, first.name, first.name]
        query = "SELECT count(*) FROM participants WHERE sex IS NULL"
        assert latest.sql(query).fetchall()[0][0] == stable.sql(query).fetchall()[0][0] + 1
    with pytest.raises(VersionError, match="no release 1999-01-01; there are latest, stable"):
        eccl.open(place.root, release="1999-01-01")
    with pytest.raises(WorkspaceError, match="is one release"):
        eccl.open(place.database, release="stable")


@pytest.mark.slow
def test_aliases_are_checked(place: Workspace) -> None:
    publish(place)
    for alias in ("latest", "2026"):
        with pytest.raises(VersionError, match=f"alias '{alias}'"):
            promote(place, "latest", alias)


def test_opening_a_retracted_release_names_the_reason(place: Workspace) -> None:
    first = publish(place).release
    promote(place, first.name, "stable")
    change_sex(place)
    second = publish(place).release
    retract(place, "latest", "labels of one site were wrong")
    with pytest.raises(VersionError, match="labels of one site were wrong; `eccl versions`"):
        eccl.open(place.root, release=second.name)
    assert read_ledger(place).aliases == {"latest": first.name, "stable": first.name}
    with eccl.open(place.root) as store, eccl.open(place.database) as copy:
        assert store.release == copy.release == first.name
    with pytest.raises(VersionError, match="was retracted"):
        publish(place)  # the very same content
    finish_run(place, "align-traits")
    assert publish(place).release.name == f"{first.name}.3"


def test_retracting_the_only_release_leaves_none(place: Workspace) -> None:
    release = publish(place).release
    with pytest.raises(VersionError, match="needs a reason"):
        retract(place, release.name, " ")
    promote(place, release.name, "stable")
    with pytest.raises(VersionError, match="alias stable points at"):
        retract(place, release.name, "wrong")
    write_ledger(place, replace(read_ledger(place), aliases={"latest": release.name}))
    retract(place, release.name, "wrong")
    assert not place.database.exists()
    assert release.path(place).is_file()
    with pytest.raises(WorkspaceError, match="eccl publish"):
        eccl.open(place.root)


@pytest.mark.slow
def test_old_releases_make_room_unless_an_alias_holds_them(place: Workspace) -> None:
    text = place.params_file.read_text()
    place.params_file.write_text(text.replace("keep_releases: 8", "keep_releases: 1"))
    first = publish(place).release
    promote(place, first.name, "stable")
    for run in ("align-traits", "align-I50", "pretrain_cmr-I50"):
        finish_run(place, run)
        publish(place)
    there = [release.name for release in read_ledger(place).releases if release.path(place).is_file()]
    assert there == [first.name, f"{first.name}.3", f"{first.name}.4"]
    with pytest.raises(VersionError, match="was removed"):
        open_release(place, f"{first.name}.2")
    assert read_ledger(place).find(f"{first.name}.2").removed_at


def test_diff_counts_what_was_added_removed_and_changed(place: Workspace) -> None:
    finish_run(place, "align-traits")
    first = publish(place).release
    change_sex(place)
    gone = read_table(place.data, "traits").slice(1)
    write_parquet(gone, place.data / "tables" / "traits.parquet")
    finish_run(place, "align-traits")  # the same vectors on another data version
    finish_run(place, "align-I50")
    second = publish(place).release
    changes = {(change.table, change.run): change for change in diff_releases(first.path(place), second.path(place))}
    participants = changes["participants", None]
    assert (participants.added, participants.removed, participants.changed) == (0, 0, 1)
    traits = changes["traits", None]
    assert (traits.before - traits.after, traits.removed, traits.added, traits.changed) == (1, 1, 0, 0)
    same = changes["features.ecg_embedding", "align-traits"]
    assert (same.added, same.removed, same.changed) == (0, 0, 0)
    assert same.before == same.after > 0
    fresh = changes["features.ecg_embedding", "align-I50"]
    assert (fresh.before, fresh.added, fresh.removed) == (0, fresh.after, 0)
    back = {(change.table, change.run): change for change in diff_releases(second.path(place), first.path(place))}
    assert back["features.ecg_embedding", "align-I50"].removed == fresh.added


@pytest.mark.slow
def test_a_killed_publication_leaves_no_release(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    first = publish(place).release
    change_sex(place)
    with monkeypatch.context() as patch:
        patch.setattr("eccl.publishing.publish.write_ledger", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            publish(place)
    with eccl.open(place.root) as store, eccl.open(place.database) as copy:
        assert store.release == copy.release == first.name
    second = publish(place).release
    assert second.name == f"{first.name}.2"
    with eccl.open(place.root) as store:
        assert store.release == second.name


def test_redactions_are_noted_once(place: Workspace) -> None:
    release = publish(place).release
    note_redaction(place, release.name, "2026-01-01-1")
    note_redaction(place, release.name, "2026-01-01-1")
    assert read_ledger(place).find("latest").redactions == ("2026-01-01-1",)


def test_lookups_are_by_value(place: Workspace, tmp_path: Path) -> None:
    publish(place)
    with eccl.open(place.root) as store:
        eids = store.sql("SELECT eid FROM participants").to_arrow_table().column("eid")
        assert store.has_participant(eids[0].as_py())
        assert not store.has_participant(pc.max(eids).as_py() + 1)


@pytest.mark.slow
def test_params_limit_the_number_of_releases(place: Workspace) -> None:
    for _ in range(11):
        publish(place, force=True)
    there = [release for release in read_ledger(place).releases if release.path(place).is_file()]
    assert len(there) == 9  # eight and the latest
    assert [release.name for release in there] == [release.name for release in read_ledger(place).releases[-9:]]


@pytest.mark.slow
def test_a_file_that_no_ledger_lists_goes(place: Workspace) -> None:
    publish(place)
    (place.releases / "1999-01-01.duckdb").write_bytes(b"")
    publish(place, force=True)
    assert not (place.releases / "1999-01-01.duckdb").exists()


def test_a_retraction_stands_and_force_publishes_again(place: Workspace) -> None:
    first = publish(place).release
    retract(place, first.name, "wrong")
    with pytest.raises(VersionError, match="retracted before: wrong"):
        retract(place, first.name, "another reason")
    assert has_changes(place)
    assert publish(place, force=True).release.name == f"{first.name}.2"
    assert not has_changes(place)
