"""The bundled test examples of a data set: 500, balanced over the classes."""

from __future__ import annotations

from pathlib import Path

import torch

from mvae.checkpoint import save_tensors, write_atomically
from mvae.data import DATASETS

__all__ = ["write_samples"]


def write_samples(dataset: str, root: Path, per_class: int = 50, seed: int = 0) -> int:
    """Write samples.safetensors and SOURCE.txt from the test split; give the number of samples.

    Images are stored as bytes. The classes alternate, so that the first samples show all of them.
    """
    source = DATASETS[dataset]
    test = source.load("test", False)
    label = next(m for m in source.modalities if m.kind == "label")
    order = torch.randperm(len(test), generator=torch.Generator().manual_seed(seed))
    labels = test.values[label.name][order]
    rounds = [order[labels == c][:per_class] for c in range(label.shape[0])]
    chosen = torch.stack(rounds, 1).flatten()
    tensors = {"test index": chosen}
    for m in source.modalities:
        x = test.values[m.name][chosen]
        tensors[m.name] = (x * 255).round().to(torch.uint8) if m.kind == "image" else x
    save_tensors(root / dataset / "samples.safetensors", tensors)
    note = (
        f"samples.safetensors: {len(chosen)} test examples, {per_class} of each class, "
        f"as the models see them.\n{source.source}\n"
    )
    write_atomically(root / dataset / "SOURCE.txt", note.encode())
    return len(chosen)
