"""On a simulated cohort each stage improves what it should. The whole study is in benchmarks/learning.py."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from benchmarks.learning import beaten_mean, prepare
from benchmarks.reconstruction import interpolate_visible, mean_of_visible, score_reconstruction
from eccl.models.mae import MaskedAutoencoder
from eccl.models.specs import DecoderSpec, EcgEncoderSpec, MaskingSpec
from eccl.training.inputs.augment import scale_ecg
from eccl.training.inputs.sources import read_all
from eccl.training.inputs.visits import recording_visits
from eccl.training.runs import load_run, load_weights
from eccl.training.session import open_session
from eccl.training.stages import pretrain_cmr, pretrain_ecg
from eccl.workspace import Workspace


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """150 participants, with fewer epochs than the study's."""
    workspace = prepare(tmp_path_factory.mktemp("learning") / "workspace", 150, workers=2)
    content: dict[str, Any] = yaml.safe_load(workspace.params_file.read_text())
    preset = content["presets"][content["preset"]]
    preset["pretrain_ecg"]["optimiser"] |= {"epochs": 100}
    preset["pretrain_cmr"]["optimiser"] |= {"epochs": 20}
    preset["pretrain_cmr"]["teacher_views"] = 0
    workspace.params_file.write_text(yaml.safe_dump(content))
    return workspace


@pytest.mark.slow
def test_the_autoencoder_beats_filling_without_learning(cohort: Workspace) -> None:
    pretrain_ecg.run(open_session(cohort, "pretrain_ecg", None))
    run, config = (
        load_run(cohort, "pretrain_ecg"),
        open_session(cohort, "pretrain_ecg", None).params.preset.pretrain_ecg,
    )
    module = MaskedAutoencoder(config.encoder, config.masking)
    load_weights(module, run.weights(), "pretrain_ecg")
    visits = recording_visits(cohort.data)
    rows = visits.row[visits.select("val", config.instances)]
    ecg = torch.from_numpy(read_all(cohort.data, "ecg.zarr/clean", rows))
    found = score_reconstruction(module, scale_ecg(ecg, config.augment.scaling))
    assert found.network < found.lead_mean
    assert found.network < found.interpolation
    untrained = score_reconstruction(MaskedAutoencoder(config.encoder, config.masking), scale_ecg(ecg, "millivolt"))
    assert dataclasses.replace(untrained, network=0.0) == dataclasses.replace(found, network=0.0)  # the same patches
    assert found.network < untrained.network


@pytest.mark.slow
def test_the_cmr_encoder_beats_the_mean_on_most_traits(cohort: Workspace) -> None:
    pretrain_cmr.run(open_session(cohort, "pretrain_cmr", "traits"))
    better, traits = beaten_mean(cohort, "val")
    assert traits == 82
    assert better > traits / 2


def test_references_fill_what_is_hidden_and_nothing_else() -> None:
    ecg = np.tile(np.arange(10, dtype=np.float32), (1, 2, 1))
    hidden = np.zeros((1, 2, 10), dtype=np.bool_)
    hidden[0, 0, 3:6] = True
    hidden[0, 1] = True
    mean, line = mean_of_visible(ecg, hidden), interpolate_visible(ecg, hidden)
    np.testing.assert_array_equal(line[0, 0], np.arange(10))  # a straight line is found again
    np.testing.assert_allclose(mean[0, 0, 3:6], np.delete(np.arange(10), [3, 4, 5]).mean())
    np.testing.assert_array_equal(mean[0, 0, [0, 9]], [0, 9])
    assert not mean[0, 1].any()  # a lead without a visible sample
    assert not line[0, 1].any()
    hidden[0, 0, :3] = True
    np.testing.assert_array_equal(interpolate_visible(ecg, hidden)[0, 0, :6], 6)  # constant before the first one


def test_the_score_is_the_error_of_the_hidden_samples() -> None:
    torch.manual_seed(0)
    module = MaskedAutoencoder(
        EcgEncoderSpec(patch=(3, 1000), width=16, depth=1, heads=2, mlp_ratio=2.0),
        MaskingSpec(decoder=DecoderSpec(width=8, depth=1, heads=2)),
    )
    ecg = torch.randn(5, 12, 5000)
    found = score_reconstruction(module, ecg, seed=3, batch=2)
    noise = torch.cat([module.draw_noise(n, g) for g in [torch.Generator().manual_seed(3)] for n in (2, 2, 1)])
    with torch.no_grad():
        assert found.network == pytest.approx(float(module.eval()(ecg, noise)["mse"]), rel=1e-5)
