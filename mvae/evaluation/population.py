"""Draws whose shares between proposals follow the weights, for models of many latents."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mvae.evaluation.importance import Draws, Proposal

__all__ = ["population_draws"]

#: Share of the draws that come first, equally many from each proposal.
PILOT = 0.2


@torch.no_grad()
def population_draws(
    proposals: Sequence[Proposal],
    log_target: Callable[[Tensor], Tensor],
    k: int,
    latents: int,
    generator: torch.Generator,
) -> Draws:
    r"""Draw one sample's latents, most from the proposals under which the target lies.

    A fifth of the draws come first, equally many from each of J proposals. The others are shared
    out by one step of the algorithm that brings a mixture nearest to the target, in KL(target ‖ ·),

    .. math:: \alpha_j = \sum_k \bar w_k \frac{r_j(z_k)}{\sum_i r_i(z_k)}

    (population Monte Carlo, Cappé et al. 2008, https://doi.org/10.1007/s11222-008-9059-x), so a
    proposal that misses the target costs few draws, and one that is too narrow is made up for.

    Args:
        proposals: of one sample, B = 1.
        log_target: unnormalised log density, of latents ``(N, 1, D)``, ``(N, 1)``.
        k: K, draws in all, at least two for each proposal twice over.
        latents: D.
        generator: the source of randomness.
    """

    def draw(counts: Sequence[int]) -> list[Tensor]:
        return [
            r.at(torch.randn(n, 1, latents, generator=generator))
            for r, n in zip(proposals, counts, strict=True)
        ]

    several = len(proposals)
    few = max(2, round(PILOT * k / several))
    first = draw([few] * several)
    targets = [log_target(torch.cat(first))]
    log_r = torch.stack([r.log_prob(torch.cat(first)) for r in proposals])  # (J, N, 1)
    weights = (targets[0] - log_r.logsumexp(0)).softmax(0)
    shares = (weights * log_r.softmax(0)).sum((1, 2))  # (J,)
    counts = _shared_out(k - several * few, shares)
    second = draw(counts)
    targets.append(log_target(torch.cat(second)))
    # One proposal's draws after the other's, of both rounds.
    parts = zip(targets[0].split(few), targets[1].split(counts), strict=True)
    return Draws(
        proposals=tuple(proposals),
        counts=tuple(few + n for n in counts),
        z=torch.cat([z for pair in zip(first, second, strict=True) for z in pair]),
        log_target=torch.cat([x for pair in parts for x in pair]),
    )


def _shared_out(n: int, shares: Tensor) -> list[int]:
    """Split n by shares that sum to 1, the rest going to the largest.

    Example:
        >>> _shared_out(10, torch.tensor([0.62, 0.38]))
        [7, 3]
    """
    counts = (n * shares).floor().long()
    counts[shares.argmax()] += n - counts.sum()
    return counts.tolist()
