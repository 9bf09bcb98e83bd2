"""Adaptive importance sampling, for models with few latents."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor

from mvae.distributions.gaussian import Gaussian
from mvae.distributions.mixture import Mixture
from mvae.evaluation.importance import Draws

__all__ = ["FEW_LATENTS", "adaptive_draws"]

#: Largest number of latents for which draws are dense enough to locate the posterior.
FEW_LATENTS = 4
#: Share of all draws made in the first round, and the share of those made from q; the number of
#: later rounds, and of mixture components in each. Most draws are made in the first round, because
#: a mode that none of them reaches is never found, and no diagnostic reveals it.
FIRST_SHARE, POSTERIOR_SHARE, ROUNDS, CENTRES = 0.7, 0.1, 4, 8
#: Effective sample size to which weights are flattened before centres are chosen by them.
MIN_EFFECTIVE = 15
#: Margin by which probabilities are kept from 0 and 1, so that quantiles are finite in float32.
EPSILON = 1e-6


def adaptive_draws(
    q: Gaussian | Mixture,
    prior: Gaussian,
    terms: Callable[[Tensor], Mapping[str, Tensor]],
    target: Collection[str],
    k: int,
    generator: torch.Generator | None = None,
) -> Draws:
    r"""Draw from proposals that are adapted to where the importance weights are large.

    .. math:: w_k = \frac{p(z_k)\,p(x_S|z_k)}{\sum_r \frac{K_r}{K}\, r_r(z_k)}

    The first round draws from q and, by Sobol points, from the prior. Every later round draws from
    a mixture of Gaussians centred on earlier draws with large weights, whose widths match the
    spread of such draws about the centres. All draws are weighted by the mixture of the proposals
    of all rounds. This is population Monte Carlo (Cappé et al. 2004,
    https://doi.org/10.1198/106186004X12803) with the weights of Cornuet et al. 2012
    (https://arxiv.org/abs/0907.1254) and the scrambled points of Owen 1998
    (https://doi.org/10.1145/272991.273010).

    Args:
        q: the model's own posterior, ``(B, D)``; it may be wrong, and far too narrow.
        prior: p(z), ``(B, D)``.
        terms: maps draws ``(N, B, D)`` to log densities by name, ``(N, B)`` each.
        target: names of the terms whose sum is log p(x_S, z).
        k: K, the total number of draws.
        generator: source of random numbers.

    Returns:
        Draws: those from q first, then those from the prior, then those of each round.

    Example:
        >>> import math
        >>> far = Gaussian(torch.tensor([[2.0]]), torch.tensor([[-6.0]]))  # p(z|x) is near −1
        >>> prior = Gaussian.standard((1, 1))
        >>> terms = lambda z: {"p": prior.log_prob(z), "x": -50 * (z[..., 0] + 1) ** 2}
        >>> log_w = adaptive_draws(far, prior, terms, "px", 4000).log_weights("px")
        >>> round((log_w.logsumexp(0) - math.log(4000)).item(), 1)  # ½ log(1 / 101) − 50 / 101
        -2.8
    """
    first = round(FIRST_SHARE * k)
    n_posterior, n_per_round = round(POSTERIOR_SHARE * first), (k - first) // ROUNDS
    z = torch.cat(
        (
            q.sample(n_posterior, generator),
            _sobol_draws(prior, k - n_posterior - ROUNDS * n_per_round, generator),
        )
    )
    draws = Draws((q, prior), (n_posterior, len(z) - n_posterior), z, terms(z))
    for _ in range(ROUNDS):
        proposal = _mixture_around_heavy(draws.z, draws.log_weights(target), generator)
        z = proposal.sample(n_per_round, generator)
        draws = draws.pool_with(Draws((proposal,), (n_per_round,), z, terms(z)))
    return draws


def _sobol_draws(p: Gaussian, n: int, generator: torch.Generator | None) -> Tensor:
    """Draw from a Gaussian ``(B, D)`` by scrambled Sobol points, ``(n, B, D)``, evenly spread."""
    size, dims = p.mean.shape
    seeds = torch.randint(2**31, (size,), generator=generator).tolist()
    each = [torch.quasirandom.SobolEngine(dims, scramble=True, seed=seed).draw(n) for seed in seeds]
    points = torch.stack(each, 1).to(p.mean).clamp(EPSILON, 1 - EPSILON)
    return p.from_noise(torch.special.ndtri(points))


def _mixture_around_heavy(z: Tensor, log_w: Tensor, generator: torch.Generator | None) -> Mixture:
    """Return a mixture of Gaussians centred on some draws with large weights, ``(B, D)``."""
    exponent = torch.ones_like(log_w[0])
    for _ in range(20):
        weights = (exponent * log_w).softmax(0)
        exponent = torch.where(
            1 / weights.square().sum(0) < MIN_EFFECTIVE, 0.7 * exponent, exponent
        )
    weights = (exponent * log_w).softmax(0)  # (N, B)
    chosen = torch.multinomial(weights.T, CENTRES, replacement=True, generator=generator).T
    centres = z[chosen, torch.arange(z.shape[1])]  # (C, B, D)
    squared_distance = (z.unsqueeze(1) - centres).square()  # (N, C, B, D)
    nearest = squared_distance.sum(-1).argmin(1)[:, None, :, None].expand(-1, 1, -1, z.shape[-1])
    spread = (weights.unsqueeze(-1) * squared_distance.gather(1, nearest).squeeze(1)).sum(
        0
    )  # (B, D)
    logvar = (1.5 * spread + 1e-5).log().expand_as(centres)
    present = torch.ones(z.shape[1], CENTRES, dtype=torch.bool)
    return Mixture(Gaussian(centres, logvar), present)
