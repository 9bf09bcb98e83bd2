"""MultiMNIST: up to four digits on one canvas, and the string of them in reading order.

Eslami et al. 2016, https://arxiv.org/abs/1603.08575; with strings, Wu & Goodman 2018,
https://arxiv.org/abs/1802.05335. There a digit may lie wherever it covers no other one. Here each
has a quarter of the canvas to itself, so that it is always clear in which order they are read.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mvae.batch import Batch
from mvae.data.dataset import Dataset, Split, idx_split
from mvae.data.mnist import MNIST_SOURCE
from mvae.modality import Modality

__all__ = ["MULTIMNIST"]

#: Digits a picture has at most: one in each cell of two rows and two columns.
MOST = 4
#: Height and width of a cell, and what is left free around the ink in it, in pixels.
CELL, MARGIN = 25, 1
#: How many times smaller digits are drawn: mean and standard deviation, as in the authors' code,
#: https://github.com/mhw32/multimodal-vae-public; at most two of these from the mean.
SHRINK, SPREAD = 1.3, 0.1
#: How many pictures are made, and of which seed.
SIZES: dict[Split, int] = {"train": 50_000, "valid": 5_000, "test": 10_000}
SEEDS: dict[Split, int] = {"train": 20161201, "valid": 20161202, "test": 20161203}
#: Digits that are drawn at once: few enough for a processor's cache.
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
        shape=(MOST + 1,),
        likelihood="autoregressive",
        hidden=(128,),
        categories=("", *"0123456789"),
    ),
)


def load(split: Split, download: bool = False) -> Batch:
    """Make a split, always the same, from the digits of MNIST's."""
    digits, labels = idx_split("MNIST", split, download)
    source = torch.Generator().manual_seed(SEEDS[split])
    image, text = compose(digits, labels, SIZES[split], source)
    return Batch.of(MODALITIES, {"image": image, "text": text})


def compose(
    digits: Tensor, labels: Tensor, n: int, source: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Make pictures of 0 to 4 digits, each number as likely, and their strings.

    The quarters of the canvas are read row by row, from left to right. No ink touches the border
    of its quarter, so that the string is a function of the picture.

    Args:
        digits: grey pictures ``(B, 1, 28, 28)`` in [0, 1].
        labels: what they show, ``(B,)``.
        n: how many pictures to make.
        source: of all that is random.

    Returns:
        tuple: pictures ``(n, 1, 50, 50)`` of zeros and ones, and tokens ``(n, 5)``.

    Example:
        >>> digits, labels = torch.ones(10, 1, 28, 28), torch.arange(10)
        >>> image, text = compose(digits, labels, 3, torch.Generator().manual_seed(0))
        >>> image.shape, text.shape
        (torch.Size([3, 1, 50, 50]), torch.Size([3, 5]))
    """
    count = torch.randint(MOST + 1, (n, 1), generator=source)
    # a random order of the cells, of which the first are taken
    there = torch.rand(n, MOST, generator=source).argsort(-1).argsort(-1) < count
    chosen = torch.randint(len(digits), (n, MOST), generator=source)
    drawn = [place(digits[part, 0], source) for part in chosen[there].split(CHUNK)]
    cells = torch.zeros(n, MOST, CELL, CELL, dtype=torch.bool)
    cells[there] = torch.cat(drawn)
    image = cells.view(n, 2, 2, CELL, CELL).transpose(2, 3).reshape(n, 1, 2 * CELL, 2 * CELL)
    tokens = torch.where(there, labels[chosen] + 1, 0)
    read = (~there).byte().argsort(stable=True)  # empty cells go to the end
    return image.float(), functional.pad(tokens.gather(-1, read), (0, 1))


def place(digits: Tensor, source: torch.Generator) -> Tensor:
    """Shrink digits ``(K, 28, 28)`` and put each somewhere in a cell, bool ``(K, 25, 25)``.

    Grey values are averaged over areas, then cut at 0.5. Of the places where all ink keeps its
    distance from the cell's border any is as likely.
    """
    digits = digits.double()  # so that rounding decides over no pixel
    noise = torch.randn(len(digits), dtype=digits.dtype, generator=source)
    scale = 1 / (SHRINK + SPREAD * noise.clamp(-2, 2))
    shares = []
    for axis in (-1, -2):
        ink = (digits > 0.5).any(axis).byte()
        first, last = ink.argmax(-1), ink.shape[-1] - ink.flip(-1).argmax(-1)
        low, high = MARGIN - scale * first, CELL - MARGIN - scale * last
        start = low + (high - low) * torch.rand(len(digits), dtype=digits.dtype, generator=source)
        shares.append(_shares(start, scale, ink.shape[-1]))
    rows, columns = shares
    return rows @ digits @ columns.mT > 0.5


def _shares(start: Tensor, scale: Tensor, length: int) -> Tensor:
    """Give which share of each pixel of a cell comes of each of a digit's, ``(K, 25, length)``.

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
        "65,000 pictures of 0 to 4 digits, each number as likely, and the string of what they "
        "show: 50,000 to learn from, 5,000 to choose settings by, 10,000 to report on.",
        "They are made of MNIST's digits, always the same: those to learn from of 55,000 digits, "
        "the others of 5,000 and 10,000 that are in no other part.",
        "Digits are drawn 1.3 times smaller (1.1 to 1.5), each somewhere in a quarter of the "
        "canvas, 50 × 50. The quarters are read row by row, from left to right.",
        "A pixel is black or white: grey values are cut at 0.5.",
    ),
)
