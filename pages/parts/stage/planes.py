"""The choice of a plane through latent space, and the positions of the examples on it."""

from __future__ import annotations

import torch
from torch import Tensor

from mvae.analysis.embedding import posterior_means, principal_axes
from mvae.batch import Batch
from mvae.modality import Modality
from pages.parts.server.loading import MODELS, load_experts, of_samples, samples_of
from pages.parts.server.versions import cached_by
from pages.parts.stage import Plane

__all__ = ["plane_of"]

#: Least and greatest extent of a plane, in standard deviations of the prior.
LEAST, MOST = 2.6, 8.0
#: Ratio of a plane's width to its height.
ASPECT = 1.25


@cached_by(lambda dataset, model_name, dims: of_samples(dataset, model_name), max_entries=MODELS)
def plane_of(dataset: str, model_name: str, dims: tuple[int, ...]) -> Plane | None:
    """Return the plane of two latent dimensions, or of the examples' principal directions.

    Args:
        dataset: the data set.
        model_name: the model.
        dims: two dimensions; otherwise the principal directions are used, or the whole space if it
            has two dimensions.

    Returns:
        Plane: the plane, or None for a model with a single latent.
    """
    model, config = load_experts(dataset, model_name)
    samples = samples_of(dataset, model_name)
    if config.latents < 2:
        return None
    means = posterior_means(model, samples, samples.names)
    if config.latents == 2:
        dims = (0, 1)
    oblique = len(dims) != 2
    if oblique:
        axes, names = principal_axes(means), ("1st direction", "2nd direction")
    else:
        axes, names = torch.eye(config.latents)[list(dims)], (f"z{dims[0]}", f"z{dims[1]}")
    coordinates = means @ axes.T
    categories, titles = classes(config.modalities, samples, coordinates)
    across, down = coordinates.abs().amax(0).tolist()
    farthest = max(across / ASPECT, down) + 0.3
    return Plane(
        axes=axes,
        names=names,
        oblique=oblique,
        reach=round(min(max(farthest, LEAST), MOST), 1),
        means=means,
        categories=categories,
        titles=titles,
    )


def classes(
    modalities: tuple[Modality, ...], samples: Batch, coordinates: Tensor
) -> tuple[Tensor, tuple[str, ...]]:
    """Return the categories that colour the examples: a single label, or the best separator.

    The best separator is, of several binary labels and of all tags, the one with the largest
    variance between its two groups on the plane.

    Args:
        modalities: the model's modalities.
        samples: the examples.
        coordinates: positions of the examples on the plane, ``(B, 2)``.

    Returns:
        tuple: an index for each example, and the titles of the indices, which are empty if there
        are neither labels nor tags.
    """
    labels = [m for m in modalities if m.is_category]
    if labels and (len(labels) == 1 or labels[0].shape[0] > 2):
        m = labels[0]
        # For "no" and "yes" the title must name the label too.
        before = f"{m.name}: " if m.shape[0] == 2 else ""
        return samples.values[m.name], tuple(before + m.category(c) for c in range(m.shape[0]))
    signs = {m.name: samples.values[m.name] for m in labels if m.shape[0] == 2}
    for m in modalities:
        if m.is_set:
            signs |= zip(m.categories, samples.values[m.name].long().unbind(1), strict=True)
    if not signs:
        return torch.zeros(len(samples)).long(), ()

    def between_variance(on: Tensor) -> float:
        share = on.double().mean()
        between = coordinates[on == 1].mean(0) - coordinates[on == 0].mean(0)
        # The variance between two groups: their squared distance, weighted by their sizes.
        return float(between.square().sum() * share * (1 - share)) if 0 < share < 1 else 0.0

    best = max(signs, key=lambda name: between_variance(signs[name]))
    return signs[best], (f"{best}: no", f"{best}: yes")
