"""A separate classifier that names pictures, so that what a model generates can be judged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from mvae.checkpoint import CHECKPOINTS, CheckpointError, load_into
from mvae.data import DATASETS
from mvae.distributions.likelihood import elements
from mvae.evaluation.accuracy import agreement
from mvae.files import save_listed
from mvae.images.tiling import assemble, picture_shape
from mvae.kinds.registry import annotation_of
from mvae.modality import Modality

__all__ = ["FILE", "Classifier", "classifier_of", "train_classifier"]

#: Of a data set's folder.
FILE = "classifier.safetensors"
#: Samples a step, and steps at least: eight passes over MNIST, more over fewer pictures.
BATCH, STEPS = 128, 3440
#: How many times as many it takes to read a text, and how many times as many hidden units.
READING, WIDER = 3, 2
#: Channels that convolutions find, one after the other, until the map is at most this wide.
CHANNELS, WIDEST = (24, 48, 64), 8


class Classifier(nn.Module):
    """A small convolutional network: pictures ``(B, C, H, W)`` to what is said of them in words.

    Args:
        shape: (channels, height, width) of a picture.
        annotations: what it predicts: labels, tags and texts.
    """

    def __init__(self, shape: tuple[int, int, int], annotations: Iterable[Modality]) -> None:
        super().__init__()
        self.annotations = tuple(annotations)
        #: How many logits it gives for each.
        self.sizes = [elements(m.expected_shape) for m in self.annotations]
        channels, height, width = shape
        self.reads = any(m.is_text for m in self.annotations)
        layers: list[nn.Module] = []
        for found in CHANNELS:
            if layers and max(height, width) <= WIDEST:
                break
            kernel = 3 if layers else 5
            # Pooled first, a quarter is left to rectify, and the result is the same.
            layers += (
                nn.Conv2d(channels, found, kernel, padding=kernel // 2),
                nn.MaxPool2d(2),
                nn.ReLU(),
            )
            channels, height, width = found, height // 2, width // 2
        hidden = 128 * (WIDER if self.reads else 1)
        self.net = nn.Sequential(
            *layers,
            nn.Flatten(),
            nn.Dropout(0.4),
            nn.Linear(channels * height * width, hidden),
            nn.ReLU(),
            nn.Dropout(0.4),
            nn.Linear(hidden, sum(self.sizes)),
        )
        # On a CPU convolutions and pooling are up to three times as fast with the channels last.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Give logits by modality: of a text for each of its places, ``(B, L, V)``."""
        parts = self.net(pictures).split(self.sizes, -1)
        return {
            m.name: x.unflatten(-1, m.expected_shape)
            for m, x in zip(self.annotations, parts, strict=True)
        }

    @torch.no_grad()
    def name(self, pictures: Tensor) -> dict[str, Tensor]:
        """Give what is likeliest of each picture, ``(B, *event shape)`` by modality."""
        parts = [self(part) for part in pictures.split(1000)]
        whole = {m.name: torch.cat([x[m.name] for x in parts]) for m in self.annotations}
        return {
            m.name: annotation_of(m.kind).likeliest_by_logits(whole[m.name])
            for m in self.annotations
        }

    def loss(self, pictures: Tensor, values: Mapping[str, Tensor]) -> Tensor:
        """Give the cross-entropy of what is known of the pictures, summed over modalities."""
        total, found = pictures.new_zeros(()), self(pictures)
        for m in self.annotations:
            kind = annotation_of(m.kind)
            total = total + kind.classification_loss(found[m.name], values[m.name])
        return total

    def right(self, pictures: Tensor, values: Mapping[str, Tensor]) -> Tensor:
        """Say how far it agrees with what is known of each picture, from 0 to 1, ``(B,)``."""
        predicted = self.name(pictures)
        each = [agreement(m, predicted[m.name], values[m.name]) for m in self.annotations]
        return torch.stack(each).mean(0)


def train_classifier(dataset: str, path: Path, seed: int = 0) -> float:
    """Train on the pixels that the models see; keep the best on validation; give its accuracy.

    Raises:
        CheckpointError: if there is nothing to name, or nothing to name it by.
    """
    torch.manual_seed(seed)
    source = DATASETS[dataset]
    model = Classifier(*_task(dataset, source.modalities))
    train, valid = source.load("train", False), source.load("valid", False)
    pictures, held_out = (assemble(source.modalities, x.values) for x in (train, valid))
    optimiser = torch.optim.Adam(model.parameters(), fused=True)
    each = -(-len(pictures) // BATCH)
    epochs = -(-STEPS * (READING if model.reads else 1) // each)
    steps = epochs * each
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    best = 0.0
    for _ in range(epochs):
        model.train()
        for index in torch.randperm(len(pictures)).split(BATCH):
            # A shift of up to two pixels: strokes do not always stand in the same place.
            down, right = torch.randint(-2, 3, (2,)).tolist()
            shifted = pictures[index].roll((down, right), (-2, -1))
            loss = model.loss(shifted, train[index].values)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        model.eval()
        accuracy = model.right(held_out, valid.values).double().mean().item()
        if accuracy > best:
            best = accuracy
            save_listed(path, {n: w.half() for n, w in model.state_dict().items()})
    return best


def classifier_of(
    dataset: str, modalities: Iterable[Modality], root: Path = CHECKPOINTS
) -> Classifier:
    """Load the classifier that names the pictures of a data set.

    Raises:
        CheckpointError: if it is missing or damaged, or if there is nothing to name.
    """
    model = Classifier(*_task(dataset, modalities))
    load_into(model, root / dataset / FILE)
    return model.eval().requires_grad_(False)


def _task(
    dataset: str, modalities: Iterable[Modality]
) -> tuple[tuple[int, int, int], list[Modality]]:
    """Give the shape of a data set's picture, and what is said of it in words."""
    modalities = tuple(modalities)
    shape, annotations = picture_shape(modalities), [m for m in modalities if m.is_annotation]
    if shape is None or not annotations:
        raise CheckpointError(f"{dataset} has no pictures with words for a classifier to find.")
    return shape, annotations
