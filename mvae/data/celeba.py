"""CelebA: faces of 64 × 64 pixels and 18 of their attributes, from the official files."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mvae.batch import Batch
from mvae.data import torchvision_import
from mvae.data.annotations import as_labels, as_tags
from mvae.data.dataset import Dataset, DatasetError, Split, data_folder, first_few
from mvae.modality import Modality

__all__ = ["CELEBA", "CELEBA19"]

#: The 18 of 40 attributes that are visually distinctive (Perarnau et al., Invertible Conditional
#: GANs for image editing, 2016, https://arxiv.org/abs/1611.06355), as in Wu & Goodman (2018).
COLUMNS = (
    "Bald",
    "Bangs",
    "Black_Hair",
    "Blond_Hair",
    "Brown_Hair",
    "Bushy_Eyebrows",
    "Eyeglasses",
    "Gray_Hair",
    "Heavy_Makeup",
    "Male",
    "Mouth_Slightly_Open",
    "Mustache",
    "Pale_Skin",
    "Receding_Hairline",
    "Smiling",
    "Straight_Hair",
    "Wavy_Hair",
    "Wearing_Hat",
)
#: The other 22 attributes, which are not used.
UNUSED_COLUMNS = (
    *("5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Big_Lips"),
    *("Big_Nose", "Blurry", "Chubby", "Double_Chin", "Goatee", "High_Cheekbones", "Narrow_Eyes"),
    *("No_Beard", "Oval_Face", "Pointy_Nose", "Rosy_Cheeks", "Sideburns", "Wearing_Earrings"),
    *("Wearing_Lipstick", "Wearing_Necklace", "Wearing_Necktie", "Young"),
)
ATTRIBUTES = tuple(column.replace("_", " ").lower() for column in COLUMNS)

#: Side of the square cropped from the centre of an aligned picture, and of the resized square.
CROP, SIDE = 148, 64
#: The largest number of training images that are loaded: as floats, 4 GB.
MAX_TRAINING_IMAGES = 80_000

FACE = Modality(
    name="image",
    kind="image",
    shape=(3, SIDE, SIDE),
    likelihood="bernoulli-cross-entropy",
    hidden=(256,),
    convolutions=(32, 64, 64, 128),
)

TAGGED = (FACE, as_tags(ATTRIBUTES))
LABELLED = (FACE, *as_labels(ATTRIBUTES))

PAGE = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
SOURCE = (
    "CelebA, Z. Liu, P. Luo, X. Wang and X. Tang, Deep Learning Face Attributes in the Wild, "
    f"ICCV 2015, {PAGE}, for non-commercial research only; not bundled"
)

FACTS = (
    "202,599 photographs of celebrities, aligned and cropped. In the official partition, 162,770 "
    "are for training, of which the first 80,000 are used so that they fit into memory (4 GB, "
    "5 GB while loading), 19,867 for choosing settings, and 19,962 for testing.",
    "The central 148 × 148 of 178 × 218 pixels, resized to 64 × 64 in colour.",
    "Of 40 attributes, the 18 that are visually distinctive (Perarnau et al., 2016), as in Wu & "
    "Goodman (2018). Images that are missing or damaged or have no attributes, and lines in the "
    "wrong format, are left out, with a warning that names them.",
)

LIST, PARTITION, IMAGES = "list_attr_celeba.txt", "list_eval_partition.txt", "img_align_celeba"
PARTS: dict[Split, str] = {"train": "0", "valid": "1", "test": "2"}


def _lines(name: str) -> list[list[str]]:
    """Read a list of CelebA: the fields of each line, up to the last non-empty line."""
    try:
        text = (data_folder() / "celeba" / name).read_text("utf-8-sig").rstrip()
    except OSError as error:
        raise _missing(f"celeba/{name}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DatasetError(f"celeba/{name} is not a text file. Restore the official one.") from None
    return [line.split() for line in text.split("\n")]


def _missing(reason: str) -> DatasetError:
    return DatasetError(
        f"CelebA is not in the data folder ({reason}). With a network connection and gdown "
        "(`pip install gdown`), `python -m mvae data celeba` downloads it from Google Drive; "
        f"otherwise get it from {PAGE} and set MVAE_DATA to the folder that contains "
        f"celeba/{LIST}, celeba/{PARTITION} and celeba/{IMAGES}."
    )


def _invalid(name: str, line: int, problem: str) -> DatasetError:
    return DatasetError(
        f"celeba/{name}, line {line}: {problem}. Correct the line, or restore the official file."
    )


def read_attributes() -> dict[str, list[bool]]:
    """Read which of :data:`COLUMNS` each image has, by the image's file name.

    The list begins with the number of rows, which is wrong in truncated copies; the second line
    names the columns. There are warnings about a wrong number, columns that CelebA does not have,
    and rows in the wrong format; everything else is used.

    Raises:
        DatasetError: if nothing can be used; the message names the file and the line.
    """
    first, *rest = _lines(LIST)
    if len(first) != 1 or not first[0].isdecimal():
        raise _invalid(LIST, 1, f"a count is expected, not {' '.join(first)[:40]!r}")
    columns, rows = (rest[0], rest[1:]) if rest else ([], [])
    if missing := [column for column in COLUMNS if column not in columns]:
        raise _invalid(LIST, 2, f"there is no column {missing[0]}")
    if unknown := [column for column in columns if column not in (*COLUMNS, *UNUSED_COLUMNS)]:
        _warn(
            f"celeba/{LIST}, line 2: columns that CelebA does not have are ignored: "
            f"{first_few(unknown)}."
        )
    if int(first[0][:9]) != len(rows):
        _warn(f"celeba/{LIST}, line 1: the count is {first[0][:9]}, but {len(rows):,} rows follow.")
    indices = [columns.index(column) for column in COLUMNS]
    good = _rows(LIST, rows, 3, len(columns), ("1", "-1"), "an attribute is 1 or -1")
    return {image: [values[i] == "1" for i in indices] for image, *values in good}


def read_partition() -> dict[str, str]:
    """Read the part that each image belongs to, a value of :data:`PARTS`, by its file name.

    Raises:
        DatasetError: if no row can be used; the message names the file and the line.
    """
    allowed = tuple(PARTS.values())
    return dict(_rows(PARTITION, _lines(PARTITION), 1, 1, allowed, "a part is 0, 1 or 2"))


def _rows(
    name: str, rows: list[list[str]], start: int, values: int, allowed: tuple[str, ...], rule: str
) -> list[list[str]]:
    """Return the rows of a file name and ``values`` allowed values; warn about the others."""
    good, problems = [], []
    for number, row in enumerate(rows, start=start):
        if len(row) != 1 + values:
            problem = f"{1 + values} fields, a file name first, are expected, not {len(row)}"
            problems.append((number, problem))
        elif wrong := set(row[1:]) - set(allowed):
            problems.append((number, f"{rule}, not {min(wrong)!r}"))
        else:
            good.append(row)
    if problems and not good:
        raise _invalid(name, *problems[0])
    if problems:
        reasons = first_few([f"line {number}: {problem}" for number, problem in problems], "; ")
        _warn(f"{len(problems):,} of {len(rows):,} rows of celeba/{name} are left out: {reasons}.")
    return good


def _warn(sentence: str) -> None:
    warnings.warn(sentence, stacklevel=2)


def _picture(path: Path) -> Tensor:
    """Read the centre of a picture, ``(3, 64, 64)`` in [0, 1].

    Raises:
        Exception: if it is too small or damaged, for which Pillow raises errors of many kinds.
    """
    with Image.open(path) as picture:
        if min(picture.size) < CROP:
            raise ValueError(f"at least {CROP} × {CROP} pixels are needed")
        left, top = ((side - CROP) // 2 for side in picture.size)
        middle = picture.convert("RGB").crop((left, top, left + CROP, top + CROP))
    small = np.array(middle.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    return torch.from_numpy(small).permute(2, 0, 1) / 255


def split_of(split: Split, download: bool) -> tuple[Tensor, dict[str, Tensor]]:
    """Load a split: images ``(B, 3, 64, 64)`` in [0, 1], and a 0 or 1 per image by attribute.

    Images that are missing, damaged or without attributes are left out; a warning names them.

    Raises:
        DatasetError: if the files are missing and could not be downloaded, if no line of a list is
            in the official format, or if no image can be used.
    """
    folder = data_folder() / "celeba"
    if download and not ((folder / LIST).exists() and (folder / IMAGES).is_dir()):
        try:
            torchvision_import.datasets().CelebA(data_folder(), download=True)
        # gdown and torchvision raise errors of many kinds.
        except Exception as error:
            raise _missing(" ".join(str(error).split()).rstrip(".")) from None
    table, parts = read_attributes(), read_partition()
    named = [image for image, part in parts.items() if part == PARTS[split]]
    listed = [image for image in named if image in table][:MAX_TRAINING_IMAGES]
    if not listed:
        raise DatasetError(
            f"No image of the {split} split in celeba/{PARTITION} is in celeba/{LIST}. "
            "Restore the official files."
        )
    pictures = torch.empty(len(listed), *FACE.shape)
    good: list[str] = []
    bad = [f"{image} has no attributes" for image in named if image not in table]
    total = len(listed) + len(bad)
    for image in listed:
        path = folder / IMAGES / image
        try:
            pictures[len(good)] = _picture(path)
            good.append(image)
        except Exception:
            bad.append(f"{image} is {'damaged or too small' if path.exists() else 'missing'}")
    if bad:
        left_out = (
            f"{len(bad):,} of {total:,} {split} images in celeba/{IMAGES} are left out: "
            f"{first_few(bad)}"
        )
        if not good:
            raise _missing(left_out)
        _warn(f"{left_out}.")
    rows = torch.tensor([table[image] for image in good])
    return pictures[: len(good)], dict(zip(ATTRIBUTES, rows.unbind(1), strict=True))


def load(split: Split, download: bool = False) -> Batch:
    """Load a split as images and tags."""
    images, table = split_of(split, download)
    return Batch.of(TAGGED, {"image": images, "attributes": torch.stack([*table.values()], 1)})


def load19(split: Split, download: bool = False) -> Batch:
    """Load a split as images and 18 labels."""
    images, table = split_of(split, download)
    return Batch.of(LABELLED, {"image": images, **table})


CELEBA = Dataset("celeba", "CelebA", TAGGED, SOURCE, load, FACTS)
CELEBA19 = Dataset("celeba19", "CelebA, 19 modalities", LABELLED, SOURCE, load19, FACTS)
