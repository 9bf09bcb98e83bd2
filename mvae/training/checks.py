"""Checks of training data, before training starts and to diagnose a loss that is not finite."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.modality import Modality

__all__ = ["diagnose", "drop_empty", "warn_of_scales"]

#: The range within which a Gaussian modality's root mean square is close enough to 1.
USUAL_SCALES = (0.1, 10.0)
STANDARDISE = "Standardise it: subtract its mean and divide by its standard deviation."


def drop_empty(batch: Batch, split: str) -> Batch:
    """Return the samples that have at least one modality; a model cannot learn from the others.

    Args:
        batch: the data.
        split: the name of the split in messages.

    Raises:
        ValueError: if there are no samples, or none of them has any modality.
    """
    if not len(batch):
        raise ValueError(f"There are no {split} samples: the model needs at least one.")
    nonempty = batch.present.any(-1)
    if not nonempty.any():
        raise ValueError(
            f"No modality is present in any of the {len(batch)} {split} samples: "
            "mark those present in the batch's mask."
        )
    if nonempty.all():
        return batch
    warnings.warn(
        f"{int((~nonempty).sum())} of {len(batch)} {split} samples have no modality and are "
        "left out.",
        stacklevel=3,
    )
    return batch[nonempty]


def present_values(batch: Batch, name: str) -> Tensor:
    """Return the values of a modality where it is present, ``(n, *event shape)``."""
    return batch.values[name][batch.present[:, batch.names.index(name)]]


def largest_rms(batch: Batch, name: str) -> float:
    """Compute the largest √(mean x²) over a modality's elements; NaN if it is never present."""
    return present_values(batch, name).double().square().mean(0).max().sqrt().item()


def warn_of_scales(modalities: Iterable[Modality], batch: Batch) -> None:
    """Warn about each modality with a Gaussian likelihood whose scale is far from 1.

    Its σ is initially near 1 and never below e⁻³: log p of values in the thousands dominates that
    of all other modalities and may overflow, and values in the thousandths appear constant.
    """
    for m in modalities:
        if m.likelihood != "gaussian":
            continue
        size = largest_rms(batch, m.name)
        if size > 0 and not USUAL_SCALES[0] <= size <= USUAL_SCALES[1]:
            warnings.warn(
                f"The root mean square of {m.name} is up to {size:.3g}, but a Gaussian "
                f"likelihood learns best near 1. {STANDARDISE}",
                stacklevel=3,
            )


@torch.no_grad()
def diagnose(
    modalities: Iterable[Modality],
    batch: Batch,
    loss: Callable[[Batch], Tensor],
    learning_rate: float,
) -> str:
    """Return the likely cause of a loss that is not finite, in a sentence or two.

    Args:
        modalities: the modalities of the model.
        batch: the samples whose loss is not finite.
        loss: computes the loss of a batch; it is called for each modality alone, to find the term
            that is not finite.
        learning_rate: the learning rate of the optimiser.
    """
    available = [m for m in modalities if len(present_values(batch, m.name))]
    for m in available:
        if not present_values(batch, m.name).isfinite().all():
            return (
                f"{m.name} has values that are not finite. "
                "Mark them as missing in the batch's mask."
            )
    suspects = [m for m in available if not _is_finite(loss, batch.supply([m.name]))]
    names = " and ".join(m.name for m in suspects)
    gaussian = [m for m in suspects or available if m.likelihood == "gaussian"]
    if gaussian:
        worst = max(gaussian, key=lambda m: largest_rms(batch, m.name))
        if (size := largest_rms(batch, worst.name)) > USUAL_SCALES[1]:
            return (
                f"The likely cause is {worst.name}, whose root mean square is up to {size:.3g}, "
                f"but a Gaussian likelihood learns best near 1. {STANDARDISE}"
            )
    term = (
        f"the term of {names} is not finite" if names else "no single modality's term is the cause"
    )
    return f"Training diverged: {term}. Lower the learning rate, now {learning_rate:g}."


def _is_finite(loss: Callable[[Batch], Tensor], batch: Batch) -> bool:
    """Whether a loss is finite; True if it cannot be computed for this batch."""
    try:
        return bool(loss(batch).isfinite().all())
    except ValueError:
        return True
