"""What a stage would cost, before any device is touched: parameters, tokens, steps, arithmetic, memory, time.

Networks are built on torch's meta device, where tensors have shapes and no content: one training step there tells how
many operations it takes and which activations it keeps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from eccl.models.cmr_encoders import CmrEncoder
from eccl.models.mae import MaskedAutoencoder
from eccl.models.projection import Aligned, Supervised
from eccl.models.specs import FRAMES, LEADS, SAMPLES
from eccl.training.inputs.sampling import disease_groups
from eccl.training.loop.tasks import AlignTask, SupervisedTask
from eccl.training.settings.config import OptimiserConfig, Preset
from eccl.training.stages import align

M = TypeVar("M", bound=nn.Module)
Inputs = Callable[[int], tuple[Tensor, ...]]

# Peak of dense bf16 products, operations per second; the share of it that training these networks reaches is assumed.
PEAK_FLOPS = {"H100": 989e12, "A100": 312e12, "L4": 121e12}
ASSUMED_UTILISATION = 0.4
# A current core with AVX2 in fp32, as measured on vision transformers: about a third of its peak.
CPU_CORE_FLOPS = 25e9
_BYTES_PER_PARAMETER = 20  # weight, gradient, both moments of Adam, and the best weights so far, in fp32


@dataclass(frozen=True, slots=True)
class TrainSet:
    """How many visits a task trains on, and how many cines its teacher looks at afterwards.

    Parameters
    ----------
    visits
        Visits of the train split.
    cases
        Visits with the disease; None for traits and for masked pre-training.
    looked_at
        All visits of the modality, whose features are written when training is over.
    """

    visits: int
    cases: int | None
    looked_at: int


@dataclass(frozen=True, slots=True)
class StageEstimate:
    """What one stage would cost.

    Parameters
    ----------
    stage
        As in dvc.yaml, e.g. ``align@I21``.
    parameters
        Trained parameters.
    tokens
        Tokens (or, for a ResNet, pixels of the last map) that the encoder sees of one visit, in words.
    batch_size, steps_per_epoch, steps
        Steps are those of the optimiser.
    step_flops
        Operations of one step, forward and backward.
    total_flops
        All steps, and the forward passes that write features afterwards.
    memory_bytes
        Weights, gradients, moments and kept activations of one device in fp32; half of the activations in bf16.
    """

    stage: str
    parameters: int
    tokens: str
    batch_size: int
    steps_per_epoch: int
    steps: int
    step_flops: float
    total_flops: float
    memory_bytes: tuple[float, float]

    def gpu_hours(self, name: str, devices: int) -> float:
        """Time on GPUs of a kind, at the assumed share of their peak."""
        return self.total_flops / (PEAK_FLOPS[name] * ASSUMED_UTILISATION * devices) / 3600

    def cpu_hours(self, cores: int) -> float:
        """Time on a CPU in fp32."""
        return self.total_flops / (CPU_CORE_FLOPS * cores) / 3600


def estimate_pretrain_ecg(preset: Preset, data: TrainSet, devices: int = 1) -> StageEstimate:
    """Cost of masked pre-training."""
    config = preset.pretrain_ecg
    module = _on_meta(lambda: MaskedAutoencoder(config.encoder, config.masking))

    def inputs(batch: int) -> tuple[Tensor, ...]:
        return _meta(batch, LEADS, SAMPLES), _meta(batch, config.encoder.patches)

    tokens = f"{module.visible + 1} of {config.encoder.patches + 1}"
    attention = frozenset({module.visible + 1, config.encoder.patches + 1})
    return _estimate(
        "pretrain_ecg", module, inputs, tokens, config.optimiser, data, 1, devices, views=0, attention=attention
    )


Steps = dict[tuple[str, int], tuple[float, float, float]]
"""Kind of stage and number of parameters -> :func:`count_step`, for stages of one preset."""


def estimate_pretrain_cmr(
    preset: Preset, task: str, targets: int, data: TrainSet, devices: int = 1, known: Steps | None = None
) -> StageEstimate:
    """Cost of one CMR encoder and of its teacher cache; `known` holds what was counted for another disease."""
    config = preset.pretrain_cmr
    module = _on_meta(lambda: SupervisedTask(Supervised(CmrEncoder(config.encoder), targets), task))
    size = config.encoder.image_size

    def inputs(batch: int) -> tuple[Tensor, ...]:
        return _meta(batch, FRAMES, size, size), _meta(batch, targets)

    side = size // (32 if config.encoder.kind == "resnet" else config.encoder.patch)
    return _estimate(
        f"pretrain_cmr@{task}",
        module,
        inputs,
        f"{side**2:,}",
        config.optimiser,
        data,
        config.negatives_per_case,
        devices,
        views=1 + config.teacher_views,
        attention=frozenset({side**2 + 1} if config.encoder.kind == "vit" else ()),
        known=known,
    )


def estimate_align(
    preset: Preset, task: str, targets: int, data: TrainSet, devices: int = 1, known: Steps | None = None
) -> StageEstimate:
    """Cost of one alignment, with the teacher that the preset names; `known` holds what was counted for another disease."""
    config, spec = preset.align, preset.pretrain_ecg.encoder
    has_teacher = config.contrastive_weight > 0
    width = _on_meta(lambda: CmrEncoder(preset.pretrain_cmr.encoder)).feature_dim if has_teacher else None

    def build() -> nn.Module:
        network: Aligned = align.build(spec, config, width, targets)
        return AlignTask(network, task, config)

    def inputs(batch: int) -> tuple[Tensor, ...]:
        shown = _meta(batch, LEADS, SAMPLES), _meta(batch, targets)
        return shown if width is None else (*shown, _meta(batch, width))

    tokens = f"{spec.patches + 1}"
    return _estimate(
        f"align@{task}",
        _on_meta(build),
        inputs,
        tokens,
        config.optimiser,
        data,
        config.negatives_per_case,
        devices,
        views=1,
        attention=frozenset({spec.patches + 1}),
        drop_last=True,
        extra=_live_teacher(preset) if has_teacher and config.teacher == "live" else 0.0,
        known=known,
    )


def _live_teacher(preset: Preset) -> float:
    """Operations per sample of a teacher that is evaluated in every step."""
    encoder, size = _on_meta(lambda: CmrEncoder(preset.pretrain_cmr.encoder)), preset.pretrain_cmr.encoder.image_size
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder(_meta(1, FRAMES, size, size))
    return float(counter.get_total_flops())


def batches_per_epoch(data: TrainSet, batch_size: int, negatives_per_case: int, *, drop_last: bool) -> int:
    """Batches of one epoch, as :mod:`eccl.training.inputs.sampling` deals them."""
    sizes = [data.visits]
    if data.cases is not None:
        label = np.zeros(data.visits)
        label[: data.cases] = 1
        sizes = [len(group) for group in disease_groups(label, negatives_per_case, 0, 0)]
    return sum(max(1, n // batch_size) if drop_last else -(-n // batch_size) for n in sizes)


def count_step(
    module: nn.Module, inputs: Inputs, attention: frozenset[int] = frozenset(), batch: int = 2
) -> tuple[float, float, float]:
    """Operations of a training step, operations of its forward pass, and bytes of kept activations, per sample.

    Parameters
    ----------
    module
        Training task on the meta device.
    inputs
        Batch size -> tensors on the meta device.
    attention
        Numbers of tokens whose square attention matrices are not counted: a fused kernel keeps none.
    """
    own = {parameter.untyped_storage()._cdata for parameter in module.parameters()}
    kept: dict[int, int] = {}

    alive: list[Tensor] = []  # tensors that are freed would lend their identity to later ones

    def keep(tensor: Tensor) -> Tensor:
        alive.append(tensor)
        shape = tensor.shape
        is_attention = tensor.ndim == 4 and shape[-1] == shape[-2] and shape[-1] in attention
        storage = tensor.untyped_storage()
        if not is_attention and storage._cdata not in own:
            kept[storage._cdata] = storage.nbytes()
        return tensor

    with (
        FlopCounterMode(display=False) as counter,
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        losses = module.train()(*inputs(batch))
        forward = counter.get_total_flops()
        losses["loss"].backward()
    return counter.get_total_flops() / batch, forward / batch, sum(kept.values()) / batch


def _estimate(
    stage: str,
    module: nn.Module,
    inputs: Inputs,
    tokens: str,
    config: OptimiserConfig,
    data: TrainSet,
    negatives_per_case: int,
    devices: int,
    *,
    views: int,
    attention: frozenset[int] = frozenset(),
    drop_last: bool = False,
    extra: float = 0.0,
    known: Steps | None = None,
) -> StageEstimate:
    parameters = sum(one.numel() for one in module.parameters() if one.requires_grad)
    key, known = (stage.partition("@")[0], parameters), {} if known is None else known
    if key not in known:  # the networks of two diseases are the same
        known[key] = count_step(module, inputs, attention)
    step, forward, activations = known[key]
    batches = batches_per_epoch(data, config.batch_size, negatives_per_case, drop_last=drop_last)
    steps = -(-batches // config.accumulate)
    shown = batches * config.batch_size * config.epochs
    fixed, moving = _BYTES_PER_PARAMETER * parameters, activations * config.batch_size / devices
    return StageEstimate(
        stage,
        parameters,
        tokens,
        config.batch_size,
        steps,
        steps * config.epochs,
        (step + extra) * config.batch_size * config.accumulate,
        (step + extra) * shown + forward * views * data.looked_at,
        (fixed + moving, fixed + moving / 2),
    )


def _on_meta(build: Callable[[], M]) -> M:
    with torch.device("meta"):
        module = build()
    return module.to("meta")  # tables made with numpy are made on the CPU


def _meta(*shape: int) -> Tensor:
    return torch.empty(*shape, device="meta")
