"""Weak supervision: how well a label is told when few training images come with theirs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch
from torch import Tensor, nn

from mvae.batch import Batch
from mvae.checkpoint import ModelConfig, load_into
from mvae.csv_files import read_rows, write_rows
from mvae.data import DATASETS, DatasetError, dataset_of
from mvae.evaluation.probe import linear_probe
from mvae.files import save_tensors, writing
from mvae.kinds.networks import Pathway
from mvae.modality import Modality
from mvae.models.base import MultimodalModel
from mvae.models.mvae import MVAE
from mvae.models.objectives import Joint
from mvae.training.recipes import config_for
from mvae.training.trainer import Trainer

__all__ = ["FRACTIONS", "METHODS", "PASSES", "RATE", "Point", "curves", "few", "mixed", "supervise"]

#: Shares of the training images that come with their label, and seeds.
FRACTIONS = (0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0)
SEEDS = (0, 1, 2)
#: What each model makes of the images without a label.
METHODS = {
    "mvae": "an unpaired image adds its own ELBO",
    "mvae-cover": "an unpaired image adds its own ELBO; covering takes pairs",
    "jmvae": "learns from pairs only, beginning with networks that have seen all images",
    "vae + probe": "a VAE of all images; the labels teach a logistic regression on its latents",
    "supervised": "does not use them: the encoder's network with ten outputs",
}
#: Passes over all images without labels, shared by the runs of a seed, and passes with labels.
IMAGES_ALONE, WITH_LABELS = 20, 4
PASSES = dict.fromkeys(METHODS, (IMAGES_ALONE, WITH_LABELS)) | {
    "vae + probe": (IMAGES_ALONE, 0),
    "supervised": (0, WITH_LABELS),
}
#: Steps between two looks at the labelled validation images, for the supervised network.
LOOK = 86
#: Of the samples of a pass, the share that is paired.
PAIRED = 0.5
BATCH, RATE = 128, 1e-3
DRAWS = 64


@dataclass(frozen=True)
class Point:
    """One run.

    Args:
        method: a key of METHODS.
        fraction: of the training images that come with their label.
        labels: how many that are.
        valid_labels: labelled validation images, the same fraction, for early stopping.
        seed: of the choice of labels, of weights and of order.
        accuracy: of the label told from the image, over the test split.
        n: test images.
    """

    method: str
    fraction: float
    labels: int
    valid_labels: int
    seed: int
    accuracy: float
    n: int


def few(labels: Tensor, fraction: float, seed: int) -> Tensor:
    """Choose the samples that keep their label, as evenly over the classes as it goes.

    Args:
        labels: of all samples, ``(B,)``.
        fraction: of them, above 0 and up to 1; at least one sample.
        seed: of the choice.

    Raises:
        ValueError: for another fraction.

    Example:
        >>> chosen = few(torch.arange(10).repeat(100), 0.02, seed=0)
        >>> (chosen % 10).bincount().tolist()
        [2, 2, 2, 2, 2, 2, 2, 2, 2, 2]
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"a fraction of the labels is above 0 and up to 1, not {fraction}")
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    # The first of every class, then the second of every class, and so on.
    place = torch.zeros(len(labels), dtype=torch.long)
    for c in labels.unique():
        members = (labels[order] == c).nonzero().squeeze(-1)
        place[members] = torch.arange(len(members))
    turns = order[place.argsort(stable=True)]
    return turns[: max(1, round(fraction * len(labels)))]


