"""Records and weights of runs: names, strict loading, permissions."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from eccl.errors import VersionError, WorkspaceError
from eccl.training.runs import (
    Run,
    RunNames,
    identify,
    load_parent,
    load_run,
    load_weights,
    run_name,
    save_run,
    select_prefix,
)
from eccl.versioning.gate import GateStatus
from eccl.workspace import Workspace

PASSED = GateStatus("passed", "0" * 64, None, "abc")
RESULT = {"best_epoch": 1, "metrics": {}, "split_counts": {}}


def saved(root: Path, params: dict[str, object] | None = None, data_version: str = "abc") -> Run:
    identity = identify("align", "I21", "tiny", params or {"rate": 0.1}, data_version)
    torch.manual_seed(0)
    return save_run(Workspace(root), identity, nn.Linear(3, 2), PASSED, "cpu", RESULT)


def test_names() -> None:
    assert run_name("pretrain_ecg", None) == "pretrain_ecg"
    assert run_name("align", "I50") == "align-I50"


def test_a_run_id_is_decided_by_its_content(tmp_path: Path) -> None:
    base = identify("align", "I21", "tiny", {"a": 1, "b": [1, 2]}, "abc")
    assert base.run_id.startswith("align-I21-")
    assert len(base.run_id.removeprefix("align-I21-")) == 12
    assert identify("align", "I21", "renamed", {"b": (1, 2), "a": 1}, "abc").run_id == base.run_id
    parent = saved(tmp_path)
    others = [
        identify("align", "I21", "tiny", {"a": 2, "b": [1, 2]}, "abc"),
        identify("align", "I21", "tiny", {"a": 1, "b": [1, 2]}, "abd"),
        identify("align", "I42", "tiny", {"a": 1, "b": [1, 2]}, "abc"),
        identify("align", "I21", "tiny", {"a": 1, "b": [1, 2]}, "abc", [parent]),
    ]
    assert len({base.run_id, *(one.run_id for one in others)}) == 5


def test_what_an_arm_was_is_recorded_and_decides_nothing(tmp_path: Path) -> None:
    arms = [{"key": "triplet", "title": title, "changes": {"align.pooling": "mean"}} for title in ("Triplet", "Other")]
    names = [RunNames("align-I21.triplet.s42", {}, "triplet", 42, one) for one in arms]
    one, other = (identify("align", "I21", "tiny", {"rate": 0.1}, "abc", names=name) for name in names)
    assert one.run_id == other.run_id
    assert (
        one.run_id.rpartition("-")[2]
        == identify("align", "I21", "tiny", {"rate": 0.1}, "abc", names=replace(names[0], arm=None)).run_id.rpartition(
            "-"
        )[2]
    )
    records = []
    for _ in range(2):
        torch.manual_seed(0)
        save_run(Workspace(tmp_path), one, nn.Linear(3, 2), PASSED, "cpu", RESULT)
        records.append((tmp_path / "models" / one.run / "run.json").read_bytes())
    assert records[0] == records[1]
    assert load_run(Workspace(tmp_path), one.run).record["arm"] == arms[0]
    assert saved(tmp_path).record["arm"] is None
    with pytest.raises(TypeError, match="not JSON serializable"):  # before anything is trained
        identify("align", "I21", "tiny", {}, "abc", names=replace(names[0], arm={"key": object()}))


def test_weights_come_back_and_are_readable_by_others(tmp_path: Path) -> None:
    run = saved(tmp_path)
    torch.manual_seed(0)
    expected = nn.Linear(3, 2).state_dict()
    assert all(
        torch.equal(tensor, expected[name])
        for name, tensor in load_run(Workspace(tmp_path), "align-I21").weights().items()
    )
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    for file in run.folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_weights_that_are_not_the_recorded_ones_are_refused(tmp_path: Path) -> None:
    run = saved(tmp_path)
    file = run.folder / "weights.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(VersionError, match="not those its run"):
        run.weights()
    file.unlink()
    with pytest.raises(VersionError, match="missing"):
        run.weights()


def test_a_parent_of_other_data_and_one_that_is_not_there_are_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    assert load_parent(Workspace(tmp_path), "align-I21", "abc").run_id.startswith("align-I21-")
    with pytest.raises(VersionError, match=r"data version abc, the workspace holds xyz.*eccl train align@I21"):
        load_parent(Workspace(tmp_path), "align-I21", "xyz")
    with pytest.raises(WorkspaceError, match="eccl train align@I42"):
        load_run(Workspace(tmp_path), "align-I42")


def test_a_failed_save_leaves_the_previous_run_whole(tmp_path: Path) -> None:
    run = saved(tmp_path)
    before = {file.name: file.read_bytes() for file in run.folder.iterdir()}
    identity = identify("align", "I21", "tiny", {"rate": 0.2}, "abc")
    with pytest.raises(ValueError, match="not JSON compliant"):
        save_run(Workspace(tmp_path), identity, nn.Linear(3, 2), PASSED, "cpu", {**RESULT, "metrics": float("nan")})
    assert {file.name: file.read_bytes() for file in run.folder.iterdir()} == before
    assert [folder.name for folder in run.folder.parent.iterdir()] == ["align-I21"]


def test_loading_is_strict_and_names_missing_unexpected_and_reshaped() -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    before = {name: one.clone() for name, one in module.state_dict().items()}
    weights = {name: one + 1 for name, one in module.state_dict().items()}
    del weights["0.bias"]
    weights["head.weight"] = torch.zeros(1)
    weights["1.weight"] = torch.zeros(4, 4)
    with pytest.raises(VersionError) as error:
        load_weights(module, weights, "pretrain_ecg")
    assert "missing 0.bias, unexpected head.weight, other shape 1.weight" in str(error.value)
    assert all(torch.equal(before[name], one) for name, one in module.state_dict().items())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bias": None}, "missing bias, unexpected none, other shape none"),
        ({"head.weight": torch.zeros(1)}, "missing none, unexpected head.weight, other shape none"),
        ({"weight": torch.zeros(2, 4)}, "missing none, unexpected none, other shape weight"),
    ],
)
def test_one_fault_alone_is_enough(change: dict[str, torch.Tensor | None], words: str) -> None:
    module = nn.Linear(3, 2)
    weights = {name: one for name, one in {**module.state_dict(), **change}.items() if one is not None}
    with pytest.raises(VersionError) as error:
        load_weights(module, weights, "pretrain_ecg")
    assert words in str(error.value)


def test_a_prefix_that_matches_nothing_loads_nothing_and_says_so() -> None:
    # The released baseline filtered its checkpoint down to no key at all and trained from random weights.
    module = nn.Linear(3, 2)
    with pytest.raises(VersionError, match="missing bias, weight, unexpected none"):
        load_weights(module, select_prefix({"trunk.weight": torch.zeros(2, 3)}, "encoder."), "pretrain_ecg")


def test_a_prefix_takes_one_part_out() -> None:
    weights = {"encoder.a": torch.zeros(1), "encoder.b.encoder.c": torch.ones(1), "head.a": torch.ones(2)}
    assert set(select_prefix(weights, "encoder.")) == {"a", "b.encoder.c"}
