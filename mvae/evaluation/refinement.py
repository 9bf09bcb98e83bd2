"""A posterior refined for each sample: Gaussians with full covariance, by natural gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mvae.distributions.gaussian import LOG_2PI, Gaussian
from mvae.distributions.mixture import Mixture

__all__ = ["FullGaussian", "refine"]

#: Step sizes of the refinement. A first step of 0.7 leads some samples into a worse optimum.
STEPS = (0.5, 0.6, 0.7, 0.7)
#: Pairs of opposite points by which Gaussians are compared whose gradient is not needed.
PAIRS = 16


@dataclass(frozen=True)
class FullGaussian:
    r"""A batch of Gaussians with full covariance, kept by a factor of the precision.

    .. math:: N(z; \mu, \Lambda^{-1}), \qquad \Lambda = C C^\top, \qquad z = \mu + C^{-\top}\epsilon

    Args:
        mean: μ, ``(B, D)``.
        factor: C, lower triangular with a positive diagonal, ``(B, D, D)``.

    Example:
        >>> p = FullGaussian(torch.zeros(1, 2), torch.tensor([[[2.0, 0.0], [0.0, 1.0]]]))
        >>> p.from_noise(torch.ones(1, 1, 2)).tolist()  # standard deviations ½ and 1
        [[[0.5, 1.0]]]
    """

    mean: Tensor
    factor: Tensor

    @staticmethod
    def of(q: Gaussian) -> FullGaussian:
        """Make one of a diagonal Gaussian ``(B, D)``."""
        return FullGaussian(q.mean, torch.diag_embed((-0.5 * q.logvar).exp()))

    def __getitem__(self, index: slice) -> FullGaussian:
        """Take some of the samples."""
        return FullGaussian(self.mean[index], self.factor[index])

    def wider(self, scale: float) -> FullGaussian:
        """Multiply all standard deviations by a number."""
        return FullGaussian(self.mean, self.factor / scale)

    def from_noise(self, noise: Tensor) -> Tensor:
        """Turn standard normal noise ``(N, B, D)`` into draws ``(N, B, D)``."""
        columns = noise.permute(1, 2, 0)  # (B, D, N)
        apart: Tensor = torch.linalg.solve_triangular(self.factor.mT, columns, upper=True)
        return self.mean + apart.permute(2, 0, 1)

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density in nats, ``(N, B, D)`` to ``(N, B)``."""
        # (z − μ)ᵀ C, whose square is (z − μ)ᵀ Λ (z − μ)
        white = (z - self.mean).transpose(0, 1) @ self.factor  # (B, N, D)
        return self.log_scale - 0.5 * (LOG_2PI + white.square()).sum(-1).T

    @property
    def log_scale(self) -> Tensor:
        """Half the log determinant of the precision, ``(B,)``."""
        return self.factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def refine(
    q: Gaussian | Mixture,
    log_joint: Callable[[Tensor], Tensor],
    generators: Sequence[torch.Generator],
    steps: Sequence[float] = STEPS,
) -> FullGaussian:
    r"""Fit a Gaussian with full covariance to each sample's p(z|x_S), starting from q.

    It maximises the evidence lower bound by natural gradients, with g = ∇_z log p(x_S, z),

    .. math:: \Lambda \leftarrow (1-\rho)\Lambda - \rho\,E[\nabla g], \qquad
              \mu \leftarrow \mu + \rho\,\Lambda^{-1} E[g], \qquad
              E[\nabla g] = E[\Lambda (z-\mu)\, g^\top]

    (the last by Stein's lemma), as Khan & Lin 2017, https://arxiv.org/abs/1703.04265. Expectations
    are taken over the 2D points :math:`\mu \pm \sqrt D\, C^{-\top} u_d` with u a random rotation of
    the axes: exact wherever g is linear in z, opposite points cancelling what is even (Arasaratnam
    & Haykin 2009, https://doi.org/10.1109/TAC.2009.2019800). Where a sample's step would lead
    to no Gaussian it stays; of all its Gaussians, q among them, the one with the best bound is
    returned.

    Args:
        q: where to start, ``(B, D)``; of a mixture, its component with the best bound.
        log_joint: log p(x_S, z) of latents ``(N, B, D)``, ``(N, B)``; differentiable.
        generators: a source of randomness for each sample: what it gets depends on no other.
        steps: ρ of each step.
    """
    now = best = FullGaussian.of(q if isinstance(q, Gaussian) else _leading(q, log_joint))
    highest = now.mean.new_full((len(now.mean),), -torch.inf)
    for rho in steps:
        points = _cubature(now.mean, generators)  # (2D, B, D)
        log_p, slope = _with_gradient(log_joint, now.from_noise(points))
        best, highest = _better(now, log_p, best, highest)
        now = _natural_step(now, points, slope, rho)
    pairs = _cubature(now.mean, generators).unflatten(0, (2, -1))[:, :PAIRS].flatten(0, 1)
    with torch.no_grad():
        log_p = log_joint(now.from_noise(pairs))
    return _better(now, log_p, best, highest)[0]


