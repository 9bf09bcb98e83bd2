"""MMVAE and MoPoE, mixtures: against loops and quadrature."""

from __future__ import annotations

import math

import pytest
import torch

from mvae.batch import Batch
from mvae.distributions.gaussian import Gaussian
from mvae.models.mmvae import MMVAE, MMVAEObjective
from mvae.models.mopoe import MoPoE, MoPoEObjective
from mvae.models.objectives import elbo
from tests.reference import (
    HOLES,
    assert_same_loss_and_gradients,
    bound_by_quadrature,
    kl,
    line,
    log_p,
    mixed,
    multiplied,
    normal,
    repeated,
    seeded,
    single,
    standard,
    subsets_of,
    there,
)

pytestmark = pytest.mark.usefixtures("float64")


def parts_of(model: MMVAE, batch: Batch, b: int) -> list[Gaussian]:
    """Give the components of a sample's posterior, by their definition."""
    experts = {name: single(model, batch, b, name) for name in there(batch, b)}
    if isinstance(model, MoPoE):
        return [multiplied([experts[n] for n in s]) for s in subsets_of(list(experts))]
    return list(experts.values())


@pytest.mark.parametrize("kind", [MMVAE, MoPoE])
def test_a_mixtures_posterior_mixes_what_the_present_modalities_say(toy_model, toy_batch, kind):
    model, batch = toy_model(kind=kind), toy_batch(n=6, present=HOLES)
    q, z = model.posterior(batch), torch.randn(9, 2, generator=seeded())
    sizes = [4, 3, 1, 2, 4, 0]
    counts = [2**n - 1 for n in sizes] if kind is MoPoE else sizes
    assert q.present.sum(-1).tolist() == counts
    for b in range(5):
        parts = parts_of(model, batch, b)
        assert len(parts) == counts[b]
        torch.testing.assert_close(q[slice(b, b + 1)].log_prob(z[:, None])[:, 0], mixed(parts, z))
        torch.testing.assert_close(q.mean[b], torch.stack([p.mean for p in parts]).mean(0))
    torch.testing.assert_close(q.log_prob(z[:, None])[:, 5], standard(z))


@pytest.mark.parametrize("beta", [0.3, 1.0])
def test_mmvae_averages_the_bound_over_a_draw_of_each_expert(no_noise, toy_model, toy_batch, beta):
    model, batch = toy_model(kind=MMVAE), toy_batch(n=6, present=HOLES)
    expected = torch.zeros(())
    for b in range(5):
        parts = parts_of(model, batch, b)
        for part in parts:
            z = part.mean
            ratio = mixed(parts, z) - standard(z)
            expected = expected - (log_p(model, batch, b, z) - beta * ratio) / len(parts) / 6
    assert_same_loss_and_gradients(model, MMVAEObjective()(model, batch, beta), expected)


@pytest.mark.parametrize("beta", [0.3, 1.0])
def test_mopoe_averages_the_divergences_of_its_products(no_noise, toy_model, toy_batch, beta):
    model, batch = toy_model(kind=MoPoE), toy_batch(n=6, present=HOLES)
    expected = torch.zeros(())
    for b in range(5):
        parts = parts_of(model, batch, b)
        z = torch.stack([part.mean for part in parts]).mean(0)  # a draw without noise
        divergence = torch.stack([kl(part) for part in parts]).mean()
        expected = expected - (log_p(model, batch, b, z) - beta * divergence) / 6
    assert_same_loss_and_gradients(model, MoPoEObjective()(model, batch, beta), expected)


@torch.no_grad()
@pytest.mark.parametrize("given", [("point",), ("label",), ("label", "point")], ids="+".join)
@pytest.mark.parametrize("objective", [MMVAEObjective(), MoPoEObjective()], ids=lambda o: o.name)
def test_a_mixtures_loss_averages_to_its_bound_found_by_quadrature(
    toy_model, toy_batch, toys, objective, given
):
    model = toy_model(*toys[1:3], kind=objective.network, latents=1, scale=1.3)
    batch, z, n = toy_batch(*toys[1:3], n=1).supply(given), line(), 20_000
    parts = parts_of(model, batch, 0)
    exact = bound_by_quadrature(model, batch, mixed(parts, z), z)
    many = elbo(model, repeated(batch, n), seeded())
    se = many.std().item() / math.sqrt(n)
    assert abs(many.mean().item() - exact) < 4 * se
    loss = objective(model, repeated(batch, n), 1.0, seeded(1)).item()
    if len(given) == 1 or isinstance(objective, MMVAEObjective):
        # One component: the ELBO of that modality. Several: each as often as the others.
        assert abs(-loss - exact) < 4 * se
    else:
        # By convexity the components' mean divergence is larger than the mixture's.
        apart = sum(kl(part) for part in parts).item() / len(parts)
        density = mixed(parts, z)
        whole = (density.exp() * (density - standard(z))).sum().item() * 0.01
        assert apart > whole
        assert abs(-loss - (exact + whole - apart)) < 4 * se


@torch.no_grad()
def test_with_one_modality_an_mmvaes_bound_is_that_of_a_gaussian(toy_model, toy_batch):
    model, batch, z = toy_model(kind=MMVAE, latents=1), toy_batch(n=1).supply(["colour"]), line()
    q = single(model, batch, 0, "colour")
    fit = model.decode(z, "colour").log_prob(batch.values["colour"][0])
    exact = (normal(q).log_prob(z)[:, 0].exp() * fit).sum() * 0.01 - kl(q)
    many = elbo(model, repeated(batch, 20_000), seeded())
    assert abs(many.mean() - exact) < 4 * many.std() / math.sqrt(20_000)
