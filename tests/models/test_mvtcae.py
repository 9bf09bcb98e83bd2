"""MVTCAE, MVAE's network on another bound: against its formula in loops."""

from __future__ import annotations

import pytest
import torch

from mvae.models.mvtcae import MVTCAE, MVTCAEObjective
from mvae.models.objectives import elbo
from tests.reference import (
    HOLES,
    assert_same_loss_and_gradients,
    kl,
    log_p,
    multiplied,
    single,
    there,
)

pytestmark = pytest.mark.usefixtures("float64")


@pytest.mark.parametrize(("alpha", "beta"), [(0.9, 1.0), (0.9, 0.3), (0.4, 1.0), (1.0, 1.0)])
def test_mvtcae_weighs_reconstruction_against_agreement(
    no_noise, toy_model, toy_batch, alpha, beta
):
    model, batch = toy_model(kind=MVTCAE, scale=1.2), toy_batch(n=6, present=HOLES)
    expected = torch.zeros(())
    for b in range(5):
        experts = [single(model, batch, b, name) for name in there(batch, b)]
        n, joint = len(experts), multiplied(experts)
        apart = sum(kl(joint, multiplied([expert])) for expert in experts)
        fit = log_p(model, batch, b, joint.mean)
        divergence = (1 - alpha) * kl(joint) + alpha / n * apart
        expected = expected - ((n - alpha) / n * fit - beta * divergence) / 6
    loss = MVTCAEObjective(alpha=alpha)(model, batch, beta)
    assert_same_loss_and_gradients(model, loss, expected)


def test_mvtcae_without_alpha_is_trained_on_the_joint_elbo(no_noise, toy_model, toy_batch, toys):
    plain = tuple(m.model_copy(update={"weight": 1.0}) for m in toys)
    model, batch = toy_model(*plain, kind=MVTCAE), toy_batch(n=6, present=HOLES)
    loss = MVTCAEObjective(alpha=0.0)(model, batch)
    assert_same_loss_and_gradients(model, loss, -elbo(model, batch).mean())
