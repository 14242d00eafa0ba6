"""One training loop for every stage: batches in, best weights on the validation split out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from eccl.errors import ConfigError
from eccl.training.inputs.sampling import Positions
from eccl.training.loop.curves import Curves, EpochLines
from eccl.training.loop.resume import Checkpoint
from eccl.training.loop.runtime import Runtime
from eccl.training.settings import OptimiserConfig

_NEVER_DECAYED = (
    "pos_embed",
    "cls_token",
    "mask_token",
    "relative_position_bias_table",
    "log_temperature",
    "attn_pool.latent",
)


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """Everything that the loop needs of a stage.

    Parameters
    ----------
    name
        Name of the run, for progress lines.
    network
        Network that is saved, with its best weights.
    task
        Network and loss in one: called with what `inputs` returns, it returns named losses, of which ``loss`` is
        minimised.
    batches
        Epoch -> batches of positions; every epoch must have the same number of batches.
    inputs
        Batch and CPU generator -> tensors on the device.
    validate
        Named validation values; ``score`` is the one to raise. A NaN score never becomes the best one.
    announce
        Receives the batches of an epoch before it begins, for arrays that are read ahead.
    is_streamed
        Whether an array is read ahead in blocks; it decides the order of the batches.
    """

    name: str
    network: nn.Module
    task: nn.Module
    batches: Callable[[int], Sequence[Positions]]
    inputs: Callable[[Positions, torch.Generator], tuple[Tensor, ...]]
    validate: Callable[[], dict[str, float]]
    announce: Callable[[Sequence[Positions]], None] = field(default=lambda batches: None)
    is_streamed: bool = False


@dataclass(frozen=True, slots=True)
class Fit:
    """Result of training; the network holds the weights of `best_epoch`.

    Parameters
    ----------
    best_epoch
        1-based; the last epoch where no validation score was defined.
    metrics
        Validation values and training losses of the best epoch, its learning rate, and the history of all epochs.
    """

    best_epoch: int
    metrics: dict[str, Any]


@dataclass(slots=True)
class _Progress:
    """Everything that changes while training and that a checkpoint keeps."""

    best_state: dict[str, Tensor]
    best_score: float = -math.inf
    best_epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


def fit(
    plan: TrainingPlan,
    config: OptimiserConfig,
    seed: int,
    runtime: Runtime,
    checkpoint: Checkpoint | None = None,
    curves: Curves | None = None,
) -> Fit:
    """Train a network and leave the weights of its best validation epoch in it.

    Selection and early stopping use the validation split only; of equal scores the earlier epoch is kept. With a
    checkpoint an interrupted run continues after its last finished epoch and ends with the weights of an undisturbed one.

    Raises
    ------
    ConfigError
        The loss of an epoch is not finite: training has diverged, and nothing is saved.
    """
    bare = build_optimiser(plan.network, config)
    progress = _restore(plan.network, bare, checkpoint, runtime)
    task, optimiser = runtime.prepare(plan.task, bare)
    lines = EpochLines(plan.name, config.epochs)
    if curves is not None and runtime.is_first:
        curves.start(progress.history)
    for epoch in range(len(progress.history), config.epochs):
        if _is_patience_spent(progress, config):
            break
        started = time.perf_counter()
        generator = runtime.seed(seed, epoch)
        trained, rate, seen = _train_epoch(plan, task, optimiser, config, epoch, generator, runtime, lines)
        elapsed = max(time.perf_counter() - started, 1e-9)
        plan.task.eval()
        with torch.no_grad():
            scores = plan.validate()
        if not math.isfinite(trained["loss"]):
            raise ConfigError(
                f"{plan.name}: the training loss is {trained['loss']} in epoch {epoch + 1}, expected a finite number; "
                "lower optimiser.learning_rate"
            )
        entry = {"epoch": epoch + 1, "learning_rate": rate, **_prefixed("train", trained), **_prefixed("val", scores)}
        progress.history.append(entry)
        if scores["score"] > progress.best_score:
            progress.best_score, progress.best_epoch = scores["score"], epoch + 1
            progress.best_state = _snapshot(plan.network)
        if runtime.is_first:
            lines.report(entry, seen / elapsed)
            if curves is not None:
                curves.add(entry)
            if checkpoint is not None and checkpoint.is_due():
                checkpoint.save(_state(plan.network, optimiser, progress))
    if checkpoint is not None and runtime.is_first and checkpoint.is_worthwhile():
        checkpoint.save(_state(plan.network, optimiser, progress))
    return _finish(plan.network, progress, curves if runtime.is_first else None)


def to_json(value: Any) -> Any:
    """Replace NaN and infinities, which JSON does not have, by None."""
    if isinstance(value, dict):
        return {name: to_json(one) for name, one in value.items()}
    if isinstance(value, list):
        return [to_json(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def learning_rate(step: int, total_steps: int, warmup_steps: int, peak: float) -> float:
    """Rate of one optimiser step.

    Linear warm-up, then half a cosine to zero; steps are counted over the whole run.

    Parameters
    ----------
    step
        0-based step.
    total_steps, warmup_steps
        Length of the run and of its warm-up.
    peak
        Rate at the end of the warm-up.

    Returns
    -------
    float
        ``peak * (step + 1) / warmup_steps`` during the warm-up, then ``peak * (1 + cos(pi * progress)) / 2``.
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def _train_epoch(
    plan: TrainingPlan,
    task: Any,
    optimiser: torch.optim.Optimizer,
    config: OptimiserConfig,
    epoch: int,
    generator: torch.Generator,
    runtime: Runtime,
    lines: EpochLines,
) -> tuple[dict[str, float], float, int]:
    """Mean losses of one epoch, the last learning rate, and how many samples were shown."""
    shared = [runtime.share(batch) for batch in plan.batches(epoch)]
    groups = list(_grouped(shared, config.accumulate))
    total, warmup = config.epochs * len(groups), config.warmup_epochs * len(groups)
    seen, sums, rate = 0, dict[str, Tensor](), 0.0
    plan.announce(shared)
    task.train()
    for i, group in enumerate(lines.steps(groups, epoch)):
        rate = learning_rate(epoch * len(groups) + i, total, warmup, config.learning_rate)
        for parameters in optimiser.param_groups:
            parameters["lr"] = rate
        for j, batch in enumerate(group):
            is_last = j == len(group) - 1
            with runtime.fabric.no_backward_sync(task, enabled=runtime.world > 1 and not is_last):
                losses = task(*plan.inputs(batch, generator))
                runtime.fabric.backward(losses["loss"] / len(group))
            for name, value in losses.items():  # weighted by the batch, so that a short one does not count more
                # Summed on the device: reading the number here would make every step wait for the GPU.
                sums[name] = sums.get(name, torch.zeros((), device=value.device)) + value.detach().float() * len(batch)
            seen += len(batch)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    means = {name: float(runtime.total(value)) / max(seen * runtime.world, 1) for name, value in sums.items()}
    return means, rate, seen * runtime.world


