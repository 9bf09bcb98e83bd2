"""Layers shared by several kinds of modalities: linear layers and convolutions."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from mvae.distributions.likelihood import elements

if TYPE_CHECKING:
    from mvae.modality import Modality

__all__ = ["ConvDecoder", "ConvEncoder", "convolved", "mlp"]

#: Kernel size and stride of a convolution, which thus halves all sides, rounding up.
KERNEL, STRIDE = 3, 2
#: Convolutions and transposed convolutions, by the number of sides.
CONVOLUTIONS: dict[int, Callable[..., nn.Module]] = {1: nn.Conv1d, 2: nn.Conv2d}
TRANSPOSED: dict[int, Callable[..., nn.Module]] = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d}


def mlp(*widths: int) -> nn.Sequential:
    """Stack linear layers with SiLU (the paper's "Swish") between them."""
    layers: list[nn.Module] = []
    for i, (fan_in, fan_out) in enumerate(pairwise(widths)):
        if i:
            layers.append(nn.SiLU())
        layers.append(nn.Linear(fan_in, fan_out))
    return nn.Sequential(*layers)


def convolved(shape: tuple[int, ...], channels: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return channels and sides before the first convolution and after each one.

    Example:
        >>> convolved((1, 50, 50), (16, 32, 64))
        [(1, 50, 50), (16, 25, 25), (32, 13, 13), (64, 7, 7)]
    """
    sizes = [shape]
    for n in channels:
        sizes.append((n, *(-(-side // STRIDE) for side in sizes[-1][1:])))
    return sizes


class ConvEncoder(nn.Sequential):
    """Convolutions, each followed by SiLU, and a linear layer: ``(B, C, *sides)`` to ``(B, W)``.

    Args:
        modality: a modality with convolutions.
        width: W, the number of outputs.
    """

    def __init__(self, modality: Modality, width: int) -> None:
        sizes = convolved(modality.shape, modality.convolutions)
        convolution = CONVOLUTIONS[len(modality.shape) - 1]
        layers: list[nn.Module] = []
        for (fan_in, *_), (fan_out, *_) in pairwise(sizes):
            layers += [convolution(fan_in, fan_out, KERNEL, STRIDE, 1), nn.SiLU()]
        super().__init__(*layers, nn.Flatten(), nn.Linear(elements(sizes[-1]), width))


class ConvDecoder(nn.Module):
    """Linear layers and transposed convolutions, each of which doubles all sides.

    They are the layers of `ConvEncoder` in reverse.

    Args:
        modality: a modality with convolutions.
        latents: D, the number of latents.
    """

    def __init__(self, modality: Modality, latents: int) -> None:
        super().__init__()
        shape = (modality.distribution.parameters * modality.shape[0], *modality.shape[1:])
        *larger, small = convolved(shape, modality.convolutions)
        self.small = small
        self.dense = mlp(latents, *reversed(modality.hidden), elements(small))
        transposed = TRANSPOSED[len(modality.shape) - 1]
        layers: list[nn.Module] = []
        for source, target in pairwise((small, *reversed(larger))):
            # A convolution maps two input sizes to the same output size, so the padding of the
            # transposed convolution determines which of them it restores.
            padding = tuple(t - STRIDE * s + 1 for s, t in zip(source[1:], target[1:], strict=True))
            layers += [nn.SiLU(), transposed(source[0], target[0], KERNEL, STRIDE, 1, padding)]
        self.grow = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        """Return the parameters of the likelihood, ``(..., D)`` to ``(..., outputs)``."""
        small = self.dense(z).view(-1, *self.small)
        if small.ndim == 4:
            # With channels last, decoding an image takes a quarter to a third less time.
            small = small.to(memory_format=torch.channels_last)
        parameters: Tensor = self.grow(small).reshape(*z.shape[:-1], -1)
        return parameters
