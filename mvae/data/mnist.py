"""MNIST: a handwritten digit binarised at 0.5, and its label."""

from __future__ import annotations

from mvae.data.dataset import Dataset, Split, idx_split, label
from mvae.modality import Batch, Modality

__all__ = ["DIGIT", "MNIST", "MNIST_SOURCE"]

MNIST_SOURCE = (
    "MNIST test images, Y. LeCun, C. Cortes and C. J. C. Burges, "
    "http://yann.lecun.com/exdb/mnist, CC BY-SA 3.0"
)

#: The label of a digit.
DIGIT = label("0123456789")

MODALITIES = (
    Modality(name="image", kind="image", shape=(1, 28, 28), likelihood="bernoulli"),
    DIGIT,
)


def load(split: Split, download: bool = False) -> Batch:
    """Load a split."""
    images, labels = idx_split("MNIST", split, download)
    return Batch.of(MODALITIES, {"image": (images > 0.5).float(), "label": labels})


MNIST = Dataset("mnist", "MNIST", MODALITIES, MNIST_SOURCE, load)
