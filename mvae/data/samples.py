"""The bundled test examples of a data set, balanced over its classes if it has any."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from mvae.data import dataset_of
from mvae.files import save_listed, write_atomically, writing
from mvae.kinds.registry import KINDS

__all__ = ["write_samples"]


#: The number of samples per class, and in all if there are no classes.
PER_CLASS, WITHOUT_CLASSES = 50, 300


def write_samples(dataset: str, root: Path, per_class: int = PER_CLASS, seed: int = 0) -> int:
    """Write samples.safetensors and SOURCE.txt from the test split; return the number of samples.

    Images and tags are stored as bytes. Classes alternate, so that the first samples show all of
    them; of a class with fewer than ``per_class`` samples, all are taken.

    Raises:
        CheckpointError: if the folder cannot be written to, or another command is writing into it.
        DatasetError: if there is no such data set, or its raw data are missing.
    """
    source = dataset_of(dataset)
    with writing(root / dataset):
        test = source.load("test", False)
        labels = [m for m in source.modalities if m.is_category]
        order = torch.randperm(len(test), generator=torch.Generator().manual_seed(seed))
        if len(labels) == 1:
            chosen = order[alternating(test.values[labels[0].name][order], per_class)]
            which = f"{per_class} of each class"
        else:
            chosen, which = order[:WITHOUT_CLASSES], "chosen at random"
        tensors = {"test index": chosen}
        for m in source.modalities:
            x = test.values[m.name][chosen]
            tensors[m.name] = KINDS[m.kind].store(x)
        save_listed(root / dataset / "samples.safetensors", tensors)
        note = (
            f"samples.safetensors: {len(chosen)} test examples, {which}, as the models see them.\n"
            f"{source.source}\n"
        )
        write_atomically(root / dataset / "SOURCE.txt", note.encode())
    return len(chosen)


def alternating(classes: Tensor, most: int) -> Tensor:
    """Return the indices of the first of every class, the second of every class, and so on.

    Example:
        >>> alternating(torch.tensor([0, 0, 1, 0, 1]), most=2).tolist()
        [0, 2, 1, 4]
    """
    members = [(classes == c).nonzero().squeeze(-1)[:most] for c in classes.unique()]
    ranks = torch.cat([torch.arange(len(indices)) for indices in members])
    return torch.cat(members)[ranks.argsort(stable=True)]
