"""The base of kinds whose data lie on a grid: channels, and one side or more."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from torch import nn

from mvae.distributions.likelihood import elements
from mvae.kinds.base import Kind
from mvae.kinds.layers import ConvDecoder, ConvEncoder, convolved

if TYPE_CHECKING:
    from mvae.modality import Modality

__all__ = ["Convolutional"]


class Convolutional(Kind):
    """A kind of shape (channels, *sides), encoded by convolutions if the modality has any."""

    settings = frozenset({"convolutions"})

    def first_layer(self, m: Modality, width: int) -> nn.Module:
        """Return convolutions and a linear layer, or a linear layer alone."""
        return ConvEncoder(m, width) if m.convolutions else super().first_layer(m, width)

    def decoder(self, m: Modality, latents: int) -> nn.Module:
        """Return the mirror image of the encoder."""
        return ConvDecoder(m, latents) if m.convolutions else super().decoder(m, latents)

    def fan_in(self, m: Modality) -> tuple[int, int]:
        """Return the outputs of the last convolution, and the weights of all of them."""
        sizes = convolved(m.shape, m.convolutions)
        # An upper bound: no kernel has more than 4 × 4 weights per pair of channels.
        return elements(sizes[-1]), 16 * sum(a[0] * b[0] for a, b in pairwise(sizes))
