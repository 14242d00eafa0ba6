"""The status of a workspace, and the next command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from eccl.data.lock import writing
from eccl.data.parts import data_version, read_table
from eccl.operations.status import is_pushed, read_lock, read_status, remote_name
from eccl.publishing.publish import publish
from eccl.versioning.repository import run_dvc
from eccl.workspace import Workspace
from tests.support.runs import finish_every_run, finish_run


def next_of(workspace: Workspace) -> str:
    return read_status(workspace, quick=True).next[0]


def test_an_empty_workspace_needs_data(new_workspace: Callable[[str], Workspace]) -> None:
    found = read_status(new_workspace("empty"), quick=True)
    assert (found.data.data_version, found.gate.status, found.pairs) == (None, "absent", 0)
    assert found.next[0] == "eccl ingest RAW"


def test_counts_are_those_of_the_tables(place: Workspace) -> None:
    found = read_status(place, quick=True)
    assert found.data.data_version == data_version(place.data)
    for table in ("recordings", "cines", "participants", "pairs", "labels"):
        assert found.data.rows[table] == read_table(place.data, table).num_rows > 0
    quarantined = read_table(place.data, "quarantine").num_rows
    assert sum(one.count for one in found.quarantine) == quarantined > 0
    assert all(one.remedy.endswith(".") for one in found.quarantine)
    assert sum(found.missing.values()) == read_table(place.data, "exclusions").num_rows
    assert found.next[0] == "eccl validate"


def test_every_status_of_the_gate(place: Workspace, set_gate: Callable[..., None]) -> None:
    def status() -> str:
        return read_status(place, quick=True).gate.status

    set_gate(place)
    assert status() == "passed"
    set_gate(place, "failed")
    assert (status(), next_of(place)) == ("failed", "eccl validate")
    set_gate(place, "failed", override="pilot")
    assert status() == "overridden"
    set_gate(place, data_version="0" * 16)
    assert (status(), next_of(place)) == ("other data", "eccl validate")
    (place.gate / "gate.json").write_text("{")
    assert status() == "unreadable"


def test_runs_are_current_stale_or_without_their_record(place: Workspace) -> None:
    finish_every_run(place)
    finish_run(place, "align-I42", version="0" * 16)
    (place.run_folder("align-I50") / "run.json").unlink()
    runs = {run.run: run for run in read_status(place, quick=True).runs}
    assert runs["align-traits"].is_current
    assert set(runs["align-traits"].without.values()) == {0}
    assert "cmr_teacher" not in runs["pretrain_cmr-traits"].without  # a cache, not a feature
    assert (runs["align-I42"].is_current, runs["align-I42"].data_version) == (False, "0" * 16)
    assert runs["align-I50"].run_id is None


def test_visits_without_features_are_counted(place: Workspace) -> None:
    import pyarrow.parquet as pq

    finish_run(place, "align-I50")
    file = place.features / "ecg_embedding/align-I50.parquet"
    rows = pq.read_table(file)
    pq.write_table(rows.slice(2), file)
    [run] = [run for run in read_status(place, quick=True).runs if run.run == "align-I50"]
    assert (run.without["ecg_embedding"], run.without["ecg_projection"]) == (2, 0)


def test_an_interrupted_withdrawal_comes_first(place: Workspace) -> None:
    place.checkpoints.mkdir(parents=True)
    (place.checkpoints / "align-I50-0123456789ab.pt").touch()
    (place.data / ".tmp-7-shard.zarr").mkdir()
    found = read_status(place, quick=True)
    assert [one.remedy for one in found.interrupted] == [
        "eccl train align@I50",
        "the next ingest or publish removes them",
    ]
    (place.state / "withdrawal.json").write_text("{}")
    assert next_of(place) == "eccl withdraw --resume"


def test_a_damaged_table_is_reported(place: Workspace) -> None:
    (place.tables / "traits.parquet").write_bytes(b"PAR1")
    found = read_status(place, quick=True)
    assert found.unreadable == ("traits",)
    assert found.next[0] == "dvc checkout --force data.dvc"


def test_a_held_lock_names_its_holder_and_a_stale_one_is_reported(place: Workspace) -> None:
    with writing(place.state, "publish"):
        found = read_lock(place)
        assert (found.is_held, found.is_stale, found.what, found.pid) == (True, False, "publish", os.getpid())
    assert not read_lock(place).is_held
    code = (
        "import sys, time, pathlib; from eccl.data.lock import writing\n"
        "with writing(pathlib.Path(sys.argv[1]), 'ingest'): print('in', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(place.state)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "in\n"
        assert read_lock(place).describe().startswith("held by `eccl ingest`")
        holder.send_signal(signal.SIGKILL)
    found = read_lock(place)
    assert (found.is_held, found.is_stale) == (False, True)
    with writing(place.state, "publish"):  # the stale lock is taken
        assert read_lock(place).what == "publish"


def test_recorded_pushed_and_published_one_after_the_other(recorded: Workspace, tmp_path: Path) -> None:
    found = read_status(recorded)
    assert found.data.git_commit is not None
    assert found.stages is not None
    assert {name for name in found.stages if name.startswith("pretrain")} >= {"pretrain_ecg"}
    assert (found.data.remote, found.data.is_pushed, found.next[0]) == (None, None, "eccl train")
    run_dvc(recorded.root, "remote", "add", "--default", "mine", str(tmp_path / "remote"))
    found = read_status(recorded)
    assert (found.data.remote, found.data.is_pushed) == ("mine", False)
    assert found.next[0] == "dvc push --remote mine data.dvc"
    run_dvc(recorded.root, "push", "--quiet", "data.dvc")
    assert is_pushed(recorded, str(remote_name(recorded))) is True
    finish_every_run(recorded)
    assert next_of(recorded) == "eccl publish"
    publish(recorded)
    found = read_status(recorded, quick=True)
    assert (found.is_published, found.next[0]) == (True, "eccl quarantine list")


def test_a_status_is_json(place: Workspace) -> None:
    found = read_status(place, quick=True)
    assert json.loads(json.dumps(found.to_dict(), default=str))["next"]["command"] == "eccl validate"


def test_without_dvc_stages_and_remote_are_none(place: Workspace) -> None:
    found = read_status(place)
    assert (found.stages, found.data.remote) == (None, None)


def test_reading_changes_nothing(place: Workspace) -> None:
    from tests.support.workspaces import tree_of

    before = tree_of(place.root)
    read_status(place, quick=True)
    assert tree_of(place.root) == before
