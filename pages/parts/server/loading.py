"""Checkpoints in memory, shared by all visitors and loaded again when a file changes."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from glob import escape
from pathlib import Path

from mvae import checkpoint
from mvae.analysis.embedding import LatentMap, load_map
from mvae.batch import Batch
from mvae.checkpoint import Metrics, ModelConfig
from mvae.evaluation import classifier
from mvae.evaluation.classifier import FILE as CLASSIFIER
from mvae.evaluation.classifier import Classifier
from mvae.files import CheckpointError
from mvae.models.base import ExpertModel, MultimodalModel
from mvae.results.external_models import FILE as PEERS
from mvae.results.external_models import ExternalModel, load_external_models
from mvae.results.runs import Record, runs
from mvae.search_path import checkpoint_folders, find, folder_of
from mvae.training.weak_supervision import Point, read_points
from pages.parts.server.versions import cached_by, stamps

__all__ = [
    "classifier_of",
    "external_models_of",
    "files_of",
    "load",
    "load_experts",
    "map_of",
    "metrics_of",
    "of_models",
    "of_samples",
    "records_of",
    "samples_of",
    "supervision_of",
    "titles_of",
    "version_of",
]

#: Models kept in memory, about 10 MB each: the six that Compare may show, and two more. Loading a
#: model takes 0.05 s; ``tests/benchmarks/memory.py`` measures the memory of all of them.
MODELS = 8
CONFIG, WEIGHTS, SAMPLES = "config.json", "weights.safetensors", "samples.safetensors"


def files_of(dataset: str, *names: str) -> list[Path]:
    """Return the paths of files of a data set; a name may contain a model's folder."""
    split = [name.rpartition("/") for name in names]
    return [
        folder_of(dataset, model) / file if model else find(dataset, file)
        for model, _, file in split
    ]


def _of_weights(dataset: str, model: str) -> Hashable:
    return stamps(*files_of(dataset, f"{model}/{CONFIG}", f"{model}/{WEIGHTS}"))


@cached_by(_of_weights, max_entries=MODELS)
def _load(dataset: str, model: str) -> tuple[MultimodalModel, ModelConfig, str]:
    built, config = checkpoint.load_model(dataset, model)
    digest = hashlib.sha256(config.model_dump_json().encode())
    for name, weight in built.state_dict().items():
        digest.update(name.encode() + weight.numpy().tobytes())
    return built, config, digest.hexdigest()[:16]


def load(dataset: str, model: str) -> tuple[MultimodalModel, ModelConfig]:
    """Return a model and its configuration, from the files as they are now.

    Raises:
        CheckpointError: if the checkpoint does not exist or is damaged.
    """
    return _load(dataset, model)[:2]


def load_experts(dataset: str, model: str) -> tuple[ExpertModel, ModelConfig]:
    """Return a model whose posterior is a product of experts, as :func:`load` does.

    Raises:
        CheckpointError: if it has none, or as :func:`load`.
    """
    built, config = load(dataset, model)
    if not isinstance(built, ExpertModel):
        raise CheckpointError(f"{dataset}/{model} has no product of experts. {built.no_experts}")
    return built, config


def version_of(dataset: str, model: str) -> str:
    """Return a hash of a model's configuration and weights."""
    return _load(dataset, model)[2]


def of_samples(dataset: str, model: str) -> Hashable:
    """Return a key that changes with a model or with the examples of its data set."""
    return version_of(dataset, model), stamps(*files_of(dataset, SAMPLES))


@cached_by(of_samples, max_entries=MODELS)
def samples_of(dataset: str, model: str) -> Batch:
    """Return the bundled test examples of a model's data set."""
    _, config = load(dataset, model)
    return checkpoint.load_samples(dataset, config.modalities)


def _of_metrics(dataset: str, model: str) -> Hashable:
    return stamps(*files_of(dataset, f"{model}/metrics.json", f"{model}/{WEIGHTS}"))


@cached_by(_of_metrics, max_entries=32)
def metrics_of(dataset: str, model: str) -> Metrics | None:
    """Return a model's metrics, or None if there are none for exactly these weights."""
    return checkpoint.load_metrics(dataset, model)


def of_models(datasets: str) -> Hashable:
    """Return a key that changes with any model or figure of the data sets matching a pattern."""
    files = (CONFIG, WEIGHTS, "metrics.json")
    return tuple(
        (str(folder), stamps(*(folder / name for name in files)))
        for folder in sorted(checkpoint_folders(datasets).values())
    )


@cached_by(lambda dataset: of_models(escape(dataset)), max_entries=4)
def records_of(dataset: str) -> list[Record]:
    """Return all runs of a data set; the weights of each are hashed to check its figures."""
    return runs(dataset)


@cached_by(lambda dataset: of_models(escape(dataset)), max_entries=8)
def titles_of(dataset: str) -> dict[str, str]:
    """Return a label for each model of a data set: its name and title, or its name if damaged."""
    labels = {}
    for name in checkpoint.available()[dataset]:
        try:
            config = checkpoint.load_config(folder_of(dataset, name))
        except CheckpointError:
            labels[name] = name
        else:
            labels[name] = f"{name} · {config.objective.network.title}"
    return labels


def _of_supervision(dataset: str) -> Hashable:
    return stamps(*files_of(dataset, "supervision.csv"))


@cached_by(_of_supervision, max_entries=8)
def supervision_of(dataset: str) -> list[Point]:
    """Return the accuracies measured with few labels."""
    return read_points(find(dataset, "supervision.csv"))


def _of_external_models(dataset: str) -> Hashable:
    return stamps(*files_of(dataset, PEERS))


@cached_by(_of_external_models, max_entries=8)
def external_models_of(dataset: str) -> list[ExternalModel]:
    """Return the scores of models trained by other libraries."""
    return load_external_models(dataset)


def _of_map(dataset: str, model: str) -> Hashable:
    return of_samples(dataset, model), stamps(*files_of(dataset, f"{model}/map.safetensors"))


@cached_by(_of_map, max_entries=MODELS)
def map_of(dataset: str, model: str) -> LatentMap:
    """Return the map of a model's latent space."""
    return load_map(dataset, model)


def _of_classifier(dataset: str, model: str) -> Hashable:
    return version_of(dataset, model), stamps(*files_of(dataset, CLASSIFIER))


@cached_by(_of_classifier, max_entries=4)
def classifier_of(dataset: str, model: str) -> Classifier:
    """Return the classifier of the pictures of a model's data set."""
    _, config = load(dataset, model)
    return classifier.load_classifier(dataset, config.modalities)
