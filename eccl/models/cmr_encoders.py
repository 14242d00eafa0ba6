"""CMR encoders: image networks whose 50 channels are the frames of a cine, behind one interface."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

import eccl.models._torchvision  # noqa: F401  (before timm)
from eccl.models.specs import FRAMES, CmrEncoderSpec

from timm.models.resnet import Bottleneck, ResNet  # isort: skip
from timm.models.swin_transformer import SwinTransformer  # isort: skip
from timm.models.vision_transformer import VisionTransformer  # isort: skip


class CmrEncoder(nn.Module):
    """One interface for Swin, ResNet and ViT: ``encode(cine) -> features`` of ``feature_dim``.

    The paper's encoder is Swin-T (patch 4, window 7, 96 wide, depths 2 2 6 2) at 224 x 224: 768 features after the
    last normalisation and the mean over tokens.
    """

    def __init__(self, spec: CmrEncoderSpec) -> None:
        super().__init__()
        self.spec = spec
        trunk: Any = _BUILDERS[spec.kind](spec)
        self.trunk = trunk
        self.feature_dim = int(trunk.num_features)

    def encode(self, cine: Tensor) -> Tensor:
        """Features of cines.

        Parameters
        ----------
        cine
            (batch, 50, image_size, image_size) float, scaled to [-1, 1].

        Returns
        -------
        Tensor
            (batch, feature_dim).
        """
        features: Tensor = self.trunk(cine)
        return features

    def forward(self, cine: Tensor) -> Tensor:
        return self.encode(cine)


def _swin(spec: CmrEncoderSpec) -> nn.Module:
    return SwinTransformer(
        img_size=spec.image_size,
        patch_size=spec.patch,
        in_chans=FRAMES,
        num_classes=0,
        embed_dim=spec.width,
        depths=spec.depths,
        num_heads=spec.heads,
        window_size=spec.window,
        proj_drop_rate=spec.dropout,
        attn_drop_rate=spec.attention_dropout,
        drop_path_rate=spec.drop_path,
    )


def _resnet(spec: CmrEncoderSpec) -> nn.Module:
    # depths (3, 4, 6, 3) is ResNet50; its batch normalisation has buffers, which a frozen teacher must not update.
    block: Any = Bottleneck  # timm annotates an instance where it takes the class
    return ResNet(block, spec.depths, in_chans=FRAMES, num_classes=0, drop_path_rate=spec.drop_path)


def _vit(spec: CmrEncoderSpec) -> nn.Module:
    return VisionTransformer(
        img_size=spec.image_size,
        patch_size=spec.patch,
        in_chans=FRAMES,
        num_classes=0,
        embed_dim=spec.width,
        depth=spec.depths[0],
        num_heads=spec.heads[0],
        pos_drop_rate=spec.dropout,
        proj_drop_rate=spec.dropout,
        attn_drop_rate=spec.attention_dropout,
        drop_path_rate=spec.drop_path,
    )


_BUILDERS = {"swin": _swin, "resnet": _resnet, "vit": _vit}
