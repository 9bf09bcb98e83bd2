"""Fréchet distance between generated and real pictures, in what a classifier sees in them."""

from __future__ import annotations

import torch
from torch import Tensor

from mvae.evaluation.classifier import Classifier

__all__ = ["features", "frechet_distance", "pseudo_values"]

#: Parts of the generated pictures, each left out once for the standard error.
PARTS = 20


@torch.no_grad()
def features(classifier: Classifier, pictures: Tensor) -> Tensor:
    """Give the last hidden layer of a classifier, ``(B, C, H, W)`` to ``(B, F)``."""
    return torch.cat([classifier.net[:-1](part) for part in pictures.split(1000)])


def frechet_distance(one: Tensor, other: Tensor) -> float:
    r"""Give the squared Fréchet distance of two sets of points, as if each were normal.

    .. math:: |\mu_1-\mu_2|^2 + \operatorname{tr}\big(\Sigma_1+\Sigma_2
              - 2(\Sigma_1^{1/2}\Sigma_2\Sigma_1^{1/2})^{1/2}\big)

    Heusel et al., *GANs Trained by a Two Time-Scale Update Rule*, NeurIPS 2017,
    https://arxiv.org/abs/1706.08500; there in the features of another network, so that figures
    compare only with those of the same classifier and as many points: few points make it larger.

    Args:
        one: ``(n, F)``, n > F for covariances of full rank.
        other: ``(m, F)``.

    Raises:
        ValueError: for fewer than two points in a set.

    Example:
        >>> square = torch.cartesian_prod(torch.arange(2.0), torch.arange(2.0))
        >>> round(frechet_distance(square, square + torch.tensor([3.0, 4.0])), 4)
        25.0
    """
    if min(len(one), len(other)) < 2:
        raise ValueError("a covariance needs at least two points in each set")
    first, second = one.double(), other.double()
    a, b = first.T.cov(), second.T.cov()
    values, vectors = torch.linalg.eigh(a)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ b @ root).clamp(min=0).sqrt().sum()
    apart = (first.mean(0) - second.mean(0)).square().sum()
    return float(apart + a.trace() + b.trace() - 2 * cross)


def pseudo_values(generated: Tensor, real: Tensor) -> Tensor:
    r"""Compute the jackknife's pseudo-values of the distance, ``(20,)``.

    .. math:: \theta_i = d + (P - 1)\big(\bar d_{-} - d_{-i}\big)

    with :math:`d_{-i}` the distance without the i-th of P = 20 parts of the generated points; the
    real ones are taken as given. Their standard error is the jackknife's, and so is that of their
    differences between two models whose points belong to the same samples.
    """
    part = torch.arange(len(generated)) % PARTS
    left = torch.tensor(
        [frechet_distance(generated[part != i], real) for i in range(PARTS)], dtype=torch.float64
    )
    return frechet_distance(generated, real) + (PARTS - 1) * (left.mean() - left)
