"""A separate classifier that predicts labels, tags and texts from pictures, to score samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from mvae.checkpoint import load_into
from mvae.data import DATASETS
from mvae.distributions.likelihood import elements
from mvae.evaluation.accuracy import agreement
from mvae.files import CheckpointError, save_listed
from mvae.images.tiling import assemble, picture_shape
from mvae.kinds.registry import annotation_of
from mvae.modality import Modality
from mvae.search_path import find

__all__ = ["FILE", "Classifier", "load_classifier", "train_classifier"]

#: Name of the file in the folder of a data set.
FILE = "classifier.safetensors"
#: Batch size, and the least number of steps: eight epochs of MNIST, more of smaller data sets.
BATCH, STEPS = 128, 3440
#: Factors by which the steps and the hidden units grow if a text is to be predicted.
TEXT_STEPS, TEXT_WIDTH = 3, 2
#: Output channels of successive convolutions; none is added once the map is at most this wide.
CHANNELS, WIDEST = (24, 48, 64), 8


class Classifier(nn.Module):
    """A small convolutional network that predicts annotations from pictures ``(B, C, H, W)``.

    Args:
        shape: (channels, height, width) of a picture.
        annotations: the modalities to predict: labels, tags and texts.
    """

    def __init__(self, shape: tuple[int, int, int], annotations: Iterable[Modality]) -> None:
        super().__init__()
        self.annotations = tuple(annotations)
        #: Number of logits for each annotation.
        self.sizes = [elements(m.expected_shape) for m in self.annotations]
        channels, height, width = shape
        self.has_text = any(m.is_text for m in self.annotations)
        layers: list[nn.Module] = []
        for out_channels in CHANNELS:
            if layers and max(height, width) <= WIDEST:
                break
            kernel = 3 if layers else 5
            # Pooling first leaves a quarter of the values to rectify, with the same result.
            layers += (
                nn.Conv2d(channels, out_channels, kernel, padding=kernel // 2),
                nn.MaxPool2d(2),
                nn.ReLU(),
            )
            channels, height, width = out_channels, height // 2, width // 2
        hidden = 128 * (TEXT_WIDTH if self.has_text else 1)
        self.net = nn.Sequential(
            *layers,
            nn.Flatten(),
            nn.Dropout(0.4),
            nn.Linear(channels * height * width, hidden),
            nn.ReLU(),
            nn.Dropout(0.4),
            nn.Linear(hidden, sum(self.sizes)),
        )
        # On a CPU, convolutions and pooling are up to three times as fast with channels last.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Return logits by modality; those of a text are ``(B, L, V)``, for each position."""
        parts = self.net(pictures).split(self.sizes, -1)
        return {
            m.name: x.unflatten(-1, m.expected_shape)
            for m, x in zip(self.annotations, parts, strict=True)
        }

    @torch.no_grad()
    def predict(self, pictures: Tensor) -> dict[str, Tensor]:
        """Return the most probable annotations of each picture, ``(B, *event shape)`` each."""
        parts = [self(part) for part in pictures.split(1000)]
        logits = {m.name: torch.cat([x[m.name] for x in parts]) for m in self.annotations}
        return {
            m.name: annotation_of(m.kind).most_probable_by_logits(logits[m.name])
            for m in self.annotations
        }

    def loss(self, pictures: Tensor, values: Mapping[str, Tensor]) -> Tensor:
        """Return the cross-entropy of the true annotations, summed over modalities."""
        total, logits_by_modality = pictures.new_zeros(()), self(pictures)
        for m in self.annotations:
            kind = annotation_of(m.kind)
            total = total + kind.classification_loss(logits_by_modality[m.name], values[m.name])
        return total

    def accuracy(self, pictures: Tensor, values: Mapping[str, Tensor]) -> Tensor:
        """Return how well predictions agree with the true annotations, from 0 to 1, ``(B,)``."""
        predicted = self.predict(pictures)
        each = [agreement(m, predicted[m.name], values[m.name]) for m in self.annotations]
        return torch.stack(each).mean(0)


def train_classifier(dataset: str, path: Path, seed: int = 0) -> float:
    """Train a classifier on the pictures that the models are trained on, and save it.

    Args:
        dataset: name of the data set.
        path: file of the classifier, which receives the weights that are best on validation.
        seed: seed of the initial weights and of the training.

    Returns:
        float: the accuracy on the validation split.

    Raises:
        CheckpointError: if the data set has no pictures or no annotations.
    """
    torch.manual_seed(seed)
    source = DATASETS[dataset]
    model = Classifier(*_shape_and_annotations(dataset, source.modalities))
    train, valid = source.load("train", False), source.load("valid", False)
    pictures, held_out = (assemble(source.modalities, x.values) for x in (train, valid))
    optimiser = torch.optim.Adam(model.parameters(), fused=True)
    steps_per_epoch = -(-len(pictures) // BATCH)
    epochs = -(-STEPS * (TEXT_STEPS if model.has_text else 1) // steps_per_epoch)
    steps = epochs * steps_per_epoch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    best = 0.0
    for _ in range(epochs):
        model.train()
        for index in torch.randperm(len(pictures)).split(BATCH):
            # Shifts of up to two pixels augment the data: positions of strokes vary.
            down, right = torch.randint(-2, 3, (2,)).tolist()
            shifted = pictures[index].roll((down, right), (-2, -1))
            loss = model.loss(shifted, train[index].values)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        model.eval()
        accuracy = model.accuracy(held_out, valid.values).double().mean().item()
        if accuracy > best:
            best = accuracy
            save_listed(path, {n: w.half() for n, w in model.state_dict().items()})
    return best


def load_classifier(
    dataset: str, modalities: Iterable[Modality], root: Path | None = None
) -> Classifier:
    """Load the classifier of a data set.

    Raises:
        CheckpointError: if its file is missing or damaged, or if the data set has no pictures or no
            annotations.
    """
    model = Classifier(*_shape_and_annotations(dataset, modalities))
    load_into(model, find(dataset, FILE, root))
    return model.eval().requires_grad_(False)


def _shape_and_annotations(
    dataset: str, modalities: Iterable[Modality]
) -> tuple[tuple[int, int, int], list[Modality]]:
    """Return the shape of a data set's pictures, and its annotations."""
    modalities = tuple(modalities)
    shape, annotations = picture_shape(modalities), [m for m in modalities if m.is_annotation]
    if shape is None or not annotations:
        raise CheckpointError(
            f"{dataset} has no pictures with labels, tags or texts for a classifier to predict."
        )
    return shape, annotations
