"""Tombstones select withdrawn participants and contain no ids."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from eccl.errors import WithdrawalError
from eccl.ledger.tombstones import Tombstones, journal_path, require_no_pending_withdrawal, tombstones_path
from eccl.workspace import Workspace

DAY = date(2026, 3, 1)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.delenv("ECCL_TOMBSTONE_KEY", raising=False)
    return Workspace(tmp_path)


def test_who_has_a_tombstone_is_known_and_nobody_else(place: Workspace) -> None:
    assert Tombstones.load(place).select([9_000_001]) == set()
    Tombstones.add(place, [9_000_001, 9_000_002], DAY, "2026-03-01-1")
    found = Tombstones.load(place)
    assert found.select(range(9_000_000, 9_000_100)) == {9_000_001, 9_000_002}
    assert found.since(9_000_002) == DAY
    assert found.since(9_000_003) is None


def test_the_first_tombstone_of_a_participant_stays(place: Workspace) -> None:
    Tombstones.add(place, [9_000_001], DAY, "2026-03-01-1")
    before = tombstones_path(place).read_bytes()
    Tombstones.add(place, [9_000_001], date(2027, 1, 1), "2027-01-01-1")
    assert tombstones_path(place).read_bytes() == before


def test_no_id_and_no_key_is_in_the_file(place: Workspace) -> None:
    Tombstones.add(place, [9_000_001], DAY, "2026-03-01-1")
    text = tombstones_path(place).read_text()
    key = (place.root / ".tombstone-key").read_text().strip()
    assert "9000001" not in text
    assert key not in text
    assert len(key) == 64
    content = json.loads(text)
    assert set(content) == {"version", "key_id", "withdrawn"}
    assert [entry["certificate"] for entry in content["withdrawn"]] == ["2026-03-01-1"]
    assert len(content["withdrawn"][0]["digest"]) == 32


def test_the_order_of_additions_does_not_matter(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECCL_TOMBSTONE_KEY", "ab" * 32)
    Tombstones.add(place, [9_000_001], DAY, "a")
    Tombstones.add(place, [9_000_002], DAY, "a")
    one = tombstones_path(place).read_bytes()
    tombstones_path(place).unlink()
    Tombstones.add(place, [9_000_002, 9_000_001], DAY, "a")
    assert tombstones_path(place).read_bytes() == one
    assert not (place.root / ".tombstone-key").exists()


def test_the_key_is_its_owners_and_git_does_not_see_it(place: Workspace) -> None:
    (place.root / ".gitignore").write_text("/data\n")
    Tombstones.add(place, [9_000_001], DAY, "2026-03-01-1")
    Tombstones.add(place, [9_000_002], DAY, "2026-03-01-2")
    assert (place.root / ".tombstone-key").stat().st_mode & 0o777 == 0o600
    assert (place.root / ".gitignore").read_text() == "/data\n/.tombstone-key\n"


@pytest.mark.parametrize("key", [None, "cd" * 32, "no key"])
def test_without_their_key_tombstones_refuse(
    key: str | None, place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    Tombstones.add(place, [9_000_001], DAY, "2026-03-01-1")
    (place.root / ".tombstone-key").unlink()
    if key:
        monkeypatch.setenv("ECCL_TOMBSTONE_KEY", key)
    before = tombstones_path(place).read_bytes()
    with pytest.raises(WithdrawalError, match="tombstone-key"):
        Tombstones.load(place)
    with pytest.raises(WithdrawalError, match="tombstone-key"):
        Tombstones.add(place, [9_000_002], DAY, "2026-03-01-2")
    assert tombstones_path(place).read_bytes() == before


def test_the_fingerprint_follows_the_participants(place: Workspace) -> None:
    empty = Tombstones.load(place).fingerprint
    one = Tombstones.add(place, [9_000_001], DAY, "2026-03-01-1").fingerprint
    assert one not in {empty, Tombstones.add(place, [9_000_002], DAY, "2026-03-01-1").fingerprint}
    assert empty == Tombstones().fingerprint


def test_a_journal_is_a_pending_withdrawal(place: Workspace) -> None:
    require_no_pending_withdrawal(place)
    place.state.mkdir()
    journal_path(place).touch()
    with pytest.raises(WithdrawalError, match="eccl withdraw --resume"):
        require_no_pending_withdrawal(place)
