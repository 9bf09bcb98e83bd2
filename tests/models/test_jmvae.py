"""JMVAE, a joint encoder beside single ones: against its formula in loops."""

from __future__ import annotations

import re

import pytest
import torch

from mvae.distributions.gaussian import Gaussian
from mvae.models.jmvae import JMVAE, JMVAEObjective
from tests.reference import (
    HOLES,
    assert_same_loss_and_gradients,
    kl,
    log_p,
    single,
    subsets_of,
)

pytestmark = pytest.mark.usefixtures("float64")


@pytest.mark.parametrize(("alpha", "beta"), [(0.1, 1.0), (0.7, 0.3), (0.0, 1.0)])
def test_jmvae_adds_the_divergences_of_single_posteriors_to_the_joint_bound(
    no_noise, toy_model, toy_batch, alpha, beta
):
    model, batch = toy_model(kind=JMVAE, scale=1.2), toy_batch(n=6, present=HOLES)
    expected = torch.zeros(())
    for b in (0, 4):  # it learns nothing from incomplete samples
        parts = [p(batch.values[n][b : b + 1])[0] for n, p in model.joint.pathways.items()]
        q = Gaussian(*model.joint.shared(torch.cat(parts)).chunk(2))
        bound = log_p(model, batch, b, q.mean) - beta * kl(q)
        apart = sum(kl(q, single(model, batch, b, name)) for name in batch.names)
        expected = expected - (bound - beta * alpha * apart) / 6
    loss = JMVAEObjective(alpha=alpha)(model, batch, beta)
    assert_same_loss_and_gradients(model, loss, expected)


def test_jmvae_reads_each_modality_alone_and_all_together_and_no_other_subset(toy_model, toy_batch):
    model, batch = toy_model(kind=JMVAE), toy_batch()
    for given in subsets_of(batch.names, 0):
        refusal, evidence = model.cannot(given, "label"), batch.supply(given)
        if len(given) in (2, 3):
            assert refusal.endswith(f"none for {len(given)} of 4.")
            with pytest.raises(ValueError, match=re.escape(refusal)):
                model.posterior(evidence)
            assert model.generate(evidence, 2) == {}
        else:
            assert refusal == ""
            assert list(model.generate(evidence, 2)) == list(batch.names)
        if len(given) == 1:
            q = model.posterior(evidence)
            torch.testing.assert_close(q.mean[2], single(model, batch, 2, given[0]).mean)
    parts = [pathway(batch.values[n]) for n, pathway in model.joint.pathways.items()]
    mean, logvar = model.joint.shared(torch.cat(parts, -1)).chunk(2, -1)
    q = model.posterior(batch)
    torch.testing.assert_close(q.mean, mean)
    torch.testing.assert_close(q.logvar, logvar)
