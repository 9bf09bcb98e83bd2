"""MIRFLICKR-25K: a photograph, the tags its photographer gave it, and what others saw in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from mvae.batch import Batch
from mvae.data.dataset import Dataset, DatasetError, Split, data_folder, tags
from mvae.data.tagged import PICTURE, part, tagged, warn_left_out

__all__ = ["MIRFLICKR"]

#: How many photographs there are; they are numbered from 1.
PHOTOGRAPHS = 25_000

#: What photographs were annotated with, by the names of the files: a topic applies to some extent.
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
#: The topics of which it was also asked for which photographs they are relevant, in <topic>_r1.txt.
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
#: The 38 annotations: file below the folder of annotations to words for people.
ANNOTATIONS = {f"{topic}.txt": topic.replace("_", " ") for topic in TOPICS} | {
    f"{topic}_r1.txt": f"{topic} (relevant)" for topic in RELEVANT
}

# Which tags photographers use most, the data say, but a modality says its words without them. So
# their vocabulary is that of the topics, as a tag: without a space.
MODALITIES = (
    PICTURE,
    tags("tags", (topic.replace("_", "") for topic in TOPICS)),
    tags("annotations", ANNOTATIONS.values()),
)

SOURCE = "https://press.liacs.nl/mirflickr"


def _not_there(reason: str) -> DatasetError:
    return DatasetError(
        f"MIRFLICKR-25K is not in the data folder ({reason}). Unpack mirflickr25k.zip of {SOURCE} "
        "into the folder that MVAE_DATA names and mirflickr25k_annotations_v080.zip into its "
        "mirflickr/annotations; `python -m mvae data mirflickr` checks them."
    )


def read_photograph(path: Path) -> Tensor:
    """Read the square in the middle of a photograph, averaged to ``(3, 32, 32)`` in [0, 1].

    Raises:
        Exception: of many kinds, by Pillow's readers, if it is missing or damaged.
    """
    _, *size = PICTURE.shape
    with Image.open(path, formats=["JPEG"]) as photograph:
        # JPEG can be decoded at a fraction of its size, in a fraction of the time
        photograph.draft("RGB", (4 * size[1], 4 * size[0]))
        small = ImageOps.fit(photograph.convert("RGB"), (size[1], size[0]), Image.Resampling.BOX)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1) / 255


def read_tags(path: Path) -> list[str]:
    """Read the tags of a photograph, one a line; what is no text is no word of the vocabulary.

    Raises:
        OSError: if the file is missing.
    """
    return path.read_text("utf-8-sig", errors="replace").split("\n")


def read_annotations() -> list[list[str]]:
    """Read the annotations of every photograph, in the order of their numbers.

    Raises:
        DatasetError: naming the file, and the line that is no number of a photograph.
    """
    said: list[list[str]] = [[] for _ in range(PHOTOGRAPHS)]
    for file, words in ANNOTATIONS.items():
        try:
            text = (data_folder() / "mirflickr" / "annotations" / file).read_text(
                "utf-8-sig", errors="replace"
            )
        except OSError as error:
            raise _not_there(f"mirflickr/annotations/{file}: {error.strerror}") from None
        for number, line in enumerate(text.split("\n"), start=1):
            field = line.strip()
            if not field:
                continue
            # Not more digits than there can be: int would take its time over millions.
            known = field.isascii() and field.isdecimal() and len(field) <= 9
            if not known or not 1 <= int(field) <= PHOTOGRAPHS:
                raise DatasetError(
                    f"mirflickr/annotations/{file}, line {number}: photographs are numbered 1 to "
                    f"{PHOTOGRAPHS}, so none is {field[:40]!r}. Correct the line, or restore the "
                    "official file."
                )
            said[int(field) - 1].append(words)
    return said


def load(split: Split, download: bool = False) -> Batch:
    """Load a split; photographs that are missing, damaged or without a file of tags are left out.

    A warning names them.

    Raises:
        DatasetError: if nothing is there, or an annotation is not in the official format.
    """
    folder = data_folder() / "mirflickr"
    if not folder.is_dir():
        raise _not_there("there is no folder mirflickr")
    annotations = read_annotations()
    numbers = [i + 1 for i in part(PHOTOGRAPHS, split).nonzero().flatten().tolist()]
    pictures = torch.empty(len(numbers), *PICTURE.shape)
    tags: list[list[str]] = []
    seen: list[list[str]] = []
    bad = []
    for n in numbers:
        photograph, words = folder / f"im{n}.jpg", folder / "meta" / "tags" / f"tags{n}.txt"
        try:
            given = read_tags(words)
            pictures[len(tags)] = read_photograph(photograph)
        except Exception:
            missing = [p for p in (photograph, words) if not p.exists()]
            name = (missing or [photograph])[0].relative_to(folder.parent).as_posix()
            bad.append(f"{name} is {'missing' if missing else 'damaged'}")
            continue
        tags.append(given)
        seen.append(annotations[n - 1])
    if not tags:
        raise _not_there(f"of {len(numbers):,} {split} photographs none can be used: {bad[0]}")
    warn_left_out(bad, len(numbers), split)
    said = {"tags": tags, "annotations": seen}
    return tagged(MODALITIES, pictures[: len(tags)], said, "mirflickr/annotations")


MIRFLICKR = Dataset(
    "mirflickr",
    "MIRFLICKR-25K",
    MODALITIES,
    f"MIRFLICKR-25000, M. J. Huiskes and M. S. Lew, {SOURCE}; photographs of Flickr, each CC BY "
    "of its photographer, some with further conditions; not bundled",
    load,
    (
        "25,000 photographs of Flickr, the square in the middle of each averaged to 32 × 32 in "
        "colour: 80 % to learn from, 10 % to choose settings by, 10 % to report on, drawn once and "
        "for all.",
        "Tags are what the photographer wrote, of the 24 topics' names only: a photograph of the "
        "sky that nobody called sky lacks the tag. The other tags are not used.",
        "Annotations are what others saw: 24 topics that apply to some extent, and 14 of them once "
        "more where they are relevant, which is stricter.",
        "Left out: photographs without any of these words, and those whose files are missing or "
        "damaged, with a warning that names them.",
    ),
)
