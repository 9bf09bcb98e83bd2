"""Changes to a checkpoint's files, with its hashes brought up to date."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from mvae.files import load_tensors, save_listed, save_tensors, sha256, sums, write_json

__all__ = ["edit_tensors", "rehash"]


def rehash(folder: Path, **changes: object) -> None:
    """Write the hash of a folder's weights into its config.json, and change other fields of it."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    changes["weights_sha256"] = sha256(folder / "weights.safetensors")
    write_json(folder / "config.json", config | changes)


def edit_tensors(path: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    """Change the tensors of a file, and the hash that would give the change away."""
    tensors = load_tensors(path)
    change(tensors)
    save = save_listed if path.name in sums(path.parent) else save_tensors
    save(path, tensors)
    if path.name == "weights.safetensors":
        rehash(path.parent)
