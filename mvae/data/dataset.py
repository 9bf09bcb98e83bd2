"""The description of a data set, and the loader of those in torchvision's MNIST format."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.data import torchvision_import
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
    "idx_split",
    "label",
    "tags",
]

Split = Literal["train", "valid", "test"]

VALIDATION_PER_CLASS = 500
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


def label(categories: Iterable[str]) -> Modality:
    """Return the label modality of a data set, given the names of its categories."""
    names = tuple(categories)
    return Modality(
        name="label",
        kind="label",
        shape=(len(names),),
        likelihood="categorical",
        hidden=(128, 128),
        categories=names,
    )


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


def tags(name: str, words: Iterable[str]) -> Modality:
    """Return a modality of tags: which of the given words apply to a sample."""
    words = tuple(words)
    return Modality(
        name=name,
        kind="tags",
        shape=(len(words),),
        likelihood="bernoulli",
        hidden=(128, 128),
        categories=words,
    )


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


def idx_split(
    name: Literal["MNIST", "FashionMNIST"], split: Split, download: bool
) -> tuple[Tensor, Tensor]:
    """Load one split of a torchvision data set: grey images in [0, 1] and labels.

    Of the 60,000 training images, 500 of each class (stratified, with a fixed seed) form the
    validation split; the 10,000 test images are for reporting only.

    Args:
        name: the name of torchvision's class, and of the folder inside the data folder.
        split: train, valid or test.
        download: whether torchvision may download missing files.

    Returns:
        tuple: images ``(B, 1, 28, 28)`` and labels ``(B,)``.

    Raises:
        DatasetError: if the files are missing and could not be downloaded.
    """
    folder = data_folder()
    try:
        load = getattr(torchvision_import.datasets(), name)
        raw = load(folder, train=split != "test", download=download)
    # torchvision's parser raises errors of many kinds on damaged files.
    except (RuntimeError, OSError, ValueError, AssertionError, KeyError) as error:
        reason = " ".join(str(error).split()) or "its files are damaged"
        raise DatasetError(
            f"{name} is not in the data folder ({reason}). With a network connection, "
            f"`python -m mvae data` downloads it; otherwise set MVAE_DATA to the folder that "
            f"contains {name}/raw."
        ) from None
    images, labels = raw.data.unsqueeze(1).float() / 255, raw.targets
    if split != "test":
        held_out = validation_indices(labels)
        keep = torch.zeros(len(labels), dtype=torch.bool)
        keep[held_out] = True
        keep = keep if split == "valid" else ~keep
        images, labels = images[keep], labels[keep]
    return images, labels


def validation_indices(labels: Tensor) -> Tensor:
    """Choose 500 samples of each class, the same on every machine."""
    generator = torch.Generator().manual_seed(SEED)
    chosen = []
    for c in range(int(labels.max()) + 1):
        members = (labels == c).nonzero().squeeze(-1)
        chosen.append(
            members[torch.randperm(len(members), generator=generator)[:VALIDATION_PER_CLASS]]
        )
    return torch.cat(chosen)
