"""Where checkpoints are found, and where they are written: in folders of data sets and models."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from mvae.files import write_atomically, writing

__all__ = [
    "CHECKPOINTS",
    "checkpoint_folders",
    "find",
    "folder_of",
    "home_of",
    "search_path",
    "writable_root",
    "writing_beside",
]

#: Names folders that are searched first, separated as those of PATH are.
VARIABLE = "MVAE_CHECKPOINTS"
#: Where an installed package carries its starter set; a checkout has no such folder.
PACKAGED = Path(__file__).resolve().parent / "checkpoints"
#: Where the bundled checkpoints lie: in a checkout beside the package.
CHECKPOINTS = PACKAGED if PACKAGED.is_dir() else PACKAGED.parents[1] / "checkpoints"


def search_path(root: Path | None = None) -> list[Path]:
    """Return the folders in which checkpoints are looked for; the first that has one wins.

    They are those that ``MVAE_CHECKPOINTS`` names, then the user's,
    ``~/.local/share/mvae/checkpoints``, then the bundled one. A folder that cannot be read is left
    out, with a warning.

    Args:
        root: the only folder instead of all these.

    Example:
        >>> search_path(Path("trial"))
        [PosixPath('trial')]
    """
    if root is not None:
        return [root]
    own = [user_folder()] if os.path.lexists(user_folder()) else []
    return [*filter(_readable, [*_listed(), *own]), CHECKPOINTS]


def user_folder() -> Path:
    """Return the folder of the user's own checkpoints, which need not be there.

    See the `XDG Base Directory Specification
    <https://specifications.freedesktop.org/basedir-spec/latest/>`_.
    """
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return Path(data, "mvae", "checkpoints")


def _listed() -> list[Path]:
    names = os.environ.get(VARIABLE, "").split(os.pathsep)
    return [Path(os.path.expanduser(name)) for name in names if name]


def _readable(folder: Path) -> bool:
    try:
        os.scandir(folder).close()
    except OSError as error:
        _warn(
            f"No checkpoints are looked for in {folder}: {error.strerror}. Make that folder "
            f"readable, or take it out of {VARIABLE}."
        )
        return False
    return True


@cache
def _warn(message: str) -> None:
    """Warn once: a server searches the folders several times for each page."""
    warnings.warn(message, stacklevel=2)


def find(dataset: str, name: str, root: Path | None = None) -> Path:
    """Return where a file of a data set is; where there is none, where it would be bundled.

    Args:
        dataset: name of the data set.
        name: of the file, relative to the data set's folder.
        root: the only folder of checkpoints to look into, instead of the search path.

    Example:
        >>> find("mnist", "samples.safetensors").exists()
        True
    """
    places = [folder / dataset / name for folder in search_path(root)]
    return next((place for place in places if os.path.exists(place)), places[-1])


def folder_of(dataset: str, model: str, root: Path | None = None) -> Path:
    """Return the folder of a checkpoint, the first that has its config.json."""
    return find(dataset, f"{model}/config.json", root).parent


def checkpoint_folders(
    datasets: str = "*", root: Path | None = None
) -> dict[tuple[str, str], Path]:
    """Return the folder of each checkpoint by the names of its data set and model.

    Args:
        datasets: a pattern of names of data sets, as :mod:`glob` takes it.
        root: the only folder of checkpoints to look into, instead of the search path.
    """
    found: dict[tuple[str, str], Path] = {}
    for folder in search_path(root):
        for path in folder.glob(f"{datasets}/*/config.json"):
            found.setdefault((path.parts[-3], path.parts[-2]), path.parent)
    return found


def writable_root(root: Path | None = None) -> Path:
    """Return the folder into which new checkpoints are written.

    It is the given one, else the first that ``MVAE_CHECKPOINTS`` names, else a checkout's
    ``checkpoints``, else the user's.
    """
    if root is not None:
        return root
    bundled = user_folder() if CHECKPOINTS == PACKAGED else CHECKPOINTS
    return next(iter(_listed()), bundled)


def home_of(dataset: str, model: str, root: Path | None = None) -> Path:
    """Return the folder into which figures of a checkpoint are written, so that they are found."""
    found = folder_of(dataset, model, root)
    if found.parents[1] == user_folder():
        return found  # one in a checkout, which is searched later, would be hidden by it
    return writable_root(root) / dataset / model


@contextmanager
def writing_beside(dataset: str, model: str, root: Path | None = None) -> Iterator[None]:
    """Hold a checkpoint's folder as its only writer; one that lies elsewhere is copied first.

    Raises:
        CheckpointError: if nothing can be written there, or another process holds the folder.
    """
    found, home = folder_of(dataset, model, root), home_of(dataset, model, root)
    with writing(home):
        if home != found:
            # config.json comes last: by it a checkpoint is found.
            for path in sorted(found.iterdir(), key=lambda path: path.name == "config.json"):
                write_atomically(home / path.name, path.read_bytes())
        yield
