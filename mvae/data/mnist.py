"""MNIST: a handwritten digit binarised at 0.5, and its label."""

from __future__ import annotations

from mvae.batch import Batch
from mvae.data.annotations import label
from mvae.data.dataset import Dataset, Split
from mvae.data.idx_files import idx_split
from mvae.modality import Modality

__all__ = ["DIGIT", "DIGIT_FACTS", "MNIST", "MNIST_SOURCE"]

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


#: Facts about the digits, for users.
DIGIT_FACTS = (
    "70,000 digits of 28 × 28 pixels, written by census workers and pupils: 55,000 for training, "
    "5,000 (500 of each digit) for choosing settings, and 10,000 for testing.",
    "A pixel is black or white: grey values are thresholded at 0.5. Nothing was left out.",
)


def load(split: Split, download: bool = False) -> Batch:
    """Load a split."""
    images, labels = idx_split("MNIST", split, download)
    return Batch.of(MODALITIES, {"image": (images > 0.5).float(), "label": labels})


MNIST = Dataset("mnist", "MNIST", MODALITIES, MNIST_SOURCE, load, DIGIT_FACTS, framing="centred")
