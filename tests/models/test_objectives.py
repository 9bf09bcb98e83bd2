"""Objectives, held against loops over samples and subsets."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations

import pytest
import torch
from scipy import stats
from torch import Tensor

from mvae.batch import Batch
from mvae.distributions.gaussian import Gaussian
from mvae.models.base import MultimodalModel
from mvae.models.objectives import (
    Covering,
    Denoising,
    Joint,
    Singles,
    SubSampled,
    draw_subsets,
    elbo,
)
from tests.reference import HOLES, seeded

pytestmark = pytest.mark.usefixtures("float64")


def product_of(model: MultimodalModel, batch: Batch, b: int, subset: frozenset[str]) -> Gaussian:
    """Give one sample's posterior, encoding each modality by itself."""
    total, weighted = torch.ones(model.latents), torch.zeros(model.latents)
    for name in subset:
        experts = model.experts(batch[slice(b, b + 1)])
        i = batch.names.index(name)
        precision = (-experts.logvar[i, 0]).exp()
        total = total + precision
        weighted = weighted + precision * experts.mean[i, 0]
    return Gaussian(weighted / total, -total.log())


def kl(q: Gaussian, p: Gaussian) -> Tensor:
    normals = (torch.distributions.Normal(g.mean, (g.logvar / 2).exp()) for g in (q, p))
    return torch.distributions.kl_divergence(*normals).sum()


def bound(model, batch, b, subset, beta=1.0, weighted=True, wanted=None) -> Tensor:
    """Give the ELBO of one subset of one sample, with z at the posterior's mean.

    It reconstructs what is wanted, usually the subset itself.
    """
    q = product_of(model, batch, b, subset)
    value = -beta * kl(q, Gaussian.standard((model.latents,)))
    for m in model.modalities:
        if m.name in (subset if wanted is None else wanted):
            log_p = model.decode(q.mean, m.name).log_prob(batch.values[m.name][b])
            value = value + (m.weight if weighted else 1.0) * log_p
    return value


def there(batch: Batch, b: int) -> frozenset[str]:
    return frozenset(n for n, here in zip(batch.names, batch.present[b], strict=True) if here)


def names_of(batch: Batch, mask: Tensor) -> frozenset[str]:
    return frozenset(n for n, here in zip(batch.names, mask, strict=True) if here)


def sub_sampled(model, batch, drawn, beta) -> Tensor:
    """Give the loss by its definition; ``drawn`` holds the subsets between, ``(k, B, M)``."""
    total = torch.zeros(())
    for b in range(len(batch)):
        present = there(batch, b)
        terms = {present} | {frozenset([name]) for name in present}
        terms |= {names_of(batch, mask[b]) for mask in drawn}
        for subset in terms - {frozenset()}:
            total = total - bound(model, batch, b, subset, beta)
    return total / len(batch)


def covering(model, batch, beta, gamma, kappa) -> Tensor:
    """Give what the covering objective adds, by its definition."""
    total = torch.zeros(())
    for b in range(len(batch)):
        if len(there(batch, b)) < len(model.modalities):
            continue
        with torch.no_grad():
            joint = product_of(model, batch, b, there(batch, b))
        for name in batch.names:
            single = product_of(model, batch, b, frozenset([name]))
            total = total + gamma * kl(joint, single)
            for other in model.modalities:
                if other.kind == "label" and other.name != name:
                    p = model.decode(single.mean, other.name)
                    total = total - kappa * p.log_prob(batch.values[other.name][b])
    return beta * total / len(batch)


def assert_same_loss_and_gradients(model, loss, expected) -> None:
    torch.testing.assert_close(loss, expected)
    weights = dict(model.named_parameters())
    pairs = (
        torch.autograd.grad(x, weights.values(), retain_graph=True, allow_unused=True)
        for x in (loss, expected)
    )
    for name, grad, wanted in zip(weights, *pairs, strict=True):
        zero = torch.zeros_like(weights[name])
        torch.testing.assert_close(
            zero if grad is None else grad, zero if wanted is None else wanted, msg=name
        )


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("k", [0, 1, 3])
def test_sub_sampled_loss_sums_the_bounds_of_its_subsets(no_noise, toy_model, toy_batch, k, beta):
    model, batch = toy_model(), toy_batch(n=6, present=HOLES)
    drawn = draw_subsets(batch.present, k, seeded())
    loss = SubSampled(k=k)(model, batch, beta, seeded())
    assert_same_loss_and_gradients(model, loss, sub_sampled(model, batch, drawn, beta))


def test_coinciding_terms_count_once(no_noise, toy_model, toy_batch):
    # 400 draws meet every subset between, most of them many times.
    model, batch = toy_model(), toy_batch(n=2)
    every = [s for size in (1, 2, 3, 4) for s in combinations(batch.names, size)]
    expected = -sum(bound(model, batch, b, frozenset(s)) for b in range(2) for s in every) / 2
    torch.testing.assert_close(SubSampled(k=400)(model, batch, 1.0, seeded()), expected)


