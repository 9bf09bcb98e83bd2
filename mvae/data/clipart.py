"""Clip art: a picture of 32 × 32 pixels, and the tags that people gave it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from mvae.batch import Batch
from mvae.data.dataset import Dataset, DatasetError, Split, data_folder, distinct, tags
from mvae.data.tagged import PICTURE, part, tagged, warn_left_out

__all__ = ["CLIPART"]

#: Tags of what is left out: 228 playing cards and 96 patterns, nearly a seventh of everything.
SERIES = frozenset({"card", "pattern"})

#: The tags that at least ten of the other 1,968 pictures have, the most frequent first. Counted
#: among all 2,292 there are 107: card, pattern, and five that hardly stand for anything else.
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


def _wrong(name: str, problem: str) -> DatasetError:
    return DatasetError(
        f"clipart/{name} {problem}. Nothing can fetch it: put {PICTURES} and {WORDS} into the "
        "folder clipart of that which MVAE_DATA names, and `python -m mvae data clipart` checks "
        "them."
    )


def read_pictures() -> Tensor:
    """Read all pictures, bytes ``(N, 64, 64, 3)``.

    Raises:
        DatasetError: if the file is not there, not whole, or of something else.
    """
    path = data_folder() / "clipart" / PICTURES
    try:
        with np.load(path, allow_pickle=False) as file:
            pictures = file["images"]
    except FileNotFoundError:
        raise _wrong(PICTURES, "is missing") from None
    except Exception:  # numpy's readers raise errors of many kinds
        raise _wrong(PICTURES, "is damaged or has no images") from None
    if pictures.dtype != np.uint8 or pictures.shape[1:] != (SIDE, SIDE, 3):
        raise _wrong(
            PICTURES,
            f"has images of {pictures.dtype} {pictures.shape} where bytes (N, {SIDE}, {SIDE}, 3) "
            "are expected",
        )
    return torch.from_numpy(pictures)


def read_tags() -> list[Any]:
    """Read the entries of all pictures, which should have a list of ``tags`` each.

    Raises:
        DatasetError: naming the line if the file is no JSON.
    """
    try:
        entries = json.loads((data_folder() / "clipart" / WORDS).read_bytes())
    except FileNotFoundError:
        raise _wrong(WORDS, "is missing") from None
    except OSError as error:
        raise _wrong(WORDS, f"cannot be read: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise _wrong(WORDS, f"is no JSON: line {error.lineno}, {error.msg}") from None
    except (UnicodeDecodeError, RecursionError):
        raise _wrong(WORDS, "is no JSON") from None
    if not isinstance(entries, list):
        raise _wrong(WORDS, "is no list of entries")
    return entries


def _words(entry: Any) -> list[str] | None:
    """Give the tags of an entry; None if it is not as it should be."""
    tags = entry.get("tags") if isinstance(entry, dict) else None
    if isinstance(tags, list) and all(isinstance(tag, str) for tag in tags):
        return tags
    return None


def load(split: Split, download: bool = False) -> Batch:
    """Load a split; pictures whose entry is unusable are left out with a warning.

    Raises:
        DatasetError: if a file is missing or damaged, or the two are not of the same pictures.
    """
    pictures, entries = read_pictures(), read_tags()
    if len(pictures) != len(entries):
        # A picture's place is all that says which entry is its own.
        raise _wrong(WORDS, f"has {len(entries):,} entries, {PICTURES} {len(pictures):,} pictures")
    said = [_words(entry) for entry in entries]
    chosen = part(len(pictures), split)
    unusable = [
        f"clipart/{WORDS}, entry {i + 1:,}, has no list of tags"
        for i in chosen.nonzero().flatten().tolist()
        if said[i] is None
    ]
    warn_left_out(unusable, int(chosen.sum()), split)
    shows = (pictures != pictures[:, :1, :1]).flatten(1).any(1)
    usable = torch.tensor(
        [tags is not None and not SERIES & {*tags} for tags in said], dtype=torch.bool
    )
    kept = (shows & usable).nonzero().flatten()
    kept = kept[distinct(pictures[kept])]
    kept = kept[chosen[kept]]
    small = avg_pool2d(pictures[kept].permute(0, 3, 1, 2) / 255, 2)
    return tagged(MODALITIES, small, {"tags": [said[i] or [] for i in kept.tolist()]}, WORDS)


CLIPART = Dataset(
    "clipart",
    "Clip art",
    MODALITIES,
    "Open Clip Art Library, http://www.openclipart.org, by many authors, public domain; from "
    "Debian's packages openclipart-svg and openclipart-png",
    load,
    (
        "1,846 drawings with a tag or several, 32 × 32 in colour: 1,475 to learn from, 175 to "
        "choose settings by, 196 to report on.",
        "Tags are free words of the people who gave the drawings away. The 100 that ten or more "
        "drawings have are used, 2.1 a drawing, as they are: dessert and desserts, and the name of "
        "an artist. That a drawing lacks a tag doesn't say that the tag would be wrong.",
        "Left out of 2,292: 228 playing cards and 96 patterns (drawings tagged card or pattern), 4 "
        "that are blank, 20 that are the same as another, and 98 without any of the 100 tags.",
        "Some are so thin that little is left of them at this size, and a few show that a "
        "linked image was not found.",
    ),
)
