"""Checkpoints in memory: shared by all visitors, loaded afresh as a whole when a file changes."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from glob import escape
from pathlib import Path

from mvae import checkpoint
from mvae.analysis.embedding import MapOfLatents, load_map
from mvae.batch import Batch
from mvae.checkpoint import Metrics, ModelConfig
from mvae.evaluation import classifier
from mvae.evaluation.classifier import FILE as CLASSIFIER
from mvae.evaluation.classifier import Classifier
from mvae.models.base import MultimodalModel
from mvae.results.external_models import FILE as PEERS
from mvae.results.external_models import Peer, peers
from mvae.results.runs import Record, runs
from mvae.search_path import checkpoint_folders, find, folder_of
from mvae.training.weak_supervision import Point, curves
from pages.parts.versions import kept, stamps

__all__ = [
    "classifier_of",
    "files_of",
    "load",
    "map_of",
    "metrics_of",
    "of_models",
    "of_samples",
    "peers_of",
    "records_of",
    "samples_of",
    "supervision_of",
    "version_of",
]

#: Models kept in memory, of some 10 MB each: the six that Compare may show, and two more. Loading
#: one again takes a twentieth of a second; ``tests/benchmarks/memory.py`` measures all of them.
MODELS = 8
CONFIG, WEIGHTS, SAMPLES = "config.json", "weights.safetensors", "samples.safetensors"


def files_of(dataset: str, *names: str) -> list[Path]:
    """Return where files of a data set, or of a model if a name has a slash, are."""
    split = [name.rpartition("/") for name in names]
    return [
        folder_of(dataset, model) / file if model else find(dataset, file)
        for model, _, file in split
    ]


def _of_weights(dataset: str, model: str) -> Hashable:
    return stamps(*files_of(dataset, f"{model}/{CONFIG}", f"{model}/{WEIGHTS}"))


@kept(_of_weights, max_entries=MODELS)
def _load(dataset: str, model: str) -> tuple[MultimodalModel, ModelConfig, str]:
    built, config = checkpoint.load_model(dataset, model)
    digest = hashlib.sha256(config.model_dump_json().encode())
    for name, weight in built.state_dict().items():
        digest.update(name.encode() + weight.numpy().tobytes())
    return built, config, digest.hexdigest()[:16]


def load(dataset: str, model: str) -> tuple[MultimodalModel, ModelConfig]:
    """Return a model of the files as they are now.

    Raises:
        CheckpointError: if there is none, or no more, or if it is damaged.
    """
    return _load(dataset, model)[:2]


def version_of(dataset: str, model: str) -> str:
    """Return a hash of what :func:`load` returns: of the description and of all weights."""
    return _load(dataset, model)[2]


def of_samples(dataset: str, model: str) -> Hashable:
    """Return the version of a model and of its data set's examples together."""
    return version_of(dataset, model), stamps(*files_of(dataset, SAMPLES))


@kept(of_samples, max_entries=MODELS)
def samples_of(dataset: str, model: str) -> Batch:
    """Return the bundled test examples of a model's data set."""
    _, config = load(dataset, model)
    return checkpoint.load_samples(dataset, config.modalities)


def _of_metrics(dataset: str, model: str) -> Hashable:
    return stamps(*files_of(dataset, f"{model}/metrics.json", f"{model}/{WEIGHTS}"))


@kept(_of_metrics, max_entries=32)
def metrics_of(dataset: str, model: str) -> Metrics | None:
    """Return a model's metrics, if there are any of exactly these weights."""
    return checkpoint.load_metrics(dataset, model)


def of_models(datasets: str) -> Hashable:
    """Return what changes with any model, or its figures, of the data sets of a pattern."""
    files = (CONFIG, WEIGHTS, "metrics.json")
    return tuple(
        (str(folder), stamps(*(folder / name for name in files)))
        for folder in sorted(checkpoint_folders(datasets).values())
    )


@kept(lambda dataset: of_models(escape(dataset)), max_entries=4)
def records_of(dataset: str) -> list[Record]:
    """Return all runs of a data set, for which each one's weights are hashed."""
    return runs(dataset)


def _of_supervision(dataset: str) -> Hashable:
    return stamps(*files_of(dataset, "supervision.csv"))


@kept(_of_supervision, max_entries=8)
def supervision_of(dataset: str) -> list[Point]:
    """Return what was measured with few labels."""
    return curves(find(dataset, "supervision.csv"))


def _of_peers(dataset: str) -> Hashable:
    return stamps(*files_of(dataset, PEERS))


@kept(_of_peers, max_entries=8)
def peers_of(dataset: str) -> list[Peer]:
    """Return what other libraries' models were scored with."""
    return peers(dataset)


def _of_map(dataset: str, model: str) -> Hashable:
    return of_samples(dataset, model), stamps(*files_of(dataset, f"{model}/map.safetensors"))


@kept(_of_map, max_entries=MODELS)
def map_of(dataset: str, model: str) -> MapOfLatents:
    """Return a model's map."""
    return load_map(dataset, model)


def _of_classifier(dataset: str, model: str) -> Hashable:
    return version_of(dataset, model), stamps(*files_of(dataset, CLASSIFIER))


@kept(_of_classifier, max_entries=4)
def classifier_of(dataset: str, model: str) -> Classifier:
    """Return the classifier that names the pictures of a model's data set."""
    _, config = load(dataset, model)
    return classifier.classifier_of(dataset, config.modalities)
