"""Both encoders reach both decoders, and patches go where they came from."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from eccl.models.cross_modal_autoencoder import CrossModalAutoencoder
from eccl.models.ecg_vit import EcgEncoder
from eccl.models.patches import from_patches, to_patches
from eccl.models.specs import CmrEncoderSpec, CrossModalSpec, DecoderSpec, EcgEncoderSpec

ECG = EcgEncoderSpec(patch=(4, 1000), width=16, depth=1, heads=2, mlp_ratio=2.0)
CMR = CmrEncoderSpec(
    kind="swin",
    image_size=28,
    patch=4,
    window=7,
    width=8,
    depths=(1, 1),
    heads=(1, 2),
    dropout=0.0,
    attention_dropout=0.0,
    drop_path=0.0,
)
SPEC = CrossModalSpec(
    latent_width=8,
    temperature=0.1,
    reconstruction_weight=1.0,
    contrastive_weight=1.0,
    ecg_decoder=DecoderSpec(width=8, depth=1, heads=2),
    cine_decoder=DecoderSpec(width=8, depth=1, heads=2),
    cine_patch=7,
)
TERMS = ["ecg_from_ecg", "ecg_from_cmr", "cmr_from_ecg", "cmr_from_cmr"]


def pair(batch: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, 12, 5000, generator=generator), torch.randn(batch, 50, 28, 28, generator=generator)


def network() -> CrossModalAutoencoder:
    torch.manual_seed(0)
    return CrossModalAutoencoder(ECG, CMR, SPEC).eval()


def test_patches_hold_all_channels_of_their_square_and_come_back() -> None:
    image = torch.arange(2 * 3 * 4 * 6, dtype=torch.float32).reshape(2, 3, 4, 6)
    patches = to_patches(image, (2, 3))
    assert patches.shape == (2, 4, 18)
    assert torch.equal(patches[1, 1].reshape(3, 2, 3), image[1, :, :2, 3:])  # first row, second column
    assert torch.equal(patches[0, 2].reshape(3, 2, 3), image[0, :, 2:, :3])
    assert torch.equal(from_patches(patches, (2, 3), (2, 2)), image)


@pytest.mark.parametrize("term", TERMS)
def test_a_term_teaches_the_decoder_of_its_target_and_the_encoder_of_its_source(term: str) -> None:
    target, _, source = term.partition("_from_")
    mine = network()
    mine(*pair())[2][term].sum().backward()

    def is_taught(module: nn.Module) -> bool:
        return any(one.grad is not None and bool(one.grad.abs().sum() > 0) for one in module.parameters())

    taught = {name for name, module in mine.named_children() if is_taught(module)}
    assert taught == {f"{target}_decoder", f"{source}_encoder", f"{source}_latent"}


@pytest.mark.parametrize("term", TERMS)
def test_a_term_changes_with_its_source_only_through_the_latent(term: str) -> None:
    target, _, source = term.partition("_from_")
    mine, (ecg, cine) = network(), pair()
    before = mine(ecg, cine)[2][term]
    changed = {"ecg": (ecg.flip(0), cine), "cmr": (ecg, cine.flip(0))}
    moved = {name for name, inputs in changed.items() if not torch.equal(mine(*inputs)[2][term], before)}
    assert moved == {target, source}


def test_an_error_is_that_of_the_decoded_recording_or_cine() -> None:
    mine, (ecg, cine) = network(), pair()
    ecg_latent, cmr_latent, errors = mine(ecg, cine)
    assert ecg_latent.shape == cmr_latent.shape == (3, 8)
    assert list(errors) == TERMS
    latent = {"ecg": ecg_latent, "cmr": cmr_latent}
    for term, error in errors.items():
        target, _, source = term.partition("_from_")
        truth, decode = (ecg, mine.decode_ecg) if target == "ecg" else (cine, mine.decode_cine)
        decoded = decode(latent[source])
        assert decoded.shape == truth.shape
        torch.testing.assert_close(error, (decoded - truth).square().flatten(1).mean(dim=1))


def test_the_ecg_encoder_is_the_one_that_an_alignment_builds() -> None:
    inside = {name for name in network().state_dict() if name.startswith("ecg_encoder.")}
    assert inside == {f"ecg_encoder.{name}" for name in EcgEncoder(ECG).state_dict()}


def test_it_learns_to_give_one_modality_from_the_other() -> None:
    mine, level = network().train(), torch.tensor([-1.0, -0.3, 0.3, 1.0])
    ecg, cine = (level.view(4, *(1,) * (one.ndim - 1)) + 0.05 * one for one in pair(4))  # a visit's level is in both
    optimiser = torch.optim.Adam(mine.parameters(), lr=1e-2)
    history = []
    for _ in range(60):
        errors = mine(ecg, cine)[2]
        history.append({name: float(error.detach().mean()) for name, error in errors.items()})
        optimiser.zero_grad()
        torch.stack([error.mean() for error in errors.values()]).mean().backward()
        optimiser.step()
    assert all(history[-1][name] < 0.3 * history[0][name] for name in TERMS), (history[0], history[-1])
