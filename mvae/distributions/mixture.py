"""Equally weighted mixtures of Gaussians: the posterior of models that mix their experts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mvae.distributions.gaussian import Gaussian
from mvae.distributions.saturating_exp import saturate

__all__ = ["Mixture"]


@dataclass(frozen=True)
class Mixture:
    r"""A batch of equally weighted mixtures of diagonal Gaussians.

    .. math:: q(z) = \frac1{|S|} \sum_{k \in S} N(z; \mu_k, \sigma_k^2)

    It offers what a Gaussian posterior offers: mean, standard deviation, draws, log density and
    marginal CDFs. Its entropy and its KL divergence to the prior have no closed form. As for
    `Gaussian`, values and gradients are finite for log-variances up to ±1000.

    Args:
        components: ``(K, B, D)``; rows of components that are left out may hold anything.
        present: whether the mixture of sample b includes component k, bool ``(B, K)``; a sample
            with no component has the prior N(0, I).

    Example:
        >>> apart = Gaussian(torch.tensor([[[-3.0]], [[3.0]]]), torch.zeros(2, 1, 1))
        >>> q = Mixture(apart, torch.ones(1, 2, dtype=torch.bool))
        >>> q.mean.item(), round(q.std.item(), 4)  # √(mean of variances + variance of means)
        (0.0, 3.1623)
    """

    components: Gaussian
    present: Tensor

    def _with_prior(self) -> tuple[Gaussian, Tensor]:
        """Return the components, the prior last, ``(K + 1, B, D)``, and their weights."""
        # The prior is used for samples that have no component.
        used = torch.cat((self.present, ~self.present.any(-1, keepdim=True)), -1).T  # (K+1, B)
        mask = used.unsqueeze(-1)
        prior = torch.zeros_like(self.components.mean[:1])
        mean = torch.where(mask, torch.cat((saturate(self.components.mean), prior)), 0.0)
        logvar = torch.where(mask, torch.cat((saturate(self.components.logvar), prior)), 0.0)
        return Gaussian(mean, logvar), used.double() / used.sum(0)

    @property
    def shape(self) -> torch.Size:
        """Shape of the mean, ``(B, D)``."""
        return self.components.shape[1:]

    @property
    def mean(self) -> Tensor:
        """Mean of the mixture, ``(B, D)``."""
        components, weights = self._with_prior()
        return (weights.to(components.mean.dtype).unsqueeze(-1) * components.mean).sum(0)

    @property
    def std(self) -> Tensor:
        """Standard deviation of the mixture, ``(B, D)``."""
        components, weights = self._with_prior()
        # √(Σ w σ² + Σ w (μ − mean)²), with the largest term factored out before squaring
        root = weights.sqrt().unsqueeze(-1)
        mean = saturate(components.mean, torch.float64)
        mean = mean - mean.detach().amax(0)  # so that deviations of equal means are exactly 0
        deviations = mean - (weights.unsqueeze(-1) * mean).sum(0)
        widths = (0.5 * saturate(components.logvar, torch.float64)).exp()
        terms = torch.cat((root * widths, root * deviations))
        largest = terms.detach().abs().amax(0)
        return saturate(largest * (terms / largest).square().sum(0).sqrt(), components.mean.dtype)

    def __getitem__(self, index: Tensor | slice) -> Mixture:
        """Select samples by index, mask or slice."""
        return Mixture(self.components[:, index], self.present[index])

    def from_noise(self, noise: Tensor) -> Tensor:
        """Turn standard normal noise ``(N, B, D)`` or ``(N, 1, D)`` into draws ``(N, B, D)``.

        A sample's components take turns, so that draws are stratified, equally many from each, and
        the same noise always gives the same draws.
        """
        components, weights = self._with_prior()
        used = weights > 0  # (K + 1, B)
        draw = torch.arange(len(noise), device=noise.device).unsqueeze(1)
        turn = draw % used.sum(0)  # (N, B), rank of the drawn component among those used
        rank = used.cumsum(0) - 1
        index = (used & (rank == turn.unsqueeze(1))).to(torch.uint8).argmax(1)  # (N, B)
        sample = torch.arange(used.shape[1], device=noise.device)
        return components[index, sample].from_noise(noise)  # (N, B, D)

    def sample(self, n: int | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Draw z; ``n`` draws, stratified over the components, get a new first dimension."""
        shape = (n or 1, *self.shape)
        mean = self.components.mean
        noise = torch.randn(shape, generator=generator, dtype=mean.dtype, device=mean.device)
        if n is not None:
            return self.from_noise(noise)
        components, weights = self._with_prior()
        drawn = torch.multinomial(weights.to(mean.dtype).T, 1, generator=generator)  # (B, 1)
        index = drawn.squeeze(-1)
        chosen = components[index, torch.arange(len(index), device=noise.device)]
        return chosen.from_noise(noise[0])

    def log_prob(self, z: Tensor) -> Tensor:
        """Compute the log density in nats: ``(..., B, D)`` to ``(..., B)``."""
        components, weights = self._with_prior()
        # In double precision: in the tails, single-precision log densities lose the digits in
        # which the components differ.
        mean, logvar = components.mean, components.logvar
        exact = Gaussian(saturate(mean, torch.float64), saturate(logvar, torch.float64))
        log_p = exact.log_prob(saturate(z, torch.float64).unsqueeze(-3))  # (..., K + 1, B)
        return saturate((weights.log() + log_p).logsumexp(-2), mean.dtype)

    def cdf(self, z: Tensor) -> Tensor:
        """Compute the marginal CDFs: ``(..., B, D)`` to the same shape."""
        components, weights = self._with_prior()
        cdfs = components.cdf(z.unsqueeze(-3))  # (..., K + 1, B, D)
        return (weights.to(cdfs.dtype).unsqueeze(-1) * cdfs).sum(-3)
