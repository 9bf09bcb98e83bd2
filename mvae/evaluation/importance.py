"""Importance weighting with draws from several proposals, and its diagnostics."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "MAX_K_HAT",
    "MIN_DRAWS",
    "OVER_MAX_K_HAT",
    "Draws",
    "LogLikelihood",
    "Proposal",
    "log_mean",
    "log_mean_ratio",
    "pareto_k",
]

#: Pareto shape above which an estimate is unreliable, and the name of the number of such estimates
#: among the entries of a figure in metrics.json.
MAX_K_HAT = 0.7
OVER_MAX_K_HAT = f"k_hat_over_{MAX_K_HAT}"
#: Smallest number of draws for which the tail of the weights has enough points.
MIN_DRAWS = 25
#: Range of the largest log weights, in nats, below which they count as equal.
FLAT_TAIL = 1.0


class Proposal(Protocol):
    """A distribution over latents to draw from: a Gaussian, a mixture or a refined posterior."""

    def from_noise(self, noise: Tensor) -> Tensor:
        """Turn standard normal noise ``(N, B, D)`` into draws ``(N, B, D)``."""

    def log_prob(self, z: Tensor) -> Tensor:
        """Return the log density in nats, ``(N, B, D)`` to ``(N, B)``."""


@dataclass(frozen=True)
class LogLikelihood:
    """Estimates of log-likelihoods for B samples, in nats.

    Args:
        value: log p(x_S) or log p(x_A|x_B), ``(B,)``; the former is underestimated on average.
        se: standard error of the value by the delta method, ``(B,)``; with few latents it is
            conservative, as it treats evenly spread draws as independent.
        k_hat: Pareto shape k̂ of the weights, ``(B,)``; above 0.7 an estimate is unreliable.
        variance: variance of log p(x_S, z) − log q(z) under q, ``(B,)``, which is 0 for the exact
            posterior; None for conditionals and annealed estimates.
    """

    value: Tensor
    se: Tensor
    k_hat: Tensor
    variance: Tensor | None = None


@dataclass(frozen=True)
class Draws:
    r"""Draws of the latents of B samples from several proposals, with their log densities.

    Args:
        proposals: r_1 … r_J.
        counts: K_1 … K_J, the number of draws from each proposal, in the order of z.
        z: all K draws, ``(K, B, D)``.
        terms: log densities at the draws by name, ``(K, B)`` each: that of the prior, and that of
            each modality given z. A target is the sum of some of them.
    """

    proposals: tuple[Proposal, ...]
    counts: tuple[int, ...]
    z: Tensor
    terms: Mapping[str, Tensor]

    def log_mixture(self) -> Tensor:
        r"""Compute :math:`\log \sum_j \frac{K_j}{K} r_j(z)` at the draws, ``(K, B)``.

        Weights with the full mixture in the denominator are known as the *balance heuristic*: no
        draw has a large weight where any of the proposals has a high density. Veach & Guibas 1995,
        https://doi.org/10.1145/218380.218498.
        """
        total = sum(self.counts)
        each = [
            math.log(n / total) + r.log_prob(self.z)
            for r, n in zip(self.proposals, self.counts, strict=True)
        ]
        return torch.stack(each).logsumexp(0)

    def log_target(self, names: Iterable[str]) -> Tensor:
        """Return the log of the unnormalised target, the sum of the named terms, ``(K, B)``."""
        return torch.stack([self.terms[name] for name in names]).sum(0)

    def log_weights(self, names: Iterable[str]) -> Tensor:
        """Return log weights: a target over the mixture of all proposals, ``(K, B)``."""
        return self.log_target(names) - self.log_mixture()

    def pool_with(self, other: Draws) -> Draws:
        """Pool draws that were made for two targets, keeping the terms that both have."""
        return Draws(
            self.proposals + other.proposals,
            self.counts + other.counts,
            torch.cat((self.z, other.z)),
            {
                name: torch.cat((x, other.terms[name]))
                for name, x in self.terms.items()
                if name in other.terms
            },
        )


def log_mean(
    log_weights: Tensor, counts: Sequence[int] = (), q_log_weights: Tensor | None = None
) -> LogLikelihood:
    r"""Estimate the logarithm of the mean of weights ``(K, B)``, with diagnostics.

    .. math:: \hat m = \frac1K\sum_k w_k, \qquad
              \mathrm{se}^2 = \frac{1}{\hat m^2 K^2} \sum_r K_r \mathrm{Var}_r(w)

    The number of draws from each proposal is fixed, so differences between the proposals' means do
    not contribute to the error.

    Args:
        log_weights: log weights of the draws, grouped by proposal.
        counts: K_r, the number of draws from each proposal, at least two; empty for one proposal.
        q_log_weights: log importance weights with q as the only proposal; their variance is kept.

    Example:
        >>> estimate = log_mean(torch.tensor([[0.5], [1.5], [2.0]]).log().repeat(10, 1))
        >>> round(estimate.value.exp().item(), 3), round(estimate.se.item(), 3)
        (1.333, 0.087)
    """
    value = log_weights.logsumexp(0) - math.log(len(log_weights))
    weights = (log_weights - value).exp()  # mean 1
    k_hat = pareto_k(log_weights).to(value.dtype)
    se = _standard_error(weights, counts)
    return LogLikelihood(value, se, k_hat, None if q_log_weights is None else q_log_weights.var(0))


def log_mean_ratio(
    log_numerator: Tensor, log_denominator: Tensor, counts: Sequence[int]
) -> LogLikelihood:
    r"""Estimate the logarithm of the ratio of two means over the same draws, ``(K, B)`` each.

    .. math:: \log \frac{\sum_k a_k}{\sum_k b_k}, \qquad
              \mathrm{se}^2 = \frac{1}{K^2} \sum_r K_r
              \mathrm{Var}_r\Big(\frac{a}{\bar a} - \frac{b}{\bar b}\Big)

    Args:
        log_numerator: log a_k.
        log_denominator: log b_k; the estimate is at most 0 if no a_k exceeds its b_k.
        counts: K_r, the number of draws from each proposal.
    """
    k = math.log(len(log_numerator))
    log_means = [x.logsumexp(0) - k for x in (log_numerator, log_denominator)]
    difference = (log_numerator - log_means[0]).exp() - (log_denominator - log_means[1]).exp()
    k_hat = torch.maximum(pareto_k(log_numerator), pareto_k(log_denominator)).to(
        log_numerator.dtype
    )
    return LogLikelihood(log_means[0] - log_means[1], _standard_error(difference, counts), k_hat)


def _standard_error(x: Tensor, counts: Sequence[int]) -> Tensor:
    """Compute the standard error of a mean over strata of fixed sizes, ``(K, B)`` to ``(B,)``."""
    strata = x.split(list(counts) or [len(x)])
    return torch.stack([len(s) * s.var(0) for s in strata]).sum(0).sqrt() / len(x)


def pareto_k(log_weights: Tensor) -> Tensor:
    """Estimate the Pareto shape k̂ of each sample's weights, ``(K, B)`` to ``(B,)``.

    The shape is −∞ where the largest weights, those in the tail, are nearly equal. A defensive
    mixture bounds the weights; many draws may lie close to the bound, and no shape can then be
    inferred from the few that are slightly larger.
    Vehtari et al. 2024, https://arxiv.org/abs/1507.02646.

    Example:
        >>> u = torch.rand(4000, 1, generator=torch.Generator().manual_seed(0))
        >>> round(pareto_k(-0.9 * u.log()).item(), 1)  # a Pareto tail of shape 0.9
        0.9
    """
    # Imported here, as the import takes a second and only evaluation needs it.
    from arviz_stats.base.array import array_stats

    tail = min(len(log_weights) // 5, round(3 * len(log_weights) ** 0.5))
    top = log_weights.topk(tail + 1, 0).values
    bounded = top[0] - top[-1] < FLAT_TAIL
    shapes = []
    for weights in log_weights.double().T.numpy():
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            try:
                # The library expects log-likelihoods and smooths their reciprocals, the weights.
                shapes.append(float(array_stats.psislw(-weights, r_eff=1.0)[1]))
            except ValueError:
                shapes.append(-math.inf)
    return torch.tensor(shapes).masked_fill(bounded, -math.inf)
