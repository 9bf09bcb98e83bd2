"""Weak supervision: a data set in which some samples lack a modality."""

from __future__ import annotations

import torch

from mvae.batch import Batch

__all__ = ["with_missing"]


def with_missing(batch: Batch, name: str, share: float, seed: int) -> Batch:
    """Mark a modality as missing in a random share of the samples.

    With the same seed, a larger share includes the samples of a smaller one.

    Args:
        batch: B samples, whose order is kept.
        name: the name of the modality.
        share: the share of samples, from 0 to 1; their number is rounded.
        seed: the seed of the choice.

    Raises:
        ValueError: if the share is out of range, or the modality is not in the batch.

    Example:
        >>> from mvae.modality import Modality
        >>> digit = Modality(name="label", kind="label", shape=(10,), likelihood="categorical")
        >>> batch = Batch.of([digit], {"label": torch.arange(8)})
        >>> with_missing(batch, "label", 0.75, seed=0).present.sum().item()
        2
    """
    if not 0 <= share <= 1:
        raise ValueError(f"the share must be from 0 to 1, not {share}")
    if name not in batch.names:
        raise ValueError(f"no modality is called {name!r}: there are {', '.join(batch.names)}")
    order = torch.randperm(len(batch), generator=torch.Generator().manual_seed(seed))
    present = batch.present.clone()
    present[order[: round(share * len(batch))], batch.names.index(name)] = False
    return Batch(batch.values, present)
