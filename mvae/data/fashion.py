"""Fashion-MNIST: a grey picture of a piece of clothing, and its label."""

from __future__ import annotations

from mvae.batch import Batch
from mvae.data.annotations import label
from mvae.data.dataset import Dataset, Split
from mvae.data.idx_files import idx_split
from mvae.modality import Modality

__all__ = ["FASHION"]

MODALITIES = (
    Modality(name="image", kind="image", shape=(1, 28, 28), likelihood="bernoulli-cross-entropy"),
    label(
        (
            "T-shirt",
            "trousers",
            "pullover",
            "dress",
            "coat",
            "sandal",
            "shirt",
            "sneaker",
            "bag",
            "ankle boot",
        )
    ),
)


def load(split: Split, download: bool = False) -> Batch:
    """Load a split."""
    images, labels = idx_split("FashionMNIST", split, download)
    return Batch.of(MODALITIES, {"image": images, "label": labels})


FASHION = Dataset(
    "fashion",
    "Fashion-MNIST",
    MODALITIES,
    "Fashion-MNIST test images, Zalando SE, https://github.com/zalandoresearch/fashion-mnist, MIT",
    load,
    (
        "70,000 pictures of clothes and bags, of 28 × 28 pixels: 55,000 for training, 5,000 (500 "
        "of each kind) for choosing settings, and 10,000 for testing.",
        "Pixels are grey, from 0 to 1. Nothing was left out.",
    ),
    framing="filled",
)
