"""MVAE-Q, experts that are posteriors: against MVAE, by precisions and on a grid."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mvae.distributions.gaussian import Gaussian, product_of_experts
from mvae.models.mvae_q import MIN_LOG_PRECISION, MVAEQ, MVAEQObjective
from tests.reference import (
    HOLES,
    assert_same_loss_and_gradients,
    kl,
    line,
    log_p,
    normal,
    seeded,
    standard,
    subsets_of,
    there,
)

pytestmark = pytest.mark.usefixtures("float64")


def written(mean: Tensor, a: Tensor) -> Gaussian:
    """Give what MVAE-Q's networks must give for experts of mean m and precision e^a."""
    # The inverse of a softplus above its floor; q_i is the expert times the prior.
    return Gaussian(
        mean / (1 + (-a).exp()), -MIN_LOG_PRECISION - (a - MIN_LOG_PRECISION).expm1().log()
    )


def test_any_experts_of_an_mvae_can_be_written_as_posteriors(toy_model, toy_batch, monkeypatch):
    model, batch = toy_model(kind=MVAEQ), toy_batch(n=7)
    mean = 3 * torch.randn(4, 7, 2, generator=seeded())
    a = torch.empty(4, 7, 2).uniform_(-8, 5, generator=seeded(1))
    monkeypatch.setattr(model, "encode", lambda _: written(mean, a))
    experts, posteriors = model.experts(batch), model.singles(batch)
    torch.testing.assert_close(experts.mean, mean)
    torch.testing.assert_close(experts.logvar, -a)
    # q_i = expert × prior, of precision 1 + e^a.
    torch.testing.assert_close((-posteriors.logvar).exp(), 1 + a.exp())
    torch.testing.assert_close(posteriors.mean, a.exp() * mean / (1 + a.exp()))
    for given in subsets_of(batch.names, 0):
        one = model.posterior(batch.supply(given))
        other = product_of_experts(Gaussian(mean, -a), batch.supply(given).present).posterior
        torch.testing.assert_close(one.mean, other.mean)
        torch.testing.assert_close(one.logvar, other.logvar)


def test_product_of_posteriors_has_the_prior_divided_out_once_less_than_there_are(
    toy_model, toy_batch
):
    model, batch = toy_model(kind=MVAEQ), toy_batch(n=5)
    singles = model.singles(batch)
    for given in subsets_of(batch.names, 0):
        rows = [batch.names.index(name) for name in given]
        each = (-singles.logvar[rows]).exp()
        precision = each.sum(0) - (len(given) - 1)
        mean = (each * singles.mean[rows]).sum(0) / precision
        q = model.posterior(batch.supply(given))
        torch.testing.assert_close((-q.logvar).exp(), precision)
        torch.testing.assert_close(q.mean, mean)
        assert (precision >= 1).all()


@torch.no_grad()
def test_quotient_on_a_grid_is_the_product_of_mvaes_experts(toy_model, toy_batch):
    model, batch = toy_model(kind=MVAEQ, latents=1, scale=1.3), toy_batch(n=3)
    singles, z = model.singles(batch), line(0.005, 12)
    for given, b in ((s, b) for s in subsets_of(batch.names) for b in range(3)):
        rows = [batch.names.index(name) for name in given]
        log_q = sum(normal(singles[i, b]).log_prob(z).sum(-1) for i in rows)
        log_q = log_q - (len(given) - 1) * standard(z)
        weights = (log_q - log_q.logsumexp(0)).exp()
        mean = (weights * z[:, 0]).sum()
        variance = (weights * (z[:, 0] - mean).square()).sum()
        q = model.product(model.experts(batch), batch.supply(given).present).posterior
        torch.testing.assert_close(q.mean[b, 0], mean, atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(q.logvar[b, 0].exp(), variance, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_networks_leave_every_quotient_proper_and_finite(
    toy_model, toy_batch, monkeypatch, dtype
):
    torch.set_default_dtype(dtype)
    model, batch = toy_model(kind=MVAEQ), toy_batch(n=2)
    ends = torch.tensor([-100.0, 100.0])
    # Sixteen cases, in which each modality's mean and log-variance meet in every combination.
    raw = torch.cartesian_prod(*[ends] * 4).reshape(16, 4, 1)
    mean = raw[:, :, None].expand(-1, -1, 2, 2).clone().requires_grad_()
    logvar = raw.flip(1)[:, :, None].expand(-1, -1, 2, 2).clone().requires_grad_()
    for case in range(16):
        monkeypatch.setattr(model, "encode", lambda _, c=case: Gaussian(mean[c], logvar[c]))
        assert (model.singles(batch).logvar < 0).all()
        for given in subsets_of(batch.names):
            q = model.posterior(batch.supply(given))
            assert (q.logvar < 0).all()
            total = q.mean.sum() + q.logvar.sum() + q.kl_to_prior().sum()
            assert total.isfinite()
            for gradient in torch.autograd.grad(total, (mean, logvar)):
                assert gradient.isfinite().all()


def test_mvae_q_is_trained_like_mvae_on_its_experts(no_noise, toy_model, toy_batch):
    model, batch = toy_model(kind=MVAEQ), toy_batch(n=6, present=HOLES)
    expected = torch.zeros(())
    for b in range(6):
        terms = {tuple(there(batch, b)), *((name,) for name in there(batch, b))} - {()}
        for given in terms:
            one = batch.supply(given)[slice(b, b + 1)]
            q = model.posterior(one)[0]
            expected = expected - (log_p(model, one, 0, q.mean) - 0.4 * kl(q)) / 6
    loss = MVAEQObjective(k=0)(model, batch, 0.4)
    assert_same_loss_and_gradients(model, loss, expected)
