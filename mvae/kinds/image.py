"""Images: pixels in one or several channels, shown as a picture or as a tile of a picture."""

from __future__ import annotations

import torch
from torch import Tensor

from mvae.kinds.grid import Convolutional

__all__ = ["Image"]


class Image(Convolutional):
    """Pixels of shape (channels, height, width), from 0 to 1 unless the likelihood is Gaussian."""

    name = "image"
    likelihoods = ("bernoulli", "bernoulli-cross-entropy", "gaussian")
    settings = Convolutional.settings | {"tile"}
    axes = ("channels", "height", "width")
    is_image = True

    def store(self, x: Tensor) -> Tensor:
        """Convert pixels to bytes."""
        return (x * 255).round().to(torch.uint8)

    def restore(self, x: Tensor) -> Tensor:
        """Convert bytes to pixels from 0 to 1."""
        return x.float() / 255
