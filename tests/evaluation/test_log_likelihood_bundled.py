"""Importance-weighted estimates on a bundled model, held against exact quadrature."""

from __future__ import annotations

import pytest
import torch

from mvae.batch import Batch
from mvae.checkpoint import load_model, load_samples
from mvae.evaluation.exact_posterior import ExactInference
from mvae.evaluation.log_likelihood import conditional_log_likelihood, log_likelihood

pytestmark = pytest.mark.slow

POINTS, DRAWS = 100, 5000
# Quadrature itself is exact to a hundredth of a nat: see test_exact.


@pytest.fixture(scope="module")
def both():
    """Give the exact log p and its estimate for every subset, of 100 test examples."""
    model, _ = load_model("mnist", "mvae-2d")
    samples = load_samples("mnist", model.modalities)[slice(0, POINTS)]
    inference, found = ExactInference(model), {}
    for subset in (("image",), ("label",), ("image", "label")):
        rows = torch.arange(POINTS)
        if subset == ("label",):  # ten values, each of them ten times
            values, rows = samples.values["label"].unique(return_inverse=True)
            first = torch.stack([(samples.values["label"] == v).nonzero()[0, 0] for v in values])
        else:
            first = rows
        some = samples[first]
        exact = torch.tensor(
            [inference(some[slice(i, i + 1)], subset).log_evidence for i in range(len(some))]
        )
        estimate = log_likelihood(model, some.supply(subset), DRAWS)
        found["+".join(subset)] = [
            x[rows].double() for x in (exact, estimate.value, estimate.se, estimate.k_hat)
        ]
    return found


@pytest.mark.parametrize("subset", ["image", "label", "image+label"])
def test_log_p_is_within_a_twentieth_of_a_nat(both, subset):
    exact, value, se, k_hat = both[subset]
    assert (value - exact).abs().mean() <= 0.05
    reliable = k_hat < 0.7
    assert reliable.double().mean() >= 0.9  # of the labels, that is nine of ten values
    # A lobe narrower than the draws are apart is missed now and then; no diagnostic knows of it.
    within = (value - exact).abs() <= 4 * se + 0.01
    assert within[reliable].double().mean() >= 0.99


@pytest.mark.parametrize(("wanted", "given"), [("label", "image"), ("image", "label")])
def test_conditionals_are_too(both, wanted, given):
    model, _ = load_model("mnist", "mvae-2d")
    samples = load_samples("mnist", model.modalities)[slice(0, POINTS)]
    exact = both["image+label"][0] - both[given][0]
    found = conditional_log_likelihood(model, samples, [wanted], [given], DRAWS)
    apart = (found.value.double() - exact).abs()
    assert apart.mean() <= 0.05
    assert (apart <= 4 * found.se + 0.02)[found.k_hat < 0.7].double().mean() >= 0.99
    assert (found.value <= 0).all()


def test_the_labels_of_an_image_add_up_to_it():
    """log p(image) by draws of its own, and log Σ_y p(y, image) by those made for each label."""
    model, _ = load_model("mnist", "mvae-cover")
    images = load_samples("mnist", model.modalities)[slice(0, 5)].values["image"]
    every = Batch.of(
        model.modalities,
        {"image": images.repeat_interleave(10, 0), "label": torch.arange(10).repeat(5)},
    )
    joint = log_likelihood(model, every, 1000)
    alone = log_likelihood(model, every[::10].supply(["image"]), 1000)
    share = joint.value.view(5, 10).softmax(1)
    error = (share * joint.se.view(5, 10)).square().sum(1).sqrt()
    apart = joint.value.view(5, 10).logsumexp(1) - alone.value
    assert (apart.abs() < 4 * torch.hypot(error, alone.se) + 0.01).all()
