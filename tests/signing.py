"""Checkpoints that a test has changed, made to say that they are meant so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from mvae.files import load_tensors, save_listed, save_tensors, sha256, sums, write_json

__all__ = ["sign", "spoil"]


def sign(folder: Path, **changes: object) -> None:
    """Name the weights of a folder in its config.json, and change other fields of it."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    changes["weights_sha256"] = sha256(folder / "weights.safetensors")
    write_json(folder / "config.json", config | changes)


def spoil(path: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    """Change the tensors of a file; weights that no hash gives away."""
    tensors = load_tensors(path)
    change(tensors)
    save = save_listed if path.name in sums(path.parent) else save_tensors
    save(path, tensors)
    if path.name == "weights.safetensors":
        sign(path.parent)
