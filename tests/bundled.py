"""The bundled checkpoints as git has them, whatever a user has trained in this checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from mvae import search_path
from mvae.checkpoint import available, load_config

__all__ = ["CHECKPOINTS", "DATASETS", "FILES", "FOLDERS", "WITH_EXPERTS", "view"]

#: Where checkpoints lie, those of the user among them.
HERE = search_path.CHECKPOINTS
#: The checkout may be another user's: as root in a container, or in a folder that is shared.
GIT = ["git", "-c", "safe.directory=*"]


def tracked(of: Path, *options: str) -> list[str]:
    """List the files of a folder that git tracks; none where this is no checkout."""
    command = [*GIT, "ls-files", "-z", *options, "--", "."]
    try:
        listed = subprocess.run(command, cwd=of, capture_output=True, check=False).stdout
    except FileNotFoundError:  # there is no git
        return []
    return [name for name in listed.decode().split("\0") if name]


def view(folder: Path, of: Path = HERE) -> list[str]:
    """Put the files of ``of`` into a folder as git has them; return their names.

    A file is a link if it is as git has it, and else, changed or deleted, a copy of what was staged
    last.
    """
    names, changed = tracked(of), set(tracked(of, "--modified"))
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if name in changed:
            command = [*GIT, "show", f":./{name}"]
            staged = subprocess.run(command, cwd=of, capture_output=True, check=True).stdout
            (folder / name).write_bytes(staged)
        else:
            (folder / name).symlink_to(of / name)
    return names


_FOLDER = TemporaryDirectory(prefix="bundled-")  # until the tests have ended
#: Names of the bundled files; none where this is no checkout.
FILES = view(Path(_FOLDER.name))
#: A view of the bundled checkpoints alone; all there is, where nobody knows what is bundled.
CHECKPOINTS = Path(_FOLDER.name) if FILES else HERE
#: Names of the data sets that have checkpoints.
DATASETS = sorted(path.name for path in CHECKPOINTS.iterdir() if path.is_dir())
#: Folders of the runs, those of which only the figures are kept among them.
FOLDERS = [path.parent for path in sorted(CHECKPOINTS.glob("*/*/config.json"))]
#: Data set and name of every model whose posterior is a product of experts.
WITH_EXPERTS = [
    (data, model)
    for data, models in available(CHECKPOINTS).items()
    for model in models
    if not load_config(CHECKPOINTS / data / model).objective.network.no_experts
]
