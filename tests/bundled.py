"""The bundled checkpoints, whatever else a user has trained in this checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from mvae import search_path
from mvae.checkpoint import available, load_config

__all__ = ["CHECKPOINTS", "DATASETS", "FOLDERS", "WITH_EXPERTS", "kept"]

#: Where checkpoints lie, those of the user among them.
HERE = search_path.CHECKPOINTS


def kept() -> list[str]:
    """List the files of the checkpoints that the repository keeps; none where this is no checkout.

    Names are relative to the folder of the checkpoints.
    """
    command = ["git", "ls-files", "-z", "--cached", "--", "."]
    try:
        listed = subprocess.run(command, cwd=HERE, capture_output=True, check=False).stdout
    except FileNotFoundError:  # there is no git
        return []
    return [name for name in listed.decode().split("\0") if name and (HERE / name).exists()]


def view(names: list[str], folder: Path) -> Path:
    """Link files of the checkpoints into a folder."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(HERE / name)
    return folder


_KEPT = kept()
_FOLDER = TemporaryDirectory(prefix="bundled-")  # until the tests have ended

#: A view of the bundled checkpoints alone; all there is, where nobody knows what is bundled.
CHECKPOINTS = view(_KEPT, Path(_FOLDER.name)) if _KEPT else HERE
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
