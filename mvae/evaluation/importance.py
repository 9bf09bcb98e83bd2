"""Importance weights of draws from several proposals, and what they estimate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

__all__ = ["FEWEST", "Draws", "LogLikelihood", "Proposal", "average", "pareto_k", "ratio"]

#: Draws below which the tail of the weights has too few points.
FEWEST = 25
#: Nats within which the largest weights are much the same.
FLAT = 1.0


class Proposal(Protocol):
    """A distribution over latents to draw from: a Gaussian, a mixture, a refined posterior."""

    def from_noise(self, noise: Tensor) -> Tensor:
        """Turn standard normal noise ``(N, B, D)`` into draws ``(N, B, D)``."""

    def log_prob(self, z: Tensor) -> Tensor:
        """Compute the log density of ``(N, B, D)`` in nats, ``(N, B)``."""


@dataclass(frozen=True)
class LogLikelihood:
    """Estimates for B samples, in nats.

    Args:
        value: log p(x_S) or log p(x_A|x_B), ``(B,)``; on average an underestimate of the first.
        se: its standard error by the delta method, ``(B,)``; with few latents an upper estimate,
            as it takes draws for independent that are spread evenly.
        k_hat: Pareto shape of the weights, ``(B,)``; above 0.7 an estimate is not to be trusted.
        variance: of log p(x_S, z) − log q(z) under q, ``(B,)``, 0 for the exact posterior; None
            for a conditional and for what is annealed.
    """

    value: Tensor
    se: Tensor
    k_hat: Tensor
    variance: Tensor | None = None


@dataclass(frozen=True)
class Draws:
    r"""Draws of B samples' latents from several proposals, and what there is to know of them.

    Args:
        proposals: r_1 … r_J.
        counts: K_1 … K_J, how many draws each has; z holds one proposal's after the other's.
        z: the draws, ``(K, B, D)``.
        terms: log densities at the draws, ``(K, B)`` each, by name: of the prior and of each
            modality given z. A target is the sum of some of them.
    """

    proposals: tuple[Proposal, ...]
    counts: tuple[int, ...]
    z: Tensor
    terms: Mapping[str, Tensor]

    def log_mixture(self) -> Tensor:
        r"""Compute :math:`\log \sum_j \frac{K_j}{K} r_j(z)` at the draws, ``(K, B)``.

        The full mixture in the denominator of weights is the *balance heuristic*: no draw has a
        large weight where any proposal is dense. Veach & Guibas 1995,
        https://doi.org/10.1145/218380.218498.
        """
        total = sum(self.counts)
        each = [
            math.log(n / total) + r.log_prob(self.z)
            for r, n in zip(self.proposals, self.counts, strict=True)
        ]
        return torch.stack(each).logsumexp(0)

    def log_target(self, names: Iterable[str]) -> Tensor:
        """Sum some of the terms, ``(K, B)``."""
        return torch.stack([self.terms[name] for name in names]).sum(0)

    def log_weights(self, names: Iterable[str]) -> Tensor:
        """Compute the log of a target over the mixture of all proposals, ``(K, B)``."""
        return self.log_target(names) - self.log_mixture()

    def and_of(self, other: Draws) -> Draws:
        """Put together draws that were made for two targets, with the terms that both have."""
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


def average(
    log_weights: Tensor, counts: Sequence[int] = (), plain: Tensor | None = None
) -> LogLikelihood:
    r"""Estimate the logarithm of the mean of weights, ``(K, B)``, with its diagnostics.

    .. math:: \hat m = \frac1K\sum_k w_k, \qquad
              \mathrm{se}^2 = \frac{1}{\hat m^2 K^2} \sum_r K_r \mathrm{Var}_r(w)

    How many draws come from which proposal is fixed, so how far the proposals' means lie apart is
    no error.

    Args:
        log_weights: of draws, one proposal after the other.
        counts: K_r, the draws of each proposal, at least two; none if all are of one.
        plain: logarithms of plain importance weights, of q alone, whose variance is given.

    Example:
        >>> found = average(torch.tensor([[0.5], [1.5], [2.0]]).log().repeat(10, 1))
        >>> round(found.value.exp().item(), 3), round(found.se.item(), 3)
        (1.333, 0.087)
    """
    value = log_weights.logsumexp(0) - math.log(len(log_weights))
    weights = (log_weights - value).exp()  # mean 1
    k_hat = pareto_k(log_weights).to(value.dtype)
    se = _standard_error(weights, counts)
    return LogLikelihood(value, se, k_hat, None if plain is None else plain.var(0))


def ratio(above: Tensor, below: Tensor, counts: Sequence[int]) -> LogLikelihood:
    r"""Estimate the logarithm of a ratio of two means over the same draws, ``(K, B)`` each.

    .. math:: \log \frac{\sum_k a_k}{\sum_k b_k}, \qquad
              \mathrm{se}^2 = \frac{1}{K^2} \sum_r K_r
              \mathrm{Var}_r\Big(\frac{a}{\bar a} - \frac{b}{\bar b}\Big)

    Args:
        above: log a_k.
        below: log b_k; where no a_k exceeds its b_k the estimate is at most 0.
        counts: K_r, the draws of each proposal.
    """
    k = math.log(len(above))
    means = [x.logsumexp(0) - k for x in (above, below)]
    apart = (above - means[0]).exp() - (below - means[1]).exp()
    k_hat = torch.maximum(pareto_k(above), pareto_k(below)).to(above.dtype)
    return LogLikelihood(means[0] - means[1], _standard_error(apart, counts), k_hat)


def _standard_error(x: Tensor, counts: Sequence[int]) -> Tensor:
    """Compute the standard error of a mean over strata of fixed sizes, ``(K, B)`` to ``(B,)``."""
    strata = x.split(list(counts) or [len(x)])
    return torch.stack([len(s) * s.var(0) for s in strata]).sum(0).sqrt() / len(x)


def pareto_k(log_weights: Tensor) -> Tensor:
    """Estimate the Pareto shape of each sample's weights, ``(K, B)`` to ``(B,)``.

    −∞ where the largest weights, as many as its tail has, are much the same: a defensive mixture
    bounds them, many draws may lie at the bound, and the few above it by little tell no shape.
    Vehtari et al. 2024, https://arxiv.org/abs/1507.02646.

    Example:
        >>> u = torch.rand(4000, 1, generator=torch.Generator().manual_seed(0))
        >>> round(pareto_k(-0.9 * u.log()).item(), 1)  # a Pareto tail of shape 0.9
        0.9
    """
    # Imported here: it takes a second, and only an evaluation needs it.
    from arviz_stats.base.array import array_stats

    tail = min(len(log_weights) // 5, round(3 * len(log_weights) ** 0.5))
    top = log_weights.topk(tail + 1, 0).values
    bounded = top[0] - top[-1] < FLAT
    shapes = []
    for weights in log_weights.double().T.numpy():
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            try:
                # The library takes log-likelihoods, whose reciprocals are the weights it smooths.
                shapes.append(float(array_stats.psislw(-weights, r_eff=1.0)[1]))
            except ValueError:
                shapes.append(-math.inf)
    return torch.tensor(shapes).masked_fill(bounded, -math.inf)
