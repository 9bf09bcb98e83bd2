"""Which plane through latent space is looked at, and where the examples lie on it."""

from __future__ import annotations

import torch
from torch import Tensor

from mvae.analysis.embedding import posterior_means, principal_axes
from mvae.batch import Batch
from mvae.modality import Modality
from pages.parts.loading import MODELS, load, of_samples, samples_of
from pages.parts.stage import Plane
from pages.parts.versions import kept

__all__ = ["plane_of"]

#: How far a plane is shown at least, and at most, in standard deviations of the prior.
LEAST, MOST = 2.6, 8.0
#: How much wider than high it is drawn.
ASPECT = 1.25


@kept(lambda dataset, model_name, dims: of_samples(dataset, model_name), max_entries=MODELS)
def plane_of(dataset: str, model_name: str, dims: tuple[int, ...]) -> Plane | None:
    """Give the plane through two latent dimensions, or the one along which the examples vary most.

    Args:
        dataset: the data set.
        model_name: the model.
        dims: two dimensions; anything else asks for the principal directions, or for the whole
            space where it has only two dimensions.

    Returns:
        Plane: or None for a model of a single latent.
    """
    model, config = load(dataset, model_name)
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
    places = means @ axes.T
    categories, titles = classes(config.modalities, samples, places)
    across, down = places.abs().amax(0).tolist()
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
    modalities: tuple[Modality, ...], samples: Batch, places: Tensor
) -> tuple[Tensor, tuple[str, ...]]:
    """Say by what the examples are told apart: the label that is alone, or what parts them best.

    Of many labels of two categories, and of tags, it is the one whose two groups lie farthest apart
    on the plane, relative to how far the examples are spread.

    Args:
        modalities: of the model.
        samples: the examples.
        places: of the examples on the plane, ``(B, 2)``.

    Returns:
        tuple: an index for each example, and the titles of the indices; none if there are neither
        labels nor tags.
    """
    labels = [m for m in modalities if m.is_category]
    if labels and (len(labels) == 1 or labels[0].shape[0] > 2):
        m = labels[0]
        # What is no or yes, of two categories, the name says.
        before = f"{m.name}: " if m.shape[0] == 2 else ""
        return samples.values[m.name], tuple(before + m.category(c) for c in range(m.shape[0]))
    signs = {m.name: samples.values[m.name] for m in labels if m.shape[0] == 2}
    for m in modalities:
        if m.is_set:
            signs |= zip(m.categories, samples.values[m.name].long().unbind(1), strict=True)
    if not signs:
        return torch.zeros(len(samples)).long(), ()

    def apart(on: Tensor) -> float:
        share = on.double().mean()
        between = places[on == 1].mean(0) - places[on == 0].mean(0)
        # The variance between two groups: how far they lie apart, by how many are in each.
        return float(between.square().sum() * share * (1 - share)) if 0 < share < 1 else 0.0

    best = max(signs, key=lambda name: apart(signs[name]))
    return signs[best], (f"{best}: no", f"{best}: yes")
