"""A stage writes nothing if participants withdraw while it is trained."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from eccl.errors import WithdrawalError
from eccl.ledger.tombstones import Tombstones, tombstones_mark
from eccl.training.loop import execution
from eccl.workspace import Workspace


def test_a_model_of_withdrawn_participants_is_not_saved(new_workspace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    place: Workspace = new_workspace()
    written: list[str] = []

    def fit(*arguments: Any) -> SimpleNamespace:
        Tombstones.add(place, [9_000_001], date(2026, 3, 1), "2026-03-01-1")
        return SimpleNamespace(best_epoch=1, metrics={})

    config = SimpleNamespace(checkpoint_seconds=60)
    runtime = SimpleNamespace(config=config, is_first=True, device_name="cpu", record=dict)
    session = SimpleNamespace(workspace=place, runtime=runtime, threads=1, gate=None)
    identity = SimpleNamespace(run="align-I50", run_id="align-I50-0")
    monkeypatch.setattr(execution, "fit", fit)
    monkeypatch.setattr(execution, "save_run", lambda *arguments: written.append("model"))
    before = tombstones_mark(place)
    with pytest.raises(WithdrawalError, match="withdrew while this stage was trained"):
        execution.train_run(
            session,  # type: ignore[arg-type]
            SimpleNamespace(identity=identity, config=SimpleNamespace(optimiser=None, seed=0)),  # type: ignore[arg-type]
            SimpleNamespace(network=None, is_streamed=False),  # type: ignore[arg-type]
            {"selection": "x"},
            lambda run: written.append("features"),
        )
    assert written == []
    assert tombstones_mark(place) != before == ""
