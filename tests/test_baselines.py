"""Baselines, each held against its paper's formula in loops, against quadrature, or by force."""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import combinations

import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from mvae.baselines.bivcca import BiVCCA, BiVCCAObjective
from mvae.baselines.cvae import CVAE, CVAEObjective
from mvae.baselines.dae import DAE, DAEObjective
from mvae.baselines.jmvae import JMVAE, JMVAEObjective
from mvae.baselines.mmvae import MMVAE, MMVAEObjective
from mvae.baselines.mopoe import MoPoE, MoPoEObjective
from mvae.baselines.mvae_q import FLOOR, MVAEQ, MVAEQObjective
from mvae.baselines.mvtcae import MVTCAE, MVTCAEObjective
from mvae.baselines.vae import VAE, VAEObjective
from mvae.evaluation.likelihood import log_likelihood
from mvae.gaussian import Gaussian, product_of_experts
from mvae.modality import Batch
from mvae.model import LatentModel
from mvae.objective import elbo

pytestmark = pytest.mark.usefixtures("float64")

OBJECTIVES = [
    VAEObjective(),
    CVAEObjective(),
    BiVCCAObjective(),
    JMVAEObjective(),
    MVAEQObjective(k=2),
    MMVAEObjective(),
    MoPoEObjective(),
    MVTCAEObjective(),
    DAEObjective(),
]

HOLES = torch.tensor(
    [
        [True, True, True, True],
        [True, False, True, True],
        [False, True, False, False],
        [False, False, True, True],
        [True, True, True, True],
        [False, False, False, False],
    ]
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(q: Gaussian) -> Normal:
    return Normal(q.mean, (q.logvar / 2).exp())


def kl(q: Gaussian, p: Gaussian | None = None) -> Tensor:
    """Give KL(q ‖ p), or that to the prior."""
    other = Normal(torch.zeros_like(q.mean), 1.0) if p is None else normal(p)
    return kl_divergence(normal(q), other).sum(-1)


def there(batch: Batch, b: int) -> list[str]:
    return [n for n, here in zip(batch.names, batch.present[b].tolist(), strict=True) if here]


def single(model: LatentModel, batch: Batch, b: int, name: str) -> Gaussian:
    """Encode one modality of one sample by its own network, ``(D,)``."""
    encoder = model.encoders[batch.names.index(name)]
    return encoder(batch.values[name][b : b + 1])[0]


def multiplied(experts: list[Gaussian]) -> Gaussian:
    """Multiply experts and the prior by their precisions."""
    precision = 1 + sum((-q.logvar).exp() for q in experts)
    weighted = sum((-q.logvar).exp() * q.mean for q in experts)
    return Gaussian(weighted / precision, -precision.log())


def log_p(model, batch: Batch, b: int, z: Tensor, weighted: bool = True) -> Tensor:
    """Give Σ λ_i log p(x_i|z) of what sample b has, for latents ``(..., D)``."""
    total = torch.zeros(z.shape[:-1])
    for m in model.modalities:
        if m.name in there(batch, b):
            weight = m.weight if weighted else 1.0
            total = total + weight * model.decode(z, m.name).log_prob(batch.values[m.name][b])
    return total


def mixed(parts: list[Gaussian], z: Tensor) -> Tensor:
    """Give the log density of an equally weighted mixture."""
    each = torch.stack([normal(q).log_prob(z).sum(-1) for q in parts])
    return each.logsumexp(0) - math.log(len(parts))


def subsets_of(names: list[str] | tuple[str, ...], smallest: int = 1) -> list[tuple[str, ...]]:
    return [s for n in range(smallest, len(names) + 1) for s in combinations(names, n)]


def assert_same_loss_and_gradients(model, loss: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(loss, expected)
    weights = dict(model.named_parameters())
    found, wanted = (
        torch.autograd.grad(
            x, weights.values(), retain_graph=True, allow_unused=True, materialize_grads=True
        )
        for x in (loss, expected)
    )
    for name, one, other in zip(weights, found, wanted, strict=True):
        torch.testing.assert_close(one, other, msg=name)


def line(step: float = 0.01, end: float = 9.0) -> Tensor:
    """Give a grid of one latent, ``(P, 1)``."""
    return torch.arange(-end, end + step / 2, step).unsqueeze(-1)


def integral(log_values: Tensor, z: Tensor) -> Tensor:
    """Give log ∫ over the last dimension, along a grid ``(P, 1)``."""
    return log_values.logsumexp(-1) + (z[1, 0] - z[0, 0]).log()


def standard(z: Tensor) -> Tensor:
    return Normal(0.0, 1.0).log_prob(z).sum(-1)


def repeated(batch: Batch, n: int) -> Batch:
    return batch[torch.zeros(n, dtype=torch.long)]


@torch.no_grad()
def bound_by_quadrature(model, batch: Batch, log_q: Tensor, z: Tensor) -> float:
    """Give ∫ q(z) [log p(x_S|z) + log p(z) − log q(z)] dz of the first sample."""
    ratio = log_p(model, batch, 0, z, weighted=False) + standard(z) - log_q
    return (log_q.exp() * ratio).sum().item() * (z[1, 0] - z[0, 0]).item()


# What holds for all of them.


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.name)
def test_a_missing_modalitys_data_influence_neither_loss_nor_generation(
    toy_model, toy_batch, objective
):
    clean = toy_batch(n=6, present=HOLES)
    dirty = Batch({name: x.clone() for name, x in clean.values.items()}, HOLES)
    for i, x in enumerate(dirty.values.values()):
        x[~HOLES[:, i]] = math.nan if x.is_floating_point() else -100
    results = []
    for batch in (clean, dirty):
        model = toy_model(kind=objective.network)
        loss = objective(model, batch, 0.7, seeded())
        loss.backward()
        found = [loss, *(w.grad for w in model.parameters())]
        # Not every model reads every subset, so one sample at a time.
        with torch.no_grad():
            for part in (slice(b, b + 1) for b in range(6)):
                for name, p in model.generate(batch[part], 2, seed=1).items():
                    found.append(model.modality(name).distribution.expected(p))
        results.append(found)
    assert results[0][0].isfinite()
    for one, other in zip(*results, strict=True):
        assert one.isfinite().all()
        assert torch.equal(one, other)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.name)
