"""Where examples lie in latent space, and the flat maps on which that can be seen."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from mvae.modality import Batch
from mvae.model import MultimodalModel

__all__ = ["posterior_means", "principal_axes"]


@torch.no_grad()
def posterior_means(model: MultimodalModel, samples: Batch, evidence: Iterable[str]) -> Tensor:
    """Give the mean of q(z|X_S) for every sample, ``(B, D)``.

    Args:
        model: any model with a posterior.
        samples: the samples.
        evidence: S; a modality that a sample lacks is left out for that sample.

    Raises:
        ValueError: if evidence names an unknown modality.
    """
    return model.posterior(samples.supply(evidence)).mean


def principal_axes(means: Tensor) -> Tensor:
    """Give the two orthonormal directions along which points ``(B, D)`` vary most, ``(2, D)``.

    They are the first right singular vectors of the centred points, each turned so that its
    largest component is positive: otherwise their signs would be a matter of chance.

    Raises:
        ValueError: if there are fewer than two dimensions.

    Example:
        >>> principal_axes(torch.tensor([[0.0, 0.0], [4.0, 0.0], [2.0, 1.0]])).abs().tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    if means.shape[-1] < 2:
        raise ValueError("a plane needs at least two latent dimensions")
    axes: Tensor = torch.linalg.svd(means - means.mean(0), full_matrices=False).Vh[:2]
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
    return axes * largest.sign()