def _grouped(batches: list[Positions], size: int) -> Iterator[list[Positions]]:
    for start in range(0, len(batches), size):
        yield batches[start : start + size]


def _is_patience_spent(progress: _Progress, config: OptimiserConfig) -> bool:
    if not config.patience or not progress.best_epoch:
        return False
    return len(progress.history) - max(progress.best_epoch, config.warmup_epochs) >= config.patience


def _finish(network: nn.Module, progress: _Progress, curves: Curves | None) -> Fit:
    if progress.best_epoch:
        network.load_state_dict(progress.best_state)
    network.eval()
    chosen = progress.best_epoch or len(progress.history)
    best = {name: value for name, value in progress.history[chosen - 1].items() if name != "epoch"}
    metrics = to_json({"best": best, "epochs_run": len(progress.history), "history": progress.history})
    if curves is not None:
        curves.finish(len(progress.history), chosen, metrics["best"])
    return Fit(chosen, metrics)


def build_optimiser(module: nn.Module, config: OptimiserConfig) -> torch.optim.Optimizer:
    trained = [(name, one) for name, one in module.named_parameters() if one.requires_grad]
    plain = [one for name, one in trained if one.ndim <= 1 or name.endswith(_NEVER_DECAYED)]
    decayed = [one for name, one in trained if not (one.ndim <= 1 or name.endswith(_NEVER_DECAYED))]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    kind = torch.optim.AdamW if config.name == "adamw" else torch.optim.Adam
    is_gpu = any(one.device.type == "cuda" for one in plain + decayed)
    return kind(groups, lr=config.learning_rate, betas=config.betas, fused=is_gpu or None)


def _state(network: nn.Module, optimiser: torch.optim.Optimizer, progress: _Progress) -> dict[str, Any]:
    return {
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "best_state": progress.best_state,
        "best_score": progress.best_score,
        "best_epoch": progress.best_epoch,
        "history": progress.history,
    }


def _restore(
    network: nn.Module, optimiser: torch.optim.Optimizer, checkpoint: Checkpoint | None, runtime: Runtime
) -> _Progress:
    state = checkpoint.load() if checkpoint is not None else None
    if state is None:
        return _Progress(_snapshot(network))
    network.load_state_dict(state["network"])
    optimiser.load_state_dict(state["optimiser"])
    if runtime.is_first:
        print(f"continues after epoch {len(state['history'])}, from a checkpoint", flush=True)
    return _Progress(state["best_state"], state["best_score"], state["best_epoch"], state["history"])


def _snapshot(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def _prefixed(prefix: str, values: Mapping[str, float]) -> dict[str, float]:
    return {f"{prefix}_{name}": value for name, value in values.items()}
