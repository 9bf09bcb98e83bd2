"""Weak supervision: how well a label is predicted when few training images are labelled."""

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
from mvae.models.base import DRAWS, MultimodalModel
from mvae.models.mvae import MVAE
from mvae.models.objectives import Joint
from mvae.training.recipes import config_for
from mvae.training.trainer import Trainer

__all__ = [
    "FRACTIONS",
    "LEARNING_RATE",
    "METHODS",
    "PASSES",
    "Point",
    "choose_labelled",
    "mix_pairs",
    "read_points",
    "supervise",
]

#: The fractions of training images that are labelled, and the seeds.
FRACTIONS = (0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0)
SEEDS = (0, 1, 2)
#: How each method uses the unlabelled images.
METHODS = {
    "mvae": "an unpaired image adds its own ELBO",
    "mvae-cover": "an unpaired image adds its own ELBO; covering needs pairs",
    "jmvae": "learns from pairs only, starting from networks pretrained on all images",
    "vae + probe": "a VAE of all images; a logistic regression on its latents uses the labels",
    "supervised": "does not use them: the encoder's network with ten outputs",
}
#: Passes over all images without labels, shared by the runs of a seed; then passes with labels.
IMAGE_PASSES, LABELLED_PASSES = 20, 4
PASSES = dict.fromkeys(METHODS, (IMAGE_PASSES, LABELLED_PASSES)) | {
    "vae + probe": (IMAGE_PASSES, 0),
    "supervised": (0, LABELLED_PASSES),
}
#: Steps between evaluations of the supervised network on the labelled validation images.
VALIDATION_INTERVAL = 86
#: The fraction of the samples of a pass that are image–label pairs.
PAIRED = 0.5
BATCH, LEARNING_RATE = 128, 1e-3


@dataclass(frozen=True)
class Point:
    """The result of one run.

    Args:
        method: a key of METHODS.
        fraction: the fraction of training images that are labelled.
        labels: the number of labelled training images.
        valid_labels: the number of labelled validation images, the same fraction, used for early
            stopping.
        seed: seed of the choice of labels, the initial weights and the order of samples.
        accuracy: accuracy of the label predicted from the image, on the test split.
        n: the number of test images.
    """

    method: str
    fraction: float
    labels: int
    valid_labels: int
    seed: int
    accuracy: float
    n: int


