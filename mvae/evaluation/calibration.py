"""Simulation-based calibration: whether q(z|X_S) is as sure as it may be, for any model and S."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mvae.modality import Batch
from mvae.model import DecodingModel, LatentModel

__all__ = ["Calibration", "calibrate", "simulate"]


@dataclass(frozen=True)
class Calibration:
    r"""Where true latents lie within the posterior that their own data give.

    .. math:: z \sim p(z), \quad x \sim p(x|z), \quad u_d = Q(z_d \mid x_S)

    with Q the marginal distribution function of q. Averaged over everything that the model can
    generate, the exact posterior has uniform u, whatever it looks like; an over-confident q has
    them near 0 and 1, a q that is too wide near ½. Talts et al., *Validating Bayesian Inference
    Algorithms with Simulation-Based Calibration*, 2018, https://arxiv.org/abs/1804.06788.

    Args:
        ranks: u, in [0, 1], ``(n, D)``.

    Example:
        >>> exact = Calibration(torch.linspace(0.005, 0.995, 100).unsqueeze(-1))
        >>> round(exact.coverage(0.9).item(), 2), exact.histogram(4).flatten().tolist()
        (0.9, [25, 25, 25, 25])
    """

    ranks: Tensor

    def covered(self, level: float) -> Tensor:
        """Say which true latents lie in the central interval of a level, bool ``(n, D)``."""
        return (self.ranks - 0.5).abs() <= level / 2

    def coverage(self, level: float) -> Tensor:
        """Give the share of true latents in the central interval, ``(D,)``; it should be level."""
        return self.covered(level).double().mean(0)

    def histogram(self, bins: int) -> Tensor:
        """Count the ranks in bins of equal width, ``(bins, D)``; flat for the exact posterior."""
        place = (self.ranks * bins).long().clamp(max=bins - 1)
        return torch.stack([(place == i).sum(0) for i in range(bins)])


@torch.no_grad()
def simulate(
    model: DecodingModel, n: int, generator: torch.Generator | None = None
) -> tuple[Tensor, Batch]:
    """Draw latents from the prior and data of all modalities from them, ``(n, D)`` and n samples.

    Pixels are drawn black or white, where a modality's pixels are Bernoulli.
    """
    z = torch.randn(n, model.latents, generator=generator)
    with torch.random.fork_rng():
        # torch's distributions take no generator.
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        values = {m.name: model.decode(z, m.name).sample() for m in model.modalities}
    return z, Batch.of(model.modalities, values)


@torch.no_grad()
def calibrate(
    model: LatentModel, supplied: Tensor, generator: torch.Generator | None = None
) -> Calibration:
    """Rank simulated latents within the posterior given some of the modalities of their data.

    Args:
        model: has posteriors and decodes.
        supplied: which modalities of each of n simulated samples, bool ``(n, M)``; where none are
            supplied the posterior is the prior, which is exact.
        generator: the source of randomness.

    Raises:
        ValueError: if the model has no posterior given such a subset, with its sentence.
    """
    z, batch = simulate(model, len(supplied), generator)
    return Calibration(model.posterior(Batch(batch.values, supplied)).cdf(z))
