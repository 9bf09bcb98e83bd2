"""How errors end a command: with one sentence and an exit status, not a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from mvae.data import DatasetError
from mvae.files import CheckpointError, short

__all__ = ["Commands", "fail", "lacking"]


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
