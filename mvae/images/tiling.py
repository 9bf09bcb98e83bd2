"""Pictures: image modalities as one picture, whole or put together from its tiles."""

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
    "completed",
    "cut",
    "grey",
    "picture_shape",
    "pictures",
    "tiles",
]

#: Standard deviations from the mean at which a vector's number is as light or as dark as can be.
SPAN = 2.5

#: How what is shown lies in its frame: one thing "centred" by its mass in 20/28 of it, as MNIST's
#: digits; one thing that has "filled" it, as Fashion-MNIST's clothes; or anything anywhere, "free".
Framing = Literal["centred", "filled", "free"]


def pictures(modalities: Iterable[Modality]) -> tuple[tuple[Modality, ...], ...]:
    """Group the image modalities by the picture they show; the tiles of one picture are a group.

    The first picture is *the* picture of a data set: the one that is drawn, uploaded and named.

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
    """List the tiles of the first picture with the row and the column at which they begin."""
    grid = []
    for m in next(iter(pictures(modalities)), ()):
        row, column = m.tile or (0, 0)
        grid.append((m, row * m.shape[1], column * m.shape[2]))
    return grid


def picture_shape(modalities: Iterable[Modality]) -> tuple[int, int, int] | None:
    """Give (channels, height, width) of the first picture, or None if there is no image.

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
    """Put the first picture together: tiles ``(..., C, h, w)`` into ``(..., C, H, W)``.

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


def completed(modalities: Iterable[Modality], given: Batch, means: Mapping[str, Tensor]) -> Tensor:
    """Put first pictures together of tiles that are given and, where missing, of generated ones.

    Args:
        modalities: of the model.
        given: B samples.
        means: generated tiles by name, ``(N, B, C, h, w)``; none if nothing is missing.

    Returns:
        Tensor: ``(N, B, C, H, W)``; N = 1 where nothing was generated.

    Raises:
        ValueError: if there is no image modality, or a tile is neither given nor generated.
    """
    modalities = tuple(modalities)
    whole = {}
    for m, _, _ in tiles(modalities):
        own, there = given.values[m.name], given.there(m.name)
        made = means.get(m.name)
        if made is None:
            given.require([m.name])
        whole[m.name] = (
            own[None] if made is None else torch.where(there.reshape(-1, 1, 1, 1), own, made)
        )
    n = max(len(x) for x in whole.values())
    return assemble(modalities, {name: x.expand(n, *x.shape[1:]) for name, x in whole.items()})


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


def grey(m: Modality, values: Tensor) -> Tensor:
    """Give a vector on a grid as ink in [0, 1], ``(..., n)`` to ``(..., 1, rows, columns)``.

    Its numbers are in standard deviations from their mean, which is half as dark as can be.

    Raises:
        ValueError: if the modality has no grid.

    Example:
        >>> m = Modality(name="view", kind="vector", shape=(2,), likelihood="gaussian", grid=(1, 2))
        >>> grey(m, torch.tensor([0.0, 9.0]))
        tensor([[[0.5000, 1.0000]]])
    """
    if m.grid is None:
        raise ValueError(f"the numbers of {m.name} are not those of a picture")
    ink: Tensor = (0.5 + values / (2 * SPAN)).clamp(0, 1).unflatten(-1, (1, *m.grid))
    return ink
