"""MultiMNIST: up to four digits on one canvas, and a string of these digits in reading order.

Eslami et al. 2016, https://arxiv.org/abs/1603.08575; with strings, Wu & Goodman 2018,
https://arxiv.org/abs/1802.05335. In these papers a digit may be anywhere that does not overlap
another one. Here each has a quarter of the canvas to itself, so that the reading order is always
clear.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mvae.batch import Batch
from mvae.data.dataset import Dataset, Split
from mvae.data.idx_files import idx_split
from mvae.data.mnist import MNIST_SOURCE
from mvae.modality import Modality

__all__ = ["MULTIMNIST"]

#: The largest number of digits in a picture: one in each cell of two rows and two columns.
MAX_DIGITS = 4
#: Height and width of a cell, and the margin around the ink in it, in pixels.
CELL, MARGIN = 25, 1
#: The factor by which digits are shrunk: its mean and standard deviation, as in the authors' code,
#: https://github.com/mhw32/multimodal-vae-public, truncated at two standard deviations.
SHRINK_MEAN, SHRINK_STD = 1.3, 0.1
#: The number of pictures in each split, and their seeds.
SIZES: dict[Split, int] = {"train": 50_000, "valid": 5_000, "test": 10_000}
SEEDS: dict[Split, int] = {"train": 20161201, "valid": 20161202, "test": 20161203}
#: The number of digits that are drawn at once: few enough for a processor's cache.
CHUNK = 1_000

MODALITIES = (
    Modality(
        name="image",
        kind="image",
        shape=(1, 2 * CELL, 2 * CELL),
        likelihood="bernoulli",
        convolutions=(16, 32, 64),
        hidden=(256,),
    ),
    Modality(
        name="text",
        kind="text",
        shape=(MAX_DIGITS + 1,),
        likelihood="autoregressive",
        hidden=(128,),
        categories=("", *"0123456789"),
    ),
)


def load(split: Split, download: bool = False) -> Batch:
    """Make a split, always the same, from the digits of the same split of MNIST."""
    digits, labels = idx_split("MNIST", split, download)
    generator = torch.Generator().manual_seed(SEEDS[split])
    image, text = compose(digits, labels, SIZES[split], generator)
    return Batch.of(MODALITIES, {"image": image, "text": text})


def compose(
    digits: Tensor, labels: Tensor, n: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Make pictures of 0 to 4 digits, each number equally likely, and their strings.

    The quarters of the canvas are read row by row, from left to right. No ink touches the border
    of its quarter, so that the string is a function of the picture.

    Args:
        digits: grey pictures ``(B, 1, 28, 28)`` in [0, 1].
        labels: their labels, ``(B,)``.
        n: the number of pictures to make.
        generator: the source of randomness.

    Returns:
        tuple: pictures ``(n, 1, 50, 50)`` of zeros and ones, and tokens ``(n, 5)``.

    Example:
        >>> digits, labels = torch.ones(10, 1, 28, 28), torch.arange(10)
        >>> image, text = compose(digits, labels, 3, torch.Generator().manual_seed(0))
        >>> image.shape, text.shape
        (torch.Size([3, 1, 50, 50]), torch.Size([3, 5]))
    """
    count = torch.randint(MAX_DIGITS + 1, (n, 1), generator=generator)
    # The first cells of a random order are occupied.
    occupied = torch.rand(n, MAX_DIGITS, generator=generator).argsort(-1).argsort(-1) < count
    chosen = torch.randint(len(digits), (n, MAX_DIGITS), generator=generator)
    drawn = [place_in_cell(digits[i, 0], generator) for i in chosen[occupied].split(CHUNK)]
    cells = torch.zeros(n, MAX_DIGITS, CELL, CELL, dtype=torch.bool)
    cells[occupied] = torch.cat(drawn)
    image = cells.view(n, 2, 2, CELL, CELL).transpose(2, 3).reshape(n, 1, 2 * CELL, 2 * CELL)
    tokens = torch.where(occupied, labels[chosen] + 1, 0)
    reading_order = (~occupied).byte().argsort(stable=True)  # empty cells go to the end
    return image.float(), functional.pad(tokens.gather(-1, reading_order), (0, 1))


def place_in_cell(digits: Tensor, generator: torch.Generator) -> Tensor:
    """Shrink digits ``(K, 28, 28)`` and put each at random into a cell, bool ``(K, 25, 25)``.

    Grey values are averaged over areas, then thresholded at 0.5. All positions that leave the
    margin of the cell free are equally likely.
    """
    digits = digits.double()  # so that no pixel depends on rounding
    noise = torch.randn(len(digits), dtype=digits.dtype, generator=generator)
    scale = 1 / (SHRINK_MEAN + SHRINK_STD * noise.clamp(-2, 2))
    weights = []
    for axis in (-1, -2):
        ink = (digits > 0.5).any(axis).byte()
        first, last = ink.argmax(-1), ink.shape[-1] - ink.flip(-1).argmax(-1)
        low, high = MARGIN - scale * first, CELL - MARGIN - scale * last
        u = torch.rand(len(digits), dtype=digits.dtype, generator=generator)
        weights.append(_area_weights(low + (high - low) * u, scale, ink.shape[-1]))
    rows, columns = weights
    return rows @ digits @ columns.mT > 0.5


def _area_weights(start: Tensor, scale: Tensor, length: int) -> Tensor:
    """Compute the area of each cell pixel covered by each digit pixel, ``(K, 25, length)``.

    Pixel j of the digit becomes the interval from start + j · scale to start + (j + 1) · scale.
    """
    pixels = torch.arange(CELL, dtype=scale.dtype).unsqueeze(-1)
    left = start[:, None, None] + scale[:, None, None] * torch.arange(length)
    right = left + scale[:, None, None]
    return (torch.minimum(pixels + 1, right) - torch.maximum(pixels, left)).clamp(min=0)


MULTIMNIST = Dataset(
    "multimnist",
    "MultiMNIST",
    MODALITIES,
    MNIST_SOURCE,
    load,
    (
        "65,000 pictures of 0 to 4 digits, each number equally likely, and the string of the "
        "digits: 50,000 for training, 5,000 for choosing settings, and 10,000 for testing.",
        "They are made from MNIST's digits and always the same: those for training from 55,000 "
        "digits, the others from 5,000 and 10,000 digits that occur in no other part.",
        "Digits are shrunk by a factor of 1.3 (1.1 to 1.5), and each is put somewhere in a quarter "
        "of the canvas of 50 × 50 pixels. The quarters are read row by row, from left to right.",
        "A pixel is black or white: grey values are thresholded at 0.5.",
    ),
)
