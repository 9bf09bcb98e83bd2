"""How far the factors of a product stand apart: modality from modality, and all from the prior."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mvae.distributions.gaussian import Gaussian
from mvae.distributions.saturation import hold

__all__ = ["UNUSUAL", "Disagreement", "disagreement"]

#: Above this percentile of matched samples a disagreement is unusual.
UNUSUAL = 95.0


@dataclass(frozen=True)
class Disagreement:
    """The two terms of :func:`mvae.distributions.gaussian.conflict`, which is their sum.

    Args:
        among: of the modalities with each other, ``(B,)`` or ``(S, B)``; 0 for fewer than two.
        prior: of what they say together with the prior, of the same shape.
    """

    among: Tensor
    prior: Tensor


def disagreement(experts: Gaussian, present: Tensor) -> Disagreement:
    r"""Split the conflict of the factors of a product into two terms.

    .. math:: \sum_d \Big[\sum_{i \in S} T_i(\mu_i - \mu)^2 + \mu^2\Big] =
        \underbrace{\sum_d \sum_{i<j} \frac{T_i T_j}{T_S} (\mu_i - \mu_j)^2}_{\text{among}} +
        \underbrace{\sum_d \frac{T_S}{1 + T_S}\, \mu_S^2}_{\text{prior}}

    with T_S = Σ T_i and μ_S = Σ T_i μ_i / T_S. Any evidence that says much stands far from the
    prior, whether its parts agree or not; only the first term is about that. Written by pairs, it
    is a sum of what is positive, in which nothing cancels.

    Args:
        experts: ``(M, B, D)``; rows of missing modalities may hold anything, NaN included.
        present: bool ``(B, M)``, or ``(S, B, M)`` for S subsets.

    Returns:
        Disagreement: both terms, dimensionless.

    Example:
        >>> experts = Gaussian(torch.tensor([[[3.0]], [[1.0]]]), torch.zeros(2, 1, 1))
        >>> found = disagreement(experts, torch.ones(1, 2, dtype=torch.bool))
        >>> found.among.item(), round(found.prior.item(), 4)  # (3 − 1)² / 2 and 2² · 2 / 3
        (2.0, 2.6667)
    """
    # In double precision a sum of products of precisions and distances is far from its limits.
    mean, logvar = experts.mean.double(), experts.logvar.double()
    mask = present.transpose(-1, -2).unsqueeze(-1)  # (..., M, B, 1)
    logs = torch.where(mask, -logvar, -torch.inf)  # log T_i, (..., M, B, D)
    mean = torch.where(mask, mean, 0.0)
    together = torch.where(mask.any(-3), logs.logsumexp(-3), 0.0)  # log T_S, (..., B, D)
    shares = (logs - together.unsqueeze(-3)).exp()
    centre = (shares * mean).sum(-3)
    pairs = logs.unsqueeze(-3) + (logs - together.unsqueeze(-3)).unsqueeze(-4)
    apart = (0.5 * pairs).exp() * (mean.unsqueeze(-3) - mean.unsqueeze(-4))
    among = 0.5 * apart.square().sum((-4, -3, -1))
    prior = (together.sigmoid() * centre.square()).sum(-1)
    return Disagreement(hold(among, experts.mean.dtype), hold(prior, experts.mean.dtype))
