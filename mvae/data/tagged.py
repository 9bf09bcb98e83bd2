"""Pictures and the words people gave them: what clip art and MIRFLICKR share."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.data.dataset import SEED, DatasetError, Split, few
from mvae.modality import Modality

__all__ = ["PICTURE", "part", "tagged", "warn_left_out"]

#: The picture: in colour, 32 × 32.
PICTURE = Modality(
    name="image",
    kind="image",
    shape=(3, 32, 32),
    likelihood="bernoulli-cross-entropy",
    hidden=(256, 256),
    convolutions=(32, 64, 64),
)


def part(n: int, split: Split) -> Tensor:
    """Say which of n pictures, by number, belong to a split, bool ``(n,)``.

    80 % are to learn from, 10 % to choose settings by, 10 % to report on. That a picture is left
    out moves no other one to another split.

    Example:
        >>> [int(part(2292, split).sum()) for split in ("train", "valid", "test")]
        [1834, 229, 229]
    """
    order = torch.randperm(n, generator=torch.Generator().manual_seed(SEED))
    tenth = n // 10
    places = {
        "valid": slice(tenth),
        "test": slice(tenth, 2 * tenth),
        "train": slice(2 * tenth, n),
    }
    chosen = torch.zeros(n, dtype=torch.bool)
    chosen[order[places[split]]] = True
    return chosen


def tagged(
    modalities: Sequence[Modality],
    pictures: Tensor,
    said: Mapping[str, Sequence[Iterable[str]]],
    source: str,
) -> Batch:
    """Make a batch of the pictures that were given any word of a vocabulary.

    Args:
        modalities: :data:`PICTURE`, and one or several made by :func:`mvae.data.dataset.tags`.
        pictures: in [0, 1], ``(N, 3, 32, 32)``.
        said: the words of each picture, by the name of their modality. Case, spaces around a
            word, repetitions, and words that are in no vocabulary don't matter.
        source: where the words are from, for people.

    Raises:
        DatasetError: if no picture was given any.

    Example:
        >>> from mvae.data.dataset import tags
        >>> modalities = (PICTURE, tags("tags", ["sea", "sky"]))
        >>> said = {"tags": [["Sky "], ["my holiday"], ["sea", "sky", "sky"]]}
        >>> batch = tagged(modalities, torch.rand(3, 3, 32, 32), said, "a camera")
        >>> batch.values["tags"].tolist()
        [[0.0, 1.0], [1.0, 1.0]]
    """
    tables = {}
    for m in modalities:
        if not m.is_set:
            continue
        places = {word: i for i, word in enumerate(m.categories)}
        tables[m.name] = torch.zeros(len(pictures), *m.shape)
        for row, words in zip(tables[m.name], said[m.name], strict=True):
            for word in words:
                if (place := places.get(word.strip().lower())) is not None:
                    row[place] = 1
    any_word = torch.cat([*tables.values()], 1).any(1)
    if not any_word.any():
        raise DatasetError(
            f"No picture of this split has any tag that is known, by {source}. Restore the files "
            "as they were distributed."
        )
    values = {PICTURE.name: pictures[any_word]}
    values |= {name: table[any_word] for name, table in tables.items()}
    return Batch.of(modalities, values)


def warn_left_out(problems: Sequence[str], n: int, split: Split) -> None:
    """Warn which pictures of n are left out, the first five by name, if there are any.

    Args:
        problems: clauses, each naming a file and what is wrong with it.
        n: how many pictures there should be.
        split: of which.
    """
    if problems:
        warnings.warn(
            f"{len(problems):,} of {n:,} {split} pictures are left out: {few(problems)}. Restore "
            "the files as they were distributed to have them back.",
            stacklevel=3,
        )
