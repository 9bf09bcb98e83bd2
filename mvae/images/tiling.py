"""Pictures: image modalities as one picture, either whole or assembled from its tiles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.modality import Modality

__all__ = [
    "SPAN",
    "Framing",
    "assemble",
    "complete_pictures",
    "cut",
    "picture_shape",
    "pictures",
    "tiles",
    "vector_as_image",
]

#: The number of standard deviations from the mean at which a vector's number is black or white.
SPAN = 2.5

#: How the subject lies in its frame: "centred" by its mass within 20/28 of it, as MNIST's digits;
#: "filled", so that it fills the frame, as Fashion-MNIST's clothes; or "free", that is, anywhere.
Framing = Literal["centred", "filled", "free"]


def pictures(modalities: Iterable[Modality]) -> tuple[tuple[Modality, ...], ...]:
    """Group the image modalities by picture: the tiles of one picture form a group.

    The first picture is *the* picture of a data set, the one that can be drawn and uploaded.

    Example:
        >>> from mvae.data import DATASETS
        >>> [len(group) for group in pictures(DATASETS["quadrants"].modalities)]
        [4]
    """
    groups: list[list[Modality]] = []
    tiled: list[Modality] = []
    for m in modalities:
        if m.is_image and m.tile is None:
            groups.append([m])
        elif m.is_image:
            if not tiled:
                groups.append(tiled)
            tiled.append(m)
    return tuple(map(tuple, groups))


def tiles(modalities: Iterable[Modality]) -> list[tuple[Modality, int, int]]:
    """Return the tiles of the first picture, each with the row and column at which it starts."""
    grid = []
    for m in next(iter(pictures(modalities)), ()):
        row, column = m.tile or (0, 0)
        grid.append((m, row * m.shape[1], column * m.shape[2]))
    return grid


def picture_shape(modalities: Iterable[Modality]) -> tuple[int, int, int] | None:
    """Return (channels, height, width) of the first picture, or None if there is no image.

    Example:
        >>> from mvae.data import DATASETS
        >>> picture_shape(DATASETS["quadrants"].modalities)
        (1, 28, 28)
    """
    grid = tiles(modalities)
    if not grid:
        return None
    return (
        grid[0][0].shape[0],
        max(top + m.shape[1] for m, top, _ in grid),
        max(left + m.shape[2] for m, _, left in grid),
    )


def assemble(modalities: Iterable[Modality], values: Mapping[str, Tensor]) -> Tensor:
    """Assemble the first picture from its tiles, ``(..., C, h, w)`` to ``(..., C, H, W)``.

    Raises:
        ValueError: if there is no image modality.
    """
    grid = tiles(modalities)
    shape = picture_shape(m for m, _, _ in grid)
    if shape is None:
        raise ValueError("there is no image modality to make a picture of")
    first = values[grid[0][0].name]
    picture = torch.zeros(*first.shape[:-3], *shape)
    for m, top, left in grid:
        picture[..., top : top + m.shape[1], left : left + m.shape[2]] = values[m.name]
    return picture


def complete_pictures(
    modalities: Iterable[Modality], given: Batch, means: Mapping[str, Tensor]
) -> Tensor:
    """Assemble first pictures from the tiles present and, where missing, from generated ones.

    Args:
        modalities: the modalities of the model.
        given: B samples.
        means: generated tiles by name, ``(N, B, C, h, w)``; empty if no tile is missing.

    Returns:
        Tensor: ``(N, B, C, H, W)``; N = 1 if no tile was generated.

    Raises:
        ValueError: if there is no image modality, or a tile is neither given nor generated.
    """
    modalities = tuple(modalities)
    tensors = {}
    for m, _, _ in tiles(modalities):
        own, present = given.values[m.name], given.there(m.name)
        generated = means.get(m.name)
        if generated is None:
            given.require([m.name])
            tensors[m.name] = own[None]
        else:
            tensors[m.name] = torch.where(present.reshape(-1, 1, 1, 1), own, generated)
    n = max(len(x) for x in tensors.values())
    return assemble(modalities, {name: x.expand(n, *x.shape[1:]) for name, x in tensors.items()})


def cut(modalities: Iterable[Modality], picture: Tensor) -> dict[str, Tensor]:
    """Cut the first picture ``(..., C, H, W)`` into its tiles.

    Example:
        >>> from mvae.data import DATASETS
        >>> tiles = cut(DATASETS["quadrants"].modalities, torch.rand(1, 1, 28, 28))
        >>> list(tiles), tiles["top left"].shape
        (['top left', 'top right', 'bottom left', 'bottom right'], torch.Size([1, 1, 14, 14]))
    """
    return {
        m.name: picture[..., top : top + m.shape[1], left : left + m.shape[2]]
        for m, top, left in tiles(modalities)
    }


def vector_as_image(m: Modality, values: Tensor) -> Tensor:
    """Convert a vector on a grid to ink in [0, 1], ``(..., n)`` to ``(..., 1, rows, columns)``.

    Its numbers are in standard deviations from their mean, which becomes 0.5.

    Raises:
        ValueError: if the modality has no grid.

    Example:
        >>> m = Modality(name="view", kind="vector", shape=(2,), likelihood="gaussian", grid=(1, 2))
        >>> vector_as_image(m, torch.tensor([0.0, 9.0]))
        tensor([[[0.5000, 1.0000]]])
    """
    if m.grid is None:
        raise ValueError(f"{m.name} has no grid, so it cannot be shown as a picture")
    ink: Tensor = (0.5 + values / (2 * SPAN)).clamp(0, 1).unflatten(-1, (1, *m.grid))
    return ink
