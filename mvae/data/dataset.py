"""What describes a data set, and what the files of all data sets share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.images.tiling import Framing
from mvae.modality import Modality

__all__ = [
    "SEED",
    "Dataset",
    "DatasetError",
    "Split",
    "data_folder",
    "first_few",
    "first_occurrences",
]

Split = Literal["train", "valid", "test"]

#: The seed of every random split, so that splits are the same on every machine.
SEED = 20181205


class DatasetError(Exception):
    """Data that are missing or not in the expected format; the message says what to do."""


@dataclass(frozen=True)
class Dataset:
    """A data set: its modalities, declared once, and how a split is loaded.

    Args:
        name: the name used in paths and links.
        title: the name shown to users.
        modalities: the modalities, in the order that models use.
        source: origin and licence.
        load: returns a split as one batch; its second argument allows it to download missing files.
        facts: sentences on the contents, their number, and what was left out.
        make: generates the raw data, if they are generated, resuming where it stopped; yields the
            number of samples generated so far and the total.
        framing: how the subject lies in the frame of a picture with one channel.
        derive: returns the images that are computed from the picture ``(B, C, H, W)``, by name.
    """

    name: str
    title: str
    modalities: tuple[Modality, ...]
    source: str
    load: Callable[[Split, bool], Batch]
    facts: tuple[str, ...] = ()
    make: Callable[[], Iterator[tuple[int, int]]] | None = None
    framing: Framing = "free"
    derive: Callable[[Tensor], dict[str, Tensor]] | None = None


def first_occurrences(samples: Tensor) -> Tensor:
    """Mark the samples that are not identical to an earlier one, ``(B, ...)`` to bool ``(B,)``.

    With duplicates, a sample could be both in the training split and in the test split.

    Example:
        >>> first_occurrences(torch.tensor([[3, 1], [2, 0], [3, 1], [1, 3]])).tolist()
        [True, True, False, True]
    """
    seen: set[bytes] = set()
    first = []
    for row in samples.numpy():
        content = row.tobytes()
        first.append(content not in seen)
        seen.add(content)
    return torch.tensor(first, dtype=torch.bool)


def first_few(problems: Sequence[str], mark: str = ", ") -> str:
    """Join the first five problems, and append how many more there are.

    Example:
        >>> first_few(["a", "b"]), first_few(list("abcdefg"))
        ('a, b', 'a, b, c, d, e, and 2 more')
    """
    more = [f"and {len(problems) - 5:,} more"] if len(problems) > 5 else []
    return mark.join([*problems[:5], *more])


def data_folder() -> Path:
    """Return the folder of the raw data: ``$MVAE_DATA``, or ``~/.cache/mvae``."""
    return Path(os.environ.get("MVAE_DATA", "~/.cache/mvae")).expanduser()
