"""The command line's arguments and their checks, and how errors end a command."""

from __future__ import annotations

import math
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mvae.checkpoint import LARGEST_SEED
from mvae.data import DATASETS, DatasetError
from mvae.files import CheckpointError, short

__all__ = [
    "CheckpointName",
    "Commands",
    "DatasetName",
    "Root",
    "Seed",
    "Threads",
    "fail",
    "finite",
    "lacking",
    "one_of",
]


def fail(message: object, status: int = 2) -> typer.Exit:
    """Print a message and return an exit: status 2 for an invalid command, 1 for a failure."""
    typer.echo(" ".join(str(message).split()), err=True)
    return typer.Exit(status)


class Commands(TyperGroup):
    """Commands that end with one sentence, not a traceback, on any expected error."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except (CheckpointError, DatasetError) as error:
            raise fail(error) from None
        except FloatingPointError as error:
            raise fail(error, 1) from None
        except ModuleNotFoundError as error:
            if (error.name or "mvae").split(".")[0] == "mvae":
                raise
            raise fail(lacking(error.name, "train"), 1) from None
        except BrokenPipeError:
            raise  # the reader of the output has closed it
        except OSError as error:
            name = short(Path(error.filename)) if error.filename else "A file"
            problem = f"{name} cannot be read or written: {error.strerror or error}"
            raise fail(f"{problem}; fix that and run the same command again.", 1) from None
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "allocate memory" not in str(error):
                raise
            raise fail("There is not enough memory for this; use fewer samples.", 1) from None


def lacking(module: str | None, extra: str) -> str:
    """Return a sentence on a library that is not installed, and on how to get it."""
    return f"This needs {module}, which is not installed: pip install 'mvae-explorer[{extra}]'."


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
