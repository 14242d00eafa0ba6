"""The training loop: selection, patience, repeatability, decay."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from eccl.errors import ConfigError
from eccl.models.cmr_encoders import CmrEncoder
from eccl.models.ecg_vit import EcgEncoder
from eccl.models.mae import MaskedAutoencoder
from eccl.models.projection import Aligned
from eccl.models.specs import AlignmentSpec, CmrEncoderSpec, DecoderSpec, EcgEncoderSpec, MaskingSpec
from eccl.training.loop import trainer
from eccl.training.loop.runtime import Runtime
from eccl.training.loop.trainer import TrainingPlan, fit, to_json
from eccl.training.settings import OptimiserConfig
from tests.support.tiny_workspace import changed

CPU = Runtime()
NAN = float("nan")
CONFIG = OptimiserConfig(
    name="adamw",
    epochs=6,
    batch_size=4,
    accumulate=1,
    learning_rate=0.05,
    warmup_epochs=1,
    weight_decay=0.05,
    betas=(0.9, 0.95),
    patience=0,
)
X = torch.randn(16, 3, generator=torch.Generator().manual_seed(0))
Y = X @ torch.tensor([1.0, -2.0, 0.5])


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.2), nn.Linear(8, 1))


class Regression(nn.Module):
    """A task: the network and a squared error."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        return {"loss": (self.module(x)[:, 0] - y).square().mean()}


def plan(module: nn.Module, scores: list[float] | None = None) -> tuple[TrainingPlan, list[dict[str, Tensor]]]:
    """A regression, its validation scores (given ones, or minus the loss), and the weights of every epoch."""
    states: list[dict[str, Tensor]] = []

    def inputs(batch: np.ndarray, generator: torch.Generator) -> tuple[Tensor, ...]:
        return X[batch] + 0.01 * torch.randn(len(batch), 3, generator=generator), Y[batch]

    def validate() -> dict[str, float]:
        assert not module.training
        assert not torch.is_grad_enabled()
        states.append({name: one.clone() for name, one in module.state_dict().items()})
        score = -float((module(X)[:, 0] - Y).square().mean()) if scores is None else scores[len(states) - 1]
        return {"score": score}

    def of_epoch(epoch: int) -> list[np.ndarray]:
        return np.array_split(np.random.default_rng(epoch).permutation(16), 4)

    return TrainingPlan("test", module, Regression(module), of_epoch, inputs, validate), states


def is_equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([0.1, 0.5, 0.2, 0.4, 0.3, 0.0], 2),
        ([0.1, 0.5, 0.5, 0.5, 0.3, 0.5], 2),  # of equal scores the earlier
        ([NAN, 0.2, NAN, 0.1, NAN, NAN], 2),
        ([NAN, NAN, NAN, NAN, NAN, -7.0], 6),
        ([-math.inf, -3.0, -math.inf, -4.0, NAN, -5.0], 2),
        ([NAN] * 6, 6),  # nothing to choose by: the last
    ],
)
def test_the_best_validation_epoch_is_kept(scores: list[float], best: int) -> None:
    module = network()
    given, states = plan(module, scores)
    found = fit(given, CONFIG, 0, CPU)
    assert found.best_epoch == best
    assert is_equal(module.state_dict(), states[best - 1])
    assert not module.training
    assert found.metrics["epochs_run"] == len(found.metrics["history"]) == 6


@pytest.mark.parametrize(
    ("patience", "warmup", "scores", "epochs"),
    [
        (2, 1, [0.9, 0.1, 0.1, 0.1, 0.1, 0.1], 3),
        (2, 3, [0.9, 0.1, 0.1, 0.1, 0.1, 0.1], 5),  # counted from the end of the warm-up
        (2, 1, [0.1, 0.2, 0.1, 0.3, 0.1, 0.1], 6),
        (1, 1, [NAN] * 6, 6),
        (0, 1, [0.9, 0.1, 0.1, 0.1, 0.1, 0.1], 6),
    ],
)
def test_patience_counts_epochs_without_a_better_score(
    patience: int, warmup: int, scores: list[float], epochs: int
) -> None:
    module = network()
    found = fit(plan(module, scores)[0], changed(CONFIG, patience=patience, warmup_epochs=warmup), 0, CPU)
    assert found.metrics["epochs_run"] == epochs


def test_training_learns() -> None:
    module = network()
    found = fit(plan(module)[0], changed(CONFIG, epochs=40), 0, CPU)
    assert found.metrics["best"]["val_score"] > -0.2 * float(Y.square().mean())


def test_one_seed_gives_one_result() -> None:
    def trained(seed: int) -> tuple[Mapping[str, Tensor], dict[str, Any]]:
        module = network(seed)
        return module.state_dict(), fit(plan(module)[0], CONFIG, seed, CPU).metrics

    (one, metrics), (again, same), (other, _) = trained(3), trained(3), trained(4)
    assert is_equal(one, again)
    assert metrics == same  # no wall-clock time in it
    assert not is_equal(one, other)


