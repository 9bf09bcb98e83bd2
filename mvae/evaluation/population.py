"""Draws whose shares between proposals follow the weights, for models of many latents."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import torch
from torch import Tensor

from mvae.evaluation.importance import Draws, Proposal

__all__ = ["population_draws"]

#: Share of the draws that come first, equally many from each proposal.
PILOT = 0.2


@torch.no_grad()
def population_draws(
    proposals: Sequence[Proposal],
    terms: Callable[[Tensor], Mapping[str, Tensor]],
    target: Collection[str],
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
        terms: log densities by name, of latents ``(N, 1, D)``, ``(N, 1)`` each.
        target: names of those whose sum is the log of the unnormalised target.
        k: K, draws in all, at least two for each proposal twice over.
        latents: D.
        generator: the source of randomness.
    """

    def draw(counts: Sequence[int]) -> list[Tensor]:
        return [
            r.from_noise(torch.randn(n, 1, latents, generator=generator))
            for r, n in zip(proposals, counts, strict=True)
        ]

    several = len(proposals)
    few = max(2, round(PILOT * k / several))
    first = draw([few] * several)
    pilot = Draws(tuple(proposals), (few,) * several, torch.cat(first), terms(torch.cat(first)))
    log_r = torch.stack([r.log_prob(pilot.z) for r in proposals])  # (J, N, 1)
    weights = (pilot.log_target(target) - log_r.logsumexp(0)).softmax(0)
    shares = (weights * log_r.softmax(0)).sum((1, 2))  # (J,)
    counts = _shared_out(k - several * few, shares)
    second = draw(counts)
    later = terms(torch.cat(second))

    def in_turns(one: Sequence[Tensor], other: Sequence[Tensor]) -> Tensor:
        """Put one proposal's draws of both rounds after the other's."""
        return torch.cat([x for pair in zip(one, other, strict=True) for x in pair])

    return Draws(
        proposals=tuple(proposals),
        counts=tuple(few + n for n in counts),
        z=in_turns(first, second),
        terms={
            name: in_turns(x.split(few), later[name].split(counts))
            for name, x in pilot.terms.items()
        },
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
