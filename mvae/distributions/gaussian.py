"""Diagonal Gaussians and their products, the algebra on which everything else rests."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from mvae.distributions.saturating_exp import (
    bounded,
    saturate,
    standard_cdf,
    sum_to_shape,
    times_std,
    variance_kl,
)

__all__ = ["Gaussian", "Product", "divide_out_prior", "product_of_experts"]

LOG_2PI = math.log(2.0 * math.pi)


@dataclass(frozen=True)
class Gaussian:
    r"""A batch of diagonal Gaussians: the one type used for experts, priors and posteriors.

    .. math:: N(z; \mu, \sigma^2), \qquad \texttt{logvar} = \log \sigma^2

    For log-variances up to ±1000, every method has a finite value and a finite gradient in float32
    and float64: accurate to 1e-5 of its largest term where representable, ± the largest float on
    overflow, and 0 on underflow. Gradients can be taken once; second derivatives are not supported.

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
        return times_std(torch.ones_like(self.logvar), self.logvar)

    @property
    def shape(self) -> torch.Size:
        """Shape of the mean, ``(..., D)``."""
        return self.mean.shape

    def __getitem__(self, index: object) -> Gaussian:
        """Index the batch dimensions: ``experts[0]`` is the first expert."""
        return Gaussian(self.mean[index], self.logvar[index])  # type: ignore[index]

    def sample(self, n: int | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Draw z = μ + σε, reparametrised; ``n`` draws are stacked in a new first dimension."""
        shape = self.shape if n is None else torch.Size((n, *self.shape))
        noise = torch.randn(
            shape, generator=generator, dtype=self.mean.dtype, device=self.mean.device
        )
        return self.from_noise(noise)

    def from_noise(self, noise: Tensor) -> Tensor:
        """Turn standard normal noise into draws, z = μ + σε; shapes broadcast."""
        return self.mean + times_std(noise, self.logvar)

    def log_prob(self, z: Tensor) -> Tensor:
        r"""Compute the log density in nats, summed over dimensions: ``(..., D)`` to ``(...)``."""
        # log N(z; μ, σ²) = −½ [log 2π + log σ² + (z − μ)²/σ²]
        shape = torch.broadcast_shapes(z.shape, self.shape)
        distance = times_std(z - saturate(self.mean, shape=shape), -self.logvar)
        width = 0.5 * (LOG_2PI + self.logvar).sum(-1)
        return saturate(-width - (0.5 * distance * distance).sum(-1))

    def cdf(self, z: Tensor) -> Tensor:
        r"""Compute the marginal CDFs Φ((z_d − μ_d)/σ_d), of shape ``(..., D)``."""
        # In double precision: in the tails, a relative error ε in the distance d becomes a
        # relative error of about d²ε in Φ.
        mean, logvar = saturate(self.mean, torch.float64), saturate(self.logvar, torch.float64)
        return saturate(standard_cdf(saturate(z, torch.float64) - mean, logvar), self.mean.dtype)

    def entropy(self) -> Tensor:
        """Compute the differential entropy ½ Σ_d (1 + log 2π + log σ_d²) in nats, ``(...)``."""
        return 0.5 * (1.0 + LOG_2PI + self.logvar).sum(-1)

    def information(self) -> Tensor:
        """Compute the KL divergence to the prior per dimension, in nats, ``(..., D)``."""
        return saturate(self._information())

    def _information(self) -> Tensor:
        # KL(N(μ, σ²) ‖ N(0, 1)) = ½ [σ² − 1 − log σ²] + ½ μ²
        return variance_kl(self.logvar) + 0.5 * self.mean * self.mean

    def kl_to_prior(self) -> Tensor:
        """Compute KL(q ‖ N(0, I)) in nats, of shape ``(...)``."""
        return saturate(self._information().sum(-1))

    def kl(self, other: Gaussian) -> Tensor:
        r"""Compute KL(self ‖ other) in nats, of shape ``(...)``.

        .. math:: \tfrac12 \sum_d \left[\log\frac{\sigma_p^2}{\sigma_q^2}
                  + \frac{\sigma_q^2 + (\mu_q-\mu_p)^2}{\sigma_p^2} - 1\right]

        A divergence larger than the largest float saturates there instead of becoming infinite.

        Example:
            >>> q = Gaussian(torch.tensor([1.0]), torch.tensor([0.0]))
            >>> q.kl(Gaussian.standard((1,))).item()
            0.5
        """
        shape = torch.broadcast_shapes(self.shape, other.shape)
        mean, other_mean = (saturate(q.mean, shape=shape) for q in (self, other))
        logvar, other_logvar = (saturate(q.logvar, shape=shape) for q in (self, other))
        distance = times_std(mean - other_mean, -other_logvar)
        excess = variance_kl(logvar - other_logvar)
        return saturate((excess + 0.5 * distance * distance).sum(-1))


@dataclass(frozen=True)
class Product:
    """A product of experts: the posterior, and how much each factor contributed to it.

    Args:
        posterior: the product, ``(..., B, D)``.
        shares: each factor's share of the product's precision, ``(..., M + 1, B, D)``; the prior
            comes first, missing experts have share 0, and the shares sum to 1 in each dimension.
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
    T_i/T are softmax(a), the mean is the mean of the μ_i weighted by them, and the log-variance is
    −logsumexp(a). Nothing overflows, and no ε added for stability distorts a sharp expert. See
    Wu & Goodman (2018), section 2, https://arxiv.org/abs/1802.05335.

    Args:
        experts: ``(M, B, D)``; rows of missing modalities may hold anything, NaN included.
        present: whether sample b has modality m, bool ``(B, M)``; or ``(S, B, M)`` to compute S
            subsets at once, in one masked reduction.

    Returns:
        Product: posterior ``(B, D)`` and shares ``(M + 1, B, D)``, each with a leading dimension S
        for a mask of S subsets.

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
    moments = _Product.apply(experts.mean, experts.logvar, mask)  # type: ignore[no-untyped-call]
    mean, logvar, shares = moments
    return Product(Gaussian(mean, logvar), shares, present)


class _Product(Function):
    """Mean, log-variance and shares of the product of the prior and experts ``(M, B, D)``.

    The gradients are written by hand: with ∂μ/∂μ_i = s_i, ∂μ/∂a_i = s_i (μ_i − μ) and
    ∂log T/∂a_i = s_i they are faster than autograd's, and intermediate values stay finite where
    a gradient saturates.
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
        # Means are taken relative to that of the sharpest factor (or the average of several
        # equally sharp ones), since μ may differ from it by very little.
        sharpest = (shares == shares.amax(-3, keepdim=True)).to(means.dtype)
        centre = (sharpest * factors).sum(-3, keepdim=True) / sharpest.sum(-3, keepdim=True)
        deviations = factors - centre
        offset = (shares * deviations).sum(-3, keepdim=True)
        # Where the experts are almost flat, log T is computed from their shares, so that it keeps
        # its digits near 0.
        others = shares[..., 1:, :, :].sum(-3)
        logvar = torch.where(others < 0.5, (-others).log1p(), -log_precisions.logsumexp(-3))
        ctx.save_for_backward(deviations, offset, shares)
        ctx.set_materialize_grads(False)
        ctx.size = logvars.shape
        return (centre + offset).squeeze(-3), logvar, shares

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad_mean: Tensor | None, grad_logvar: Tensor | None, grad_shares: Tensor | None
    ) -> tuple[Tensor | None, Tensor, None]:
        deviations, offset, shares = ctx.saved_tensors
        expert_shares = shares[..., 1:, :, :]  # 0 for missing experts
        grad_means, grad_logvars = None, torch.zeros_like(expert_shares)
        if grad_logvar is not None:
            grad_logvars += expert_shares * grad_logvar.unsqueeze(-3)
        if grad_mean is not None:
            weighted = expert_shares * grad_mean.unsqueeze(-3)
            grad_logvars -= weighted * (deviations[..., 1:, :, :] - offset)
            grad_means = sum_to_shape(weighted, ctx.size)
        if grad_shares is not None:
            average = (shares * grad_shares).sum(-3, keepdim=True)
            grad_logvars -= expert_shares * (grad_shares[..., 1:, :, :] - average)
        return grad_means, sum_to_shape(grad_logvars, ctx.size), None


def divide_out_prior(first: Gaussian, second: Gaussian) -> Gaussian:
    r"""Multiply two Gaussian posteriors and divide out their common prior N(0, I) once.

    .. math:: \frac{q_1 q_2}{p}: \qquad T = T_1 + T_2 - 1, \qquad
              \mu = \frac{T_1 \mu_1 + T_2 \mu_2}{T}

    A posterior wider than the prior has T_i < 1: q_i/p has negative precision and is not a
    Gaussian. Where T ≤ 0 the quotient as a whole is not one either, and its value and gradient are
    NaN. Arguments of shape ``(..., D)`` broadcast. The form is that of Wu & Goodman (2018),
    section 2, https://arxiv.org/abs/1802.05335.

    Example:
        >>> q = Gaussian(torch.tensor([1.0]), torch.tensor([0.5]).log())
        >>> product = divide_out_prior(q, q)  # precision 2 + 2 − 1
        >>> round(product.mean.item(), 4), round(product.logvar.exp().item(), 4)
        (1.3333, 0.3333)
    """
    mean1, mean2 = saturate(first.mean, torch.float64), saturate(second.mean, torch.float64)
    a1, a2 = -saturate(first.logvar, torch.float64), -saturate(second.logvar, torch.float64)
    moments = _Quotient.apply(mean1, mean2, a1, a2)  # type: ignore[no-untyped-call]
    mean, log_total = moments
    dtype = first.mean.dtype
    return Gaussian(saturate(mean, dtype), saturate(-log_total, dtype))


class _Quotient(Function):
    """Mean and log T of q₁q₂/p from the means and the log precisions a_i of q₁ and q₂.

    With w_i = T_i/T the gradients are ∂μ/∂μ_i = w_i, ∂μ/∂a_i = w_i (μ_i − μ), ∂log T/∂a_i = w_i.
    """

    @staticmethod
    def forward(
        ctx: Any, mean1: Tensor, mean2: Tensor, a1: Tensor, a2: Tensor
    ) -> tuple[Tensor, Tensor]:
        sharp, wide = torch.maximum(a1, a2), torch.minimum(a1, a2)
        total_minus_one = sharp.expm1() + wide.expm1()
        # No digit of e^wide is lost in the sum with e^sharp − 1, however small both are.
        if_sharper_than_prior = torch.logaddexp(wide, sharp + (-(-sharp).expm1()).log())
        total = wide.exp() + sharp.expm1()
        if_wider = torch.where(total > 0.0, total, torch.nan).log()
        far_from_one = torch.where(sharp >= 0.0, if_sharper_than_prior, if_wider)
        log_total = torch.where(total_minus_one.abs() < 0.5, total_minus_one.log1p(), far_from_one)
        gap1, gap2 = _gap(mean1, mean2, a2 - log_total, a2), _gap(mean2, mean1, a1 - log_total, a1)
        ctx.save_for_backward(gap1, gap2, a1 - log_total, a2 - log_total)
        return torch.where(a1 >= a2, mean1 - gap1, mean2 - gap2), log_total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_mean: Tensor, grad_log_total: Tensor) -> tuple[Tensor, ...]:
        gap1, gap2, log_w1, log_w2 = ctx.saved_tensors
        pairs = ((gap1, log_w1), (gap2, log_w2))
        grad_a = [
            times_std(grad_mean * gap, 2.0 * log_w) + times_std(grad_log_total, 2.0 * log_w)
            for gap, log_w in pairs
        ]
        return *(times_std(grad_mean, 2.0 * log_w) for _, log_w in pairs), *map(bounded, grad_a)


def _gap(mean: Tensor, other: Tensor, log_w: Tensor, a: Tensor) -> Tensor:
    """Compute μ_i − μ of a quotient, from μ_j, log w_j and a_j = log T_j of the other Gaussian."""
    log_inverse = 2.0 * (log_w - a)  # log 1/T², since `times_std` takes log-variances
    # ((T_j − 1) μ_i − T_j μ_j)/T; for a large T_j the two terms nearly cancel
    near = times_std(mean * a.clamp(max=0.5).expm1(), log_inverse) - times_std(other, 2.0 * log_w)
    return torch.where(
        a > 0.5, -times_std(mean, log_inverse) - times_std(other - mean, 2.0 * log_w), near
    )