def test_the_rate_follows_optimiser_steps_over_the_whole_run(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int, int, float]] = []
    true = trainer.learning_rate

    def spy(step: int, total: int, warmup: int, peak: float) -> float:
        calls.append((step, total, warmup, peak))
        return true(step, total, warmup, peak)

    monkeypatch.setattr(trainer, "learning_rate", spy)
    module = network()
    found = fit(plan(module, [0.1, 0.3, 0.2, 0.1, 0.1, 0.1])[0], changed(CONFIG, warmup_epochs=2), 0, CPU)
    assert calls == [(step, 24, 8, 0.05) for step in range(24)]
    assert found.metrics["best"]["learning_rate"] == true(7, 24, 8, 0.05)  # the rate at the best epoch is recorded


def test_accumulated_batches_move_the_weights_like_one_large_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    # Plain gradient descent: Adam would hide a wrong scale of the gradient.
    monkeypatch.setattr(trainer, "build_optimiser", lambda module, config: torch.optim.SGD(module.parameters(), lr=0.1))

    def moved(accumulate: int, size: int) -> Mapping[str, Tensor]:
        torch.manual_seed(0)
        module = nn.Linear(3, 1)
        given, _ = plan(module)
        whole = replace(
            given,
            batches=lambda epoch: [np.arange(start, start + size) for start in range(0, 16, size)],
            inputs=lambda batch, generator: (X[batch], Y[batch]),
        )
        config = changed(CONFIG, accumulate=accumulate, epochs=2, warmup_epochs=0)
        found = fit(whole, config, 0, CPU)
        # Two steps an epoch either way, and the rate follows them.
        assert found.metrics["history"][0]["learning_rate"] == trainer.learning_rate(1, 4, 0, CONFIG.learning_rate)
        return {name: one.detach().clone() for name, one in module.state_dict().items()}

    large, small = moved(1, 8), moved(2, 4)
    for name, one in large.items():
        torch.testing.assert_close(small[name], one)


def test_a_diverged_run_is_refused() -> None:
    module = network()
    given, _ = plan(module)
    broken = replace(given, inputs=lambda batch, generator: (X[batch] * NAN, Y[batch]))
    with pytest.raises(ConfigError, match=r"loss is nan in epoch 1.*learning_rate"):
        fit(broken, CONFIG, 0, CPU)


class NoGradient(nn.Module):
    """A task whose loss is zero, and so are the gradients of everything that is trained."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self) -> dict[str, Tensor]:
        return {
            "loss": sum((0 * one.sum() for one in self.module.parameters() if one.requires_grad), torch.tensor(0.0))
        }


def one_step(module: nn.Module) -> TrainingPlan:
    score = {"score": NAN}
    return TrainingPlan(
        "once", module, NoGradient(module), lambda _: [np.arange(1)], lambda *_: (), lambda: dict(score)
    )


def decayed_names(module: nn.Module) -> set[str]:
    """Names of the parameters that weight decay alone moves: their gradients are all zero."""
    before = {name: one.detach().clone() for name, one in module.named_parameters()}
    with torch.no_grad():
        for name, one in module.named_parameters():
            before[name] = one.fill_(1.0).clone()
    fit(one_step(module), changed(CONFIG, epochs=1, warmup_epochs=0, learning_rate=0.1), 0, CPU)
    moved = {name for name, one in module.named_parameters() if not torch.equal(one, before[name])}
    for name, one in module.named_parameters():
        if name in moved:
            torch.testing.assert_close(one.detach(), before[name] * (1 - 0.1 * 0.05))
    return moved


ECG = EcgEncoderSpec(patch=(3, 1000), width=16, depth=1, heads=2, mlp_ratio=2.0)


@pytest.mark.parametrize(
    "module",
    [
        MaskedAutoencoder(ECG, MaskingSpec(decoder=DecoderSpec(width=8, depth=1, heads=2))),
        CmrEncoder(CmrEncoderSpec(kind="swin", image_size=28, patch=4, window=7, width=8, depths=(1, 1), heads=(1, 2))),
        Aligned(EcgEncoder(ECG), 4, 1, AlignmentSpec(is_temperature_learnable=True)),
    ],
    ids=["mae", "swin", "aligned"],
)
def test_only_matrices_are_decayed(module: nn.Module) -> None:
    moved = decayed_names(module)
    for name, one in module.named_parameters():
        is_matrix = one.ndim > 1 and not name.endswith(
            ("pos_embed", "cls_token", "mask_token", "relative_position_bias_table")
        )
        assert (name in moved) == (is_matrix and one.requires_grad), name


def test_adam_is_the_option_that_adds_decay_to_the_gradient() -> None:
    module = nn.Linear(3, 2)
    before = module.weight.detach().clone()

    fit(one_step(module), changed(CONFIG, name="adam", epochs=1, warmup_epochs=0, learning_rate=0.1), 0, CPU)
    # Decay passes through Adam's normalisation: every weight moves by the rate, whatever its size.
    torch.testing.assert_close(module.weight.detach(), before - 0.1 * before.sign(), rtol=1e-3, atol=1e-3)


def test_json_has_no_nan() -> None:
    assert to_json({"a": NAN, "b": [math.inf, 1.0, "x"]}) == {"a": None, "b": [None, 1.0, "x"]}
