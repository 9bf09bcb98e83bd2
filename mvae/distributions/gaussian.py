"""Diagonal Gaussians and their products: the algebra that everything else rests on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from mvae.distributions.saturation import bounded, half_excess, hold, scaled, standard_cdf, summed

__all__ = ["Gaussian", "Product", "conflict", "divide_out_prior", "product_of_experts"]

LOG_2PI = math.log(2.0 * math.pi)


@dataclass(frozen=True)
class Gaussian:
    r"""A batch of diagonal Gaussians, the one type that carries experts, priors and posteriors.

    .. math:: N(z; \mu, \sigma^2), \qquad \texttt{logvar} = \log \sigma^2

    For log-variances up to ±1000 every method has a finite value and a finite gradient, in float32
    and float64: right to 1e-5 of its largest term where it can be represented, ± the largest float
    where it is too large, 0 where it is too small. Gradients can be taken once.

    Args:
        mean: μ, of shape ``(..., D)``.
        logvar: log σ², of the same shape.

    Example:
        >>> prior = Gaussian.standard((2,))
        >>> round(prior.entropy().item(), 4)
        2.8379
        >>> prior.kl_to_prior().item()
        0.0
    """

    mean: Tensor
    logvar: Tensor

    @staticmethod
    def standard(
        shape: tuple[int, ...],
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
    ) -> Gaussian:
        """Return N(0, I) of the given shape: the prior expert."""
        zeros = torch.zeros(shape, dtype=dtype, device=device)
        return Gaussian(zeros, zeros)

    @property
    def std(self) -> Tensor:
        """Standard deviation σ, ``(..., D)``."""
        return scaled(torch.ones_like(self.logvar), self.logvar)

    @property
    def shape(self) -> torch.Size:
        """Shape of the mean, ``(..., D)``."""
        return self.mean.shape

    def __getitem__(self, index: object) -> Gaussian:
        """Index the batch dimensions: ``experts[0]`` is the first expert."""
        return Gaussian(self.mean[index], self.logvar[index])  # type: ignore[index]

    def sample(self, n: int | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Draw z = μ + σε, reparametrised; ``n`` draws stand in a new first dimension."""
        shape = self.shape if n is None else torch.Size((n, *self.shape))
        noise = torch.randn(
            shape, generator=generator, dtype=self.mean.dtype, device=self.mean.device
        )
        return self.at(noise)

    def at(self, noise: Tensor) -> Tensor:
        """Turn standard normal noise into draws, z = μ + σε; shapes broadcast."""
        return self.mean + scaled(noise, self.logvar)

    def log_prob(self, z: Tensor) -> Tensor:
        r"""Log density in nats, summed over dimensions: ``(..., D)`` to ``(...)``."""
        # log N(z; μ, σ²) = −½ [log 2π + log σ² + (z − μ)²/σ²]
        shape = torch.broadcast_shapes(z.shape, self.shape)
        distance = scaled(z - hold(self.mean, shape=shape), -self.logvar)
        width = 0.5 * (LOG_2PI + self.logvar).sum(-1)
        return hold(-width - (0.5 * distance * distance).sum(-1))

    def cdf(self, z: Tensor) -> Tensor:
        r"""Marginal distribution functions Φ((z_d − μ_d)/σ_d), of shape ``(..., D)``."""
        # In double precision: far out, a relative error of the distance d is one of d² of Φ.
        mean, logvar = hold(self.mean, torch.float64), hold(self.logvar, torch.float64)
        return hold(standard_cdf(hold(z, torch.float64) - mean, logvar), self.mean.dtype)

    def entropy(self) -> Tensor:
        """Differential entropy in nats, ½ Σ_d (1 + log 2π + log σ_d²), of shape ``(...)``."""
        return 0.5 * (1.0 + LOG_2PI + self.logvar).sum(-1)

    def information(self) -> Tensor:
        """KL to the prior of each dimension in nats, ``(..., D)``."""
        return hold(self._information())

    def _information(self) -> Tensor:
        # KL(N(μ, σ²) ‖ N(0, 1)) = ½ [σ² − 1 − log σ²] + ½ μ²
        return half_excess(self.logvar) + 0.5 * self.mean * self.mean

    def kl_to_prior(self) -> Tensor:
        """KL(q ‖ N(0, I)) in nats, of shape ``(...)``."""
        return hold(self._information().sum(-1))

    def kl(self, other: Gaussian) -> Tensor:
        r"""KL(self ‖ other) in nats, of shape ``(...)``.

        .. math:: \tfrac12 \sum_d \left[\log\frac{\sigma_p^2}{\sigma_q^2}
                  + \frac{\sigma_q^2 + (\mu_q-\mu_p)^2}{\sigma_p^2} - 1\right]

        A divergence beyond the largest float saturates there instead of becoming infinite.

        Example:
            >>> q = Gaussian(torch.tensor([1.0]), torch.tensor([0.0]))
            >>> q.kl(Gaussian.standard((1,))).item()
            0.5
        """
        shape = torch.broadcast_shapes(self.shape, other.shape)
        mean, other_mean = (hold(q.mean, shape=shape) for q in (self, other))
        logvar, other_logvar = (hold(q.logvar, shape=shape) for q in (self, other))
        distance = scaled(mean - other_mean, -other_logvar)
        excess = half_excess(logvar - other_logvar)
        return hold((excess + 0.5 * distance * distance).sum(-1))


