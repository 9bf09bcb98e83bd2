"""Simulation-based calibration of a bundled model, held against its exact posterior."""

from __future__ import annotations

import pytest
import torch

from mvae.checkpoint import load_model
from mvae.evaluation.calibration import calibrate, simulate
from mvae.evaluation.exact_posterior import ExactInference
from tests.reference import seeded

pytestmark = pytest.mark.slow

SIMULATED = 100


@pytest.mark.parametrize("subset", [["image"], ["label"], ["image", "label"]], ids="+".join)
def test_coverage_is_what_the_exact_posterior_says(subset):
    """Of two latents p(z|x_S) is known: it says how much of it lies in q's intervals."""
    model, _ = load_model("mnist", "mvae-2d")
    z, batch = simulate(model, SIMULATED, seeded())
    inference, within = ExactInference(model), []
    q = model.posterior(batch.supply(subset))
    half = q.std * torch.distributions.Normal(0, 1).icdf(torch.tensor(0.95))
    for i in range(SIMULATED):
        p = inference(batch[slice(i, i + 1)], subset).partition
        inside = (p.points - q.mean[i]).abs() <= half[i]  # (N, 2)
        within.append(p.masses @ inside.double())
    exact = torch.stack(within)  # the probability of being covered, (n, 2)
    supplied = torch.tensor([m.name in subset for m in model.modalities]).expand(SIMULATED, -1)
    covered = calibrate(model, supplied, seeded()).covered(0.9).double()
    torch.testing.assert_close(covered, ((z - q.mean).abs() <= half).double())
    apart = covered - exact
    assert (apart.mean(0).abs() <= 4 * apart.std(0) / SIMULATED**0.5).all()
    assert exact.mean() < 0.9  # its posteriors are too sure
