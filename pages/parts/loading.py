"""Checkpoints in memory: loaded once, shared by all visitors, never changed."""

from __future__ import annotations

import streamlit as st

from mvae import checkpoint
from mvae.checkpoint import Metrics, ModelConfig
from mvae.embedding import MapOfLatents, load_map
from mvae.evaluation import classifier
from mvae.evaluation.classifier import Classifier
from mvae.evaluation.supervision import Point, curves
from mvae.modality import Batch
from mvae.model import MultimodalModel
from mvae.peers import Peer, peers
from mvae.runs import Record, runs

__all__ = [
    "classifier_of",
    "load",
    "map_of",
    "metrics_of",
    "peers_of",
    "records_of",
    "samples_of",
    "supervision_of",
]


@st.cache_resource(max_entries=32, show_spinner=False)
def load(dataset: str, model: str) -> tuple[MultimodalModel, ModelConfig]:
    """Load a model; a CheckpointError is not remembered, so a mended file works at once."""
    return checkpoint.load_model(dataset, model, checkpoint.CHECKPOINTS)


@st.cache_resource(max_entries=32, show_spinner=False)
def samples_of(dataset: str, model: str) -> Batch:
    """Load the bundled test examples of a model's data set."""
    _, config = load(dataset, model)
    return checkpoint.load_samples(dataset, config.modalities, checkpoint.CHECKPOINTS)


@st.cache_resource(max_entries=32, show_spinner=False)
def metrics_of(dataset: str, model: str) -> Metrics | None:
    """Load a model's metrics, if there are any of exactly these weights."""
    return checkpoint.load_metrics(dataset, model, checkpoint.CHECKPOINTS)


@st.cache_resource(max_entries=8, show_spinner=False)
def records_of(dataset: str) -> list[Record]:
    """Read all runs of a data set, which takes the hash of each one's weights."""
    return runs(dataset, checkpoint.CHECKPOINTS)


@st.cache_resource(max_entries=8, show_spinner=False)
def supervision_of(dataset: str) -> list[Point]:
    """Read what was measured with few labels."""
    return curves(checkpoint.CHECKPOINTS / dataset / "supervision.csv")


@st.cache_resource(max_entries=8, show_spinner=False)
def peers_of(dataset: str) -> list[Peer]:
    """Read what other libraries' models were scored with."""
    return peers(dataset, checkpoint.CHECKPOINTS)


@st.cache_resource(max_entries=32, show_spinner=False)
def map_of(dataset: str, model: str) -> MapOfLatents:
    """Load a model's map; a missing one is not remembered, so a made one works at once."""
    return load_map(dataset, model, checkpoint.CHECKPOINTS)


@st.cache_resource(max_entries=8, show_spinner=False)
def classifier_of(dataset: str, model: str) -> Classifier:
    """Load the classifier that names the pictures of a model's data set."""
    _, config = load(dataset, model)
    return classifier.classifier_of(dataset, config.modalities, checkpoint.CHECKPOINTS)
