"""The frozen teacher, cached and live, and the key that decides whether a cache may be used."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from eccl.errors import FeatureError, SplitError
from eccl.features.files import read_features, write_features
from eccl.models.projection import FrozenEncoder
from eccl.training.inputs.teacher import LiveTeacher, load_cached_teacher, load_live_teacher, open_teacher, teacher_key
from eccl.training.runs import load_run
from eccl.training.session import open_session
from eccl.workspace import Workspace
from tests.support.tiny_workspace import Copy, change_params, changed, train
from tests.support.workspaces import tree_of

RUN = "pretrain_cmr-I50"


def test_a_live_teacher_says_of_the_clean_view_what_is_cached(trained: Workspace) -> None:
    session, cmr = open_session(trained, "align", "I50"), load_run(trained, RUN)
    cached, live = load_cached_teacher(session, cmr), load_live_teacher(session, cmr)
    seen = np.flatnonzero(cached.visits.split != "test")[:6]
    assert live.feature_dim == cached.feature_dim
    torch.testing.assert_close(live.features(seen), cached.features(seen), atol=1e-5, rtol=1e-4)


def test_a_live_teacher_draws_a_fresh_view_every_time(trained: Workspace) -> None:
    session, cmr = open_session(trained, "align", "I50"), load_run(trained, RUN)
    live = load_live_teacher(session, cmr)
    seen = np.flatnonzero(live.visits.split == "train")[:4]
    generator = torch.Generator().manual_seed(0)
    one, other = live.sample(seen, generator), live.sample(seen, generator)
    assert not torch.allclose(one, other)
    assert torch.equal(one, live.sample(seen, torch.Generator().manual_seed(0)))
    assert not one.requires_grad


@pytest.mark.parametrize("mode", ["cached", "live"])
def test_a_teacher_speaks_of_the_test_split_only_once_training_is_over(trained: Workspace, mode: str) -> None:
    teacher = open_teacher(open_session(trained, "align", "I50"), load_run(trained, RUN), mode)
    test = np.flatnonzero(teacher.visits.split == "test")
    with pytest.raises(SplitError):
        teacher.features(test)
    with pytest.raises(SplitError):
        teacher.sample(test, torch.Generator())
    assert teacher.features_of_any_split(test).shape == (len(test), teacher.feature_dim)


def test_training_with_a_live_teacher_leaves_it_as_it_was(
    trained: Workspace, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = copy_of(trained)
    change_params(workspace, **{"align.teacher": "live"})
    teachers: list[FrozenEncoder] = []
    before: list[dict[str, torch.Tensor]] = []
    true = LiveTeacher.__init__

    def spy(self: LiveTeacher, encoder: FrozenEncoder, *others: Any) -> None:
        true(self, encoder, *others)
        teachers.append(encoder)
        before.append({name: one.clone() for name, one in encoder.state_dict().items()})

    monkeypatch.setattr(LiveTeacher, "__init__", spy)
    models = tree_of(workspace.run_folder(RUN))
    assert train(workspace, "align", "--task", "I50") == 0
    (teacher,) = teachers
    assert not teacher.encoder.training
    for name, one in teacher.state_dict().items():  # parameters and buffers
        assert torch.equal(one, before[0][name]), name
    assert all(one.grad is None and not one.requires_grad for one in teacher.parameters())
    assert tree_of(workspace.run_folder(RUN)) == models
    mine, theirs = load_run(workspace, "align-I50").record, load_run(trained, "align-I50").record
    assert mine["run_id"] != theirs["run_id"]
    assert mine["weights_sha256"] != theirs["weights_sha256"]
    views = read_features(workspace.features, "cmr_projection", "align-I50")
    assert len(views) == len(read_features(trained.features, "cmr_projection", "align-I50"))


def test_the_key_changes_with_whatever_changes_the_features(trained: Workspace) -> None:
    config = open_session(trained, "pretrain_cmr", "I50").params.preset.pretrain_cmr
    key = teacher_key("a", config, "v1", "fp32")
    others = [
        teacher_key("b", config, "v1", "fp32"),
        teacher_key("a", config, "v2", "fp32"),
        teacher_key("a", changed(config, seed=9), "v1", "fp32"),
        teacher_key("a", changed(config, teacher_views=9), "v1", "fp32"),
        teacher_key("a", changed(config, cine=changed(config.cine, margin=0.3)), "v1", "fp32"),
        teacher_key("a", changed(config, encoder=changed(config.encoder, image_size=56)), "v1", "fp32"),
        teacher_key("a", config, "v1", "bf16"),
    ]
    assert len({key, *others}) == 8
    # How the weights were found does not matter, once they are the same.
    assert teacher_key("a", changed(config, optimiser=changed(config.optimiser, patience=3)), "v1", "fp32") == key


def test_every_cached_row_tells_the_key(trained: Workspace) -> None:
    session, cmr = open_session(trained, "align", "I50"), load_run(trained, RUN)
    config = session.params.preset.pretrain_cmr
    keys = read_features(trained.features, "cmr_teacher", RUN).column("teacher_key").unique().to_pylist()
    assert keys == [teacher_key(cmr.record["weights_sha256"], config, session.data_version, "fp32")]


def test_a_cache_of_another_key_is_refused(trained: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(trained)
    table = read_features(workspace.features, "cmr_teacher", RUN)
    column = table.column_names.index("teacher_key")
    write_features(
        workspace.features,
        "cmr_teacher",
        RUN,
        table.set_column(column, "teacher_key", pa.array(["0" * 16] * len(table))),
    )
    with pytest.raises(FeatureError, match="other weights, another transform or other data"):
        open_teacher(open_session(workspace, "align", "I50"), load_run(workspace, RUN), "cached")


def test_an_unchanged_teacher_is_not_evaluated_again(
    trained: Workspace, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = copy_of(trained)
    before = tree_of(workspace.features)
    calls: list[int] = []
    true = FrozenEncoder.forward

    def count(self: FrozenEncoder, batch: torch.Tensor) -> torch.Tensor:
        calls.append(len(batch))
        return true(self, batch)

    monkeypatch.setattr(FrozenEncoder, "forward", count)
    assert train(workspace, "pretrain_cmr", "--task", "I50") == 0
    cines = len(read_features(workspace.features, "cmr_embedding", RUN))
    assert not calls
    assert tree_of(workspace.features) == before
    calls.clear()
    change_params(workspace, **{"pretrain_cmr.seed": 7})
    assert train(workspace, "pretrain_cmr", "--task", "I50") == 0
    assert sum(calls) == 3 * cines  # the clean view and both augmented ones
