"""What the command does before a stage begins."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from eccl.training.__main__ import main, prepare_cpu
from eccl.workspace import Workspace


@pytest.mark.parametrize(("name", "wanted"), [("OMP_WAIT_POLICY", "PASSIVE"), ("THP_MEM_ALLOC_ENABLE", "1")])
def test_the_cpu_is_prepared_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, name: str, wanted: str
) -> None:
    monkeypatch.delenv(name, raising=False)
    prepare_cpu()
    assert os.environ[name] == wanted
    monkeypatch.setenv(name, "mine")
    prepare_cpu()
    assert os.environ[name] == "mine"


def test_torch_is_not_loaded_before_the_setting_is_made() -> None:
    # OpenMP reads the setting when torch loads; afterwards it would have no effect.
    code = "import sys, eccl.training.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["pretrain_ecg", "--task", "I21"], "has no task"), (["align"], "needs --task")],
)
def test_a_wrong_task_is_told_and_nothing_runs(
    untrained: Workspace, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main([*arguments, "--workspace", str(untrained.root)]) == 1
    assert message in capsys.readouterr().err
    assert not untrained.models.exists()
