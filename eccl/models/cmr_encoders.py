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
    """One interface for Swin, ResNet and ViT: ``encoder(cine) -> features`` of ``feature_dim``.

    The paper's encoder is Swin-T (patch 4, window 7, 96 wide, depths 2 2 6 2) at 224 x 224: 768 features after the
    last normalisation and the mean over tokens.
    """

    def __init__(self, spec: CmrEncoderSpec) -> None:
        super().__init__()
        self.spec = spec
        trunk: Any = _build_trunk(spec)
        self.trunk = trunk
        self.feature_dim = int(trunk.num_features)

    def forward(self, cine: Tensor) -> Tensor:
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


def _build_trunk(spec: CmrEncoderSpec) -> nn.Module:
    if spec.kind == "resnet":
        # depths (3, 4, 6, 3) is ResNet50; its batch normalisation has buffers, which a frozen teacher must not update.
        block: Any = Bottleneck  # timm annotates an instance where it takes the class
        return ResNet(block, spec.depths, in_chans=FRAMES, num_classes=0, drop_path_rate=spec.drop_path)
    shared: dict[str, Any] = {
        "img_size": spec.image_size,
        "patch_size": spec.patch,
        "in_chans": FRAMES,
        "num_classes": 0,
        "embed_dim": spec.width,
        "proj_drop_rate": spec.dropout,
        "attn_drop_rate": spec.attention_dropout,
        "drop_path_rate": spec.drop_path,
    }
    if spec.kind == "swin":
        return SwinTransformer(depths=spec.depths, num_heads=spec.heads, window_size=spec.window, **shared)
    return VisionTransformer(depth=spec.depths[0], num_heads=spec.heads[0], pos_drop_rate=spec.dropout, **shared)
