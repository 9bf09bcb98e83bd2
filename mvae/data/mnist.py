"""MNIST: a handwritten digit binarised at 0.5, and its label."""

from __future__ import annotations

from mvae.data.dataset import Dataset, Split, idx_split
from mvae.modality import Batch, Modality

__all__ = ["MNIST", "MNIST_SOURCE"]

MNIST_SOURCE = (
    "MNIST test images, Y. LeCun, C. Cortes and C. J. C. Burges, "
    "http://yann.lecun.com/exdb/mnist, CC BY-SA 3.0"
)

MODALITIES = (
    Modality(name="image", kind="image", shape=(1, 28, 28), likelihood="bernoulli"),
    Modality(
        name="label",
        kind="label",
        shape=(10,),
        likelihood="categorical",
        hidden=(128, 128),
        categories=tuple("0123456789"),
    ),
)


def load(split: Split, download: bool = False) -> Batch:
    """Load a split."""
    images, labels = idx_split("MNIST", split, download)
    return Batch.of(MODALITIES, {"image": (images > 0.5).float(), "label": labels})


MNIST = Dataset("mnist", "MNIST", MODALITIES, MNIST_SOURCE, load)
