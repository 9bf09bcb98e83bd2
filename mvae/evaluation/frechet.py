"""Fréchet distance between generated and real pictures, in the features of a classifier."""

from __future__ import annotations

import torch
from torch import Tensor

from mvae.evaluation.classifier import Classifier

__all__ = ["features", "frechet_distance", "pseudo_values"]

#: Number of parts of the generated pictures, each left out once by the jackknife.
PARTS = 20


@torch.no_grad()
def features(classifier: Classifier, pictures: Tensor) -> Tensor:
    """Return the last hidden layer of a classifier, ``(B, C, H, W)`` to ``(B, F)``."""
    return torch.cat([classifier.net[:-1](part) for part in pictures.split(1000)])


def frechet_distance(first: Tensor, second: Tensor) -> float:
    r"""Return the squared Fréchet distance between normal distributions fitted to two point sets.

    .. math:: |\mu_1-\mu_2|^2 + \operatorname{tr}\big(\Sigma_1+\Sigma_2
              - 2(\Sigma_1^{1/2}\Sigma_2\Sigma_1^{1/2})^{1/2}\big)

    Heusel et al., *GANs Trained by a Two Time-Scale Update Rule*, NeurIPS 2017,
    https://arxiv.org/abs/1706.08500, use the features of another network. Distances can be
    compared only if they come from the same classifier and the same number of points: the fewer
    the points, the larger the distance.

    Args:
        first: n points, ``(n, F)``; covariances have full rank only if n > F.
        second: m points, ``(m, F)``.

    Raises:
        ValueError: if a set has fewer than two points.

    Example:
        >>> square = torch.cartesian_prod(torch.arange(2.0), torch.arange(2.0))
        >>> round(frechet_distance(square, square + torch.tensor([3.0, 4.0])), 4)
        25.0
    """
    if min(len(first), len(second)) < 2:
        raise ValueError("a covariance needs at least two points in each set")
    first, second = first.double(), second.double()
    a, b = first.T.cov(), second.T.cov()
    values, vectors = torch.linalg.eigh(a)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ b @ root).clamp(min=0).sqrt().sum()
    mean_distance = (first.mean(0) - second.mean(0)).square().sum()
    return float(mean_distance + a.trace() + b.trace() - 2 * cross)


def pseudo_values(generated: Tensor, real: Tensor) -> Tensor:
    r"""Compute the jackknife pseudo-values of the distance, ``(20,)``.

    .. math:: \theta_i = d + (P - 1)\big(\bar d_{-} - d_{-i}\big)

    where :math:`d_{-i}` is the distance without the i-th of P = 20 parts of the generated points;
    the real points are taken as fixed. The standard error of the mean of the pseudo-values is that
    of the jackknife. Differences of pseudo-values give the error of the difference between two
    models whose points belong to the same samples.
    """
    fold = torch.arange(len(generated)) % PARTS
    left_out = torch.tensor(
        [frechet_distance(generated[fold != i], real) for i in range(PARTS)], dtype=torch.float64
    )
    return frechet_distance(generated, real) + (PARTS - 1) * (left_out.mean() - left_out)
