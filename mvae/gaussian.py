"""Diagonal Gaussians and their products: the algebra that everything else rests on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Gaussian", "Product", "conflict", "divide_out_prior", "product_of_experts"]

LOG_2PI = math.log(2.0 * math.pi)


def saturating_exp(x: Tensor) -> Tensor:
    """Give exp(x), held below the largest float so that neither value nor gradient overflows."""
    return x.clamp(max=_largest(x)).exp()


def saturating_square(x: Tensor) -> Tensor:
    """Give x², held below the largest float in the same way."""
    limit = math.exp(0.5 * _largest(x))
    return x.clamp(-limit, limit).square()


def _largest(x: Tensor) -> float:
    """Log of the largest value of x's type, less room for the sums over dimensions that follow."""
    return math.log(torch.finfo(x.dtype).max) - 8.0


@dataclass(frozen=True)
class Gaussian:
    r"""A batch of diagonal Gaussians, the one type that carries experts, priors and posteriors.

    .. math:: N(z; \mu, \sigma^2), \qquad \texttt{logvar} = \log \sigma^2

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
        """Give N(0, I) of the given shape: the prior expert."""
        zeros = torch.zeros(shape, dtype=dtype, device=device)
        return Gaussian(zeros, zeros)

    @property
    def std(self) -> Tensor:
        """Standard deviation σ, ``(..., D)``."""
        return (0.5 * self.logvar).exp()

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
        return self.mean + self.std * noise

    def log_prob(self, z: Tensor) -> Tensor:
        r"""Log density in nats, summed over dimensions: ``(..., D)`` to ``(...)``."""
        # log N(z; μ, σ²) = −½ [log 2π + log σ² + (z − μ)²/σ²]
        distance = saturating_square((z - self.mean) * saturating_exp(-0.5 * self.logvar))
        return -0.5 * (LOG_2PI + self.logvar + distance).sum(-1)

    def cdf(self, z: Tensor) -> Tensor:
        r"""Marginal distribution functions Φ((z_d − μ_d)/σ_d), of shape ``(..., D)``."""
        below: Tensor = torch.special.ndtr((z - self.mean) * saturating_exp(-0.5 * self.logvar))
        return below

    def entropy(self) -> Tensor:
        """Differential entropy in nats, ½ Σ_d (1 + log 2π + log σ_d²), of shape ``(...)``."""
        return 0.5 * (1.0 + LOG_2PI + self.logvar).sum(-1)

    def information(self) -> Tensor:
        """KL to the prior of each dimension in nats, ``(..., D)``: what the evidence told."""
        # KL(N(μ, σ²) ‖ N(0, 1)) = ½ [σ² + μ² − 1 − log σ²]
        return 0.5 * (saturating_exp(self.logvar) + self.mean.square() - 1.0 - self.logvar)

    def kl_to_prior(self) -> Tensor:
        """KL(q ‖ N(0, I)) in nats, of shape ``(...)``."""
        return self.information().sum(-1)

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
        log_ratio = self.logvar - other.logvar
        scale = saturating_exp(-0.5 * other.logvar)
        distance = saturating_square((self.mean - other.mean) * scale)
        return 0.5 * (saturating_exp(log_ratio) + distance - 1.0 - log_ratio).sum(-1)


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
    n_experts, batch, latents = experts.shape
    if present.dtype != torch.bool or present.shape[-2:] != (batch, n_experts):
        raise ValueError(
            f"present must be bool of shape (B, M) or (S, B, M) with B = {batch} and "
            f"M = {n_experts} for experts of shape {tuple(experts.shape)}; "
            f"got {present.dtype} {tuple(present.shape)}"
        )
    mask = present.transpose(-1, -2).unsqueeze(-1)  # (..., M, B, 1)
    log_precision = torch.where(mask, -experts.logvar, -torch.inf)  # (..., M, B, D)
    prior = log_precision.new_zeros((*log_precision.shape[:-3], 1, batch, latents))
    log_precision = torch.cat((prior, log_precision), -3)  # (..., M + 1, B, D)
    shares = log_precision.softmax(-3)
    # A missing expert's mean is replaced, not multiplied by zero: 0 · NaN would be NaN.
    mean = (shares[..., 1:, :, :] * torch.where(mask, experts.mean, 0.0)).sum(-3)
    return Product(Gaussian(mean, -log_precision.logsumexp(-3)), shares, present)


def divide_out_prior(first: Gaussian, second: Gaussian) -> Gaussian:
    r"""Multiply two Gaussian posteriors and divide their common prior N(0, I) out once.

    .. math:: \frac{q_1 q_2}{p}: \qquad T = T_1 + T_2 - 1, \qquad
              \mu = \frac{T_1 \mu_1 + T_2 \mu_2}{T}

    A posterior wider than the prior has T_i < 1: q_i/p has negative precision and is no Gaussian.
    Where T ≤ 0 the whole quotient is none, and NaN is returned. Arguments broadcast, ``(..., D)``.
    The form is that of Wu & Goodman (2018), section 2, https://arxiv.org/abs/1802.05335.

    Example:
        >>> q = Gaussian(torch.tensor([1.0]), torch.tensor([0.5]).log())
        >>> product = divide_out_prior(q, q)  # precision 2 + 2 − 1
        >>> round(product.mean.item(), 4), round(product.logvar.exp().item(), 4)
        (1.3333, 0.3333)
    """
    t1, t2 = (-first.logvar).exp(), (-second.logvar).exp()
    precision = t1 + t2 - 1.0
    precision = torch.where(precision > 0, precision, torch.nan)
    return Gaussian((t1 * first.mean + t2 * second.mean) / precision, -precision.log())


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
    mean = product.posterior.mean
    mask = product.present.transpose(-1, -2).unsqueeze(-1)  # (..., M, B, 1)
    # Not by way of the shares: a weak expert's share may underflow beside a very sharp one.
    width = saturating_exp(-0.5 * torch.where(mask, experts.logvar, 0.0))
    apart = torch.where(mask, experts.mean - mean.unsqueeze(-3), 0.0)
    distances = saturating_square(apart * width).sum(-3)
    return (distances + saturating_square(mean)).sum(-1)
