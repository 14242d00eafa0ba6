"""``eccl withdraw`` as a user meets it."""

from __future__ import annotations

import json

from eccl.ledger.certificates import read_certificates
from tests.support.cli import run_cli
from tests.support.workspaces import tree_of
from tests.withdrawal.conftest import Study


def test_plan_withdraw_and_once_more(study: Study) -> None:
    root = study.place.root
    before = tree_of(root)
    planned = run_cli("withdraw", study.listed, "--raw", study.raw, "--dry-run", cwd=root)
    assert planned.returncode == 0, planned.stderr
    assert "Nothing was written." in planned.stdout
    counts = json.loads(run_cli("withdraw", study.listed, "--dry-run", "--json", cwd=root).stdout)
    assert counts["tables"]["participants"]["withdrawn"] == len(study.gone)
    assert counts["raw"] is None
    assert tree_of(root) == before

    done = run_cli("withdraw", study.listed, "--raw", study.raw, cwd=root)
    assert done.returncode == 0, done.stderr
    assert "No trace was found." in done.stdout
    assert "Certificate: ledger/withdrawals/2026-03-01-1.md" in done.stdout
    assert len(read_certificates(study.place)) == 1

    again = run_cli("withdraw", study.listed, "--raw", study.raw, "--json", cwd=root)
    assert (again.returncode, json.loads(again.stdout)) == (0, {"participants": 0})
    for printed in (planned, done, again):
        assert not any(str(eid) in printed.stdout + printed.stderr for eid in study.gone)
    nothing = run_cli("withdraw", "--resume", cwd=root)
    assert nothing.returncode == 1
    assert "no withdrawal was interrupted" in nothing.stderr


def test_remaining_data_is_an_error(study: Study) -> None:
    (study.place.root / "notes.txt").write_text(str(min(study.gone)))
    done = run_cli("withdraw", study.listed, cwd=study.place.root)
    assert done.returncode == 1
    assert "- notes.txt: an id among its bytes" in done.stdout


def test_a_list_or_resume_but_not_both(study: Study) -> None:
    for arguments in ((), (study.listed, "--resume"), ("--resume", "--dry-run")):
        done = run_cli("withdraw", *arguments, cwd=study.place.root)
        assert done.returncode == 2
    helped = run_cli("withdraw", "--help", cwd=study.place.root)
    assert "Example: eccl withdraw" in helped.stdout
