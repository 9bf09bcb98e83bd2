"""The encoder q̃(z|x_i) and the decoder p(x_i|z) of one modality of any kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.distributions import Distribution

from mvae.distributions.gaussian import Gaussian
from mvae.kinds.layers import mlp
from mvae.kinds.registry import KINDS

if TYPE_CHECKING:
    from mvae.modality import Modality

__all__ = ["Decoder", "Encoder", "Pathway"]


class Pathway(nn.Module):
    """Layers that encode one modality, one for each width, with SiLU between them.

    Args:
        modality: the modality to encode.
        widths: widths of the layers, after any convolutions; the last is the number of outputs.
    """

    def __init__(self, modality: Modality, widths: tuple[int, ...]) -> None:
        super().__init__()
        first, *rest = widths
        self.first = KINDS[modality.kind].first_layer(modality, first)
        self.rest = nn.Sequential(nn.SiLU(), mlp(first, *rest)) if rest else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Encode ``(B, *event shape)`` as features ``(B, outputs)``."""
        features: Tensor = self.rest(self.first(x))
        return features


class Encoder(Pathway):
    """The network of an expert: from one modality's data to a diagonal Gaussian over the latents.

    Args:
        modality: the modality to encode.
        latents: D, the number of latents.
    """

    def __init__(self, modality: Modality, latents: int) -> None:
        super().__init__(modality, (*modality.hidden, 2 * latents))

    def __call__(self, x: Tensor) -> Gaussian:
        """Encode ``(B, *event shape)`` to q̃(z|x), ``(B, D)``."""
        # q̃(z|x) = N(μ(x), σ²(x))
        mean, logvar = super().__call__(x).chunk(2, -1)
        return Gaussian(mean, logvar)


class Decoder(nn.Module):
    """The network of a likelihood: from latents to p(x|z).

    Args:
        modality: the modality to decode.
        latents: D, the number of latents.
    """

    def __init__(self, modality: Modality, latents: int) -> None:
        super().__init__()
        self.modality = modality
        self.net = KINDS[modality.kind].decoder(modality, latents)

    def forward(self, z: Tensor) -> Distribution:
        """Decode ``(..., D)`` to p(x|z) with batch shape ``(...)``."""
        return self.modality.distribution.distribution(self.net(z), self.modality.shape)
