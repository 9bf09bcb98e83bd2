"""What the bundled Boltzmann machines and autoencoders say of themselves, against their figures."""

from __future__ import annotations

import math

import pytest

from mvae.checkpoint import load_config, load_metrics
from tests.bundled import CHECKPOINTS, FOLDERS

DEEP = [path for path in FOLDERS if path.name in ("dbm", "deep-rbm")]


@pytest.mark.parametrize("path", DEEP, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_deep_machine_says_on_which_data_its_training_fails(path):
    assert "On the 1,475 pictures of clip art our training of it fails" in " ".join(
        load_config(path).limitations
    )
    diversity = load_metrics(path.parent.name, path.name, CHECKPOINTS).test["diversity"]
    fails = max(figure["mean"] for figure in diversity.values()) < 0.1
    assert fails == (path.parent.name == "clipart")


@pytest.mark.parametrize("dataset", ["mnist", "fashion"])
def test_a_deep_machine_predicts_labels_as_well_as_a_flat_one(dataset):
    deep, flat = (
        load_metrics(dataset, name, CHECKPOINTS).test["accuracy"]["image->label"]
        for name in ("dbm", "rbm")
    )
    assert deep["mean"] > flat["mean"] - 2 * math.hypot(deep["se"], flat["se"])


@pytest.mark.parametrize(
    "path", [p for p in FOLDERS if p.name == "dae"], ids=lambda p: p.parent.name
)
def test_the_autoencoder_says_that_it_lacks_the_pre_training_of_the_original(path):
    assert "pre-trained layer by layer with restricted" in " ".join(load_config(path).limitations)
