"""Encoders and decoders p(x_i|z), by kind of modality."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from mvae.distributions.autoregressive import TextDecoder, TextEncoder
from mvae.distributions.gaussian import Gaussian
from mvae.distributions.likelihood import elements
from mvae.modality import Modality

__all__ = ["Decoder", "Encoder", "Pathway"]


def mlp(*widths: int) -> nn.Sequential:
    """Stack linear layers with SiLU (the paper's "Swish") between them."""
    layers: list[nn.Module] = []
    for i, (fan_in, fan_out) in enumerate(pairwise(widths)):
        if i:
            layers.append(nn.SiLU())
        layers.append(nn.Linear(fan_in, fan_out))
    return nn.Sequential(*layers)


#: Side of a convolution's kernel; each halves height and width, rounded up.
KERNEL, HALVE = 3, 2


def convolved(shape: tuple[int, ...], channels: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """Give channels, height and width of an image before the first convolution and after each.

    Example:
        >>> convolved((1, 50, 50), (16, 32, 64))
        [(1, 50, 50), (16, 25, 25), (32, 13, 13), (64, 7, 7)]
    """
    first, height, width = shape
    sizes = [(first, height, width)]
    for n in channels:
        height, width = -(-height // HALVE), -(-width // HALVE)
        sizes.append((n, height, width))
    return sizes


def first_layer(modality: Modality, width: int) -> nn.Module:
    """Make the layer that reads data of a kind, ``(B, *event shape)`` to ``(B, width)``."""
    if modality.kind == "label":
        # A row of a table: a linear layer on a one-hot vector.
        return nn.Embedding(modality.shape[0], width)
    if modality.kind == "text":
        return TextEncoder(len(modality.categories), width)
    if not modality.convolutions:
        return nn.Sequential(nn.Flatten(), nn.Linear(elements(modality.shape), width))
    sizes = convolved(modality.shape, modality.convolutions)
    layers: list[nn.Module] = []
    for (fan_in, _, _), (fan_out, _, _) in pairwise(sizes):
        layers += [nn.Conv2d(fan_in, fan_out, KERNEL, HALVE, 1), nn.SiLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(elements(sizes[-1]), width))


class Pathway(nn.Module):
    """Layers that read one modality, as many as there are widths, with SiLU between them.

    Args:
        modality: what it reads.
        widths: of the layers after an image's convolutions; the last is how many numbers it gives.
    """

    def __init__(self, modality: Modality, widths: tuple[int, ...]) -> None:
        super().__init__()
        first, *rest = widths
        self.first = first_layer(modality, first)
        self.rest = nn.Sequential(nn.SiLU(), mlp(first, *rest)) if rest else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Read ``(B, *event shape)``."""
        numbers: Tensor = self.rest(self.first(x))
        return numbers


class Encoder(Pathway):
    """An expert's network: one modality's data to a diagonal Gaussian over the latents.

    Args:
        modality: what it encodes.
        latents: D.
    """

    def __init__(self, modality: Modality, latents: int) -> None:
        super().__init__(modality, (*modality.hidden, 2 * latents))

    def __call__(self, x: Tensor) -> Gaussian:
        """Encode ``(B, *event shape)`` to q̃(z|x), ``(B, D)``."""
        # q̃(z|x) = N(μ(x), σ²(x))
        mean, logvar = super().__call__(x).chunk(2, -1)
        return Gaussian(mean, logvar)


class ConvDecoder(nn.Module):
    """Latents to an image: linear layers, then transposed convolutions, each twice as large.

    Args:
        modality: an image with convolutions; the encoder's layers in reverse.
        latents: D.
    """

    def __init__(self, modality: Modality, latents: int) -> None:
        super().__init__()
        shape = (modality.distribution.parameters * modality.shape[0], *modality.shape[1:])
        *larger, small = convolved(shape, modality.convolutions)
        self.small = small
        self.dense = mlp(latents, *reversed(modality.hidden), elements(small))
        layers: list[nn.Module] = []
        for source, target in pairwise((small, *reversed(larger))):
            # Of the two sizes that a convolution makes into this one, the one that is wanted.
            more = (target[1] - HALVE * source[1] + 1, target[2] - HALVE * source[2] + 1)
            layers += [nn.SiLU(), nn.ConvTranspose2d(source[0], target[0], KERNEL, HALVE, 1, more)]
        self.grow = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        """Give the likelihood's numbers, ``(..., D)`` to ``(..., outputs)``."""
        small = self.dense(z).view(-1, *self.small)
        # With channels last, painting takes a quarter to a third less time.
        small = small.to(memory_format=torch.channels_last)
        numbers: Tensor = self.grow(small).reshape(*z.shape[:-1], -1)
        return numbers


def last_layers(modality: Modality, latents: int) -> nn.Module:
    """Make the network that gives the numbers of a modality's likelihood."""
    if modality.kind == "text":
        return TextDecoder(latents, modality.hidden[0], len(modality.categories), modality.dropout)
    if modality.convolutions:
        return ConvDecoder(modality, latents)
    return mlp(latents, *reversed(modality.hidden), modality.outputs)


class Decoder(nn.Module):
    """One modality's likelihood network: latents to p(x|z).

    Args:
        modality: what it decodes.
        latents: D.
    """

    def __init__(self, modality: Modality, latents: int) -> None:
        super().__init__()
        self.modality = modality
        self.net = last_layers(modality, latents)

    def forward(self, z: Tensor) -> Distribution:
        """Decode ``(..., D)`` to p(x|z) with batch shape ``(...)``."""
        return self.modality.distribution.distribution(self.net(z), self.modality.shape)
