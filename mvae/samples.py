"""The bundled test examples of a data set, balanced over the classes where there are any."""

from __future__ import annotations

from pathlib import Path

import torch

from mvae.checkpoint import save_tensors, write_atomically
from mvae.data import DATASETS

__all__ = ["write_samples"]


#: Samples of each class, or of all where there are none.
PER_CLASS, UNCLASSED = 50, 300


def write_samples(dataset: str, root: Path, per_class: int = PER_CLASS, seed: int = 0) -> int:
    """Write samples.safetensors and SOURCE.txt from the test split; give the number of samples.

    Images and tags are stored as bytes. Classes alternate, so that the first samples show all.
    """
    source = DATASETS[dataset]
    test = source.load("test", False)
    labels = [m for m in source.modalities if m.kind == "label"]
    order = torch.randperm(len(test), generator=torch.Generator().manual_seed(seed))
    if len(labels) == 1:
        of = test.values[labels[0].name][order]
        rounds = [order[of == c][:per_class] for c in range(labels[0].shape[0])]
        chosen = torch.stack(rounds, 1).flatten()
        which = f"{per_class} of each class"
    else:
        chosen, which = order[:UNCLASSED], "chosen at random"
    tensors = {"test index": chosen}
    for m in source.modalities:
        x = test.values[m.name][chosen]
        scale = {"image": 255, "tags": 1}.get(m.kind)
        tensors[m.name] = x if scale is None else (x * scale).round().to(torch.uint8)
    save_tensors(root / dataset / "samples.safetensors", tensors)
    note = (
        f"samples.safetensors: {len(chosen)} test examples, {which}, as the models see them.\n"
        f"{source.source}\n"
    )
    write_atomically(root / dataset / "SOURCE.txt", note.encode())
    return len(chosen)
