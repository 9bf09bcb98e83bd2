"""Pictures tagged with words: what the clip art and MIRFLICKR data sets share."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.data.dataset import SEED, DatasetError, Split, first_few
from mvae.modality import Modality

__all__ = ["PICTURE", "split_mask", "tagged_batch", "warn_left_out"]

#: The picture: in colour, 32 × 32.
PICTURE = Modality(
    name="image",
    kind="image",
    shape=(3, 32, 32),
    likelihood="bernoulli-cross-entropy",
    hidden=(256, 256),
    convolutions=(32, 64, 64),
)


def split_mask(n: int, split: Split) -> Tensor:
    """Mark which of n pictures belong to a split, bool ``(n,)``.

    80 % are for training, 10 % for choosing settings and 10 % for testing. Leaving a picture out
    does not move any other picture to another split.

    Example:
        >>> [int(split_mask(2292, split).sum()) for split in ("train", "valid", "test")]
        [1834, 229, 229]
    """
    order = torch.randperm(n, generator=torch.Generator().manual_seed(SEED))
    tenth = n // 10
    slices = {
        "valid": slice(tenth),
        "test": slice(tenth, 2 * tenth),
        "train": slice(2 * tenth, n),
    }
    chosen = torch.zeros(n, dtype=torch.bool)
    chosen[order[slices[split]]] = True
    return chosen


def tagged_batch(
    modalities: Sequence[Modality],
    pictures: Tensor,
    words_of: Mapping[str, Sequence[Iterable[str]]],
    source: str,
) -> Batch:
    """Make a batch of the pictures that have any word of a vocabulary.

    Args:
        modalities: :data:`PICTURE`, and one or several made by :func:`mvae.data.annotations.tags`.
        pictures: pictures in [0, 1], ``(N, 3, 32, 32)``.
        words_of: the words of each picture, by modality. Case, spaces around a word, repetitions,
            and words outside the vocabulary are ignored.
        source: where the words are from, for messages.

    Raises:
        DatasetError: if no picture has any word of a vocabulary.

    Example:
        >>> from mvae.data.annotations import tags
        >>> modalities = (PICTURE, tags("tags", ["sea", "sky"]))
        >>> words = {"tags": [["Sky "], ["my holiday"], ["sea", "sky", "sky"]]}
        >>> batch = tagged_batch(modalities, torch.rand(3, 3, 32, 32), words, "a camera")
        >>> batch.values["tags"].tolist()
        [[0.0, 1.0], [1.0, 1.0]]
    """
    tables = {}
    for m in modalities:
        if not m.is_set:
            continue
        indices = {word: i for i, word in enumerate(m.categories)}
        tables[m.name] = torch.zeros(len(pictures), *m.shape)
        for row, words in zip(tables[m.name], words_of[m.name], strict=True):
            for word in words:
                if (index := indices.get(word.strip().lower())) is not None:
                    row[index] = 1
    any_word = torch.cat([*tables.values()], 1).any(1)
    if not any_word.any():
        raise DatasetError(
            f"No picture of this split has a known tag in {source}. Restore the files as they "
            "were distributed."
        )
    values = {PICTURE.name: pictures[any_word]}
    values |= {name: table[any_word] for name, table in tables.items()}
    return Batch.of(modalities, values)


def warn_left_out(problems: Sequence[str], n: int, split: Split) -> None:
    """Warn about the pictures that are left out, if there are any, naming the first five.

    Args:
        problems: clauses, each naming a file and what is wrong with it.
        n: the number of pictures that the split should have.
        split: the name of the split.
    """
    if problems:
        warnings.warn(
            f"{len(problems):,} of {n:,} {split} pictures are left out: {first_few(problems)}. To "
            "include them, restore the files as they were distributed.",
            stacklevel=3,
        )
