"""MIRFLICKR-25K: photographs, their photographers' tags, and annotations by other people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from mvae.batch import Batch
from mvae.data.annotations import tags
from mvae.data.dataset import Dataset, DatasetError, Split, data_folder
from mvae.data.tagged import PICTURE, split_mask, tagged_batch, warn_left_out

__all__ = ["MIRFLICKR"]

#: The number of photographs; they are numbered from 1.
PHOTOGRAPHS = 25_000

#: The topics of the annotations, as in the file names: a topic applies at least to some extent.
TOPICS = (
    "animals",
    "baby",
    "bird",
    "car",
    "clouds",
    "dog",
    "female",
    "flower",
    "food",
    "indoor",
    "lake",
    "male",
    "night",
    "people",
    "plant_life",
    "portrait",
    "river",
    "sea",
    "sky",
    "structures",
    "sunset",
    "transport",
    "tree",
    "water",
)
#: The topics that were also annotated for relevance to a photograph, in <topic>_r1.txt.
RELEVANT = (
    "baby",
    "bird",
    "car",
    "clouds",
    "dog",
    "female",
    "flower",
    "male",
    "night",
    "people",
    "portrait",
    "river",
    "sea",
    "tree",
)
#: The 38 annotations: from the file in the folder of annotations to the words shown to users.
ANNOTATIONS = {f"{topic}.txt": topic.replace("_", " ") for topic in TOPICS} | {
    f"{topic}_r1.txt": f"{topic} (relevant)" for topic in RELEVANT
}

# A modality's vocabulary must be known without the data, so it cannot be that of the most frequent
# tags. It consists of the topics' names instead, written as tags: without spaces.
MODALITIES = (
    PICTURE,
    tags("tags", (topic.replace("_", "") for topic in TOPICS)),
    tags("annotations", ANNOTATIONS.values()),
)

SOURCE = "https://press.liacs.nl/mirflickr"


def _missing(reason: str) -> DatasetError:
    return DatasetError(
        f"MIRFLICKR-25K is not in the data folder ({reason}). Unpack mirflickr25k.zip from "
        f"{SOURCE} into the folder given by MVAE_DATA, and mirflickr25k_annotations_v080.zip into "
        "its mirflickr/annotations; `python -m mvae data mirflickr` checks them."
    )


def read_photograph(path: Path) -> Tensor:
    """Read the central square of a photograph, averaged to ``(3, 32, 32)`` in [0, 1].

    Raises:
        Exception: if it is missing or damaged, for which Pillow raises errors of many kinds.
    """
    _, *size = PICTURE.shape
    with Image.open(path, formats=["JPEG"]) as photograph:
        # JPEG can be decoded at a fraction of its size, in a fraction of the time
        photograph.draft("RGB", (4 * size[1], 4 * size[0]))
        small = ImageOps.fit(photograph.convert("RGB"), (size[1], size[0]), Image.Resampling.BOX)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1) / 255


def read_tags(path: Path) -> list[str]:
    """Read the tags of a photograph, one per line; bytes that are not UTF-8 are replaced.

    Raises:
        OSError: if the file is missing.
    """
    return path.read_text("utf-8-sig", errors="replace").split("\n")


def read_annotations() -> list[list[str]]:
    """Read the annotations of every photograph, in the order of their numbers.

    Raises:
        DatasetError: if a file is missing, or a line is not the number of a photograph; the message
            names them.
    """
    annotations: list[list[str]] = [[] for _ in range(PHOTOGRAPHS)]
    for file, words in ANNOTATIONS.items():
        try:
            text = (data_folder() / "mirflickr" / "annotations" / file).read_text(
                "utf-8-sig", errors="replace"
            )
        except OSError as error:
            raise _missing(f"mirflickr/annotations/{file}: {error.strerror}") from None
        for number, line in enumerate(text.split("\n"), start=1):
            field = line.strip()
            if not field:
                continue
            # The number of digits is limited, since int is slow for millions of them.
            numeric = field.isascii() and field.isdecimal() and len(field) <= 9
            if not numeric or not 1 <= int(field) <= PHOTOGRAPHS:
                raise DatasetError(
                    f"mirflickr/annotations/{file}, line {number}: photographs are numbered 1 to "
                    f"{PHOTOGRAPHS}, but the line is {field[:40]!r}. Correct it, or restore the "
                    "official file."
                )
            annotations[int(field) - 1].append(words)
    return annotations


def load(split: Split, download: bool = False) -> Batch:
    """Load a split; photographs that are missing, damaged or without a file of tags are left out.

    A warning names them.

    Raises:
        DatasetError: if no photograph is found, or an annotation is not in the official format.
    """
    folder = data_folder() / "mirflickr"
    if not folder.is_dir():
        raise _missing("there is no folder mirflickr")
    annotations = read_annotations()
    numbers = [i + 1 for i in split_mask(PHOTOGRAPHS, split).nonzero().flatten().tolist()]
    pictures = torch.empty(len(numbers), *PICTURE.shape)
    tags: list[list[str]] = []
    topics: list[list[str]] = []
    bad = []
    for n in numbers:
        photograph, words = folder / f"im{n}.jpg", folder / "meta" / "tags" / f"tags{n}.txt"
        try:
            own_tags = read_tags(words)
            pictures[len(tags)] = read_photograph(photograph)
        except Exception:
            missing = [p for p in (photograph, words) if not p.exists()]
            name = (missing or [photograph])[0].relative_to(folder.parent).as_posix()
            bad.append(f"{name} is {'missing' if missing else 'damaged'}")
            continue
        tags.append(own_tags)
        topics.append(annotations[n - 1])
    if not tags:
        raise _missing(f"none of {len(numbers):,} {split} photographs can be used: {bad[0]}")
    warn_left_out(bad, len(numbers), split)
    words_of = {"tags": tags, "annotations": topics}
    return tagged_batch(MODALITIES, pictures[: len(tags)], words_of, "mirflickr/annotations")


MIRFLICKR = Dataset(
    "mirflickr",
    "MIRFLICKR-25K",
    MODALITIES,
    f"MIRFLICKR-25000, M. J. Huiskes and M. S. Lew, {SOURCE}; photographs from Flickr, each under "
    "its photographer's CC BY licence, some with further conditions; not bundled",
    load,
    (
        "25,000 photographs from Flickr, the central square of each averaged to 32 × 32 pixels in "
        "colour: 80 % for training, 10 % for choosing settings, and 10 % for testing, in a fixed "
        "random split.",
        "Tags are the photographer's own, restricted to the names of the 24 topics: a photograph "
        "of the sky that was not tagged sky lacks the tag. Other tags are not used.",
        "Annotations are by other people: 24 topics that apply at least to some extent, and 14 of "
        "them again where they are relevant, which is stricter.",
        "Left out: photographs without any of these words, and those whose files are missing or "
        "damaged, with a warning that names them.",
    ),
)
