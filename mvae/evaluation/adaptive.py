"""Importance weights that learn where the posterior is, for models of few latents."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor

from mvae.distributions.gaussian import Gaussian
from mvae.distributions.mixture import Mixture
from mvae.evaluation.importance import Draws

__all__ = ["FEW_LATENTS", "adaptive_draws"]

#: Latents up to which draws are dense enough to tell where the posterior is.
FEW_LATENTS = 4
#: Share of the draws that come first, and of those, of q; rounds after them; centres of a round.
#: Most come first: a lobe that none of them touches is not found, and no diagnostic tells of it.
FIRST, OWN, ROUNDS, CENTRES = 0.7, 0.1, 4, 8
#: Effective draws that weights are flattened to before centres are picked by them.
EFFECTIVE = 15
#: Numbers between 0 and 1 whose quantiles are finite in float32.
INSIDE = 1e-6


def adaptive_draws(
    q: Gaussian | Mixture,
    prior: Gaussian,
    terms: Callable[[Tensor], Mapping[str, Tensor]],
    target: Collection[str],
    k: int,
    generator: torch.Generator | None = None,
) -> Draws:
    r"""Make draws that gather where their weights are heavy.

    .. math:: w_k = \frac{p(z_k)\,p(x_S|z_k)}{\sum_r \frac{K_r}{K}\, r_r(z_k)}

    The first round draws from q and, by Sobol points, from the prior; every further one from a
    mixture of Gaussians around the heaviest draws so far, as wide as the heavy draws lie about
    them. All rounds are weighted by the mixture of all of them. Population Monte Carlo, Cappé et
    al. 2004, https://doi.org/10.1198/106186004X12803, with the weights of Cornuet et al. 2012,
    https://arxiv.org/abs/0907.1254, and the points of Owen 1998,
    https://doi.org/10.1145/272991.273010.

    Args:
        q: the model's own posterior, ``(B, D)``; it may be wrong and far too narrow.
        prior: ``(B, D)``.
        terms: log densities by name, of draws ``(N, B, D)``, ``(N, B)`` each.
        target: names of those whose sum is log p(x_S, z).
        k: K, draws in all.
        generator: the source of randomness.

    Returns:
        Draws: of q first, then of the prior, then of each round.

    Example:
        >>> import math
        >>> far = Gaussian(torch.tensor([[2.0]]), torch.tensor([[-6.0]]))  # it is at −1
        >>> prior = Gaussian.standard((1, 1))
        >>> terms = lambda z: {"p": prior.log_prob(z), "x": -50 * (z[..., 0] + 1) ** 2}
        >>> log_w = adaptive_draws(far, prior, terms, "px", 4000).log_weights("px")
        >>> round((log_w.logsumexp(0) - math.log(4000)).item(), 1)  # ½ log(1 / 101) − 50 / 101
        -2.8
    """
    first = round(FIRST * k)
    own, rest = round(OWN * first), (k - first) // ROUNDS
    z = torch.cat(
        (q.sample(own, generator), _spread_out(prior, k - own - ROUNDS * rest, generator))
    )
    draws = Draws((q, prior), (own, len(z) - own), z, terms(z))
    for _ in range(ROUNDS):
        heavy = _around_heavy(draws.z, draws.log_weights(target), generator)
        z = heavy.sample(rest, generator)
        draws = draws.and_of(Draws((heavy,), (rest,), z, terms(z)))
    return draws


def _spread_out(p: Gaussian, n: int, generator: torch.Generator | None) -> Tensor:
    """Draw from a Gaussian ``(B, D)`` by scrambled Sobol points, ``(n, B, D)``: without holes."""
    size, dims = p.mean.shape
    seeds = torch.randint(2**31, (size,), generator=generator).tolist()
    each = [torch.quasirandom.SobolEngine(dims, scramble=True, seed=seed).draw(n) for seed in seeds]
    points = torch.stack(each, 1).to(p.mean).clamp(INSIDE, 1 - INSIDE)
    return p.from_noise(torch.special.ndtri(points))


def _around_heavy(z: Tensor, log_w: Tensor, generator: torch.Generator | None) -> Mixture:
    """Give Gaussians around some heavy draws, as wide as heavy draws lie about them, ``(B, D)``."""
    power = torch.ones_like(log_w[0])
    for _ in range(20):
        weights = (power * log_w).softmax(0)
        power = torch.where(1 / weights.square().sum(0) < EFFECTIVE, 0.7 * power, power)
    weights = (power * log_w).softmax(0)  # (N, B)
    picked = torch.multinomial(weights.T, CENTRES, replacement=True, generator=generator).T
    centres = z[picked, torch.arange(z.shape[1])]  # (C, B, D)
    apart = (z.unsqueeze(1) - centres).square()  # (N, C, B, D)
    nearest = apart.sum(-1).argmin(1)[:, None, :, None].expand(-1, 1, -1, z.shape[-1])
    spread = (weights.unsqueeze(-1) * apart.gather(1, nearest).squeeze(1)).sum(0)  # (B, D)
    logvar = (1.5 * spread + 1e-5).log().expand_as(centres)
    there = torch.ones(z.shape[1], CENTRES, dtype=torch.bool)
    return Mixture(Gaussian(centres, logvar), there)
