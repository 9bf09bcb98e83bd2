"""Encoders q̃(z|x_i) and decoders p(x_i|z), one pair for each kind of modality."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.distributions import Distribution

from mvae.gaussian import Gaussian
from mvae.likelihood import elements
from mvae.modality import Modality

__all__ = ["Decoder", "Encoder"]


def mlp(*widths: int) -> nn.Sequential:
    """Stack linear layers with SiLU (the paper's "Swish") between them."""
    layers: list[nn.Module] = []
    for i, (fan_in, fan_out) in enumerate(pairwise(widths)):
        if i:
            layers.append(nn.SiLU())
        layers.append(nn.Linear(fan_in, fan_out))
    return nn.Sequential(*layers)


class Encoder(nn.Module):
    """An expert's network: one modality's data to a diagonal Gaussian over the latents.

    Args:
        modality: what it encodes.
        latents: D.
    """

    def __init__(self, modality: Modality, latents: int) -> None:
        super().__init__()
        first, *rest = (*modality.hidden, 2 * latents)
        # A category's first layer is a row of a table: a linear layer on a one-hot vector.
        self.first: nn.Module = (
            nn.Embedding(modality.shape[0], first)
            if modality.kind == "label"
            else nn.Sequential(nn.Flatten(), nn.Linear(elements(modality.shape), first))
        )
        self.rest = nn.Sequential(nn.SiLU(), mlp(first, *rest))

    def forward(self, x: Tensor) -> Gaussian:
        """Encode ``(B, *event shape)`` to q̃(z|x), ``(B, D)``."""
        # q̃(z|x) = N(μ(x), σ²(x))
        mean, logvar = self.rest(self.first(x)).chunk(2, -1)
        return Gaussian(mean, logvar)


class Decoder(nn.Module):
    """One modality's likelihood network: latents to p(x|z).

    Args:
        modality: what it decodes.
        latents: D.
    """

    def __init__(self, modality: Modality, latents: int) -> None:
        super().__init__()
        self.modality = modality
        self.net = mlp(latents, *reversed(modality.hidden), modality.outputs)

    def forward(self, z: Tensor) -> Distribution:
        """Decode ``(..., D)`` to p(x|z) with batch shape ``(...)``."""
        return self.modality.distribution.distribution(self.net(z), self.modality.shape)
