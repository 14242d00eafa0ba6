"""Training steps per stage at a preset's size: samples per second, utilisation, share of waiting for data.

    python -m benchmarks.throughput --preset paper --batch 32 64 128 --steps 30

Arrays hold random numbers of the real shapes and types; everything else (augmentation, network, loss, optimiser) is what
a stage runs. Meant for a GPU; on a CPU it runs too, with a small preset. Writes results/throughput.csv.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import origin, write_table
from eccl.models.cmr_encoders import CmrEncoder
from eccl.models.ecg_vit import EcgEncoder
from eccl.models.mae import MaskedAutoencoder
from eccl.models.projection import Aligned, FrozenEncoder, Supervised
from eccl.training.inputs.augment import augment_ecg, draw_views, sample_cine, scale_ecg
from eccl.training.inputs.visits import CineGeometry
from eccl.training.loop.runtime import Runtime, RuntimeConfig
from eccl.training.loop.tasks import AlignTask, SupervisedTask
from eccl.training.settings import Preset, load_params
from eccl.workspace import shipped

STAGES = ("pretrain_ecg", "pretrain_cmr", "align", "align live")
RECORDS, TRAITS, WINDOW = 2048, 82, 112
PEAK_FLOPS = {"H100": 989e12, "A100": 312e12, "L4": 121e12}
"""Peak of dense bf16 products, operations per second."""


@dataclass(frozen=True, slots=True)
class Case:
    """One measured combination."""

    stage: str
    batch: int
    is_compiled: bool


class Records:
    """Random arrays on the device, and the time spent waiting for batches of them."""

    def __init__(self, runtime: Runtime, records: int) -> None:
        self.device = runtime.device
        self.waited_s = 0.0
        self.ecg = torch.randint(-1000, 1000, (records, 12, 5000), dtype=torch.int16, device=self.device)
        self.frames = torch.randint(
            0, 255, (min(records, 1024), 50, WINDOW, WINDOW), dtype=torch.uint8, device=self.device
        )
        self._rng = np.random.default_rng(0)

    def take(self, array: Tensor, batch: int) -> Tensor:
        """A random batch."""
        start = time.perf_counter()
        index = torch.from_numpy(self._rng.integers(len(array), size=batch)).to(self.device)
        records = array[index]
        self.waited_s += time.perf_counter() - start
        return records


def measure(case: Case, preset: Preset, runtime: Runtime, records: Records, steps: int) -> dict[str, Any]:
    """Run warm-up and measured steps of one case."""
    torch.manual_seed(0)
    task, inputs = _build(case, preset, runtime, records)
    parameters = [one for one in task.parameters() if one.requires_grad]
    generator = torch.Generator().manual_seed(0)
    flops = _count_operations(task, inputs(generator), runtime) / case.batch
    fused = runtime.device.type == "cuda"
    wrapped, optimiser = runtime.prepare(task, torch.optim.AdamW(parameters, lr=1e-5, fused=fused or None))

    def step() -> None:
        losses = wrapped(*inputs(generator))
        runtime.fabric.backward(losses["loss"])
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    for _ in range(min(5, steps)):
        step()
    _synchronise(runtime)
    records.waited_s, start = 0.0, time.perf_counter()
    for _ in range(steps):
        step()
    _synchronise(runtime)
    spent = time.perf_counter() - start
    rate = case.batch * steps / spent
    peak = next(
        (value for name, value in PEAK_FLOPS.items() if name in runtime.device_name.replace("H200", "H100")), 0.0
    )
    return {
        "stage": case.stage,
        "batch": case.batch,
        "compiled": case.is_compiled,
        "precision": runtime.precision,
        "samples_per_s": f"{rate:.1f}",
        "tflops": f"{rate * flops / 1e12:.2f}",
        "mfu": f"{rate * flops / peak:.3f}" if peak else "",
        "waiting_share": f"{records.waited_s / spent:.4f}",
        "memory_gb": f"{torch.cuda.max_memory_allocated() / 1e9:.1f}" if fused else "",
        "device": runtime.device_name,
    }


def _build(case: Case, preset: Preset, runtime: Runtime, records: Records) -> tuple[Any, Any]:
    """Task, and function that makes its inputs."""
    device = runtime.device
    target = torch.randn(case.batch, TRAITS, device=device)
    if case.stage == "pretrain_ecg":
        config = preset.pretrain_ecg
        mae = MaskedAutoencoder(config.encoder, config.masking).to(device)

        def recordings(generator: torch.Generator) -> tuple[Tensor, ...]:
            ecg = augment_ecg(records.take(records.ecg, case.batch), config.augment, generator)
            return scale_ecg(ecg, config.augment.scaling), mae.draw_noise(case.batch, generator)

        return mae, recordings
    cmr = preset.pretrain_cmr

    def cines(generator: torch.Generator) -> Tensor:
        frames = records.take(records.frames, case.batch)
        views = draw_views(case.batch, cmr.cine, generator)
        return sample_cine(frames, _geometry(case.batch, device), cmr.encoder.image_size, cmr.cine, views)

    if case.stage == "pretrain_cmr":
        supervised = SupervisedTask(Supervised(CmrEncoder(cmr.encoder), TRAITS), "traits").to(device)
        return supervised, lambda generator: (cines(generator), target)
    return _build_align(case, preset, runtime, records, target, cines)


def _build_align(
    case: Case, preset: Preset, runtime: Runtime, records: Records, target: Tensor, cines: Any
) -> tuple[Any, Any]:
    config, device = preset.align, runtime.device
    teacher = FrozenEncoder(CmrEncoder(preset.pretrain_cmr.encoder).to(device))
    network = Aligned(EcgEncoder(preset.pretrain_ecg.encoder), teacher.feature_dim, TRAITS, config.alignment)
    task = AlignTask(network, "traits", config).to(device)
    cache = torch.randn(8, RECORDS, teacher.feature_dim, device=device)

    def inputs(generator: torch.Generator) -> tuple[Tensor, ...]:
        ecg = augment_ecg(records.take(records.ecg, case.batch), config.augment, generator)
        if case.stage == "align live":
            with torch.no_grad(), runtime.autocast():
                features = teacher(cines(generator)).float()
        else:
            features = cache[0, torch.randint(RECORDS, (case.batch,), generator=generator).to(device)]
        return scale_ecg(ecg, config.augment.scaling), target, features

    return task, inputs


def _count_operations(task: Any, inputs: tuple[Tensor, ...], runtime: Runtime) -> float:
    """Operations of a training step of the task alone."""
    with FlopCounterMode(display=False) as counter, runtime.autocast():
        task(*inputs)["loss"].backward()
    task.zero_grad(set_to_none=True)
    return float(counter.get_total_flops())


def _geometry(count: int, device: torch.device) -> CineGeometry:
    box = torch.tensor([20.0, 20.0, 92.0, 92.0], device=device).repeat(count, 1)
    return CineGeometry(box, torch.full((count, 2), 1.83, device=device))


def _synchronise(runtime: Runtime) -> None:
    if runtime.device.type == "cuda":
        torch.cuda.synchronize()


def _cases(stages: list[str], batches: list[int], compiled: list[bool]) -> Iterator[Case]:
    for stage, batch, is_compiled in itertools.product(stages, batches, compiled):
        yield Case(stage, batch, is_compiled)


def main(arguments: list[str] | None = None) -> int:
    """Measure every combination and write the table; a case that does not fit into memory is printed and left out."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__.partition("\n")[0])
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--batch", nargs="+", type=int, default=[32, 64, 128, 256])
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--compile", action="store_true", help="measure compiled networks too")
    parser.add_argument("--name", default="throughput", help="results/<name>.csv")
    options = parser.parse_args(arguments)
    preset = load_params(shipped("params.yaml"), options.preset).preset
    machine, commit = origin()
    rows = []
    records = None
    for case in _cases(options.stages, options.batch, [False, True] if options.compile else [False]):
        runtime = Runtime(RuntimeConfig(compile=case.is_compiled))
        records = records or Records(runtime, options.records)
        if runtime.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        try:
            row = measure(case, preset, runtime, records, options.steps)
        except torch.cuda.OutOfMemoryError:
            print(f"{case} does not fit into memory", flush=True)
            continue
        rows.append({"preset": options.preset, **row, "machine": machine, "commit": commit})
        print(rows[-1], flush=True)
    print(write_table(rows, options.name))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