def test_weights_of_modalities_are_in_a_loss_and_not_in_a_score(
    toy_model, toy_batch, toys, objective
):
    # The model of modalities with λ = 1 has the same weights, and so the same score.
    plain = tuple(m.model_copy(update={"weight": 1.0}) for m in toys)
    batch, scores = toy_batch(n=4), []
    for modalities in (toys, plain):
        model = toy_model(*modalities, kind=objective.network)
        scores.append(objective.score(model, batch, seeded()))
    assert torch.equal(*scores)
    assert scores[0].shape == (4,)
    losses = [
        objective(toy_model(*modalities, kind=objective.network), batch, 1.0, seeded())
        for modalities in (toys, plain)
    ]
    assert losses[0] != losses[1]


# VAE: a model for each modality.


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
        estimate = log_likelihood(model, batch.supply(subset), 4000, seeded())
        exact = sum(marginal[name] for name in subset)
        assert ((estimate.value - exact).abs() < 4 * estimate.se + 1e-3).all()
        assert (estimate.se < 0.2).all()


def test_vae_tells_nothing_of_one_modality_given_another(toy_model, toy_batch, toys):
    model, batch = toy_model(*toys[:2], kind=VAE), toy_batch(*toys[:2])
    refusal = model.cannot(["image"], "label")
    assert refusal.endswith("nothing about the label.")
    assert list(model.generate(batch.supply(["image"]), 2)) == ["image"]
    assert list(model.generate(batch.supply([]), 2)) == ["image", "label"]
    assert list(model.generate(batch, 2)) == ["image", "label"]


# CVAE: a model for each direction.


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


# Bi-VCCA: a posterior for each modality.


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


@torch.no_grad()
@pytest.mark.parametrize("kind", [BiVCCA, JMVAE, MVAEQ, MMVAE, MoPoE, MVTCAE])
def test_joint_log_p_agrees_with_quadrature_whatever_it_is_drawn_from(toy_model, toy_batch, kind):
    model, batch = toy_model(kind=kind, latents=1, scale=1.4), toy_batch(n=4)
    z = line()
    exact = torch.stack(
        [integral(log_p(model, batch, b, z, weighted=False) + standard(z), z) for b in range(4)]
    )
    estimate = log_likelihood(model, batch, 4000, seeded())
    assert ((estimate.value - exact).abs() < 4 * estimate.se + 1e-3).all()
    assert (estimate.se < 0.2).all()


