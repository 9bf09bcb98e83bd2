"""Pictures that are mirrored and shifted at random, where there are few to learn from."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from mvae.modality import Batch, Modality

__all__ = ["varied"]

#: Pixels by which a picture is shifted at most, each way.
SHIFT = 2


def varied(batch: Batch, modalities: Iterable[Modality], generator: torch.Generator) -> Batch:
    """Mirror half of the samples' pictures and shift all by up to two pixels, edges repeated.

    All pictures of a sample move together. What else is known of it stays as it is.

    Args:
        batch: B samples.
        modalities: of the batch; its images ``(B, C, H, W)`` are moved.
        generator: of the moves.

    Example:
        >>> image = Modality(name="image", kind="image", shape=(1, 4, 4), likelihood="bernoulli")
        >>> batch = Batch.of([image], {"image": torch.rand(2, 1, 4, 4)})
        >>> varied(batch, [image], torch.Generator().manual_seed(0)).values["image"].shape
        torch.Size([2, 1, 4, 4])
    """
    n = len(batch)
    mirrored = torch.rand(n, 1, generator=generator) < 0.5
    down, right = torch.randint(-SHIFT, SHIFT + 1, (2, n, 1), generator=generator)

    def moved(pictures: Tensor) -> Tensor:
        height, width = pictures.shape[-2:]
        rows = (torch.arange(height) - down).clamp(0, height - 1)  # (B, H)
        columns = (torch.arange(width) - right).clamp(0, width - 1)
        columns = torch.where(mirrored, columns.flip(-1), columns)
        sample = torch.arange(n)[:, None, None]
        # The channels, which a slice stands for, come last where indices surround it.
        found = pictures[sample, :, rows[:, :, None], columns[:, None, :]]
        return found.permute(0, 3, 1, 2)

    pictures = {m.name: moved(batch.values[m.name]) for m in modalities if m.kind == "image"}
    return Batch(batch.values | pictures, batch.present)
