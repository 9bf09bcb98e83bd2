"""Bi-VCCA, a posterior for each modality: against its formula in loops."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor

from mvae.models.bivcca import BiVCCA, BiVCCAObjective
from tests.reference import (
    HOLES,
    assert_same_loss_and_gradients,
    kl,
    log_p,
    single,
    subsets_of,
    there,
)

pytestmark = pytest.mark.usefixtures("float64")


def interpolated(model, batch, beta=1.0, weighted=True) -> Tensor:
    bounds = []
    for b in range(len(batch)):
        each = [torch.zeros(())]
        for name in there(batch, b):
            q = single(model, batch, b, name)
            each.append(log_p(model, batch, b, q.mean, weighted) - beta * kl(q))
        bounds.append(sum(each) / max(1, len(each) - 1))
    return torch.stack(bounds)


@pytest.mark.parametrize("beta", [0.3, 1.0])
def test_bivcca_averages_what_each_posterior_reconstructs(no_noise, toy_model, toy_batch, beta):
    model, batch = toy_model(kind=BiVCCA), toy_batch(n=6, present=HOLES)
    expected = -interpolated(model, batch, beta).mean()
    assert_same_loss_and_gradients(model, BiVCCAObjective()(model, batch, beta), expected)
    score = BiVCCAObjective().score(model, batch)
    torch.testing.assert_close(score, interpolated(model, batch, weighted=False))


def test_bivcca_has_no_posterior_of_several_modalities(toy_model, toy_batch):
    model, batch = toy_model(kind=BiVCCA), toy_batch()
    refusal = model.cannot(["image", "label"], "point")
    assert refusal.endswith("none for several together.")
    for given in subsets_of(batch.names, 2):
        with pytest.raises(ValueError, match=re.escape(refusal)):
            model.posterior(batch.supply(given))
        assert model.generate(batch.supply(given), 2) == {}
    for name in batch.names:
        q = model.posterior(batch.supply([name]))
        torch.testing.assert_close(q.mean[3], single(model, batch, 3, name).mean)
        torch.testing.assert_close(q.logvar[3], single(model, batch, 3, name).logvar)
        assert list(model.generate(batch.supply([name]), 2)) == list(batch.names)
