"""Mixtures of Gaussians, equally weighted: the posterior of models that mix their experts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mvae.distributions.gaussian import Gaussian
from mvae.distributions.saturation import hold

__all__ = ["Mixture"]


@dataclass(frozen=True)
class Mixture:
    r"""A batch of equally weighted mixtures of diagonal Gaussians.

    .. math:: q(z) = \frac1{|S|} \sum_{k \in S} N(z; \mu_k, \sigma_k^2)

    It has what a Gaussian posterior has: mean, standard deviation, draws, a log density and
    marginal distribution functions. Its entropy and its KL to the prior have no closed form. What
    `Gaussian` says of log-variances up to ±1000 holds here, too.

    Args:
        components: ``(K, B, D)``; rows of components that are left out may hold anything.
        present: whether sample b mixes component k, bool ``(B, K)``; a sample with no component
            has the prior N(0, I).

    Example:
        >>> apart = Gaussian(torch.tensor([[[-3.0]], [[3.0]]]), torch.zeros(2, 1, 1))
        >>> q = Mixture(apart, torch.ones(1, 2, dtype=torch.bool))
        >>> q.mean.item(), round(q.std.item(), 4)  # the variances' mean, and the means' variance
        (0.0, 3.1623)
    """

    components: Gaussian
    present: Tensor

    def _whole(self) -> tuple[Gaussian, Tensor]:
        """Return the components with the prior last, ``(K + 1, B, D)``, and their weights."""
        there = torch.cat((self.present, ~self.present.any(-1, keepdim=True)), -1).T  # (K+1, B)
        kept = there.unsqueeze(-1)
        prior = torch.zeros_like(self.components.mean[:1])
        mean = torch.where(kept, torch.cat((hold(self.components.mean), prior)), 0.0)
        logvar = torch.where(kept, torch.cat((hold(self.components.logvar), prior)), 0.0)
        return Gaussian(mean, logvar), there.double() / there.sum(0)

    @property
    def shape(self) -> torch.Size:
        """Shape of the mean, ``(B, D)``."""
        return self.components.shape[1:]

    @property
    def mean(self) -> Tensor:
        """Mean of the whole mixture, ``(B, D)``."""
        whole, weights = self._whole()
        return (weights.to(whole.mean.dtype).unsqueeze(-1) * whole.mean).sum(0)

    @property
    def std(self) -> Tensor:
        """Standard deviation of the whole mixture, ``(B, D)``."""
        whole, weights = self._whole()
        # √(Σ w σ² + Σ w (μ − mean)²), with the largest part taken out of the squares first
        root = weights.sqrt().unsqueeze(-1)
        mean = hold(whole.mean, torch.float64)
        mean = mean - mean.detach().amax(0)  # so that equal means are exactly the same
        apart = mean - (weights.unsqueeze(-1) * mean).sum(0)
        parts = torch.cat((root * (0.5 * hold(whole.logvar, torch.float64)).exp(), root * apart))
        largest = parts.detach().abs().amax(0)
        return hold(largest * (parts / largest).square().sum(0).sqrt(), whole.mean.dtype)

    def __getitem__(self, index: Tensor | slice) -> Mixture:
        """Take some of the samples."""
        return Mixture(self.components[:, index], self.present[index])

    def at(self, noise: Tensor) -> Tensor:
        """Turn standard normal noise ``(N, B, D)`` or ``(N, 1, D)`` into draws ``(N, B, D)``.

        A sample's components take turns: stratified, so that each gives equally many, and the
        same draws come again from the same noise.
        """
        whole, weights = self._whole()
        there = weights > 0  # (K + 1, B)
        count = there.sum(0)
        place = torch.arange(len(noise), device=noise.device).unsqueeze(1)
        wanted = place % count  # (N, B), the how-manieth of those present
        rank = there.cumsum(0) - 1
        picked = (there & (rank == wanted.unsqueeze(1))).to(torch.uint8).argmax(1)  # (N, B)
        sample = torch.arange(there.shape[1], device=noise.device)
        chosen = whole[picked, sample]  # (N, B, D)
        return chosen.at(noise)

    def sample(self, n: int | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Draw z; ``n`` draws, stratified over the components, stand in a new first dimension."""
        shape = (n or 1, *self.shape)
        mean = self.components.mean
        noise = torch.randn(shape, generator=generator, dtype=mean.dtype, device=mean.device)
        if n is not None:
            return self.at(noise)
        whole, weights = self._whole()
        picked = torch.multinomial(weights.to(mean.dtype).T, 1, generator=generator).squeeze(
            -1
        )  # (B,)
        chosen = whole[picked, torch.arange(len(picked), device=noise.device)]
        return chosen.at(noise[0])

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density in nats: ``(..., B, D)`` to ``(..., B)``."""
        whole, weights = self._whole()
        # In double precision: far out, log densities lose the digits in which components differ.
        exact = Gaussian(hold(whole.mean, torch.float64), hold(whole.logvar, torch.float64))
        each = exact.log_prob(hold(z, torch.float64).unsqueeze(-3))  # (..., K + 1, B)
        return hold((weights.log() + each).logsumexp(-2), whole.mean.dtype)

    def cdf(self, z: Tensor) -> Tensor:
        """Marginal distribution functions: ``(..., B, D)`` to the same shape."""
        whole, weights = self._whole()
        each = whole.cdf(z.unsqueeze(-3))  # (..., K + 1, B, D)
        return (weights.to(each.dtype).unsqueeze(-1) * each).sum(-3)
