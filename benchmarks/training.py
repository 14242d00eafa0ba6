"""What training costs, as ratios: the cached teacher, waiting for data, groups, augmentation, the autoencoder's step."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.measure import Row, median_pair, median_seconds
from eccl.data.arrays import ArraySpec, prepare_array, write_shard
from eccl.data.layouts import cine_specs, ecg_specs
from eccl.models.cmr_encoders import CmrEncoder
from eccl.models.ecg_vit import EcgEncoder
from eccl.models.losses import masked_mse
from eccl.models.mae import MaskedAutoencoder
from eccl.models.projection import Aligned, FrozenEncoder, Supervised
from eccl.models.specs import AlignmentSpec, CmrEncoderSpec, DecoderSpec, EcgEncoderSpec, MaskingSpec
from eccl.training.inputs.augment import augment_ecg, draw_views, sample_cine, scale_ecg
from eccl.training.inputs.sampling import disease_groups, epoch_batches
from eccl.training.inputs.sources import ResidentArray, StreamedArray, read_all
from eccl.training.inputs.visits import CineGeometry
from eccl.training.loop.runtime import Runtime
from eccl.training.loop.tasks import AlignTask, SupervisedTask
from eccl.training.settings import load_params
from eccl.workspace import shipped

from timm.models.vision_transformer import Block, VisionTransformer  # isort: skip

BATCH, TRAITS = 32, 82
# Shapes of the preset `small`; the ECG encoder with fewer blocks, so that a step takes seconds on two cores.
SMALL = EcgEncoderSpec(patch=(1, 100), width=384, depth=3, heads=6)
SWIN = CmrEncoderSpec(
    kind="swin",
    image_size=112,
    patch=4,
    window=7,
    width=64,
    depths=(2, 2, 4),
    heads=(2, 4, 8),
    dropout=0.0,
    attention_dropout=0.0,
    drop_path=0.0,
)
PAPER_TRAIN, PAPER_CASES = 24_908, 548


def measure() -> list[Row]:
    """All rows, the lightest first."""
    torch.manual_seed(0)
    Runtime()
    # The augmentation first: large networks leave memory behind that later measurements would find ready.
    return [augmentation(), groups(), *waiting(), *aligned_steps(), mae_step()]


def aligned_steps() -> list[Row]:
    """A step of stage 2 with the cached teacher, against the ECG encoder alone and against the live teacher."""
    ecg = torch.randn(BATCH, 12, 5000)
    target = torch.randn(BATCH, TRAITS)
    config = load_params(shipped("params.yaml"), "paper").preset.align
    aligned = AlignTask(
        Aligned(EcgEncoder(SMALL), FrozenEncoder(CmrEncoder(SWIN)).feature_dim, TRAITS, AlignmentSpec()),
        "traits",
        config,
    )
    alone = Supervised(EcgEncoder(SMALL), TRAITS)
    frozen = FrozenEncoder(CmrEncoder(SWIN))
    frames = torch.randint(0, 255, (BATCH, 50, 112, 112), dtype=torch.uint8)
    cached = torch.randn(8, 400, frozen.feature_dim)
    generator = torch.Generator().manual_seed(0)
    cine, geometry = load_params(shipped("params.yaml"), "paper").preset.pretrain_cmr.cine, _geometry(BATCH)

    def with_cache() -> None:
        view = torch.randint(8, (BATCH,), generator=generator)
        _step(aligned, aligned(ecg, target, cached[view, torch.arange(BATCH)])["loss"])

    def with_encoder() -> None:
        views = draw_views(BATCH, cine, generator)
        features = frozen(sample_cine(frames, geometry, SWIN.image_size, cine, views))
        _step(aligned, aligned(ecg, target, features)["loss"])

    def encoder_alone() -> None:
        _step(alone, masked_mse(alone(ecg)[1], target))

    size = f"batch {BATCH}, ECG ViT {SMALL.width}/{SMALL.depth} with 601 tokens"
    ours, reference = median_pair(with_cache, encoder_alone, 9)
    live_ours, live = median_pair(with_cache, with_encoder, 5)
    swin = f"; teacher Swin {SWIN.width} at {SWIN.image_size} px"
    return [
        Row("stage 2, teacher cached", "align step", "ECG encoder and head alone", ours, reference, "s", size),
        Row("stage 2, cached or live", "cached teacher", "live teacher", live_ours, live, "s", size + swin),
    ]


def waiting() -> list[Row]:
    """Seconds a step waits for its records, against the step: arrays in memory and read ahead, recordings and cines."""
    params = load_params(shipped("params.yaml"), "paper").preset
    mae = MaskedAutoencoder(SMALL, MaskingSpec(decoder=DecoderSpec(width=96, depth=2, heads=3)))
    supervised = SupervisedTask(Supervised(CmrEncoder(SWIN), TRAITS), "traits")
    generator, target = torch.Generator().manual_seed(0), torch.randn(BATCH, TRAITS)

    def of_ecg(ecg: Tensor) -> tuple[Tensor, ...]:
        augment = params.pretrain_ecg.augment
        return scale_ecg(augment_ecg(ecg, augment, generator), augment.scaling), mae.draw_noise(len(ecg), generator)

    def of_cine(frames: Tensor) -> tuple[Tensor, ...]:
        cine = params.pretrain_cmr.cine
        views = draw_views(len(frames), cine, generator)
        return sample_cine(frames, _geometry(len(frames)), SWIN.image_size, cine, views), target

    ecg, frames = ecg_specs(64)[1], cine_specs(64, 50, 112, {})[0]
    return [
        _wait(is_resident, where, spec, task, inputs)
        for spec, task, inputs in ((ecg, mae, of_ecg), (frames, supervised, of_cine))
        for is_resident, where in ((True, "in memory"), (False, "read ahead"))
    ]


def _wait(is_resident: bool, where: str, spec: ArraySpec, task: nn.Module, inputs: Any) -> Row:
    """One epoch over four shards, which are dropped from the page cache first."""
    records, rng = 256, np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        prepare_array(data, spec, records // spec.shard_rows)
        for shard in range(records // spec.shard_rows):
            rows = range(shard * spec.shard_rows, (shard + 1) * spec.shard_rows)
            write_shard(data, spec, shard, {row: _record(spec, rng) for row in rows})
            with spec.shard_path(data, shard).open("rb") as stream:
                os.fsync(stream.fileno())
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        rows, cpu = np.arange(records), torch.device("cpu")
        source = (
            ResidentArray(read_all(data, spec.name, rows), cpu)
            if is_resident
            else StreamedArray(data, spec.name, rows, cpu)
        )
        block = None if is_resident else np.arange(records) // spec.shard_rows
        order = epoch_batches(
            np.arange(records), None, batch_size=BATCH, negatives_per_case=1, seed=0, drop_last=True, block=block
        )(0)
        source.expect(order)
        waited, start = 0.0, time.perf_counter()
        for batch in order:
            before = time.perf_counter()
            found = source.batch(batch)
            waited += time.perf_counter() - before
            _step(task, task(*inputs(found))["loss"])
        spent = (time.perf_counter() - start) / len(order)
    waited /= len(order)
    what = f"{spec.name}, {type(task).__name__}, batch {BATCH}: {waited / spent:.2%} of the step"
    return Row(f"waiting, {spec.name} {where}", "waiting for records", "whole training step", waited, spent, "s", what)


def _record(spec: ArraySpec, rng: np.random.Generator) -> NDArray[Any]:
    if spec.dtype == "uint8":
        return rng.integers(0, 255, spec.record_shape, dtype=np.uint8)
    return rng.normal(0, 200, spec.record_shape).astype(np.int16)


def groups() -> Row:
    """Groups of one epoch from the label table, against reading a record per visit to see its label."""
    label = np.zeros(PAPER_TRAIN)
    label[:PAPER_CASES] = 1
    ours = median_seconds(lambda: disease_groups(label, 2, 42, 0), 5)
    some = 512
    with tempfile.TemporaryDirectory() as folder:
        data, spec = Path(folder), ecg_specs(some)[1]
        rng = np.random.default_rng(0)
        prepare_array(data, spec, 1)
        write_shard(data, spec, 0, {row: rng.normal(0, 200, (12, 5000)).astype(np.int16) for row in range(some)})
        source = StreamedArray(data, spec.name, np.arange(some), torch.device("cpu"))
        one_by_one = median_seconds(lambda: [source.batch(np.array([i])) for i in range(some)], 3)
    return Row(
        "groups of a disease task",
        "labels from the table",
        "one record read per visit",
        ours,
        one_by_one * PAPER_TRAIN / some,
        "s",
        f"{PAPER_TRAIN} visits, {PAPER_CASES} cases; reference measured on {some} and scaled",
    )


def augmentation() -> Row:
    """Batched augmentation of ECG and cine against torchvision transforms, one sample at a time."""
    from torchvision.transforms import InterpolationMode, v2
    from torchvision.transforms.v2.functional import resized_crop, rotate

    import eccl.models._torchvision  # noqa: F401

    params = load_params(shipped("params.yaml"), "paper").preset
    augment, cine = params.pretrain_ecg.augment, params.pretrain_cmr.cine
    ecg = torch.randint(-900, 900, (BATCH, 12, 5000), dtype=torch.int16)
    frames = torch.randint(0, 255, (BATCH, 50, 112, 112), dtype=torch.uint8)
    geometry, generator = _geometry(BATCH), torch.Generator().manual_seed(0)
    to_float, normalise = v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 50, [0.5] * 50)

    def batched() -> None:
        scale_ecg(augment_ecg(ecg, augment, generator), augment.scaling)
        sample_cine(frames, geometry, 224, cine, draw_views(BATCH, cine, generator))

    def one_by_one() -> None:
        # The same for each sample: turn the window about the box, cut the box's square out, enlarge, scale, collate.
        cines = []
        for i in range(BATCH):
            _augment_one(ecg[i : i + 1], augment, generator)
            angle = float(torch.empty(1).uniform_(-15, 15, generator=generator))
            turned = rotate(to_float(frames[i]), angle, InterpolationMode.BILINEAR, center=[56, 56])
            cines.append(normalise(resized_crop(turned, 18, 18, 75, 75, [224, 224], antialias=True)))
        torch.stack(cines)

    ours, reference = median_pair(batched, one_by_one, 21)
    return Row(
        "augmentation, per sample",
        "batched, one interpolation",
        "torchvision, one sample at a time, stacked",
        ours / BATCH,
        reference / BATCH,
        "s",
        f"ECG and cine to 224 px, batch {BATCH}, CPU",
    )


def _augment_one(ecg: Tensor, augment: Any, generator: torch.Generator) -> Tensor:
    return scale_ecg(augment_ecg(ecg, augment, generator), augment.scaling)


def mae_step() -> Row:
    """A step of the autoencoder at the paper's size, against a plain one of the same arithmetic on timm's blocks."""
    spec, masking, batch = EcgEncoderSpec(), MaskingSpec(), 4
    ours, plain = MaskedAutoencoder(spec, masking), PlainMae()
    ecg, noise = torch.randn(batch, 12, 5000), torch.rand(batch, 600)
    subject, reference = median_pair(
        lambda: _step(ours, ours(ecg, noise)["loss"]), lambda: _step(plain, plain(ecg, noise)), 5
    )
    return Row(
        "autoencoder step, paper's size",
        "eccl.models.mae",
        "timm blocks, written out plainly",
        subject,
        reference,
        "s",
        f"batch {batch}, forward and backward, fp32, 120 of 600 patches visible",
    )


class PlainMae(nn.Module):
    """He et al.'s autoencoder with the paper's numbers: the reference of :func:`mae_step`."""

    def __init__(self) -> None:
        super().__init__()
        self.vit = VisionTransformer(
            img_size=(12, 5000), patch_size=(1, 100), in_chans=1, num_classes=0, embed_dim=768, depth=12, num_heads=12
        )
        self.narrow = nn.Linear(768, 512)
        self.mask = nn.Parameter(torch.zeros(1, 1, 512))
        self.places = nn.Parameter(torch.randn(1, 601, 512), requires_grad=False)
        self.blocks = nn.Sequential(*(Block(512, 16, qkv_bias=True) for _ in range(8)))
        self.norm, self.out = nn.LayerNorm(512), nn.Linear(512, 100)

    def forward(self, ecg: Tensor, noise: Tensor) -> Tensor:
        tokens = self.vit.patch_embed(ecg.unsqueeze(1)) + self.vit.pos_embed[:, 1:]
        order = noise.argsort(dim=1)
        kept = torch.take_along_dim(tokens, order[:, :120, None], dim=1)
        first = (self.vit.cls_token + self.vit.pos_embed[:, :1]).expand(len(ecg), -1, -1)
        seen = self.narrow(self.vit.norm(self.vit.blocks(torch.cat([first, kept], dim=1))))
        everything = torch.cat([seen[:, 1:], self.mask.expand(len(ecg), 480, -1)], dim=1)
        placed = torch.take_along_dim(everything, order.argsort(dim=1)[:, :, None], dim=1)
        whole = torch.cat([seen[:, :1], placed], dim=1) + self.places
        predicted = self.out(self.norm(self.blocks(whole)))[:, 1:]
        error = (predicted - ecg.reshape(len(ecg), 600, 100)).square().mean(dim=-1)
        is_hidden = torch.ones_like(noise).scatter(1, order[:, :120], 0.0)
        return (error * is_hidden).sum() / is_hidden.sum()


def _step(module: nn.Module, loss: Tensor) -> None:
    module.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]


def _geometry(count: int) -> CineGeometry:
    box = torch.tensor([20.0, 20.0, 92.0, 92.0]).repeat(count, 1)
    return CineGeometry(box, torch.full((count, 2), 1.83))