def mixed(data: Batch, paired: Tensor, label: str, seed: int) -> Batch:
    """Make a training split in which half of the samples are pairs, repeated as often as needed.

    Args:
        data: all samples.
        paired: indices of those that keep their label.
        label: what the others lack.
        seed: of the choice of the others.
    """
    n = len(data)
    if len(paired) == n:
        return data
    pairs = max(round(PAIRED * n), len(paired))
    again = paired.repeat(-(-pairs // len(paired)))[:pairs]
    others = torch.ones(n, dtype=torch.bool)
    others[paired] = False
    alone = others.nonzero().squeeze(-1)
    source = torch.Generator().manual_seed(seed)
    alone = alone[torch.randperm(len(alone), generator=source)][: n - pairs]
    rows = data[torch.cat((again, alone))]
    present = rows.present.clone()
    present[pairs:, data.names.index(label)] = False
    return Batch(rows.values, present)


def supervise(dataset: str, root: Path) -> Iterator[tuple[Point, int]]:
    """Run what is missing of all methods, fractions and seeds; yield each point and how many.

    The points stand in supervision.csv of the data set as they come: an interrupted call goes on.

    Raises:
        DatasetError: if the data set is not one image and its label, or its raw data are not
            there.
        CheckpointError: if another command is writing into the folder.
    """
    source, folder = dataset_of(dataset), root / dataset
    if [(m.is_image, m.is_category) for m in source.modalities] != [(True, False), (False, True)]:
        raise DatasetError(
            f"Weak supervision is measured on an image and its label, not {dataset}."
        )
    path, total = folder / "supervision.csv", len(METHODS) * len(FRACTIONS) * len(SEEDS)
    with writing(folder):
        splits = {s: source.load(s, False) for s in ("train", "valid", "test")}
        for seed, fraction, method in product(SEEDS, FRACTIONS, METHODS):
            found = curves(path)
            if any((p.method, p.fraction, p.seed) == (method, fraction, seed) for p in found):
                continue
            point = run(dataset, method, fraction, seed, splits, folder)
            write_rows(path, [*found, point])
            yield point, total


def run(
    dataset: str, method: str, fraction: float, seed: int, splits: dict[str, Batch], folder: Path
) -> Point:
    """Train one method with one budget of labels, and measure it on the test split."""
    image, label = DATASETS[dataset].modalities
    train, valid, test = splits["train"], splits["valid"], splits["test"]
    paired = few(train.values[label.name], fraction, seed)
    held_out = valid[few(valid.values[label.name], fraction, seed)]
    if method == "supervised":
        steps = PASSES[method][1] * -(-len(train) // BATCH)  # as many as the others take
        hits = supervised(image, label, train[paired], held_out, test, steps, seed)
    elif method == "vae + probe":
        config = images_alone(dataset, seed)
        model = config.build()
        assert isinstance(model, MVAE)
        model.load_state_dict(pretrained(config, train, valid, image.name, folder))
        given = [image.name]
        learned = train[paired].supply(given)
        hits = linear_probe(model, learned, test.supply(given), label.name)
    else:
        config = config_for(dataset, method)
        settings = {"epochs": PASSES[method][1], "learning_rate": RATE, "warmup": 0.0, "seed": seed}
        config = config.model_copy(update={"training": config.training.model_copy(update=settings)})
        trainer = Trainer(config, mixed(train, paired, label.name, seed), held_out)
        begin = pretrained(images_alone(dataset, seed), train, valid, image.name, folder)
        # The image's encoder and decoder; the label's begin anew.
        own = {n: w for n, w in begin.items() if n.startswith(("encoders.0.", "decoders.0."))}
        trainer.model.load_state_dict(own, strict=False)
        best, kept = -1.0, {}
        for _ in trainer:
            right = told(trainer.model, held_out, image.name, label.name).mean().item()
            if right >= best:  # the later one of two that are as good
                best, kept = right, {n: w.clone() for n, w in trainer.model.state_dict().items()}
        trainer.model.load_state_dict(kept)
        hits = told(trainer.model, test, image.name, label.name)
    return Point(
        method, fraction, len(paired), len(held_out), seed, round(hits.mean().item(), 4), len(test)
    )


def images_alone(dataset: str, seed: int) -> ModelConfig:
    """Describe the model that sees all images and no label: a VAE of the image."""
    config = config_for(dataset, "mvae")
    settings = {"epochs": IMAGES_ALONE, "seed": seed}
    training = config.training.model_copy(update=settings)
    return config.model_copy(update={"objective": Joint(), "training": training})


def pretrained(
    config: ModelConfig, train: Batch, valid: Batch, image: str, folder: Path
) -> dict[str, Tensor]:
    """Give the weights after all images without labels; train them if they are not kept."""
    place = folder / f"images-alone-{config.training.seed}"
    path = place / "weights.safetensors"
    if not path.exists():
        with writing(place):
            trainer = Trainer(config, train.supply([image]), valid.supply([image]), place)
            for _ in trainer:
                pass
            save_tensors(path, trainer.best)
    model = config.build()
    load_into(model, path)
    return model.state_dict()


@torch.no_grad()
def told(model: MultimodalModel, batch: Batch, image: str, label: str) -> Tensor:
    """Say for which samples the label told from the image is right, float ``(B,)``."""
    modality, hits = model.modality(label), []
    batch = batch.align(model.modalities)
    for i in range(0, len(batch), 1000):
        part = batch[slice(i, i + 1000)]
        p = model.generate(part.supply([image]), DRAWS, 0, [label])[label]
        named = modality.distribution.expected(p).mean(0).argmax(-1)
        hits.append((named == part.values[label]).float())
    return torch.cat(hits)


def supervised(
    image: Modality,
    label: Modality,
    train: Batch,
    valid: Batch,
    test: Batch,
    steps: int,
    seed: int,
) -> Tensor:
    """Train the encoder's network on the pairs alone; say for which test samples it is right."""
    torch.manual_seed(seed)
    net = Pathway(image, (*image.hidden, label.shape[0]))
    optimiser = torch.optim.Adam(net.parameters(), RATE, fused=True)

    def right(batch: Batch) -> Tensor:
        with torch.no_grad():
            named: Tensor = net(batch.values[image.name]).argmax(-1)
        return (named == batch.values[label.name]).float()

    best, kept = -1.0, {}
    for step in range(1, steps + 1):
        part = train[torch.randint(len(train), (BATCH,))]
        loss = nn.functional.cross_entropy(net(part.values[image.name]), part.values[label.name])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % LOOK == 0 or step == steps:
            score = right(valid).mean().item()
            if score >= best:
                best, kept = score, {n: w.clone() for n, w in net.state_dict().items()}
    net.load_state_dict(kept)
    return right(test)


def curves(path: Path) -> list[Point]:
    """Read the points of a data set; none where nothing was run."""
    return read_rows(path, Point)
