"""A separate classifier that names pictures, so that what a model generates can be judged."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from mvae.checkpoint import CHECKPOINTS, CheckpointError, load_into, save_tensors
from mvae.data import DATASETS
from mvae.modality import Batch, Modality
from mvae.pictures import assemble, picture_shape

__all__ = ["Classifier", "classifier_of", "load_classifier", "train_classifier"]


class Classifier(nn.Module):
    """A small convolutional network: pictures ``(B, C, H, W)`` to logits ``(B, classes)``.

    Args:
        shape: (channels, height, width) of a picture; height and width divisible by 4.
        classes: how many names there are.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        channels, height, width = shape
        self.net = nn.Sequential(
            # Pooled first, a quarter is left to rectify, and the result is the same.
            nn.Conv2d(channels, 24, 5, padding=2),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Conv2d(24, 48, 3, padding=1),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.4),
            nn.Linear(48 * (height // 4) * (width // 4), 128),
            nn.ReLU(),
            nn.Dropout(0.4),
            nn.Linear(128, classes),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """Give logits."""
        logits: Tensor = self.net(pictures)
        return logits

    @torch.no_grad()
    def name(self, pictures: Tensor) -> Tensor:
        """Give the likeliest class of each picture, ``(B,)``."""
        return torch.cat([self(part).argmax(-1) for part in pictures.split(1000)])


def pictures_and_labels(dataset: str, batch: Batch) -> tuple[Tensor, Tensor]:
    """Give whole pictures and the labels of a split."""
    modalities = DATASETS[dataset].modalities
    label = next(m for m in modalities if m.kind == "label")
    return assemble(modalities, batch.values), batch.values[label.name]


def train_classifier(dataset: str, path: Path, epochs: int = 8, seed: int = 0) -> float:
    """Train on the pixels that the models see; keep the best on validation; give its accuracy."""
    torch.manual_seed(seed)
    source = DATASETS[dataset]
    pictures, labels = pictures_and_labels(dataset, source.load("train", False))
    held_out, held_out_labels = pictures_and_labels(dataset, source.load("valid", False))
    model = Classifier((pictures.shape[1], pictures.shape[2], pictures.shape[3]), 10)
    optimiser = torch.optim.Adam(model.parameters(), fused=True)
    steps = epochs * -(-len(pictures) // 128)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    best = 0.0
    for _ in range(epochs):
        model.train()
        for index in torch.randperm(len(pictures)).split(128):
            # A shift of up to two pixels: strokes do not always stand in the same place.
            down, right = torch.randint(-2, 3, (2,)).tolist()
            shifted = pictures[index].roll((down, right), (-2, -1))
            loss = nn.functional.cross_entropy(model(shifted), labels[index])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        model.eval()
        accuracy = (model.name(held_out) == held_out_labels).double().mean().item()
        if accuracy > best:
            best = accuracy
            save_tensors(path, {n: w.half() for n, w in model.state_dict().items()})
    return best


def load_classifier(path: Path, shape: tuple[int, int, int], classes: int) -> Classifier:
    """Load a data set's classifier.

    Raises:
        CheckpointError: if it is missing or damaged.
    """
    model = Classifier(shape, classes)
    load_into(model, path)
    # On a CPU convolutions and pooling are three times as fast with the channels last.
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub
    return model.eval().requires_grad_(False)


def classifier_of(
    dataset: str, modalities: Iterable[Modality], root: Path = CHECKPOINTS
) -> Classifier:
    """Load the classifier that names the pictures of a data set.

    Raises:
        CheckpointError: if it is missing or damaged, or if there is nothing to name.
    """
    modalities = tuple(modalities)
    shape = picture_shape(modalities)
    label = next((m for m in modalities if m.kind == "label"), None)
    if shape is None or label is None:
        raise CheckpointError(f"{dataset} has no pictures with labels for a classifier to name.")
    return load_classifier(root / dataset / "classifier.safetensors", shape, label.shape[0])