@dataclass(frozen=True)
class Product:
    """A product of experts: the posterior, and who decided it.

    Args:
        posterior: the product, ``(..., B, D)``.
        shares: each factor's share of the product's precision, ``(..., M + 1, B, D)``; the prior
            comes first, missing experts have share 0 and a dimension's shares sum to 1.
        present: which experts were multiplied, bool ``(..., B, M)``.
    """

    posterior: Gaussian
    shares: Tensor
    present: Tensor


def product_of_experts(experts: Gaussian, present: Tensor) -> Product:
    r"""Multiply the prior N(0, I) and the experts that are present.

    .. math:: q(z|X_S) \propto p(z) \prod_{i \in S} \tilde q(z|x_i), \qquad
              T = 1 + \sum_{i \in S} T_i, \qquad \mu = \frac1T \sum_{i \in S} T_i \mu_i

    In the log domain, with a_i = log T_i (0 for the prior, −∞ for a missing expert), the shares
    T_i/T are softmax(a), the mean is their weighted mean and the log-variance is −logsumexp(a).
    Nothing overflows, and no ε bends a sharp expert. See Wu & Goodman (2018), section 2,
    https://arxiv.org/abs/1802.05335.

    Args:
        experts: ``(M, B, D)``; rows of missing modalities may hold anything, NaN included.
        present: whether sample b has modality m, bool ``(B, M)``; or ``(S, B, M)`` for all of S
            subsets at once, in one masked reduction.

    Returns:
        Product: posterior ``(B, D)`` and shares ``(M + 1, B, D)``, each with a leading S if asked.

    Raises:
        ValueError: if the mask is not boolean or does not fit the experts.

    Example:
        >>> experts = Gaussian(torch.tensor([[[2.0]], [[-1.0]]]), torch.zeros(2, 1, 1))
        >>> product = product_of_experts(experts, torch.tensor([[True, False]]))
        >>> product.posterior.mean.item(), product.shares.flatten().tolist()
        (1.0, [0.5, 0.5, 0.0])
    """
    n_experts, batch, _ = experts.shape
    if present.dtype != torch.bool or present.shape[-2:] != (batch, n_experts):
        raise ValueError(
            f"present must be bool of shape (B, M) or (S, B, M) with B = {batch} and "
            f"M = {n_experts} for experts of shape {tuple(experts.shape)}; "
            f"got {present.dtype} {tuple(present.shape)}"
        )
    mask = present.transpose(-1, -2).unsqueeze(-1)  # (..., M, B, 1)
    parts = _Product.apply(experts.mean, experts.logvar, mask)  # type: ignore[no-untyped-call]
    mean, logvar, shares = parts
    return Product(Gaussian(mean, logvar), shares, present)