def test_a_sample_with_one_modality_has_one_term(no_noise, toy_model, toy_batch):
    model = toy_model()
    batch = toy_batch(n=1, present=torch.tensor([[False, False, False, True]]))
    expected = -bound(model, batch, 0, frozenset(["colour"]))
    torch.testing.assert_close(SubSampled(k=5)(model, batch), expected)


def test_two_modalities_have_no_subsets_between(no_noise, toy_model, toy_batch, toys):
    model, batch = toy_model(*toys[:2]), toy_batch(*toys[:2])
    terms = ({"image"}, {"label"}, {"image", "label"})
    expected = -sum(bound(model, batch, b, frozenset(s)) for b in range(5) for s in terms) / 5
    torch.testing.assert_close(SubSampled(k=7)(model, batch), expected)


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
def test_the_joint_loss_is_the_bound_of_everything_present(no_noise, toy_model, toy_batch, beta):
    model, batch = toy_model(), toy_batch(n=6, present=HOLES)
    expected = -sum(bound(model, batch, b, there(batch, b), beta) for b in range(5)) / 6
    assert_same_loss_and_gradients(model, Joint()(model, batch, beta), expected)


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
def test_the_loss_of_singles_sums_each_modalitys_own_bound(no_noise, toy_model, toy_batch, beta):
    model, batch = toy_model(), toy_batch(n=6, present=HOLES)
    terms = [(b, frozenset([name])) for b in range(6) for name in there(batch, b)]
    expected = -sum(bound(model, batch, b, one, beta) for b, one in terms) / 6
    assert_same_loss_and_gradients(model, Singles()(model, batch, beta), expected)


@pytest.mark.parametrize("k", [0, 2])
@pytest.mark.parametrize("beta", [0.3, 1.0])
def test_denoising_reconstructs_everything_present_from_every_subset(
    no_noise, toy_model, toy_batch, k, beta
):
    model, batch = toy_model(), toy_batch(n=6, present=HOLES)
    drawn = draw_subsets(batch.present, k, seeded())
    expected = torch.zeros(())
    for b in range(6):
        present = there(batch, b)
        terms = {present} | {frozenset([name]) for name in present}
        terms |= {names_of(batch, mask[b]) for mask in drawn}
        for subset in terms - {frozenset()}:
            expected = expected - bound(model, batch, b, subset, beta, wanted=present) / 6
    assert_same_loss_and_gradients(model, Denoising(k=k)(model, batch, beta, seeded()), expected)


def test_joint_and_singles_together_are_the_sub_sampled_loss_without_subsets_between(
    no_noise, toy_model, toy_batch
):
    model, complete = toy_model(), toy_batch(n=4)
    one_each = toy_batch(n=4, present=torch.eye(4, dtype=torch.bool))
    objectives = Joint(), Singles(), SubSampled(k=0)
    joint, singles, both = (objective(model, complete, 0.6) for objective in objectives)
    torch.testing.assert_close(joint + singles, both)
    # A single modality is its own joint, and counts once.
    joint, singles, both = (objective(model, one_each, 0.6) for objective in objectives)
    torch.testing.assert_close(joint, both)
    torch.testing.assert_close(singles, both)


@pytest.mark.parametrize(
    "objective", [Joint(), Singles(), Denoising(), SubSampled(k=4), Covering(k=4)]
)
def test_each_modality_is_encoded_once_a_step(toy_model, toy_batch, objective):
    model, calls = toy_model(), Counter()
    for i, encoder in enumerate(model.encoders):
        encoder.register_forward_hook(lambda *_, i=i: calls.update([i]))
    objective(model, toy_batch())
    assert calls == {0: 1, 1: 1, 2: 1, 3: 1}


@pytest.mark.parametrize(
    "objective", [Joint(), Singles(), Denoising(k=2), SubSampled(k=2), Covering(k=2)]
)
def test_junk_in_missing_rows_changes_neither_loss_nor_gradient(toy_model, toy_batch, objective):
    clean = toy_batch(n=6, present=HOLES)
    dirty = Batch({name: x.clone() for name, x in clean.values.items()}, HOLES)
    for i, x in enumerate(dirty.values.values()):
        x[~HOLES[:, i]] = math.nan if x.is_floating_point() else -100
    results = []
    for batch in (clean, dirty):
        model = toy_model()
        loss = objective(model, batch, 0.7, seeded())
        loss.backward()
        results.append([loss, *(w.grad for w in model.parameters())])
    assert results[0][0].isfinite()
    assert all(torch.equal(x, y) for x, y in zip(*results, strict=True))


