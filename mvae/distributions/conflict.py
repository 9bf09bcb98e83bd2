"""Conflict of a product's factors: between the modalities, and of them all with the prior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from mvae.distributions.gaussian import Gaussian, Product
from mvae.distributions.saturating_exp import bounded, saturate

__all__ = ["UNUSUAL_PERCENTILE", "Disagreement", "conflict", "disagreement"]

#: A disagreement above this percentile of those of matched samples counts as unusual.
UNUSUAL_PERCENTILE = 95.0


def conflict(experts: Gaussian, product: Product) -> Tensor:
    r"""Measure how far apart the factors of a product are, in units of their own widths.

    .. math:: \sum_d \Big[\sum_{i \in S} T_{i}\,(\mu_{i} - \mu)^2 + \mu^2\Big]

    The last term is the prior's. The width of a product never shows whether its experts disagree,
    because it depends on the precisions alone; this quantity does. It equals −2 log of the ratio of
    the product's normaliser to the one it would have if all the means coincided.

    Args:
        experts: ``(M, B, D)``.
        product: the product of these experts, for one or several subsets.

    Returns:
        Tensor: ``(B,)`` or ``(S, B)``, dimensionless.

    Example:
        >>> from mvae.distributions.gaussian import product_of_experts
        >>> experts = Gaussian(torch.tensor([[[3.0]], [[-3.0]]]), torch.zeros(2, 1, 1))
        >>> conflict(experts, product_of_experts(experts, torch.ones(1, 2, dtype=torch.bool)))
        tensor([18.])
    """
    mean, logvar = saturate(experts.mean, torch.float64), saturate(experts.logvar, torch.float64)
    mask = product.present.transpose(-1, -2).unsqueeze(-1)  # (..., M, B, 1)
    log_precision = torch.where(mask, -logvar, -torch.inf)
    mean = torch.where(mask, mean, 0.0)  # (..., M, B, D)
    prior = mean.new_zeros((*mean.shape[:-3], 1, *mean.shape[-2:]))
    factors = torch.cat((prior, mean), -3), torch.cat((prior, log_precision), -3)
    distance: Tensor = _Conflict.apply(*factors)  # type: ignore[no-untyped-call]
    return saturate(distance, experts.mean.dtype)


class _Conflict(Function):
    """Sum of the squared distances of factors ``(..., M + 1, B, D)`` from their product's mean."""

    @staticmethod
    def forward(ctx: Any, mean: Tensor, log_precision: Tensor) -> Tensor:
        log_total = log_precision.logsumexp(-3, keepdim=True)
        # √T_i (μ_i − μ) = Σ_j √T_i T_j/T (μ_i − μ_j): subtracting μ itself would lose the digits
        # of a sharp expert's deviation.
        deviations = torch.zeros_like(mean)
        for j in range(mean.shape[-3]):
            other = slice(j, j + 1)
            log_share = log_precision[..., other, :, :] - log_total
            weight = (0.5 * log_precision + log_share).exp()
            deviations += weight * (mean - mean[..., other, :, :])
        ctx.save_for_backward(deviations, log_precision)
        return bounded(deviations.square().sum((-3, -1)))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        # μ minimises the sum of squares, so no gradient passes through it.
        deviations, log_precision = ctx.saved_tensors
        weighted = grad[..., None, :, None] * deviations
        grad_mean = bounded(2.0 * weighted * (0.5 * log_precision).exp())
        return grad_mean, bounded(weighted * deviations)


@dataclass(frozen=True)
class Disagreement:
    """The two terms whose sum is :func:`conflict`.

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
