"""When a product of experts is exact: pairs of modalities of a scalar z, solved by quadrature."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from mvae.distributions.gaussian import LOG_2PI, Gaussian, divide_out_prior

__all__ = [
    "DIVERGENCES",
    "GRID",
    "NOISE",
    "PAIRS",
    "Divergence",
    "Pair",
    "Solution",
    "average_entropy",
    "best_gaussian",
    "entropy",
    "kl",
    "log_posterior",
    "mixture",
    "moments",
    "solve",
]

#: Direction of the divergence that the best Gaussian q minimises, for a posterior p.
Divergence = Literal["reverse", "forward"]
#: Both directions, KL(q‖p) first.
DIVERGENCES: tuple[Divergence, ...] = get_args(Divergence)
#: Values of z; sums over them with weight STEP are integrals, exact to rounding in this module.
GRID = torch.linspace(-12.0, 12.0, 4801, dtype=torch.float64)
STEP = 24.0 / 4800
#: Noise levels σ, evenly spaced in log σ.
NOISE = torch.logspace(math.log10(0.2), math.log10(2.0), 41, dtype=torch.float64)
#: Standardised nodes for expectations under a Gaussian while it is fitted.
STANDARD_NODES = torch.linspace(-8.0, 8.0, 241, dtype=torch.float64)
#: Starting points of fits; none at 0, a saddle point between two modes of equal weight.
STARTS = torch.cartesian_prod(
    torch.linspace(-2.5, 2.5, 8, dtype=torch.float64), torch.tensor([0.15, 0.8]).double()
)
#: Optima are tied if their divergences differ by less than the first constant, in nats, and their
#: means by more than the second.
TIE_NATS, MIN_SEPARATION = 1e-7, 0.02

LogLikelihood = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Pair:
    r"""Two modalities that are independent given a scalar z with prior N(0, 1).

    .. math:: p(x_1, x_2, z) = N(z; 0, 1)\, p(x_1|z)\, p(x_2|z)

    Args:
        log_likelihoods: log p(x_i|z) in nats as a function of x_i, z and the noise level σ.
        observed: the observed x₁ and x₂.
        outcomes: values of x₂ to average over, ``(K,)``.
        weight: weight of each value: 1 if x₂ is discrete, else their spacing.
    """

    log_likelihoods: tuple[LogLikelihood, LogLikelihood]
    observed: tuple[float, float]
    outcomes: Tensor
    weight: float


def _normal(x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Return log N(x; mean, std²)."""
    return -0.5 * (LOG_2PI + ((x - mean) / std).square()) - std.log()


def _normal_or_outlier(x: Tensor, z: Tensor, noise: Tensor) -> Tensor:
    """Return log p(x|z) of a reading z + σε that, one time in ten, is an outlier instead."""
    reading = math.log(0.9) + _normal(x, z, noise)
    outlier = math.log(0.1) + _normal(x, torch.zeros_like(x), torch.full_like(x, 2.0))
    return torch.logaddexp(reading, outlier)


_line = torch.linspace(-12.0, 12.0, 481, dtype=torch.float64)

#: The pairs by name: linear with Gaussian noise; z² and the sign of z; readings with outliers.
PAIRS = {
    "linear": Pair(
        (_normal, lambda x, z, noise: _normal(x, 0.5 * z, noise)), (1.2, -0.3), _line, 0.05
    ),
    "square": Pair(
        (
            lambda x, z, noise: _normal(x, z.square(), noise),
            lambda x, z, noise: torch.special.log_ndtr(x * z / noise),  # x₂ = sign(z + σε)
        ),
        (1.5, 1.0),
        torch.tensor([-1.0, 1.0], dtype=torch.float64),
        1.0,
    ),
    "outliers": Pair((_normal_or_outlier, _normal_or_outlier), (1.5, -1.0), _line, 0.05),
}


