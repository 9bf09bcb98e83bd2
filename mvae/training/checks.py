"""What training needs of its data, checked before it starts and blamed where it fails."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.modality import Modality

__all__ = ["cause", "usable", "warn_of_scales"]

#: Root mean squares of a Gaussian modality between these are near enough to 1.
USUAL = (0.1, 10.0)
STANDARDISE = "Standardise it: subtract its mean and divide by its standard deviation."


def usable(batch: Batch, split: str) -> Batch:
    """Return the samples that have any modality; the others would teach nothing.

    Args:
        batch: the data.
        split: what to call them in a sentence.

    Raises:
        ValueError: if there are no samples, or none of them has any modality.
    """
    if not len(batch):
        raise ValueError(f"There are no {split} samples: the model needs at least one.")
    something = batch.present.any(-1)
    if not something.any():
        raise ValueError(
            f"No modality is present in any of the {len(batch)} {split} samples: "
            "mark in the batch's mask what is there."
        )
    if something.all():
        return batch
    warnings.warn(
        f"{int((~something).sum())} of {len(batch)} {split} samples have no modality and are "
        "left out.",
        stacklevel=3,
    )
    return batch[something]


def there(batch: Batch, name: str) -> Tensor:
    """Return the values of a modality where it is present, ``(n, *event shape)``."""
    return batch.values[name][batch.present[:, batch.names.index(name)]]


def scale(batch: Batch, name: str) -> float:
    """Compute the largest √(mean x²) among a modality's elements; NaN where it is never present."""
    return there(batch, name).double().square().mean(0).max().sqrt().item()


def warn_of_scales(modalities: Iterable[Modality], batch: Batch) -> None:
    """Warn of each modality with a Gaussian likelihood whose values are far from a scale of 1.

    Its σ begins near 1, and is never below e⁻³: log p of values in the thousands swamps that of
    all other modalities and may overflow, and values in the thousandths look constant.
    """
    for m in modalities:
        if m.likelihood != "gaussian":
            continue
        size = scale(batch, m.name)
        if size > 0 and not USUAL[0] <= size <= USUAL[1]:
            warnings.warn(
                f"The root mean square of {m.name} is up to {size:.3g}, where a Gaussian "
                f"likelihood learns best near 1. {STANDARDISE}",
                stacklevel=3,
            )


@torch.no_grad()
def cause(
    modalities: Iterable[Modality],
    batch: Batch,
    loss: Callable[[Batch], Tensor],
    learning_rate: float,
) -> str:
    """Find in a sentence or two why a loss is not finite.

    Args:
        modalities: of the model.
        batch: the samples that gave such a loss.
        loss: of a batch; asked of each modality alone, which shows whose term is not finite.
        learning_rate: of the optimiser.
    """
    found = [m for m in modalities if len(there(batch, m.name))]
    for m in found:
        if not there(batch, m.name).isfinite().all():
            return (
                f"{m.name} holds values that are not finite. "
                "Mark them as missing in the batch's mask."
            )
    guilty = [m for m in found if not _finite(loss, batch.supply([m.name]))]
    names = " and ".join(m.name for m in guilty)
    gaussian = [m for m in guilty or found if m.likelihood == "gaussian"]
    if gaussian:
        worst = max(gaussian, key=lambda m: scale(batch, m.name))
        if (size := scale(batch, worst.name)) > USUAL[1]:
            return (
                f"The likely cause is {worst.name}, whose root mean square is up to {size:.3g}, "
                f"where a Gaussian likelihood learns best near 1. {STANDARDISE}"
            )
    term = (
        f"the term of {names} is not finite" if names else "no single modality's term is to blame"
    )
    return f"Training diverged: {term}. Lower the learning rate, now {learning_rate:g}."


def _finite(loss: Callable[[Batch], Tensor], batch: Batch) -> bool:
    """Whether a loss is finite; one that cannot be computed for so little blames nobody."""
    try:
        return bool(loss(batch).isfinite().all())
    except ValueError:
        return True