def _natural_step(q: FullGaussian, points: Tensor, slope: Tensor, rho: float) -> FullGaussian:
    """Move by ρ along the natural gradient; a sample whose step gives no Gaussian stays."""
    outer = points.permute(1, 2, 0) @ slope.transpose(0, 1) / len(points)
    curvature = q.factor @ outer  # Λ(z − μ) = Cε
    precision = (1 - rho) * q.factor @ q.factor.mT - 0.5 * rho * (curvature + curvature.mT)
    factor, failed = torch.linalg.cholesky_ex(precision)
    positive = (failed == 0) & factor.isfinite().flatten(1).all(-1)
    factor = torch.where(positive[:, None, None], factor, q.factor)
    step = torch.cholesky_solve(slope.mean(0).unsqueeze(-1), factor).squeeze(-1)
    after = FullGaussian(q.mean + rho * step, factor)
    return _chosen(positive & after.mean.isfinite().all(-1), after, q)


def _better(
    now: FullGaussian, log_p: Tensor, best: FullGaussian, highest: Tensor
) -> tuple[FullGaussian, Tensor]:
    """Keep the Gaussian with the higher bound, E[log p(x_S, z)] and the entropy, a sample."""
    bound = log_p.mean(0) - now.log_scale
    better = bound > highest
    return _chosen(better, now, best), torch.where(better, bound, highest)


def _chosen(where: Tensor, first: FullGaussian, second: FullGaussian) -> FullGaussian:
    """Take the first where a sample says so, ``(B,)``, else the second."""
    return FullGaussian(
        torch.where(where[:, None], first.mean, second.mean),
        torch.where(where[:, None, None], first.factor, second.factor),
    )


def _cubature(like: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """Draw √D times the axes, rotated at random for each sample, both ways, ``(2D, B, D)``."""
    latents = like.shape[-1]
    normal = torch.stack([torch.randn(latents, latents, generator=g) for g in generators])
    points = math.sqrt(latents) * torch.linalg.qr(normal)[0].to(like)  # (B, D, D)
    return torch.cat((points, -points), 1).transpose(0, 1)


def _with_gradient(log_joint: Callable[[Tensor], Tensor], z: Tensor) -> tuple[Tensor, Tensor]:
    """Compute log p(x_S, z) and its gradient by z."""
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        log_p = log_joint(z)
        (slope,) = torch.autograd.grad(log_p.sum(), z)
    return log_p.detach(), slope


@torch.no_grad()
def _leading(q: Mixture, log_joint: Callable[[Tensor], Tensor]) -> Gaussian:
    """Choose each sample's component with the best bound; without components the prior."""
    half = torch.randn(PAIRS, 1, q.shape[-1], generator=torch.Generator().manual_seed(0))
    noise = torch.cat((half, -half)).to(q.components.mean)
    bounds = []
    for i, there in enumerate(q.present.T):
        component = q.components[i]
        bound = log_joint(component.from_noise(noise)).mean(0) + component.entropy()
        bounds.append(torch.where(there, bound, -torch.inf))
    best = torch.stack(bounds).nan_to_num(nan=-torch.inf).argmax(0)  # (B,)
    chosen = q.components[best, torch.arange(len(best))]
    some = q.present.any(-1, keepdim=True)
    return Gaussian(*(torch.where(some, x, 0.0) for x in (chosen.mean, chosen.logvar)))
