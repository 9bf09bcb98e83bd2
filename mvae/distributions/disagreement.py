"""How far apart a product's factors are: the modalities from each other, and from the prior."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mvae.distributions.gaussian import Gaussian
from mvae.distributions.saturating_exp import saturate

__all__ = ["UNUSUAL_PERCENTILE", "Disagreement", "disagreement"]

#: A disagreement above this percentile of those of matched samples counts as unusual.
UNUSUAL_PERCENTILE = 95.0


@dataclass(frozen=True)
class Disagreement:
    """The two terms whose sum is :func:`mvae.distributions.gaussian.conflict`.

    Args:
        between_modalities: disagreement of the modalities with each other, ``(B,)`` or ``(S, B)``;
            0 for fewer than two.
        from_prior: disagreement of their combined evidence with the prior, of the same shape.
    """

    between_modalities: Tensor
    from_prior: Tensor


def disagreement(experts: Gaussian, present: Tensor) -> Disagreement:
    r"""Split the conflict of the factors of a product into two terms.

    .. math:: \sum_d \Big[\sum_{i \in S} T_i(\mu_i - \mu)^2 + \mu^2\Big] =
        \underbrace{\sum_d \sum_{i<j} \frac{T_i T_j}{T_S} (\mu_i - \mu_j)^2}_{\text{modalities}} +
        \underbrace{\sum_d \frac{T_S}{1 + T_S}\, \mu_S^2}_{\text{prior}}

    with T_S = Σ T_i and μ_S = Σ T_i μ_i / T_S. Any informative evidence is far from the prior,
    whether its parts agree or not; only the first term measures whether they agree. Written as a
    sum over pairs, it has only positive terms, so nothing cancels.

    Args:
        experts: ``(M, B, D)``; rows of missing modalities may hold anything, NaN included.
        present: bool ``(B, M)``, or ``(S, B, M)`` for S subsets.

    Returns:
        Disagreement: both terms, dimensionless.

    Example:
        >>> experts = Gaussian(torch.tensor([[[3.0]], [[1.0]]]), torch.zeros(2, 1, 1))
        >>> found = disagreement(experts, torch.ones(1, 2, dtype=torch.bool))
        >>> found.between_modalities.item()  # (3 − 1)² / 2
        2.0
        >>> round(found.from_prior.item(), 4)  # 2² · 2 / 3
        2.6667
    """
    # In double precision, sums of products of precisions and distances are far from overflow.
    mean, logvar = experts.mean.double(), experts.logvar.double()
    mask = present.transpose(-1, -2).unsqueeze(-1)  # (..., M, B, 1)
    logs = torch.where(mask, -logvar, -torch.inf)  # log T_i, (..., M, B, D)
    mean = torch.where(mask, mean, 0.0)
    log_total = torch.where(mask.any(-3), logs.logsumexp(-3), 0.0)  # log T_S, (..., B, D)
    shares = (logs - log_total.unsqueeze(-3)).exp()
    centre = (shares * mean).sum(-3)
    log_weights = logs.unsqueeze(-3) + (logs - log_total.unsqueeze(-3)).unsqueeze(-4)
    distances = (0.5 * log_weights).exp() * (mean.unsqueeze(-3) - mean.unsqueeze(-4))
    between = 0.5 * distances.square().sum((-4, -3, -1))
    from_prior = (log_total.sigmoid() * centre.square()).sum(-1)
    dtype = experts.mean.dtype
    return Disagreement(saturate(between, dtype), saturate(from_prior, dtype))
