"""Importance-weighted estimates on a bundled model, held against exact quadrature."""

from __future__ import annotations

import pytest
import torch

from mvae.checkpoint import load_model, load_samples
from mvae.evaluation.exact import ExactInference
from mvae.evaluation.likelihood import log_likelihood

POINTS, DRAWS = 200, 5000
# Quadrature itself is exact to a hundredth of a nat: see test_exact.


@pytest.fixture(scope="module")
def both():
    """Give the exact log p and its estimate for every subset, of 200 test examples."""
    model, _ = load_model("mnist", "mvae-2d")
    samples = load_samples("mnist", model.modalities)[slice(0, POINTS)]
    inference, found = ExactInference(model), {}
    for subset in (("image",), ("label",), ("image", "label")):
        rows = torch.arange(POINTS)
        if subset == ("label",):  # ten values, each of them twenty times
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
    within = (value - exact).abs() <= 4 * se + 0.01
    assert within[reliable].all()


@pytest.mark.parametrize("given", ["image", "label"])
def test_conditionals_are_too(both, given):
    exact, value, k_hat = (both["image+label"][i] - both[given][i] for i in (0, 1, 3))
    se = torch.hypot(both["image+label"][2], both[given][2])
    k_hat = torch.maximum(both["image+label"][3], both[given][3])
    assert (value - exact).abs().mean() <= 0.05
    within = (value - exact).abs() <= 4 * se + 0.02
    assert within[k_hat < 0.7].all()
