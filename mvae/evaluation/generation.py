"""Coherence and diversity of what a model generates, and the accuracy of the labels it infers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mvae.evaluation.classifier import Classifier
from mvae.modality import Batch
from mvae.model import MultimodalModel
from mvae.pictures import assemble

__all__ = ["Generation", "label_accuracy", "label_to_picture"]


@torch.no_grad()
def label_accuracy(
    model: MultimodalModel,
    batch: Batch,
    evidence: Sequence[str],
    label: str,
    draws: int = 64,
    seed: int = 0,
) -> Tensor:
    r"""Say for which samples the inferred label is right, float ``(B,)``.

    .. math:: \hat y = \arg\max_y E_{h|X_S}[p(y|h)]

    with what is hidden, h, drawn by the model itself.
    """
    p = model.generate(batch.supply(evidence), draws, seed, [label])[label]
    expected = model.modality(label).distribution.expected(p).mean(0)
    return (expected.argmax(-1) == batch.values[label]).float()


@dataclass(frozen=True)
class Generation:
    """What a label alone generates, over the classes.

    Args:
        coherent: whether each generated picture is named as its label, ``(classes, draws)``.
        distance: mean pairwise Euclidean pixel distance of each class's generated pictures,
            relative to that of as many real ones, ``(classes,)``.
    """

    coherent: Tensor
    distance: Tensor


@torch.no_grad()
def label_to_picture(
    model: MultimodalModel,
    batch: Batch,
    label: str,
    classifier: Classifier,
    draws: int = 100,
    seed: int = 0,
) -> Generation:
    """Generate pixel means from a label alone, for every class, and judge them.

    A model that draws the same good picture again and again is coherent but not diverse, so the
    two belong together.

    Args:
        model: generates.
        batch: real samples, for their distances.
        label: which modality the label is.
        classifier: names the generated pictures.
        draws: of what is hidden, per class; as many real pictures are compared with.
        seed: of the draws.
    """
    classes = model.modality(label).shape[0]
    evidence = Batch.of(model.modalities, {label: torch.arange(classes)})
    images = [m for m in model.modalities if m.kind == "image"]
    generated = model.generate(evidence, draws, seed, [m.name for m in images])
    means = {m.name: m.distribution.expected(generated[m.name]) for m in images}
    pictures = assemble(model.modalities, means).transpose(0, 1)  # (classes, draws, C, H, W)
    named = torch.stack([classifier.name(of_class) for of_class in pictures])
    real = assemble(model.modalities, batch.values)
    distance = [
        torch.pdist(pictures[c].flatten(1)).mean()
        / torch.pdist(real[batch.values[label] == c][:draws].flatten(1)).mean()
        for c in range(classes)
    ]
    return Generation((named == torch.arange(classes)[:, None]).float(), torch.stack(distance))