def choose_labelled(labels: Tensor, fraction: float, seed: int) -> Tensor:
    """Choose the samples that keep their label, as evenly over the classes as possible.

    Args:
        labels: the labels of all samples, ``(B,)``.
        fraction: the fraction to choose, above 0 and at most 1; at least one sample is chosen.
        seed: the seed of the choice.

    Raises:
        ValueError: if the fraction is out of range.

    Example:
        >>> chosen = choose_labelled(torch.arange(10).repeat(100), 0.02, seed=0)
        >>> (chosen % 10).bincount().tolist()
        [2, 2, 2, 2, 2, 2, 2, 2, 2, 2]
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"the fraction of labels must be above 0 and at most 1, not {fraction}")
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    # The first of every class, then the second of every class, and so on.
    rank = torch.zeros(len(labels), dtype=torch.long)
    for c in labels.unique():
        members = (labels[order] == c).nonzero().squeeze(-1)
        rank[members] = torch.arange(len(members))
    interleaved = order[rank.argsort(stable=True)]
    return interleaved[: max(1, round(fraction * len(labels)))]


def mix_pairs(data: Batch, paired: Tensor, label: str, seed: int) -> Batch:
    """Make a training split of which half are labelled pairs, repeated as often as necessary.

    Args:
        data: all samples.
        paired: indices of the samples that keep their label.
        label: the name of the modality that the other samples lack.
        seed: seed of the choice of the other samples.
    """
    n = len(data)
    if len(paired) == n:
        return data
    pairs = max(round(PAIRED * n), len(paired))
    repeated = paired.repeat(-(-pairs // len(paired)))[:pairs]
    is_unlabelled = torch.ones(n, dtype=torch.bool)
    is_unlabelled[paired] = False
    unlabelled = is_unlabelled.nonzero().squeeze(-1)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(unlabelled), generator=generator)
    samples = data[torch.cat((repeated, unlabelled[order][: n - pairs]))]
    present = samples.present.clone()
    present[pairs:, data.names.index(label)] = False
    return Batch(samples.values, present)


def supervise(dataset: str, root: Path) -> Iterator[tuple[Point, int]]:
    """Run all missing combinations of method, fraction and seed; yield each with the total number.

    Each point is written to the data set's supervision.csv as soon as it is known, so an
    interrupted call can be resumed.

    Raises:
        DatasetError: if the data set does not consist of one image and its label, or its raw data
            are missing.
        CheckpointError: if another command is writing into the folder.
    """
    source, folder = dataset_of(dataset), root / dataset
    if [(m.is_image, m.is_category) for m in source.modalities] != [(True, False), (False, True)]:
        raise DatasetError(
            "Weak supervision is measured on data sets of one image and its label, which "
            f"{dataset} is not."
        )
    path, total = folder / "supervision.csv", len(METHODS) * len(FRACTIONS) * len(SEEDS)
    with writing(folder):
        splits = {s: source.load(s, False) for s in ("train", "valid", "test")}
        for seed, fraction, method in product(SEEDS, FRACTIONS, METHODS):
            points = read_points(path)
            if any((p.method, p.fraction, p.seed) == (method, fraction, seed) for p in points):
                continue
            point = run(dataset, method, fraction, seed, splits, folder)
            write_rows(path, [*points, point])
            yield point, total


def run(
    dataset: str, method: str, fraction: float, seed: int, splits: dict[str, Batch], folder: Path
) -> Point:
    """Train one method with one fraction of labels, and evaluate it on the test split."""
    image, label = DATASETS[dataset].modalities
    train, valid, test = splits["train"], splits["valid"], splits["test"]
    paired = choose_labelled(train.values[label.name], fraction, seed)
    held_out = valid[choose_labelled(valid.values[label.name], fraction, seed)]
    if method == "supervised":
        steps = PASSES[method][1] * -(-len(train) // BATCH)  # as many as the other methods
        hits = supervised(image, label, train[paired], held_out, test, steps, seed)
    elif method == "vae + probe":
        config = image_only_config(dataset, seed)
        model = config.build()
        assert isinstance(model, MVAE)
        model.load_state_dict(pretrained_weights(config, train, valid, image.name, folder))
        given = [image.name]
        labelled = train[paired].supply(given)
        hits = linear_probe(model, labelled, test.supply(given), label.name)
    else:
        config = config_for(dataset, method)
        settings = {
            "epochs": PASSES[method][1],
            "learning_rate": LEARNING_RATE,
            "warmup": 0.0,
            "seed": seed,
        }
        config = config.model_copy(update={"training": config.training.model_copy(update=settings)})
        trainer = Trainer(config, mix_pairs(train, paired, label.name, seed), held_out)
        image_only = image_only_config(dataset, seed)
        weights = pretrained_weights(image_only, train, valid, image.name, folder)
        # The image's encoder and decoder are pretrained; the label's start from scratch.
        of_image = {
            n: w for n, w in weights.items() if n.startswith(("encoders.0.", "decoders.0."))
        }
        trainer.model.load_state_dict(of_image, strict=False)
        best, best_weights = -1.0, {}
        for _ in trainer:
            accuracy = correct(trainer.model, held_out, image.name, label.name).mean().item()
            if accuracy >= best:  # of two equally good epochs, the later one
                best = accuracy
                best_weights = {n: w.clone() for n, w in trainer.model.state_dict().items()}
        trainer.model.load_state_dict(best_weights)
        hits = correct(trainer.model, test, image.name, label.name)
    return Point(
        method, fraction, len(paired), len(held_out), seed, round(hits.mean().item(), 4), len(test)
    )


def image_only_config(dataset: str, seed: int) -> ModelConfig:
    """Return the configuration of a model of all images without labels: a VAE of the image."""
    config = config_for(dataset, "mvae")
    settings = {"epochs": IMAGE_PASSES, "seed": seed}
    training = config.training.model_copy(update=settings)
    return config.model_copy(update={"objective": Joint(), "training": training})


def pretrained_weights(
    config: ModelConfig, train: Batch, valid: Batch, image: str, folder: Path
) -> dict[str, Tensor]:
    """Return weights trained on all images without labels; train them unless they are saved."""
    run_folder = folder / f"images-alone-{config.training.seed}"
    path = run_folder / "weights.safetensors"
    if not path.exists():
        with writing(run_folder):
            trainer = Trainer(config, train.supply([image]), valid.supply([image]), run_folder)
            for _ in trainer:
                pass
            save_tensors(path, trainer.best)
    model = config.build()
    load_into(model, path)
    return model.state_dict()


@torch.no_grad()
def correct(model: MultimodalModel, batch: Batch, image: str, label: str) -> Tensor:
    """Return whether the label predicted from each image is correct, 0 or 1, float ``(B,)``."""
    modality, hits = model.modality(label), []
    batch = batch.align(model.modalities)
    for i in range(0, len(batch), 1000):
        part = batch[slice(i, i + 1000)]
        p = model.generate(part.supply([image]), DRAWS, 0, [label])[label]
        predicted = modality.distribution.expected(p).mean(0).argmax(-1)
        hits.append((predicted == part.values[label]).float())
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
    """Train the encoder's network on the pairs alone; return whether each test label is correct."""
    torch.manual_seed(seed)
    net = Pathway(image, (*image.hidden, label.shape[0]))
    optimiser = torch.optim.Adam(net.parameters(), LEARNING_RATE, fused=True)

    def hits(batch: Batch) -> Tensor:
        with torch.no_grad():
            predicted: Tensor = net(batch.values[image.name]).argmax(-1)
        return (predicted == batch.values[label.name]).float()

    best, best_weights = -1.0, {}
    for step in range(1, steps + 1):
        part = train[torch.randint(len(train), (BATCH,))]
        loss = nn.functional.cross_entropy(net(part.values[image.name]), part.values[label.name])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % VALIDATION_INTERVAL == 0 or step == steps:
            accuracy = hits(valid).mean().item()
            if accuracy >= best:
                best, best_weights = accuracy, {n: w.clone() for n, w in net.state_dict().items()}
    net.load_state_dict(best_weights)
    return hits(test)


def read_points(path: Path) -> list[Point]:
    """Read the points from a supervision.csv; an empty list if the file does not exist."""
    return read_rows(path, Point)