def _log_joint(pair: Pair, given: Collection[int], noise: Tensor) -> Callable[[Tensor], Tensor]:
    """Return log p(x_S, z) as a function of z, ``(..., L, n)``, for noise levels ``(L,)``."""

    def log_joint(z: Tensor) -> Tensor:
        total = -0.5 * (LOG_2PI + z.square()) + torch.zeros_like(noise).unsqueeze(-1)
        for i in given:
            x = torch.tensor(pair.observed[i], dtype=z.dtype)
            total = total + pair.log_likelihoods[i](x, z, noise.unsqueeze(-1))
        return total

    return log_joint


def log_posterior(
    pair: Pair, given: Collection[int], noise: Tensor = NOISE
) -> tuple[Tensor, Tensor]:
    r"""Compute the true posterior on GRID.

    .. math:: \log p(z|x_S) = \log p(z) + \sum_{i \in S} \log p(x_i|z) - \log p(x_S)

    Args:
        pair: the model and the observed values.
        given: indices of the supplied modalities, out of 0 and 1; none give the prior.
        noise: noise levels σ, ``(L,)``.

    Returns:
        The log density in nats, ``(L, n)``, and the log evidence log p(x_S), ``(L,)``.

    Example:
        >>> _, evidence = log_posterior(PAIRS["square"], [1], torch.tensor([0.5]).double())
        >>> round(evidence.exp().item(), 6)  # either sign has probability one half
        0.5
    """
    log_p = _log_joint(pair, given, noise)(GRID)
    evidence = log_p.logsumexp(-1) + math.log(STEP)
    return log_p - evidence.unsqueeze(-1), evidence


def moments(log_p: Tensor) -> tuple[Tensor, Tensor]:
    r"""Return mean and variance, :math:`\int z\,p(z)\,dz` and :math:`\int (z-\mu)^2 p(z)\,dz`.

    The log density on GRID is ``(..., n)``; mean and variance are ``(...)`` each.

    Example:
        >>> [round(x.item(), 6) for x in moments(-0.5 * ((GRID - 1) / 0.5) ** 2 - math.log(0.5)
        ...                                     - 0.5 * math.log(2 * math.pi))]
        [1.0, 0.25]
    """
    p = log_p.exp() * STEP
    mean = (p * GRID).sum(-1)
    return mean, (p * (GRID - mean.unsqueeze(-1)).square()).sum(-1)


def entropy(log_p: Tensor) -> Tensor:
    r"""Return the entropy in nats, :math:`-\int p \log p\,dz`, ``(..., n)`` to ``(...)``.

    Example:
        >>> round(entropy(log_posterior(PAIRS["linear"], [])[0])[0].item(), 4)
        1.4189
    """
    return -(log_p.exp() * log_p).sum(-1) * STEP


def kl(log_q: Tensor, log_p: Tensor) -> Tensor:
    r"""Return KL(q‖p) in nats for densities on GRID, :math:`\int q \log (q/p)\,dz`.

    Log densities are ``(..., n)``, the result ``(...)``; NaN where a density is NaN.

    Example:
        >>> q = Gaussian(torch.tensor([1.0]).double(), torch.tensor([0.0]).double())
        >>> p = Gaussian.standard((1,), torch.float64)
        >>> round(kl(*(g.log_prob(GRID.unsqueeze(-1)) for g in (q, p))).item(), 9)
        0.5
    """
    return (log_q.exp() * (log_q - log_p)).sum(-1) * STEP


def mixture(*log_q: Tensor) -> Tensor:
    r"""Return an equal mixture of densities, :math:`\log \tfrac1K \sum_k q_k`, ``(..., n)``.

    For the single posteriors it is the mixture of experts of Shi et al. (2019,
    https://arxiv.org/abs/1911.03393); for the products of all subsets it is the mixture of products
    of Sutter et al. (2021, https://arxiv.org/abs/2105.02470).

    Example:
        >>> mixture(torch.zeros(2), torch.zeros(2)).tolist()
        [0.0, 0.0]
    """
    return torch.stack(torch.broadcast_tensors(*log_q)).logsumexp(0) - math.log(len(log_q))


