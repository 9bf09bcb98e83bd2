"""CVAE, a model for each direction: against loops and quadrature."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.distributions.gaussian import Gaussian
from mvae.models.cvae import CVAE, CVAEObjective
from tests.reference import (
    HOLES,
    assert_same_loss_and_gradients,
    integral,
    kl,
    line,
    normal,
    repeated,
    seeded,
    subsets_of,
)

pytestmark = pytest.mark.usefixtures("float64")


def conditional(model: CVAE, batch: Batch, b: int, name: str):
    """Give prior, what the decoder is told, and recognition of a direction, by its pathways."""
    direction, one = model.direction(name), batch[slice(b, b + 1)]

    def read(encoder):
        parts = [pathway(one.values[n])[0] for n, pathway in encoder.pathways.items()]
        return encoder.shared(torch.cat(parts))

    mean, logvar, told = read(direction.context).chunk(3)
    assert name not in direction.context.pathways
    q_mean, q_logvar = read(direction.recognition).chunk(2)
    prior, q = (
        Gaussian(m, 6 * torch.tanh(raw / 6)) for m, raw in ((mean, logvar), (q_mean, q_logvar))
    )
    return prior, told, q


def decoded(model: CVAE, name: str, z: Tensor, told: Tensor):
    return model.direction(name).decoder(torch.cat((z, told.expand_as(z)), -1))


@pytest.mark.parametrize("beta", [0.3, 1.0])
def test_cvae_sums_the_bounds_of_its_directions(no_noise, toy_model, toy_batch, beta):
    model, batch = toy_model(kind=CVAE), toy_batch(n=6, present=HOLES)
    loss, score = torch.zeros(()), torch.zeros(6)
    for b in (0, 4):  # the complete ones
        for m in model.modalities:
            prior, told, q = conditional(model, batch, b, m.name)
            fit = decoded(model, m.name, q.mean, told).log_prob(batch.values[m.name][b])
            loss = loss - (m.weight * fit - beta * kl(q, prior)) / 6
            score[b] += (fit - kl(q, prior)).detach()
    assert_same_loss_and_gradients(model, CVAEObjective()(model, batch, beta), loss)
    torch.testing.assert_close(CVAEObjective().score(model, batch).detach(), score)


def test_cvaes_prior_is_never_so_sure_that_one_sample_throws_all_weights_off(toy_model, toy_batch):
    model, batch = toy_model(kind=CVAE, scale=60.0), toy_batch()
    for m in model.modalities:
        prior, _ = model.direction(m.name).prior(batch)
        assert prior.logvar.abs().max() <= 6


def test_cvae_goes_from_exactly_all_others(toy_model, toy_batch):
    model, batch = toy_model(kind=CVAE), toy_batch()
    for given in subsets_of(batch.names, 0):
        missing = [n for n in batch.names if n not in given]
        possible = missing if len(missing) == 1 else []
        assert [n for n in batch.names if not model.cannot(given, n)] == possible
        assert list(model.generate(batch.supply(given), 2)) == possible
    with pytest.raises(ValueError, match="at least two"):
        CVAE(model.modalities[:1], 2)


@torch.no_grad()
def test_cvaes_bound_is_below_the_conditional_log_p_by_the_recognitions_divergence(
    toy_model, toy_batch, toys
):
    model = toy_model(*toys[1:3], kind=CVAE, latents=1, scale=1.5)
    batch, z = toy_batch(*toys[1:3], n=1), line()
    exact, gap = 0.0, 0.0
    for name in batch.names:
        prior, told, q = conditional(model, batch, 0, name)
        fit = decoded(model, name, z, told).log_prob(batch.values[name][0])
        log_joint = fit + normal(prior).log_prob(z).sum(-1)
        log_y = integral(log_joint, z)
        log_q = normal(q).log_prob(z).sum(-1)
        exact += log_y.item()
        gap += ((log_q.exp() * (log_q - log_joint + log_y)).sum() * 0.01).item()
    scores = CVAEObjective().score(model, repeated(batch, 20_000), seeded())
    assert gap > 0.02
    assert scores.mean() < exact
    assert abs(scores.mean() - (exact - gap)) < 4 * scores.std() / math.sqrt(20_000)


@torch.no_grad()
def test_cvae_generates_from_its_own_conditional_prior(toy_model, toy_batch, toys):
    model = toy_model(*toys[1:3], kind=CVAE, latents=1, scale=2.0)
    batch, z = toy_batch(*toys[1:3], n=3), line()
    drawn = model.generate(batch.supply(["point"]), 10_000)["label"].probs  # (N, 3, classes)
    for b in range(3):
        prior, told, _ = conditional(model, batch, b, "label")
        density = normal(prior).log_prob(z).sum(-1).exp()
        expected = (density.unsqueeze(-1) * decoded(model, "label", z, told).probs).sum(0) * 0.01
        tolerance = 4 * drawn[:, b].std(0) / 100 + 1e-6
        assert ((drawn[:, b].mean(0) - expected).abs() < tolerance).all()
