"""Encoders and decoders p(x_i|z), by kind of modality; and encoders of several at once."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from mvae.gaussian import Gaussian
from mvae.likelihood import elements
from mvae.modality import Batch, Modality

__all__ = ["Decoder", "Encoder", "JointEncoder"]


def mlp(*widths: int) -> nn.Sequential:
    """Stack linear layers with SiLU (the paper's "Swish") between them."""
    layers: list[nn.Module] = []
    for i, (fan_in, fan_out) in enumerate(pairwise(widths)):
        if i:
            layers.append(nn.SiLU())
        layers.append(nn.Linear(fan_in, fan_out))
    return nn.Sequential(*layers)


class Pathway(nn.Module):
    """Layers that read one modality, as many as there are widths, with SiLU between them.

    Args:
        modality: what it reads.
        widths: of the layers; the last is how many numbers it gives.
    """

    def __init__(self, modality: Modality, widths: tuple[int, ...]) -> None:
        super().__init__()
        first, *rest = widths
        # A category's first layer is a row of a table: a linear layer on a one-hot vector.
        self.first: nn.Module = (
            nn.Embedding(modality.shape[0], first)
            if modality.kind == "label"
            else nn.Sequential(nn.Flatten(), nn.Linear(elements(modality.shape), first))
        )
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


class JointEncoder(nn.Module):
    """One network that reads several modalities together: a pathway each, then a shared layer.

    Args:
        modalities: what it reads.
        outputs: how many numbers it gives.
    """

    def __init__(self, modalities: Iterable[Modality], outputs: int) -> None:
        super().__init__()
        modalities = tuple(modalities)
        self.pathways = nn.ModuleDict({m.name: Pathway(m, m.hidden) for m in modalities})
        self.shared = nn.Sequential(
            nn.SiLU(), nn.Linear(sum(m.hidden[-1] for m in modalities), outputs)
        )

    def forward(self, batch: Batch) -> Tensor:
        """Read samples, ``(B, outputs)``; where a modality is missing its pathway gives zeros."""
        parts = []
        for name, pathway in self.pathways.items():
            there = batch.present[:, batch.names.index(name)].unsqueeze(-1)
            parts.append(torch.where(there, pathway(batch.filled(name)), 0.0))
        numbers: Tensor = self.shared(torch.cat(parts, -1))
        return numbers


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