def test_draws_are_independent_between_terms_and_samples(toy_model, toy_batch, monkeypatch):
    sampled = []
    draw = Gaussian.sample

    def spy(self, n=None, generator=None):
        z = draw(self, n, generator)
        sampled.append(((z - self.mean) / self.std).detach())
        return z

    monkeypatch.setattr(Gaussian, "sample", spy)
    SubSampled(k=1)(toy_model(), toy_batch(n=4))
    noise = torch.cat([x.flatten() for x in sampled])
    assert len(noise) >= 6 * 4 * 2
    assert len(noise.unique()) == len(noise)


def test_reported_elbo_has_neither_weights_nor_annealing(no_noise, toy_model, toy_batch):
    model, batch = toy_model(), toy_batch(n=6, present=HOLES)
    expected = [bound(model, batch, b, there(batch, b), weighted=False) for b in range(6)]
    torch.testing.assert_close(elbo(model, batch), torch.stack(expected))
    assert elbo(model, batch)[5] == 0


def test_elbo_averages_to_the_bound_found_by_quadrature(toy_model, toy_batch):
    model, batch = toy_model(scale=1.0), toy_batch(n=1)
    line = torch.linspace(-8, 8, 201)
    z = torch.cartesian_prod(line, line)
    q = product_of(model, batch, 0, there(batch, 0))
    density = q.log_prob(z).exp() * (line[1] - line[0]) ** 2
    log_p = sum(model.decode(z, n).log_prob(batch.values[n][0]) for n in batch.names)
    exact = (density * log_p).sum() - kl(q, Gaussian.standard((2,)))
    many = elbo(model, batch[torch.zeros(20_000, dtype=torch.long)], seeded())
    assert (many.mean() - exact).abs() < 4 * many.std() / math.sqrt(20_000)


@pytest.mark.parametrize("beta", [0.4, 1.0])
def test_covering_adds_its_two_terms_for_complete_samples(no_noise, toy_model, toy_batch, beta):
    model, batch = toy_model(scale=1.0), toy_batch(n=6, present=HOLES)
    objective = Covering(gamma=0.6, kappa=2.5, k=1)
    drawn = draw_subsets(batch.present, 1, seeded())
    expected = sub_sampled(model, batch, drawn, beta) + covering(model, batch, beta, 0.6, 2.5)
    assert_same_loss_and_gradients(model, objective(model, batch, beta, seeded()), expected)


def test_covering_term_gives_the_joint_posterior_no_gradient(no_noise, toy_model, toy_batch, toys):
    model, batch = toy_model(*toys[:2], scale=1.0), toy_batch(*toys[:2], n=3)
    with_term = Covering(gamma=1.0, kappa=0.0)(model, batch, 1.0, seeded())
    added = with_term - SubSampled()(model, batch, 1.0, seeded())
    joint = model.posterior(batch)
    held = Gaussian(joint.mean.detach(), joint.logvar.detach())
    only_singles = sum(held.kl(model.posterior(batch.supply([n]))) for n in batch.names).mean()
    assert_same_loss_and_gradients(model, added, only_singles)


@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_incomplete_samples_add_nothing_to_covering(toy_model, toy_batch, beta):
    batch = toy_batch(n=3, present=HOLES[1:4])
    losses = [
        objective(toy_model(), batch, beta, seeded())
        for objective in (SubSampled(), Covering(gamma=3.0, kappa=9.0))
    ]
    assert losses[0] == losses[1]


def test_covering_is_annealed_away_with_beta(toy_model, toy_batch):
    losses = [
        objective(toy_model(), toy_batch(), 0.0, seeded())
        for objective in (SubSampled(), Covering())
    ]
    assert losses[0] == losses[1]


def test_subsets_are_drawn_uniformly():
    draws = draw_subsets(torch.ones(1, 5, dtype=torch.bool), 10_000, seeded()).squeeze(1)
    counts = Counter(tuple(row) for row in draws.tolist())
    assert len(counts) == 10 + 10 + 5
    assert stats.chisquare(list(counts.values())).pvalue > 0.01


def test_subsets_of_20_modalities_are_valid_and_of_all_the_usual_sizes():
    present = torch.ones(300, 20, dtype=torch.bool)
    present[100:200, 7:] = False
    present[200:, 3:] = False
    drawn = draw_subsets(present, 20, seeded())
    assert drawn.shape == (20, 300, 20)
    assert not (drawn & ~present).any()
    sizes = drawn.sum(-1)
    assert ((sizes >= 2) & (sizes < present.sum(-1))).all()
    # A fair coin for each modality: 10 of 20 on average.
    assert abs(sizes[:, :100].double().mean() - 10) < 0.2


def test_samples_with_fewer_than_three_modalities_draw_nothing():
    present = torch.tensor([[True, True, False], [False, True, False], [False, False, False]])
    assert not draw_subsets(present, 4, seeded()).any()