class _Product(Function):
    """Mean, log-variance and shares of the product of the prior and experts ``(M, B, D)``.

    Gradients are written out: with ∂μ/∂μ_i = s_i, ∂μ/∂a_i = s_i (μ_i − μ), ∂log T/∂a_i = s_i they
    take less time than autograd's, and those that saturate stay finite on their way.
    """

    @staticmethod
    def forward(
        ctx: Any, means: Tensor, logvars: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        # A missing expert's mean is replaced, not multiplied by zero: 0 · NaN would be NaN.
        means = torch.where(mask, means, 0.0)  # (..., M, B, D)
        log_precisions = torch.where(mask, -logvars, -torch.inf)
        prior = means.new_zeros((*means.shape[:-3], 1, *means.shape[-2:]))
        factors = torch.cat((prior, means), -3)  # (..., M + 1, B, D)
        log_precisions = torch.cat((prior, log_precisions), -3)
        shares = log_precisions.softmax(-3)
        # Means relative to the sharpest factor's, or to the middle of such: μ may differ by little.
        sharpest = (shares == shares.amax(-3, keepdim=True)).to(means.dtype)
        middle = (sharpest * factors).sum(-3, keepdim=True) / sharpest.sum(-3, keepdim=True)
        apart = factors - middle
        offset = (shares * apart).sum(-3, keepdim=True)
        # The prior's share 1/T keeps its digits where the experts say almost nothing.
        others = shares[..., 1:, :, :].sum(-3)
        logvar = torch.where(others < 0.5, (-others).log1p(), -log_precisions.logsumexp(-3))
        ctx.save_for_backward(apart, offset, shares)
        ctx.set_materialize_grads(False)
        ctx.size = logvars.shape
        return (middle + offset).squeeze(-3), logvar, shares

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, to_mean: Tensor | None, to_logvar: Tensor | None, to_shares: Tensor | None
    ) -> tuple[Tensor | None, Tensor, None]:
        apart, offset, shares = ctx.saved_tensors
        experts = shares[..., 1:, :, :]  # 0 for those that are missing
        to_means, to_logvars = None, torch.zeros_like(experts)
        if to_logvar is not None:
            to_logvars += experts * to_logvar.unsqueeze(-3)
        if to_mean is not None:
            pulled = experts * to_mean.unsqueeze(-3)
            to_logvars -= pulled * (apart[..., 1:, :, :] - offset)
            to_means = summed(pulled, ctx.size)
        if to_shares is not None:
            average = (shares * to_shares).sum(-3, keepdim=True)
            to_logvars -= experts * (to_shares[..., 1:, :, :] - average)
        return to_means, summed(to_logvars, ctx.size), None


def divide_out_prior(first: Gaussian, second: Gaussian) -> Gaussian:
    r"""Multiply two Gaussian posteriors and divide their common prior N(0, I) out once.

    .. math:: \frac{q_1 q_2}{p}: \qquad T = T_1 + T_2 - 1, \qquad
              \mu = \frac{T_1 \mu_1 + T_2 \mu_2}{T}

    A posterior wider than the prior has T_i < 1: q_i/p has negative precision and is no Gaussian.
    Where T ≤ 0 the whole quotient is none, and value and gradient are NaN. Arguments broadcast,
    ``(..., D)``.
    The form is that of Wu & Goodman (2018), section 2, https://arxiv.org/abs/1802.05335.

    Example:
        >>> q = Gaussian(torch.tensor([1.0]), torch.tensor([0.5]).log())
        >>> product = divide_out_prior(q, q)  # precision 2 + 2 − 1
        >>> round(product.mean.item(), 4), round(product.logvar.exp().item(), 4)
        (1.3333, 0.3333)
    """
    mean1, mean2 = hold(first.mean, torch.float64), hold(second.mean, torch.float64)
    a1, a2 = -hold(first.logvar, torch.float64), -hold(second.logvar, torch.float64)
    parts = _Quotient.apply(mean1, mean2, a1, a2)  # type: ignore[no-untyped-call]
    mean, log_total = parts
    dtype = first.mean.dtype
    return Gaussian(hold(mean, dtype), hold(-log_total, dtype))


class _Quotient(Function):
    """Mean and log T of q₁q₂/p from the means and the log precisions a_i of q₁ and q₂.

    With w_i = T_i/T the gradients are ∂μ/∂μ_i = w_i, ∂μ/∂a_i = w_i (μ_i − μ), ∂log T/∂a_i = w_i.
    """

    @staticmethod
    def forward(
        ctx: Any, mean1: Tensor, mean2: Tensor, a1: Tensor, a2: Tensor
    ) -> tuple[Tensor, Tensor]:
        sharp, wide = torch.maximum(a1, a2), torch.minimum(a1, a2)
        beyond_one = sharp.expm1() + wide.expm1()
        # no digit of e^wide is lost beside e^sharp − 1, however small both are
        if_sharper_than_prior = torch.logaddexp(wide, sharp + (-(-sharp).expm1()).log())
        total = wide.exp() + sharp.expm1()
        if_wider = torch.where(total > 0.0, total, torch.nan).log()
        far = torch.where(sharp >= 0.0, if_sharper_than_prior, if_wider)
        log_total = torch.where(beyond_one.abs() < 0.5, beyond_one.log1p(), far)
        gap1, gap2 = _gap(mean1, mean2, a2 - log_total, a2), _gap(mean2, mean1, a1 - log_total, a1)
        ctx.save_for_backward(gap1, gap2, a1 - log_total, a2 - log_total)
        return torch.where(a1 >= a2, mean1 - gap1, mean2 - gap2), log_total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_mean: Tensor, to_log_total: Tensor) -> tuple[Tensor, ...]:
        gap1, gap2, log_w1, log_w2 = ctx.saved_tensors
        pairs = ((gap1, log_w1), (gap2, log_w2))
        to_a = [scaled(to_mean * gap, 2.0 * w) + scaled(to_log_total, 2.0 * w) for gap, w in pairs]
        return *(scaled(to_mean, 2.0 * w) for _, w in pairs), *map(bounded, to_a)


