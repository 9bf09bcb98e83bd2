"""VAE, a model for each modality: against loops and quadrature."""

from __future__ import annotations

import pytest
import torch

from mvae.evaluation.log_likelihood import log_likelihood
from mvae.models.vae import VAE, VAEObjective
from tests.reference import (
    HOLES,
    assert_same_loss_and_gradients,
    integral,
    kl,
    line,
    seeded,
    single,
    standard,
    there,
)

pytestmark = pytest.mark.usefixtures("float64")


def test_vae_has_latents_of_each_modalitys_own(toy_model, toy_batch, toys):
    model, batch = toy_model(kind=VAE), toy_batch(n=3)
    assert model.latents == 4 * 2
    q = model.posterior(batch)
    for i, name in enumerate(batch.names):
        own = slice(2 * i, 2 * i + 2)
        for b in range(3):
            alone = single(model, batch, b, name)
            torch.testing.assert_close(q.mean[b, own], alone.mean)
            torch.testing.assert_close(q.logvar[b, own], alone.logvar)
        z = torch.randn(3, 8, generator=seeded(), requires_grad=True)
        model.decode(z, name).log_prob(batch.values[name]).sum().backward()
        looked_at = (z.grad != 0).any(0)
        assert looked_at[own].all()
        assert looked_at.sum() == 2
    without = model.posterior(batch.supply(["image", "point"]))
    assert (without.mean[:, 2:4] == 0).all()
    assert (without.std[:, 6:] == 1).all()
    assert torch.equal(without.mean[:, :2], q.mean[:, :2])


@pytest.mark.parametrize("beta", [0.3, 1.0])
def test_vae_sums_the_bounds_of_its_modalities(no_noise, toy_model, toy_batch, beta):
    model, batch = toy_model(kind=VAE), toy_batch(n=6, present=HOLES)
    expected = torch.zeros(())
    for b in range(6):
        for name in there(batch, b):
            i = batch.names.index(name)
            q, m = single(model, batch, b, name), model.modalities[i]
            fit = model.decoders[i](q.mean).log_prob(batch.values[name][b])
            expected = expected - (m.weight * fit - beta * kl(q)) / 6
    assert_same_loss_and_gradients(model, VAEObjective()(model, batch, beta), expected)


@torch.no_grad()
def test_vaes_joint_log_p_is_the_sum_of_the_marginal_ones(toy_model, toy_batch):
    model, batch, z = toy_model(kind=VAE, latents=1, scale=1.6), toy_batch(n=4), line()
    marginal = {
        name: torch.stack(
            [
                integral(standard(z) + decoder(z).log_prob(batch.values[name][b]), z)
                for b in range(4)
            ]
        )
        for name, decoder in zip(batch.names, model.decoders, strict=True)
    }
    for subset in (batch.names, ("point",), ("image", "colour")):
        estimate = log_likelihood(model, batch.supply(subset), 4000)
        exact = sum(marginal[name] for name in subset)
        assert ((estimate.value - exact).abs() < 4 * estimate.se + 1e-3).all()
        assert (estimate.se < 0.2).all()


def test_vae_tells_nothing_of_one_modality_given_another(toy_model, toy_batch, toys):
    model, batch = toy_model(*toys[:2], kind=VAE), toy_batch(*toys[:2])
    refusal = model.cannot(["image"], "label")
    assert refusal.endswith("no information about the label.")
    assert list(model.generate(batch.supply(["image"]), 2)) == ["image"]
    assert list(model.generate(batch.supply([]), 2)) == ["image", "label"]
    assert list(model.generate(batch, 2)) == ["image", "label"]
