"""The only module that imports torchvision, on first use; the app starts without it."""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import torch

__all__ = ["datasets"]

_libraries: list[Any] = []


@cache
def datasets() -> ModuleType:
    """Import ``torchvision.datasets``.

    torchvision's wheel is linked against CUDA. With a CPU-only torch its import fails, because the
    operators ``nms`` and ``qnms`` are not registered. Only then are their schemas declared and the
    import tried again; nothing in this project calls these operators.

    Raises:
        ImportError: if torchvision is not installed.
    """
    try:
        return import_module("torchvision.datasets")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    library: Any = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _libraries.append(library)  # the schemas vanish with the object
    return import_module("torchvision.datasets")
