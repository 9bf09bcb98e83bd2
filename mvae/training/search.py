"""The small search by which λ is chosen on the validation split, the same for every recipe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from mvae.batch import Batch
from mvae.checkpoint import ModelConfig, available, load_config, load_model
from mvae.csv_files import read_rows, write_rows
from mvae.data import DATASETS, dataset_of
from mvae.evaluation.log_likelihood import log_likelihood
from mvae.files import writing
from mvae.models.base import MultimodalModel
from mvae.search_path import folder_of, writable_root
from mvae.training.recipes import config_for
from mvae.training.trainer import Trainer, validation_score

__all__ = ["Trial", "quality", "search", "weighted"]

#: λ of the labels that are tried, each for the recipe's whole budget. A fifth of the budget chose
#: badly: `mvae` on MNIST was then best with the λ with which it ends worst.
CANDIDATES = (1.0, 10.0)
#: Validation samples and importance draws by which the trials are compared.
SAMPLES, DRAWS = 1000, 100


@dataclass(frozen=True)
class Trial:
    """One try.

    Args:
        recipe: name of the recipe.
        weight: λ of the labels.
        epochs: passes over the training split.
        criterion: what was measured on the validation split.
        value: in nats; the highest is chosen.
    """

    recipe: str
    weight: float
    epochs: int
    criterion: str
    value: float


def weighted(config: ModelConfig, weight: float) -> ModelConfig:
    """Give a configuration another λ of its labels, tags and texts."""
    modalities = tuple(
        m.model_copy(update={"weight": weight}) if m.is_annotation else m for m in config.modalities
    )
    return config.model_copy(update={"modalities": modalities})


def quality(config: ModelConfig, model: MultimodalModel, valid: Batch) -> tuple[str, float]:
    """Say how good a model is on the validation split, and by which criterion.

    It is the joint log p of 1,000 samples, K = 100; where a model has none, its own score.
    """
    if model.no_likelihood:
        return "score", validation_score(config.objective, model, valid)
    generator = torch.Generator().manual_seed(0)
    chosen = valid[torch.randperm(len(valid), generator=generator)[:SAMPLES]]
    return "joint log p", log_likelihood(model, chosen, DRAWS).value.mean().item()


def search(dataset: str, recipe: str, root: Path | None = None) -> Iterator[Trial]:
    """Train every candidate and keep what is found in search.csv of the data set.

    A trial that is in the file already is not repeated, and a bundled model that is the candidate
    already is not trained again. Yields all trials of the recipe.

    Raises:
        CheckpointError: if the model cannot be built, a file is damaged, or another command is
            writing into the folder.
        DatasetError: if there is no such data set, or its raw data are not there.
    """
    source, path = dataset_of(dataset), writable_root(root) / dataset / "search.csv"
    config_for(dataset, recipe).build()  # what cannot be built is refused before data are read
    with writing(path.parent):
        valid = source.load("valid", False)
        for weight in CANDIDATES:
            found = [t for t in read_rows(path, Trial) if (t.recipe, t.weight) == (recipe, weight)]
            if not found:
                config = weighted(config_for(dataset, recipe), weight)
                model = _bundled(config, root) or _trained(config, valid)
                criterion, value = quality(config, model.eval(), valid)
                epochs = config.training.epochs
                found = [Trial(recipe, weight, epochs, criterion, round(value, 2))]
                rows = (*read_rows(path, Trial), *found)
                write_rows(path, sorted(rows, key=lambda t: (t.recipe, t.weight)))
            yield from found


def _bundled(config: ModelConfig, root: Path | None) -> MultimodalModel | None:
    """Give the model of a checkpoint that is the candidate under whatever name, if there is one."""
    words = {"model", "summary", "limitations"}
    for name in available(root).get(config.dataset, []):
        other = load_config(folder_of(config.dataset, name, root))
        if other.model_dump(exclude=words) == config.model_dump(exclude=words):
            return load_model(config.dataset, name, root)[0]
    return None


def _trained(config: ModelConfig, valid: Batch) -> MultimodalModel:
    trainer = Trainer(config, DATASETS[config.dataset].load("train", False), valid)
    for _ in trainer:
        pass
    return trainer.model
