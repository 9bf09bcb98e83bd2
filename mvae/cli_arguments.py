"""The command line's arguments and their checks."""

from __future__ import annotations

import math
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from mvae.checkpoint import LARGEST_SEED
from mvae.cli_errors import fail
from mvae.data import DATASETS

__all__ = [
    "CheckpointName",
    "DatasetName",
    "Root",
    "Seed",
    "Threads",
    "finite",
    "one_of",
]


def one_of(what: str, names: Iterable[str]) -> Callable[[Any], Any]:
    """Return a check that a name, or each of several, is known; None is no name."""
    names = tuple(names)

    def check(value: Any) -> Any:
        for name in [value] if isinstance(value, str) else value or ():
            if name not in names:
                raise fail(f"No {what} is called {name!r}. There are: {', '.join(names)}.")
        return value

    return check


def finite(value: float | None) -> float | None:
    """Check that a number is finite; None is no number."""
    if value is not None and not math.isfinite(value):
        raise fail(f"The value must be a finite number, not {value}.")
    return value


def as_checkpoint(value: str) -> str:
    """Check that a checkpoint is given as dataset/model."""
    if not all(value.partition("/")):
        raise fail(
            f"A checkpoint must be given as dataset/model, e.g. mnist/mvae-cover, not {value!r}."
        )
    return value


def as_folder(value: Path | None) -> Path | None:
    """Check that a path is a folder, or does not exist yet; None is no path."""
    if value is None:
        return None
    try:
        is_folder = stat.S_ISDIR(value.stat().st_mode)
    except FileNotFoundError:
        return value
    except OSError as error:
        raise fail(f"--root cannot be used: {error.strerror}.") from None
    if not is_folder:
        raise fail(f"--root must be a folder of checkpoints, but {value.name} is not a folder.")
    return value


DatasetName = Annotated[
    str,
    typer.Argument(help=f"One of {', '.join(DATASETS)}.", callback=one_of("data set", DATASETS)),
]
CheckpointName = Annotated[
    str, typer.Argument(help="As dataset/model, e.g. mnist/mvae-cover.", callback=as_checkpoint)
]
Root = Annotated[
    Path | None,
    typer.Option(
        help="The only folder of checkpoints to read and write; default: those of "
        "MVAE_CHECKPOINTS, the user's and the bundled ones.",
        callback=as_folder,
    ),
]
Threads = Annotated[
    int | None, typer.Option(min=1, max=1024, help="CPU threads; default: all cores.")
]
Seed = Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of all random numbers.")]
