"""MultiVae's models beside this project's: ``python tests/benchmarks/peers.py``.

In an environment of its own with ``torch==2.13.0``, ``multivae==1.0.3`` and this project's
requirements, on the data that ``python -m mvae data`` fetches. MultiVae's own trainer trains its
MVAE and JMVAE with the very same networks, λ, pixels, epochs, batches, optimiser and schedule as
the bundled `mvae` and `jmvae`; this project's estimator scores them all on the test split, with the
same noise. One pair of MVAEs learns from pixels that are drawn anew in every epoch, with the grey
value as the probability of ink, and is scored on pixels drawn once. What is trained and scored is
kept in ``logs/peers``, so that an interrupted call goes on.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mvae.batch import Batch
from mvae.checkpoint import ModelConfig, load_model, save_model
from mvae.csv_files import write_rows
from mvae.data.dataset import Split
from mvae.data.idx_files import idx_split
from mvae.data.mnist import MNIST
from mvae.evaluation.log_likelihood import ESTIMATOR, log_likelihood
from mvae.files import load_tensors, save_tensors
from mvae.models.base import MultimodalModel
from mvae.models.jmvae import JMVAE
from mvae.models.mvae import MVAE
from mvae.results.external_models import FILE, ExternalModel
from mvae.search_path import CHECKPOINTS
from mvae.training.recipes import config_for
from mvae.training.trainer import learning_rate_factor
from mvae.training.zoo import train as train_ours
from tests.benchmarks.in_multivae import (
    BaseTrainer,
    BaseTrainerConfig,
    DatasetOutput,
    MultimodalBaseDataset,
    networks,
    one_hot,
    wrap,
)

FIXED, DRAWN = "binarised at 0.5", "drawn in every epoch"
PART = 250


@dataclass(frozen=True)
class Entry:
    """A model: its recipe, whose trainer it comes from, and its pixels."""

    recipe: str
    trained_by: str
    pixels: str = FIXED

    @property
    def folder(self) -> Path:
        return Path(self.trained_by.split()[0].lower()) / self.pixels.split()[0] / self.recipe


OURS, THEIRS = "this project", "MultiVae 1.0.3"
#: The first of some pixels is what the others are compared with.
ENTRIES = (
    Entry("mvae", OURS),
    Entry("mvae-cover", OURS),
    Entry("jmvae", OURS),
    Entry("mvae", THEIRS),
    Entry("jmvae", THEIRS),
    Entry("mvae", OURS, DRAWN),
    Entry("mvae", THEIRS, DRAWN),
)


class Drawn(Batch):
    """Samples whose grey pixels become black or white by chance, anew whenever they are taken."""

    def __getitem__(self, index: Tensor | slice) -> Batch:
        part = super().__getitem__(index)
        return Batch({**part.values, "image": part.values["image"].bernoulli()}, part.present)


class DrawnDataset(MultimodalBaseDataset):
    """The same for MultiVae's loader, which takes one sample at a time."""

    def __getitem__(self, index: int) -> DatasetOutput:
        found = super().__getitem__(index)
        return DatasetOutput(data={**found.data, "image": found.data["image"].bernoulli()})


def split(name: Split, pixels: str) -> Batch:
    """Load a split; but for training, drawn pixels are drawn once."""
    if pixels == FIXED:
        return MNIST.load(name, False)
    grey, labels = idx_split("MNIST", name, False)
    values = {"image": grey, "label": labels}
    if name == "train":
        return Drawn(values, torch.ones(len(labels), len(values), dtype=torch.bool))
    generator = torch.Generator().manual_seed(0)
    values["image"] = torch.bernoulli(grey, generator=generator)
    return Batch.of(MNIST.modalities, values)


