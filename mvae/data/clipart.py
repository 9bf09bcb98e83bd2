"""Clip art: pictures of 32 × 32 pixels, and the tags that people gave them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from mvae.batch import Batch
from mvae.data.annotations import tags
from mvae.data.dataset import Dataset, DatasetError, Split, data_folder, first_occurrences
from mvae.data.tagged import PICTURE, split_mask, tagged_batch, warn_left_out

__all__ = ["CLIPART"]

#: The tags of pictures that are left out: 228 playing cards and 96 patterns, a seventh of the data.
SERIES = frozenset({"card", "pattern"})

#: The tags of at least ten of the other 1,968 pictures, the most frequent first. Among all 2,292
#: pictures there would be 107: also card, pattern, and five that hardly occur on anything else.
TAGS = (
    "food",
    "people",
    "animal",
    "mammal",
    "menu",
    "transport",
    "fruit",
    "symbol",
    "recreation",
    "geography",
    "map",
    "dessert",
    "tool",
    "roadsign",
    "office",
    "building",
    "sports",
    "plant",
    "architetto francesco rollandin",
    "music",
    "festive",
    "stickmen",
    "beverage",
    "insect",
    "transportation",
    "equipment",
    "bird",
    "smiley",
    "holiday",
    "education",
    "boat",
    "clothing",
    "work",
    "house",
    "australia",
    "sailing",
    "europe",
    "flower",
    "coastline",
    "toy",
    "protein",
    "carbohydrate",
    "decoration",
    "entertainment",
    "shape",
    "states",
    "astronomy",
    "home",
    "hat",
    "party",
    "tools",
    "spain",
    "vehicle",
    "fish",
    "bodypart",
    "religion",
    "tree",
    "book",
    "icecream",
    "musicstuff",
    "desserts",
    "dog",
    "moon",
    "gun",
    "woman",
    "container",
    "dinosaur",
    "cat",
    "weapon",
    "flourish",
    "apple",
    "bear",
    "christianity",
    "study",
    "vegetable",
    "activities",
    "bullet",
    "bullethole",
    "chess",
    "destroy",
    "explode",
    "face",
    "feline",
    "gunshot",
    "hole",
    "shot",
    "weather",
    "11",
    "car",
    "cartoon",
    "game",
    "logo",
    "space",
    "water",
    "africa",
    "black",
    "furniture",
    "horse",
    "penguin",
    "science",
)

MODALITIES = (PICTURE, tags("tags", TAGS))

PICTURES, WORDS = "pictorial_64.npz", "pictorial_tags.json"
SIDE = 64


def _invalid(name: str, problem: str) -> DatasetError:
    return DatasetError(
        f"clipart/{name} {problem}. It cannot be downloaded: put {PICTURES} and {WORDS} into the "
        "folder clipart inside the one given by MVAE_DATA; `python -m mvae data clipart` checks "
        "them."
    )


def read_pictures() -> Tensor:
    """Read all pictures, bytes ``(N, 64, 64, 3)``.

    Raises:
        DatasetError: if the file is missing or damaged, or has other contents.
    """
    path = data_folder() / "clipart" / PICTURES
    try:
        with np.load(path, allow_pickle=False) as file:
            pictures = file["images"]
    except FileNotFoundError:
        raise _invalid(PICTURES, "is missing") from None
    except Exception:  # numpy's readers raise errors of many kinds
        raise _invalid(PICTURES, "is damaged or has no images") from None
    if pictures.dtype != np.uint8 or pictures.shape[1:] != (SIDE, SIDE, 3):
        raise _invalid(
            PICTURES,
            f"has images of {pictures.dtype} {pictures.shape} where bytes (N, {SIDE}, {SIDE}, 3) "
            "are expected",
        )
    return torch.from_numpy(pictures)


def read_tags() -> list[Any]:
    """Read the entries of all pictures, which should have a list of ``tags`` each.

    Raises:
        DatasetError: if the file is missing or not a JSON list; the message names the line.
    """
    try:
        entries = json.loads((data_folder() / "clipart" / WORDS).read_bytes())
    except FileNotFoundError:
        raise _invalid(WORDS, "is missing") from None
    except OSError as error:
        raise _invalid(WORDS, f"cannot be read: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise _invalid(WORDS, f"is not valid JSON: line {error.lineno}, {error.msg}") from None
    except (UnicodeDecodeError, RecursionError):
        raise _invalid(WORDS, "is not valid JSON") from None
    if not isinstance(entries, list):
        raise _invalid(WORDS, "is not a list of entries")
    return entries


def _words(entry: Any) -> list[str] | None:
    """Return the tags of an entry; None if they are not in the expected format."""
    tags = entry.get("tags") if isinstance(entry, dict) else None
    if isinstance(tags, list) and all(isinstance(tag, str) for tag in tags):
        return tags
    return None


def load(split: Split, download: bool = False) -> Batch:
    """Load a split; pictures whose entry is unusable are left out with a warning.

    Raises:
        DatasetError: if a file is missing or damaged, or the two do not match.
    """
    pictures, entries = read_pictures(), read_tags()
    if len(pictures) != len(entries):
        # Pictures and entries are matched by position alone.
        raise _invalid(
            WORDS, f"has {len(entries):,} entries, but {PICTURES} has {len(pictures):,} pictures"
        )
    tags_of = [_words(entry) for entry in entries]
    chosen = split_mask(len(pictures), split)
    unusable = [
        f"clipart/{WORDS}, entry {i + 1:,}, has no list of tags"
        for i in chosen.nonzero().flatten().tolist()
        if tags_of[i] is None
    ]
    warn_left_out(unusable, int(chosen.sum()), split)
    not_blank = (pictures != pictures[:, :1, :1]).flatten(1).any(1)
    usable = torch.tensor(
        [tags is not None and not SERIES & {*tags} for tags in tags_of], dtype=torch.bool
    )
    kept = (not_blank & usable).nonzero().flatten()
    kept = kept[first_occurrences(pictures[kept])]
    kept = kept[chosen[kept]]
    small = avg_pool2d(pictures[kept].permute(0, 3, 1, 2) / 255, 2)
    kept_tags = [tags_of[i] or [] for i in kept.tolist()]
    return tagged_batch(MODALITIES, small, {"tags": kept_tags}, WORDS)


CLIPART = Dataset(
    "clipart",
    "Clip art",
    MODALITIES,
    "Open Clip Art Library, http://www.openclipart.org, by many authors, public domain; from "
    "Debian's packages openclipart-svg and openclipart-png",
    load,
    (
        "1,846 colour drawings of 32 × 32 pixels with one or more tags: 1,475 for training, 175 "
        "for choosing settings, and 196 for testing.",
        "Tags were freely chosen by the people who donated the drawings. The 100 tags of ten or "
        "more drawings are used, 2.1 per drawing, unchanged: among them are both dessert and "
        "desserts, and the name of an artist. A tag that a drawing lacks may still be true of it.",
        "Left out of 2,292: 228 playing cards and 96 patterns (drawings tagged card or pattern), 4 "
        "blank drawings, 20 that are identical to another, and 98 without any of the 100 tags.",
        "Some drawings are so thin that little of them is left at this size, and a few only show "
        "that a linked image was not found.",
    ),
)
