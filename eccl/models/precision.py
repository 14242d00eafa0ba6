"""Where half precision would do harm."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor


def full_precision(like: Tensor) -> AbstractContextManager[Any]:
    """Compute in the tensors' own type on their device, whatever autocast is around.

    The meta device, on which costs are counted, has no autocast to switch off.
    """
    return nullcontext() if like.device.type == "meta" else torch.autocast(like.device.type, enabled=False)
