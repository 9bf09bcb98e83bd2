"""The linear probe reads what a posterior mean holds, and nothing else."""

from __future__ import annotations

import pytest
import torch

from mvae.batch import Batch
from mvae.distributions.gaussian import Gaussian
from mvae.evaluation.probe import linear_probe
from mvae.modality import Modality
from mvae.models.base import LatentModel

SPOT = Modality(name="spot", kind="vector", shape=(2,), likelihood="gaussian")
KIND = Modality(name="kind", kind="label", shape=(3,), likelihood="categorical")


class Copy(LatentModel):
    """Believes what it is shown, and 0 where it is shown nothing."""

    def posterior(self, batch):
        mean = batch.filled("spot") * batch.present[:, :1]
        return Gaussian(mean, torch.zeros_like(mean))


def spots(n, seed):
    source = torch.Generator().manual_seed(seed)
    kind = torch.randint(3, (n,), generator=source)
    corner = torch.tensor([[0.0, 0], [500, 0], [0, 0.005]])  # of very unlike sizes
    noise = torch.randn(n, 2, generator=source) * torch.tensor([50, 0.0005])
    return Batch.of((SPOT, KIND), {"spot": corner[kind] + noise, "kind": kind})


def test_it_reads_what_the_posterior_holds():
    model, train, test = Copy((SPOT, KIND), 2), spots(600, 0), spots(300, 1)
    hits = linear_probe(model, train.supply(["spot"]), test.supply(["spot"]), "kind")
    assert hits.shape == (300,)
    assert hits.mean() > 0.98
    blind = linear_probe(model, train.supply([]), test.supply([]), "kind")
    assert blind.mean() == pytest.approx(1 / 3, abs=0.1)
