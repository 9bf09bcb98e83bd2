"""What a data set is, and what the sets in torchvision's MNIST layout share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.data import torchvision_datasets
from mvae.images.tiling import Framing
from mvae.modality import Modality

__all__ = [
    "SEED",
    "Dataset",
    "DatasetError",
    "Split",
    "data_folder",
    "distinct",
    "few",
    "idx_split",
    "label",
    "tags",
]

Split = Literal["train", "valid", "test"]

VALIDATION_PER_CLASS = 500
#: Of every split that is drawn: the same samples on every machine.
SEED = 20181205


class DatasetError(Exception):
    """Data that are not there or not as they should be; the message says what to do."""


@dataclass(frozen=True)
class Dataset:
    """A data set: its modalities, declared once, and how a split is loaded.

    Args:
        name: as in paths and links.
        title: as people know it.
        modalities: in the order of the models.
        source: origin with a link, and licence.
        load: gives a split as one batch; ``download`` allows it to fetch what is missing.
        facts: sentences on what is in it, how much, and what was left out.
        make: makes the raw data where they are generated, going on where it stopped; yields how
            many are done, and of how many.
        framing: how what is shown lies in the frame of the picture, if that has one channel.
        derive: gives the further images that follow from the picture, ``(B, C, H, W)``, by name.
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
    """Describe the label of a data set by the names of its categories."""
    names = tuple(categories)
    return Modality(
        name="label",
        kind="label",
        shape=(len(names),),
        likelihood="categorical",
        hidden=(128, 128),
        categories=names,
    )


def distinct(samples: Tensor) -> Tensor:
    """Say which samples are not the same as one before them, ``(B, ...)`` to bool ``(B,)``.

    A sample that stands in two splits would be tested after it was learnt.

    Example:
        >>> distinct(torch.tensor([[3, 1], [2, 0], [3, 1], [1, 3]])).tolist()
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
    """Describe which of some words are said of a sample."""
    words = tuple(words)
    return Modality(
        name=name,
        kind="tags",
        shape=(len(words),),
        likelihood="bernoulli",
        hidden=(128, 128),
        categories=words,
    )


def few(problems: Sequence[str], mark: str = ", ") -> str:
    """Join the first five, and say how many more there are.

    Example:
        >>> few(["a", "b"]), few(list("abcdefg"))
        ('a, b', 'a, b, c, d, e, and 2 more')
    """
    more = [f"and {len(problems) - 5:,} more"] if len(problems) > 5 else []
    return mark.join([*problems[:5], *more])


def data_folder() -> Path:
    """Give the folder of the raw data: ``$MVAE_DATA``, or ``~/.cache/mvae``."""
    return Path(os.environ.get("MVAE_DATA", "~/.cache/mvae")).expanduser()


def idx_split(
    name: Literal["MNIST", "FashionMNIST"], split: Split, download: bool
) -> tuple[Tensor, Tensor]:
    """Load one split of a torchvision set: grey images in [0, 1] and labels.

    Of the 60,000 training images, 500 of each class (stratified, a fixed seed) are the validation
    split; the 10,000 test images are for reporting only.

    Args:
        name: torchvision's class, and the folder below the data folder.
        split: train, valid or test.
        download: whether torchvision may fetch what is missing.

    Returns:
        tuple: images ``(B, 1, 28, 28)`` and labels ``(B,)``.

    Raises:
        DatasetError: if the files are not there and could not be fetched.
    """
    folder = data_folder()
    try:
        load = getattr(torchvision_datasets.datasets(), name)
        raw = load(folder, train=split != "test", download=download)
    # torchvision raises whatever its parser stumbles over.
    except (RuntimeError, OSError, ValueError, AssertionError, KeyError) as error:
        reason = " ".join(str(error).split()) or "its files are damaged"
        raise DatasetError(
            f"{name} is not in the data folder ({reason}). With a network, "
            f"`python -m mvae data` fetches it; else set MVAE_DATA to the folder "
            f"that holds {name}/raw."
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
    """Choose the same 500 samples of each class on every machine."""
    generator = torch.Generator().manual_seed(SEED)
    chosen = []
    for c in range(int(labels.max()) + 1):
        members = (labels == c).nonzero().squeeze(-1)
        chosen.append(
            members[torch.randperm(len(members), generator=generator)[:VALIDATION_PER_CLASS]]
        )
    return torch.cat(chosen)
