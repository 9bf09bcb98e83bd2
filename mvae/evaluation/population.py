"""Population Monte Carlo: draws allocated among proposals, for models with many latents."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import torch
from torch import Tensor

from mvae.evaluation.importance import Draws, Proposal

__all__ = ["population_draws"]

#: Share of the draws in the pilot round, which takes equally many from each proposal.
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
    r"""Draw one sample's latents, most of them from the proposals that fit the target best.

    A fifth of the draws form a pilot round, with equally many from each of J proposals. The others
    are allocated by one step of the algorithm that minimises KL(target ‖ mixture),

    .. math:: \alpha_j = \sum_k \bar w_k \frac{r_j(z_k)}{\sum_i r_i(z_k)}

    (population Monte Carlo, Cappé et al. 2008, https://doi.org/10.1007/s11222-008-9059-x). A
    proposal that misses the target thus takes few draws, and others compensate for one that is too
    narrow.

    Args:
        proposals: r_1 … r_J for one sample, B = 1.
        terms: maps latents ``(N, 1, D)`` to log densities by name, ``(N, 1)`` each.
        target: names of the terms whose sum is the log of the unnormalised target.
        k: K, the total number of draws; at least two for each proposal in each round.
        latents: D, the number of latents.
        generator: source of random numbers.
    """

    def draw(counts: Sequence[int]) -> list[Tensor]:
        return [
            r.from_noise(torch.randn(n, 1, latents, generator=generator))
            for r, n in zip(proposals, counts, strict=True)
        ]

    n_proposals = len(proposals)
    pilot_count = max(2, round(PILOT * k / n_proposals))
    first = draw([pilot_count] * n_proposals)
    pilot = Draws(
        tuple(proposals), (pilot_count,) * n_proposals, torch.cat(first), terms(torch.cat(first))
    )
    log_r = torch.stack([r.log_prob(pilot.z) for r in proposals])  # (J, N, 1)
    weights = (pilot.log_target(target) - log_r.logsumexp(0)).softmax(0)
    shares = (weights * log_r.softmax(0)).sum((1, 2))  # (J,)
    counts = _split_by_shares(k - n_proposals * pilot_count, shares)
    second = draw(counts)
    second_terms = terms(torch.cat(second))

    def interleave(first_round: Sequence[Tensor], second_round: Sequence[Tensor]) -> Tensor:
        """Concatenate the draws of both rounds, proposal by proposal."""
        return torch.cat([x for pair in zip(first_round, second_round, strict=True) for x in pair])

    return Draws(
        proposals=tuple(proposals),
        counts=tuple(pilot_count + n for n in counts),
        z=interleave(first, second),
        terms={
            name: interleave(x.split(pilot_count), second_terms[name].split(counts))
            for name, x in pilot.terms.items()
        },
    )


def _split_by_shares(n: int, shares: Tensor) -> list[int]:
    """Split n into integers in proportion to shares that sum to 1; the largest takes the rest.

    Example:
        >>> _split_by_shares(10, torch.tensor([0.62, 0.38]))
        [7, 3]
    """
    counts = (n * shares).floor().long()
    counts[shares.argmax()] += n - counts.sum()
    return counts.tolist()
