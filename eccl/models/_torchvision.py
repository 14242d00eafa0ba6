"""Make ``import torchvision`` work beside a CPU build of torch, before timm imports it.

The torchvision wheel of the package index is linked against CUDA libraries. Beside a CPU-only torch its compiled part
does not load, which torchvision tolerates, but it then registers fake kernels for two operators that the compiled part
would have declared, which torch refuses. Declaring the two signatures is enough: nothing here calls the operators, and
a torchvision whose compiled part loads is left alone.
"""

from __future__ import annotations

import importlib
import sys

import torch

_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_OPERATORS = ("nms", "qnms")
# A torch.library.Library takes its declarations back when it is collected, so it lives as long as this module.
_declared: list[torch.library.Library] = []


def load_torchvision() -> None:
    """Import torchvision; where its compiled operators are missing, declare them first.

    Raises
    ------
    ImportError
        torchvision is absent, or fails for another reason than its missing operators.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error) or _declared:
            raise ImportError(f"torchvision does not import beside torch {torch.__version__}: {error}") from error
        _declare_operators()
        for name in [name for name in sys.modules if name == "torchvision" or name.startswith("torchvision.")]:
            del sys.modules[name]
        importlib.import_module("torchvision")


def _declare_operators() -> None:
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for operator in _OPERATORS:
        if not hasattr(torch.ops.torchvision, operator):
            library.define(operator + _SIGNATURE)  # type: ignore[no-untyped-call]
    _declared.append(library)


load_torchvision()
