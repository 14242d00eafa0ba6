"""The flow with the real Prefect, gate, DVC and git: remove, gate, record, purge, publish."""

from __future__ import annotations

import subprocess
from pathlib import Path

import duckdb
import pytest

from eccl.data.parts import data_version, read_table
from eccl.ledger.certificates import read_certificates
from eccl.versioning import versions
from eccl.versioning.initialise import init_workspace
from tests.flows.conftest import prefect_server
from tests.withdrawal.test_purge import held

__all__ = ["prefect_server"]

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]


def test_a_withdrawal_ends_in_a_recorded_published_version(raw_cohort: Path, tmp_path: Path) -> None:
    from flows.ingest import ingest
    from flows.withdraw import withdraw

    place = init_workspace(tmp_path / "study", {"ecg_shard_rows": 4, "cine_shard_rows": 3})
    before = ingest(place.root, raw_cohort, 2).data_version
    splits = read_table(place.data, "pairs", ["eid", "split"]).to_pylist()
    gone = next(row["eid"] for row in splits if [one["split"] for one in splits].count(row["split"]) > 3)
    listed = tmp_path / "w99999_20260301.csv"
    listed.write_text(f"{gone}\n")

    assert withdraw(place.root, listed, purge=True) == "2026-03-01-1"

    after = data_version(place.data)
    assert [(one.data_version, one.is_current) for one in versions.list_versions(place)] == [
        (after, True),
        (before, False),
    ]
    tracked = subprocess.run(["git", "ls-files"], cwd=place.root, capture_output=True, text=True, check=True).stdout
    assert ".tombstone-key" not in tracked
    assert {"ledger/tombstones.json", "ledger/withdrawals/2026-03-01-1.json"} <= set(tracked.splitlines())
    left = subprocess.run(
        ["git", "status", "--porcelain", "ledger"], cwd=place.root, capture_output=True, text=True, check=True
    )
    assert left.stdout == ""
    (certificate,) = read_certificates(place)
    assert certificate.is_clean
    assert certificate.purged_versions == (before,)
    assert held(place.root / ".dvc/cache/files", frozenset({gone})) == 0
    with duckdb.connect(str(place.database), read_only=True) as con:
        assert con.execute("SELECT count(*) FROM participants WHERE eid = ?", [gone]).fetchall() == [(0,)]
        rows = con.execute("SELECT data_version, is_current, deleted_on::VARCHAR FROM data_versions").fetchall()
        assert sorted(rows) == sorted([(after, True, None), (before, False, "2026-03-01")])
        assert con.execute("SELECT participants, tainted_runs FROM withdrawals").fetchall() == [(1, 0)]
    # A second run has no participant to withdraw and changes nothing.
    assert withdraw(place.root, listed) is None
    assert len(versions.list_versions(place)) == 2
