"""A kill at any instant, then --resume: the result is that of an undisturbed withdrawal, byte for byte."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from eccl.errors import WithdrawalError
from eccl.ingest.run import run_ingest
from eccl.ledger.tombstones import journal_path
from eccl.publishing.publish import publish
from eccl.withdrawal import run
from eccl.withdrawal.run import STEPS, plan_withdrawal, resume, withdraw
from eccl.workspace import Workspace
from tests.support.workspaces import tree_of
from tests.withdrawal.conftest import KEY, Study, copy_study, remember
from tests.withdrawal.test_withdraw import digits_left

KILLER = """
import os, pathlib, signal, sys
from eccl.workspace import Workspace
from eccl.withdrawal.run import withdraw
left = int(sys.argv[4])
replace = os.replace
def dying(*arguments):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(*arguments)
os.replace = dying
withdraw(Workspace(pathlib.Path(sys.argv[1])), pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
"""


class Killed(BaseException):
    """Raised where a kill would strike; no handler of the code under test stops it."""


@pytest.fixture(scope="module")
def counted(complete: Study, tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, int]:
    """The study after an undisturbed withdrawal, and how many files that renamed into place."""
    renames = 0
    replace = os.replace

    def counting(*paths: Path) -> None:
        nonlocal renames
        renames += 1
        replace(*paths)

    study = copy_study(complete, tmp_path_factory.mktemp("undisturbed") / "study")
    remember(study.place, study.raw)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ECCL_TOMBSTONE_KEY", KEY)
        patch.setattr(os, "replace", counting)
        withdraw(study.place, study.listed, study.raw)
    return study, renames


@pytest.fixture
def undisturbed(counted: tuple[Study, int]) -> Study:
    """The study after an undisturbed withdrawal; tests only read it."""
    return counted[0]


def must_be_equal(study: Study, undisturbed: Study) -> None:
    """Compare everything but DuckDB's files byte for byte, and those by their rows."""
    here, there = (tree_of(one.place.root) for one in (study, undisturbed))
    for tree in (here, there):
        for name in [*tree]:
            if name.endswith(".duckdb") or name == ".eccl/seen.json":  # absolute paths stand in the second
                tree[name] = "-"
    assert here == there
    assert tree_of(study.raw) == tree_of(undisturbed.raw)
    for file in [*study.place.releases.glob("*.duckdb"), study.place.database]:
        with duckdb.connect(str(undisturbed.place.root / file.relative_to(study.place.root)), read_only=True) as con:
            con.execute(f"ATTACH '{file}' AS other (READ_ONLY)").fetchall()
            tables = con.execute(
                "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'other'"
            ).fetchall()
            for schema, table in tables:
                for a, b in (("", "other."), ("other.", "")):
                    query = f'FROM {a}"{schema}"."{table}" EXCEPT ALL FROM {b}"{schema}"."{table}"'
                    assert con.execute(query).fetchall() == [], (schema, table)
    assert digits_left(study.place.root, study.gone) == []


def die_after(step: str) -> tuple[tuple[str, Callable[..., None]], ...]:
    """The steps up to one of them, then a kill; an empty name is a kill before the first."""

    def killed(workspace: Workspace, plan: object) -> None:
        raise Killed

    names = [name for name, _ in STEPS]
    return (*STEPS[: names.index(step) + 1 if step else 0], ("kill", killed))


@pytest.mark.slow
@pytest.mark.parametrize("step", ["", *(name for name, _ in STEPS)])
def test_a_kill_between_steps(step: str, study: Study, undisturbed: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(run, "STEPS", die_after(step))
        with pytest.raises(Killed):
            withdraw(study.place, study.listed, study.raw)
    assert journal_path(study.place).stat().st_mode & 0o777 == 0o600
    assert resume(study.place).is_clean
    must_be_equal(study, undisturbed)


@pytest.mark.slow
def test_a_kill_before_the_journal_is_deleted(
    study: Study, undisturbed: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(workspace: Workspace, plan: object) -> None:
        certify(workspace, plan)  # type: ignore[arg-type]
        raise Killed

    certify = run.certify
    with monkeypatch.context() as patch:
        patch.setattr(run, "certify", killed)
        with pytest.raises(Killed):
            withdraw(study.place, study.listed, study.raw)
    assert resume(study.place).is_clean
    must_be_equal(study, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(5))
def test_a_kill_within_a_step(part: int, study: Study, counted: tuple[Study, int]) -> None:
    # Every file that changes is renamed into place: kills are spread over all of those renames, the last one included.
    undisturbed, renames = counted
    at = 2 + part * (renames - 2) // 4
    command = [sys.executable, "-c", KILLER, str(study.place.root), str(study.listed), str(study.raw), str(at)]
    done = subprocess.run(command, env={**os.environ, "ECCL_TOMBSTONE_KEY": KEY}, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert journal_path(study.place).is_file()
    assert resume(study.place).is_clean
    must_be_equal(study, undisturbed)


def test_other_commands_are_refused_during_an_interrupted_withdrawal(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(run, "STEPS", die_after("shards"))
        with pytest.raises(Killed):
            withdraw(study.place, study.listed, study.raw)
    for verb in (
        lambda: run_ingest(study.place, study.raw, workers=1),
        lambda: publish(study.place),
        lambda: withdraw(study.place, study.listed),
        lambda: plan_withdrawal(study.place, study.listed),
    ):
        with pytest.raises(WithdrawalError, match="eccl withdraw --resume"):
            verb()
    assert resume(study.place).is_clean
    with pytest.raises(WithdrawalError, match="no withdrawal was interrupted"):
        resume(study.place)