def _gap(mean: Tensor, other: Tensor, log_w: Tensor, a: Tensor) -> Tensor:
    """μ_i − μ of a quotient, from μ_j, log w_j and a_j = log T_j of the other Gaussian."""
    log_inverse = 2.0 * (log_w - a)  # of T², as `scaled` takes log-variances
    # ((T_j − 1) μ_i − T_j μ_j)/T, in which two numbers cancel that differ little for a large T_j
    near = scaled(mean * a.clamp(max=0.5).expm1(), log_inverse) - scaled(other, 2.0 * log_w)
    return torch.where(
        a > 0.5, -scaled(mean, log_inverse) - scaled(other - mean, 2.0 * log_w), near
    )


def conflict(experts: Gaussian, product: Product) -> Tensor:
    r"""Measure how far the factors of a product stand apart, in units of their own widths.

    .. math:: \sum_d \Big[\sum_{i \in S} T_{i}\,(\mu_{i} - \mu)^2 + \mu^2\Big]

    The last term is the prior's. A product's width never shows that its experts disagree: widths
    depend on precisions alone. This does. It is −2 log of the factor by which the product's
    normaliser is smaller than it would be if all the means coincided.

    Args:
        experts: ``(M, B, D)``.
        product: of these experts, for any subset or list of subsets.

    Returns:
        Tensor: ``(B,)`` or ``(S, B)``, dimensionless.

    Example:
        >>> experts = Gaussian(torch.tensor([[[3.0]], [[-3.0]]]), torch.zeros(2, 1, 1))
        >>> conflict(experts, product_of_experts(experts, torch.ones(1, 2, dtype=torch.bool)))
        tensor([18.])
    """
    mean, logvar = hold(experts.mean, torch.float64), hold(experts.logvar, torch.float64)
    mask = product.present.transpose(-1, -2).unsqueeze(-1)  # (..., M, B, 1)
    log_precision = torch.where(mask, -logvar, -torch.inf)
    mean = torch.where(mask, mean, 0.0)  # (..., M, B, D)
    prior = mean.new_zeros((*mean.shape[:-3], 1, *mean.shape[-2:]))
    factors = torch.cat((prior, mean), -3), torch.cat((prior, log_precision), -3)
    distance: Tensor = _Conflict.apply(*factors)  # type: ignore[no-untyped-call]
    return hold(distance, experts.mean.dtype)


class _Conflict(Function):
    """Squared distances of factors ``(..., M + 1, B, D)`` from their product's mean, summed."""

    @staticmethod
    def forward(ctx: Any, mean: Tensor, log_precision: Tensor) -> Tensor:
        log_total = log_precision.logsumexp(-3, keepdim=True)
        # √T_i (μ_i − μ) = Σ_j √T_i T_j/T (μ_i − μ_j): μ itself would cost a sharp expert's digits.
        apart = torch.zeros_like(mean)
        for j in range(mean.shape[-3]):
            other = slice(j, j + 1)
            log_share = log_precision[..., other, :, :] - log_total
            weight = (0.5 * log_precision + log_share).exp()
            apart += weight * (mean - mean[..., other, :, :])
        ctx.save_for_backward(apart, log_precision)
        return bounded(apart.square().sum((-3, -1)))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        # μ is where the sum of squares is least, so that no gradient passes through it.
        apart, log_precision = ctx.saved_tensors
        toward = grad[..., None, :, None] * apart
        return bounded(2.0 * toward * (0.5 * log_precision).exp()), bounded(toward * apart)