def best_gaussian(
    pair: Pair, given: Collection[int], divergence: Divergence, noise: Tensor = NOISE
) -> tuple[Gaussian, Tensor]:
    r"""Return the Gaussian with the least divergence from a true posterior p.

    .. math:: \text{reverse: } \arg\min_q KL(q\|p), \qquad
              \text{forward: } \arg\min_q KL(p\|q) = N(E_p[z], \mathrm{Var}_p[z])

    The reverse divergence may have several optima. Newton's method is run from many starting
    points, and if several optima are equally good, the leftmost and the rightmost of them are
    returned. See Bishop (2006), section 10.1.2, https://www.microsoft.com/en-us/research/people/cmbishop/prml-book/.

    Args:
        pair: the model and the observed values.
        given: indices of the supplied modalities.
        divergence: the direction of the divergence to minimise.
        noise: noise levels σ, ``(L,)``.

    Returns:
        The two optima, ``(2, L, 1)``, which are equal if there is only one; and whether there are
        two, bool ``(L,)``.

    Example:
        >>> q, tied = best_gaussian(PAIRS["square"], [0], "reverse", torch.tensor([0.3]).double())
        >>> [round(mean, 2) for mean in q.mean.flatten().tolist()], tied.item()
        ([-1.19, 1.19], True)
    """
    if divergence == "forward":
        mean, variance = moments(log_posterior(pair, given, noise)[0])
        q = Gaussian(mean.expand(2, -1).unsqueeze(-1), variance.log().expand(2, -1).unsqueeze(-1))
        return q, torch.zeros_like(noise, dtype=torch.bool)
    mean, log_std, loss = _descend(_log_joint(pair, given, noise), len(noise))  # (K, L)
    ties = loss < loss.min(0).values + TIE_NATS
    left = torch.where(ties, mean, torch.inf).argmin(0, keepdim=True)
    right = torch.where(ties, mean, -torch.inf).argmax(0, keepdim=True)
    tied = (mean.gather(0, right) - mean.gather(0, left))[0] > MIN_SEPARATION
    least = loss.argmin(0, keepdim=True)
    chosen = torch.where(tied, torch.cat((left, right)), least)  # (2, L)
    logvar = 2.0 * log_std.gather(0, chosen)
    return Gaussian(mean.gather(0, chosen).unsqueeze(-1), logvar.unsqueeze(-1)), tied


