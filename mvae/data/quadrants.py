"""Quadrants: the four quarters of an MNIST digit, and its label; evidence that comes in pieces."""

from __future__ import annotations

from mvae.batch import Batch
from mvae.data.dataset import Dataset, Split
from mvae.data.idx_files import idx_split
from mvae.data.mnist import DIGIT, DIGIT_FACTS, MNIST_SOURCE
from mvae.modality import Modality

__all__ = ["QUADRANTS"]

TILES = {
    "top left": (0, 0),
    "top right": (0, 1),
    "bottom left": (1, 0),
    "bottom right": (1, 1),
}

MODALITIES = (
    *(
        Modality(
            name=name,
            kind="image",
            shape=(1, 14, 14),
            likelihood="bernoulli",
            hidden=(256, 256),
            tile=tile,
        )
        for name, tile in TILES.items()
    ),
    DIGIT,
)


def load(split: Split, download: bool = False) -> Batch:
    """Load a split."""
    images, labels = idx_split("MNIST", split, download)
    binary = (images > 0.5).float()
    quarters = {
        name: binary[:, :, 14 * row : 14 * (row + 1), 14 * column : 14 * (column + 1)]
        for name, (row, column) in TILES.items()
    }
    return Batch.of(MODALITIES, {**quarters, "label": labels})


QUADRANTS = Dataset(
    "quadrants",
    "MNIST in quarters",
    MODALITIES,
    MNIST_SOURCE,
    load,
    DIGIT_FACTS,
    framing="centred",
)