def train_theirs(config: ModelConfig, pixels: str) -> dict[str, Tensor]:
    """Train with MultiVae's trainer; give the weights of its best epoch."""
    settings = config.training
    torch.manual_seed(settings.seed)
    model = config.build()
    assert isinstance(model, MVAE | JMVAE)
    train = one_hot(split("train", pixels), model)
    if pixels == DRAWN:
        train = DrawnDataset(train.data)
    with tempfile.TemporaryDirectory() as folder:
        trainer = BaseTrainer(
            wrap(model, round(settings.warmup * settings.epochs)),
            train,
            one_hot(split("valid", pixels), model),
            BaseTrainerConfig(
                output_dir=folder,
                per_device_train_batch_size=settings.batch,
                per_device_eval_batch_size=1000,
                num_epochs=settings.epochs,
                learning_rate=settings.learning_rate,
                scheduler_cls="LambdaLR",
                scheduler_params={
                    "lr_lambda": lambda epoch: learning_rate_factor(epoch / settings.epochs)
                },
                seed=settings.seed,
                no_cuda=True,
            ),
        )
        trainer.save_model = lambda *_, **__: None  # it would pickle; the weights are all we need
        trainer.train()
        return networks(trainer._best_model, model)


def model_of(entry: Entry, folder: Path) -> MultimodalModel:
    """Give a trained model: bundled, kept from an earlier call, or trained now."""
    if (entry.trained_by, entry.pixels) == (OURS, FIXED):
        return load_model("mnist", entry.recipe)[0]
    place, config = folder / entry.folder, config_for("mnist", entry.recipe)
    if not (place / "weights.safetensors").exists():
        print(f"training {entry}", flush=True)
        if entry.trained_by == THEIRS:
            save_model(place, config, train_theirs(config, entry.pixels))
        else:
            train, valid = split("train", entry.pixels), split("valid", entry.pixels)
            for progress in train_ours(config, train, valid, place):
                print(progress, flush=True)
    # A checkpoint is found by its data set's folder and its own name.
    return load_model(place.parent.name, place.name, place.parents[1])[0]


def scores(entry: Entry, n: int, k: int, folder: Path) -> Tensor:
    """Give the joint log p of the first n test samples of one fixed order, ``(n,)``."""
    kept = folder / f"{'-'.join(entry.folder.parts)}-{n}-{k}-{ESTIMATOR}.safetensors"
    if not kept.exists():
        model, test = model_of(entry, folder), split("test", entry.pixels)
        order = torch.randperm(len(test), generator=torch.Generator().manual_seed(0))[:n]
        values = []
        for part, rows in enumerate(order.split(PART)):
            values.append(log_likelihood(model, test[rows], k).value)
            print(f"\r{entry}: {(part + 1) * PART} of {n}", end="", flush=True)
        print()
        save_tensors(kept, {"log_p": torch.cat(values)})
    return load_tensors(kept)["log_p"]


def mean_and_error(x: Tensor) -> tuple[float, float]:
    """Give the mean of some samples and its standard error."""
    return round(x.mean().item(), 3), round(x.std().item() / len(x) ** 0.5, 4)


def main() -> None:
    """Train and score what is missing; write the table as it grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=10_000, help="test samples")
    parser.add_argument("--k", type=int, default=1000, help="importance draws a sample")
    parser.add_argument("--folder", type=Path, default=Path("logs/peers"))
    parser.add_argument("--root", type=Path, default=CHECKPOINTS)
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    reference: dict[str, Tensor] = {}
    rows: list[ExternalModel] = []
    for entry in ENTRIES:
        log_p = scores(entry, arguments.n, arguments.k, arguments.folder)
        above = log_p - reference.setdefault(entry.pixels, log_p)
        figures = (*mean_and_error(log_p), *mean_and_error(above))
        run = entry.recipe if (entry.trained_by, entry.pixels) == (OURS, FIXED) else ""
        peer = ExternalModel(
            entry.recipe,
            entry.trained_by,
            entry.pixels,
            *figures,
            len(log_p),
            arguments.k,
            ESTIMATOR,
            run,
        )
        print(peer, flush=True)
        rows.append(peer)
        write_rows(arguments.root / "mnist" / FILE, rows)


if __name__ == "__main__":
    main()