def _descend(
    log_joint: Callable[[Tensor], Tensor], levels: int, steps: int = 60
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Minimise KL(q‖p) + const over (μ, log σ) from every starting point, ``(K, L)`` each.

    With z = μ + σt the derivatives of E_q[log p] are expectations of log p times Hermite
    polynomials of t: E[log p′] = E[log p · t]/σ, σ²E[log p″] = E[log p · (t² − 1)], and so on.
    """
    t = STANDARD_NODES
    weight = (-0.5 * (LOG_2PI + t.square())).exp() * (t[1] - t[0])
    hermite = torch.stack(
        (torch.ones_like(t), t, t**2 - 1, t**3 - 3 * t, t**4 - 6 * t**2 + 3)
    )  # (5, m)

    def expect(x: Tensor) -> Tensor:
        """Return E[log p · He_k(t)] for k = 0 … 4, ``(K, L, 2)`` to ``(K, L, 5)``."""
        return log_joint(x[..., :1] + x[..., 1:].exp() * t) @ (hermite * weight).T

    x = torch.stack((STARTS[:, 0], STARTS[:, 1].log()), -1)[:, None].repeat(1, levels, 1)
    e = expect(x)
    loss = -x[..., 1] - e[..., 0]
    for _ in range(steps):
        std = x[..., 1].exp()
        gradient = torch.stack((-e[..., 1] / std, -1.0 - e[..., 2]), -1)
        mixed = -e[..., 3] / std
        rows = (-e[..., 2] / std**2, mixed, mixed, -2.0 * e[..., 2] - e[..., 4])
        values, vectors = torch.linalg.eigh(torch.stack(rows, -1).unflatten(-1, (2, 2)))
        # With the absolute values of the curvatures, a step leads downhill, away from saddles too.
        along = (vectors.mT @ gradient.unsqueeze(-1)).squeeze(-1) / values.abs().clamp(min=1e-3)
        step = -(vectors @ along.unsqueeze(-1)).squeeze(-1)
        step = step / step.abs().amax(-1, keepdim=True).clamp(min=1.0)
        converged = (
            step.abs().max() < 1e-7
        )  # convergence is quadratic, so the next step is below rounding
        for _ in range(12):  # halve the steps that increase the loss beyond rounding
            trial = expect(x + step)
            trial_loss = -(x + step)[..., 1] - trial[..., 0]
            better = (trial_loss <= loss + 1e-12).unsqueeze(-1)
            x, e = torch.where(better, x + step, x), torch.where(better, trial, e)
            loss = torch.where(better[..., 0], trial_loss, loss)
            step = torch.where(better, 0.0, 0.5 * step)
            if better.all():
                break
        if converged:
            break
    return x[..., 0], x[..., 1], loss


@dataclass(frozen=True)
class Solution:
    """A pair solved at L noise levels, for one direction of the divergence.

    Args:
        posteriors: log p(z), log p(z|x₁), log p(z|x₂) and log p(z|x₁,x₂) on GRID, ``(4, L, n)``.
        singles: the two optima of the best Gaussians q₁ for p(z|x₁) and q₂ for p(z|x₂),
            ``(2, L, 1)`` each.
        tied: whether p(z|x₁) has two optima, bool ``(L,)``.
        product: q₁q₂/p for either optimum of q₁, ``(2, L, 1)``; NaN where it is not a Gaussian.
        joint: the best Gaussian for p(z|x₁,x₂), ``(L, 1)``.
    """

    posteriors: Tensor
    singles: tuple[Gaussian, Gaussian]
    tied: Tensor
    product: Gaussian
    joint: Gaussian


def solve(pair: Pair, divergence: Divergence, noise: Tensor = NOISE) -> Solution:
    r"""Compute the true posteriors, the best Gaussians, and the product of the best single ones.

    .. math:: p(z|x_1, x_2) \propto \frac{p(z|x_1)\,p(z|x_2)}{p(z)}
              \quad\text{but in general}\quad q_{12} \ne \frac{q_1 q_2}{p}

    Example:
        >>> solution = solve(PAIRS["linear"], "reverse")
        >>> (solution.product.mean - solution.joint.mean).abs().max().item() < 1e-9
        True
    """
    posteriors = torch.stack([log_posterior(pair, s, noise)[0] for s in ((), (0,), (1,), (0, 1))])
    first, tied = best_gaussian(pair, [0], divergence, noise)
    second, _ = best_gaussian(pair, [1], divergence, noise)
    joint, _ = best_gaussian(pair, [0, 1], divergence, noise)
    product = divide_out_prior(first, second[0])
    return Solution(posteriors, (first, second), tied, product, joint[0])


def average_entropy(pair: Pair, noise: Tensor = NOISE) -> Tensor:
    r"""Return the entropy of p(z|x₁,x₂) averaged over p(x₂|x₁), in nats, ``(L,)``.

    .. math:: E_{p(x_2|x_1)}\,H[p(z|x_1, x_2)] \le H[p(z|x_1)]

    On average a further modality narrows the true posterior, though not for every x₂; see Cover &
    Thomas (2006), theorem 2.6.5, https://doi.org/10.1002/047174882X.

    Example:
        >>> pair = PAIRS["outliers"]
        >>> alone, both = (entropy(log_posterior(pair, s)[0]) for s in ([0], [0, 1]))
        >>> (average_entropy(pair) < alone).all().item(), (both > alone).any().item()
        (True, True)
    """
    z = GRID[::4]
    first = log_posterior(pair, [0], noise)[0][:, ::4]
    total = torch.zeros_like(noise)
    for x in pair.outcomes:
        log_p = first + pair.log_likelihoods[1](x, z, noise.unsqueeze(-1))
        # log p(x₂|x₁), the weight of this outcome
        evidence = log_p.logsumexp(-1, keepdim=True) + math.log(4 * STEP)
        log_p = log_p - evidence
        total += evidence[:, 0].exp() * -(log_p.exp() * log_p).sum(-1) * 4 * STEP
    return total * pair.weight
