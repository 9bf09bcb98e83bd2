"""Loading of MNIST and Fashion-MNIST, whose files are in the IDX format."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from mvae.data import torchvision_import
from mvae.data.dataset import SEED, DatasetError, Split, data_folder

__all__ = ["idx_split"]

VALIDATION_PER_CLASS = 500


def idx_split(
    name: Literal["MNIST", "FashionMNIST"], split: Split, download: bool
) -> tuple[Tensor, Tensor]:
    """Load one split of a torchvision data set: grey images in [0, 1] and labels.

    Of the 60,000 training images, 500 of each class (stratified, with a fixed seed) form the
    validation split; the 10,000 test images are for reporting only.

    Args:
        name: the name of torchvision's class, and of the folder inside the data folder.
        split: train, valid or test.
        download: whether torchvision may download missing files.

    Returns:
        tuple: images ``(B, 1, 28, 28)`` and labels ``(B,)``.

    Raises:
        DatasetError: if the files are missing and could not be downloaded.
    """
    folder = data_folder()
    try:
        load = getattr(torchvision_import.datasets(), name)
        raw = load(folder, train=split != "test", download=download)
    # torchvision's parser raises errors of many kinds on damaged files.
    except (RuntimeError, OSError, ValueError, AssertionError, KeyError) as error:
        reason = " ".join(str(error).split()) or "its files are damaged"
        raise DatasetError(
            f"{name} is not in the data folder ({reason}). With a network connection, "
            f"`python -m mvae data` downloads it; otherwise set MVAE_DATA to the folder that "
            f"contains {name}/raw."
        ) from None
    images, labels = raw.data.unsqueeze(1).float() / 255, raw.targets
    if split != "test":
        held_out = validation_indices(labels)
        keep = torch.zeros(len(labels), dtype=torch.bool)
        keep[held_out] = True
        keep = keep if split == "valid" else ~keep
        images, labels = images[keep], labels[keep]
    return images, labels


def validation_indices(labels: Tensor) -> Tensor:
    """Choose 500 samples of each class, the same on every machine."""
    generator = torch.Generator().manual_seed(SEED)
    chosen = []
    for c in range(int(labels.max()) + 1):
        members = (labels == c).nonzero().squeeze(-1)
        chosen.append(
            members[torch.randperm(len(members), generator=generator)[:VALIDATION_PER_CLASS]]
        )
    return torch.cat(chosen)