# JMVAE: a joint encoder beside single ones.


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


# MVAE-Q: experts that are posteriors.


def written(mean: Tensor, a: Tensor) -> Gaussian:
    """Give what MVAE-Q's networks must give for experts of mean m and precision e^a."""
    # The inverse of a softplus above its floor; q_i is the expert times the prior.
    return Gaussian(mean / (1 + (-a).exp()), -FLOOR - (a - FLOOR).expm1().log())


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


# MMVAE and MoPoE: mixtures.


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


# MVTCAE: MVAE's network on another bound.


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


# DAE: a point for a code.


def code_of(model: DAE, batch: Batch, b: int, given: list[str] | tuple[str, ...]) -> Tensor:
    """Encode a sample; a missing modality's pathway gives zeros."""
    parts = []
    for name, pathway in model.encoder.pathways.items():
        part = pathway(batch.values[name][b : b + 1])[0]
        parts.append(part if name in given else torch.zeros_like(part))
    return model.encoder.shared(torch.cat(parts))


def test_what_is_missing_enters_the_code_as_zeros(toy_model, toy_batch):
    model, batch = toy_model(kind=DAE), toy_batch(n=2)
    for given in subsets_of(batch.names):
        evidence = batch.supply(given)
        for name in set(batch.names) - set(given):
            x = evidence.values[name].clone()
            x[:] = math.nan if x.is_floating_point() else -100
            evidence = Batch({**evidence.values, name: x}, evidence.present)
        for b in range(2):
            torch.testing.assert_close(model.code(evidence)[b], code_of(model, batch, b, given))


def test_dae_reconstructs_everything_from_all_or_one(toy_model, toy_batch, monkeypatch):
    model, batch, given = toy_model(kind=DAE), toy_batch(n=6, present=HOLES), []
    code = DAE.code

    def spy(self, evidence):
        given.append(evidence.present)
        return code(self, evidence)

    monkeypatch.setattr(DAE, "code", spy)
    loss = DAEObjective()(model, batch, 0.5, seeded())
    expected = torch.zeros(())
    for b in range(6):
        names = [n for n, here in zip(batch.names, given[0][b], strict=True) if here]
        assert names in ([[name] for name in there(batch, b)] + [there(batch, b)])
        expected = expected - log_p(model, batch, b, code_of(model, batch, b, names)) / 6
    assert_same_loss_and_gradients(model, loss, expected)

    score = DAEObjective().score(model, batch)
    for b in range(6):
        # In place of a single modality that a sample lacks, all that it has is given.
        whole = there(batch, b)
        kinds = [whole, *([n] if n in whole else whole for n in batch.names)]
        fits = [log_p(model, batch, b, code_of(model, batch, b, k), weighted=False) for k in kinds]
        torch.testing.assert_close(score[b], torch.stack(fits).mean())


def test_all_and_each_alone_are_set_aside_equally_often(toy_model, toy_batch, monkeypatch):
    given, code = [], DAE.code
    monkeypatch.setattr(DAE, "code", lambda self, x: given.append(x.present) or code(self, x))
    DAEObjective()(toy_model(kind=DAE), toy_batch(n=5000), 1.0, seeded())
    counts = Counter(map(tuple, given[0].tolist()))
    kinds = {(True,) * 4, *(tuple(row) for row in torch.eye(4, dtype=torch.bool).tolist())}
    assert set(counts) == kinds
    assert stats.chisquare(list(counts.values())).pvalue > 0.001


@torch.no_grad()
def test_dae_draws_nothing_and_refuses_to_make_something_of_nothing(toy_model, toy_batch):
    model, batch = toy_model(kind=DAE), toy_batch(n=3)
    for name in batch.names:
        one, other = (model.generate(batch.supply([name]), 3, seed) for seed in (0, 1))
        assert list(one) == list(batch.names)
        for n, p in one.items():
            value = batch.values[n]
            torch.testing.assert_close(p.log_prob(value), other[n].log_prob(value))
            torch.testing.assert_close(p.log_prob(value)[0], p.log_prob(value)[2])
    assert model.generate(batch.supply([]), 3) == {}
    assert model.cannot([], "label").startswith("Given nothing")
    with pytest.raises(ValueError, match=re.escape(model.no_likelihood)):
        log_likelihood(model, batch, 30)
