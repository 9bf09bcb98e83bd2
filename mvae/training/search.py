"""The small search that chooses λ on the validation split, the same for every recipe."""

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

__all__ = ["Trial", "quality", "search", "with_weight"]

#: The values of λ that are tried, each for the recipe's full budget. With a fifth of the budget,
#: `mvae` on MNIST scored best with the λ that is worst with the full budget.
CANDIDATES = (1.0, 10.0)
#: The numbers of validation samples and importance draws used to compare trials.
SAMPLES, DRAWS = 1000, 100


@dataclass(frozen=True)
class Trial:
    """The result of one candidate.

    Args:
        recipe: name of the recipe.
        weight: λ of the labels, tags and texts.
        epochs: passes over the training split.
        criterion: what was measured on the validation split.
        value: its value in nats; the candidate with the highest is chosen.
    """

    recipe: str
    weight: float
    epochs: int
    criterion: str
    value: float


def with_weight(config: ModelConfig, weight: float) -> ModelConfig:
    """Return a copy of a configuration with another λ for its labels, tags and texts."""
    modalities = tuple(
        m.model_copy(update={"weight": weight}) if m.is_annotation else m for m in config.modalities
    )
    return config.model_copy(update={"modalities": modalities})


def quality(config: ModelConfig, model: MultimodalModel, valid: Batch) -> tuple[str, float]:
    """Evaluate a model on the validation split; return the criterion and its value.

    The criterion is the mean joint log p of 1,000 samples with K = 100 importance draws; for a
    model that has no joint log p it is the score of its objective.
    """
    if model.no_likelihood:
        return "score", validation_score(config.objective, model, valid)
    generator = torch.Generator().manual_seed(0)
    chosen = valid[torch.randperm(len(valid), generator=generator)[:SAMPLES]]
    return "joint log p", log_likelihood(model, chosen, DRAWS).value.mean().item()


def search(dataset: str, recipe: str, root: Path | None = None) -> Iterator[Trial]:
    """Train every candidate, write the results to the data set's search.csv, and yield them.

    Candidates already in the file are not repeated, and one that is identical to a bundled model
    is evaluated without training. All trials of the recipe are yielded.

    Raises:
        CheckpointError: if the model cannot be built, a file is damaged, or another command is
            writing into the folder.
        DatasetError: if there is no such data set, or its raw data are missing.
    """
    source, path = dataset_of(dataset), writable_root(root) / dataset / "search.csv"
    config_for(dataset, recipe).build()  # fail before data are read if it cannot be built
    with writing(path.parent):
        valid = source.load("valid", False)
        for weight in CANDIDATES:
            trials = [t for t in read_rows(path, Trial) if (t.recipe, t.weight) == (recipe, weight)]
            if not trials:
                config = with_weight(config_for(dataset, recipe), weight)
                model = _bundled(config, root) or _trained(config, valid)
                criterion, value = quality(config, model.eval(), valid)
                epochs = config.training.epochs
                trials = [Trial(recipe, weight, epochs, criterion, round(value, 2))]
                rows = (*read_rows(path, Trial), *trials)
                write_rows(path, sorted(rows, key=lambda t: (t.recipe, t.weight)))
            yield from trials


def _bundled(config: ModelConfig, root: Path | None) -> MultimodalModel | None:
    """Return the model of a checkpoint with the candidate's settings, if there is one."""
    descriptive = {"model", "summary", "limitations"}
    for name in available(root).get(config.dataset, []):
        other = load_config(folder_of(config.dataset, name, root))
        if other.model_dump(exclude=descriptive) == config.model_dump(exclude=descriptive):
            return load_model(config.dataset, name, root)[0]
    return None


def _trained(config: ModelConfig, valid: Batch) -> MultimodalModel:
    trainer = Trainer(config, DATASETS[config.dataset].load("train", False), valid)
    for _ in trainer:
        pass
    return trainer.model
