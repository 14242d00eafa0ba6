"""One training loop for every stage: batches in, best weights on the validation split out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from eccl.errors import ConfigError
from eccl.training.config import OptimiserConfig
from eccl.training.schedule import learning_rate

Positions = NDArray[np.int64]
_NEVER_DECAYED = ("pos_embed", "cls_token", "mask_token", "relative_position_bias_table", "log_temperature")


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What a stage gives to the loop.

    Parameters
    ----------
    name
        Name of the run, for progress lines.
    batches
        Epoch -> batches of positions; every epoch must have the same number of batches.
    losses
        Batch and CPU generator -> named losses; ``loss`` is minimised.
    validate
        Named validation values; ``score`` is the one to raise. A NaN score never becomes the best one.
    """

    name: str
    batches: Callable[[int], Sequence[Positions]]
    losses: Callable[[Positions, torch.Generator], Mapping[str, Tensor]]
    validate: Callable[[], dict[str, float]]


@dataclass(frozen=True, slots=True)
class Fit:
    """What training gave; the module holds the weights of `best_epoch`.

    Parameters
    ----------
    best_epoch
        1-based; the last epoch where no validation score was defined.
    metrics
        Validation values and training losses of the best epoch, its learning rate, and the history of all epochs.
    """

    best_epoch: int
    metrics: dict[str, Any]


def fit(module: nn.Module, plan: TrainingPlan, config: OptimiserConfig, device: torch.device, seed: int) -> Fit:
    """Train a module and leave the weights of its best validation epoch in it.

    Selection and early stopping look at the validation split only; of equal scores the earlier epoch is kept. On a GPU
    the forward pass runs in bfloat16, on a CPU in float32 (bfloat16 is several times slower there).

    Raises
    ------
    ConfigError
        The loss of an epoch is not finite: training has diverged, and nothing is worth keeping.
    """
    generator = torch.Generator().manual_seed(seed)
    steps_per_epoch = len(plan.batches(0))
    total, warmup = config.epochs * steps_per_epoch, config.warmup_epochs * steps_per_epoch
    optimiser = _optimiser(module, config)
    best_score, best_epoch, best_state, history = -math.inf, 0, _snapshot(module), list[dict[str, float]]()
    for epoch in range(config.epochs):
        started, seen, sums = time.perf_counter(), 0, dict[str, float]()
        module.train()
        for i, batch in enumerate(plan.batches(epoch)):
            rate = learning_rate(epoch * steps_per_epoch + i, total, warmup, config.learning_rate)
            for group in optimiser.param_groups:
                group["lr"] = rate
            with precision(device):
                losses = plan.losses(batch, generator)
            optimiser.zero_grad(set_to_none=True)
            losses["loss"].backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            seen += len(batch)
            for name, value in losses.items():  # weighted by the batch, so that a short one does not count more
                sums[name] = sums.get(name, 0.0) + float(value.detach()) * len(batch)
        module.eval()
        with torch.no_grad():
            scores = plan.validate()
        if not math.isfinite(sums["loss"]):
            raise ConfigError(
                f"{plan.name}: the training loss is {sums['loss']} in epoch {epoch + 1}, expected a finite number; "
                "lower optimiser.learning_rate"
            )
        trained = {f"train_{name}": value / max(seen, 1) for name, value in sums.items()}
        history.append({"epoch": epoch + 1, "learning_rate": rate, **trained, **_prefixed(scores)})
        _report(plan.name, config.epochs, history[-1], seen / max(time.perf_counter() - started, 1e-9))
        if scores["score"] > best_score:
            best_score, best_epoch, best_state = scores["score"], epoch + 1, _snapshot(module)
        if config.patience and best_epoch and epoch + 1 - max(best_epoch, config.warmup_epochs) >= config.patience:
            break
    if best_epoch:
        module.load_state_dict(best_state)
    module.eval()
    chosen = best_epoch or len(history)
    best = {name: value for name, value in history[chosen - 1].items() if name != "epoch"}
    return Fit(chosen, to_json({"best": best, "epochs_run": len(history), "history": history}))


def precision(device: torch.device) -> AbstractContextManager[Any]:
    """Arithmetic of the forward pass: bfloat16 on a GPU, float32 elsewhere."""
    return torch.autocast("cuda", dtype=torch.bfloat16) if device.type == "cuda" else nullcontext()


def seed_everything(seed: int, device: torch.device) -> None:
    """Make a run repeatable on one machine: weights, dropout and, on a GPU, the choice of kernels."""
    torch.manual_seed(seed)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = False
        torch.use_deterministic_algorithms(True, warn_only=True)


def to_json(value: Any) -> Any:
    """Replace NaN and infinities, which JSON does not know, by None."""
    if isinstance(value, dict):
        return {name: to_json(one) for name, one in value.items()}
    if isinstance(value, list):
        return [to_json(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _optimiser(module: nn.Module, config: OptimiserConfig) -> torch.optim.Optimizer:
    trained = [(name, one) for name, one in module.named_parameters() if one.requires_grad]
    plain = [one for name, one in trained if one.ndim <= 1 or name.endswith(_NEVER_DECAYED)]
    decayed = [one for name, one in trained if not (one.ndim <= 1 or name.endswith(_NEVER_DECAYED))]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    kind = torch.optim.AdamW if config.name == "adamw" else torch.optim.Adam
    return kind(groups, lr=config.learning_rate, betas=config.betas)


def _snapshot(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def _prefixed(scores: Mapping[str, float]) -> dict[str, float]:
    return {f"val_{name}": value for name, value in scores.items()}


def _report(name: str, epochs: int, entry: Mapping[str, float], rate: float) -> None:
    values = "  ".join(f"{key} {value:.4g}" for key, value in entry.items() if key not in {"epoch", "learning_rate"})
    print(
        f"{name}  epoch {entry['epoch']}/{epochs}  lr {entry['learning_rate']:.3g}  {values}  {rate:.0f}/s", flush=True
    )
