"""What a model believes about one sample, given some of its modalities."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch

from mvae.disagreement import disagreement
from mvae.gaussian import conflict
from mvae.inference import believe, conflict_percentile, percentile
from mvae.modality import Batch

pytestmark = pytest.mark.usefixtures("float64")

ALL = ("image", "label", "point", "colour")


def test_empty_evidence_gives_the_prior(toy_model, toy_batch):
    belief = believe(toy_model(), toy_batch(n=1), [])
    assert (belief.posterior.mean == 0).all()
    assert (belief.posterior.logvar == 0).all()
    assert belief.sharpness == (0.0,)
    assert belief.conflict == 0
    assert list(belief.shares) == ["prior"]
    assert (belief.shares["prior"] == 1).all()
    assert set(belief.expected) == set(ALL)


def test_belief_is_the_models_posterior_whatever_the_order_of_supply(toy_model, toy_batch):
    model, sample = toy_model(), toy_batch(n=1)
    q = model.posterior(sample.supply(["colour", "image", "point"]))[0]
    for order in permutations(["colour", "image", "point"]):
        belief = believe(model, sample, order)
        assert belief.evidence == order
        assert list(belief.shares) == ["prior", *order]
        torch.testing.assert_close(belief.posterior.mean, q.mean)
        torch.testing.assert_close(belief.posterior.logvar, q.logvar)
        torch.testing.assert_close(sum(belief.shares.values()), torch.ones(2))


def test_shares_belong_to_the_modality_that_they_are_named_after(toy_model, toy_batch):
    belief = believe(toy_model(), toy_batch(n=1), ["colour", "image"])
    precision = {name: (-belief.experts[name].logvar).exp() for name in belief.evidence}
    total = 1 + sum(precision.values())
    for name, value in precision.items():
        torch.testing.assert_close(belief.shares[name], value / total)


def test_every_modality_supplied_sharpens_the_belief(toy_model, toy_batch):
    for seed in range(20):
        belief = believe(toy_model(seed=seed, scale=3.0), toy_batch(n=1, seed=seed), ALL)
        assert len(belief.sharpness) == 5
        assert belief.sharpness[0] == 0
        steps = zip(belief.sharpness, belief.sharpness[1:], strict=False)
        assert all(before <= after for before, after in steps)
        prior_entropy = believe(toy_model(), toy_batch(n=1), []).entropy
        assert belief.sharpness[-1] == pytest.approx(prior_entropy - belief.entropy)


def test_sharpness_follows_the_order_of_supply(toy_model, toy_batch):
    model, sample = toy_model(), toy_batch(n=1)
    belief = believe(model, sample, ["point", "label"])
    alone = believe(model, sample, ["point"])
    assert belief.sharpness[:2] == pytest.approx(alone.sharpness)


def test_the_same_seed_gives_the_same_noise_for_any_evidence(toy_model, toy_batch):
    model, sample = toy_model(), toy_batch(n=1)

    def noise(evidence, seed):
        belief = believe(model, sample, evidence, draws=7, seed=seed)
        assert belief.draws.shape == (7, 2)
        return (belief.draws - belief.posterior.mean) / belief.posterior.std

    torch.testing.assert_close(noise(["image"], 4), noise(["label", "point"], 4))
    torch.testing.assert_close(noise(["image"], 4), noise([], 4))
    assert not torch.allclose(noise(["image"], 4), noise(["image"], 5))


def test_generated_values_are_the_means_of_the_draws(toy_model, toy_batch):
    model = toy_model()
    belief = believe(model, toy_batch(n=1), ["image"], draws=6)
    for m in model.modalities:
        assert belief.samples[m.name].shape == (6, *m.shape)
        torch.testing.assert_close(belief.expected[m.name], belief.samples[m.name].mean(0))
        one = model.expected(belief.draws[2])[m.name]
        torch.testing.assert_close(belief.samples[m.name][2], one)


def test_modalities_that_were_not_supplied_change_nothing(toy_model, toy_batch):
    model, sample = toy_model(), toy_batch(n=1)
    only = believe(model, sample.supply(["label"]), ["label"])
    whole = believe(model, sample, ["label"])
    assert torch.equal(only.posterior.mean, whole.posterior.mean)
    assert torch.equal(only.draws, whole.draws)
    assert set(whole.experts) == set(ALL)
    assert set(only.experts) == {"label"}


def test_conflict_is_the_gauge_of_the_factors_supplied(toy_model, toy_batch):
    model, sample = toy_model(), toy_batch(n=1)
    experts = model.experts(sample)
    product = model.product(experts, sample.supply(["image", "point"]).present)
    belief = believe(model, sample, ["point", "image"])
    assert belief.conflict == pytest.approx(conflict(experts, product).item())
    parts = disagreement(experts, product.present)
    assert belief.disagreement == pytest.approx(parts.among.item())
    assert belief.conflict == pytest.approx(parts.among.item() + parts.prior.item(), rel=1e-5)


def test_informative_dimensions_come_first(toy_model, toy_batch):
    belief = believe(toy_model(latents=6), toy_batch(n=1), ALL)
    told = belief.posterior.information()
    order = belief.informative()
    assert sorted(order) == list(range(6))
    assert told[order].tolist() == sorted(told.tolist(), reverse=True)
    assert belief.informative(2) == order[:2]


@pytest.mark.parametrize(
    ("evidence", "message"),
    [
        (["sound"], "no modality is called 'sound': there are image, label, point, colour"),
        (["image", "label", "image"], "evidence is named twice in image, label, image"),
        (["image", "point"], "the sample has no point"),
    ],
)
def test_impossible_evidence_is_refused_with_a_sentence(toy_model, toy_batch, evidence, message):
    sample = toy_batch(n=1).supply(["image", "label"])
    with pytest.raises(ValueError, match="^" + message):
        believe(toy_model(), sample, evidence)


@pytest.mark.parametrize("n", [0, 2])
def test_believing_takes_one_sample(toy_model, toy_batch, toys, n):
    batch = Batch.empty(toys, 0) if n == 0 else toy_batch(n=n)
    with pytest.raises(ValueError, match=f"one sample, not of {n}"):
        believe(toy_model(), batch, [])


def test_percentile_is_the_share_of_values_below():
    values = torch.randn(5001, generator=torch.Generator().manual_seed(0))
    quantiles = values.quantile(torch.linspace(0, 1, 201)).tolist()
    for x in (-2.2, -0.3, 0.0, 1.7):
        below = 100 * (values < x).double().mean().item()
        assert percentile(x, quantiles) == pytest.approx(below, abs=0.5)
    assert percentile(-10, quantiles) == 0
    assert percentile(10, quantiles) == 100


def test_percentile_bears_ties_and_its_own_ends():
    for quantiles in ([0.0, 0.0, 0.0, 1.0, 1.0], [2.0, 2.0], [0.0, 1.0, 1.0, 1.0]):
        places = [percentile(x, quantiles) for x in (-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0)]
        assert places == sorted(places)
        assert places[0] == 0
        assert places[-1] == 100


def test_conflict_is_placed_only_among_samples_of_the_same_evidence(toy_model, toy_batch):
    model, sample = toy_model(), toy_batch(n=1)
    belief = believe(model, sample, ["point", "image"])
    value = belief.disagreement
    quantiles = {"image+point": [value - 1, value + 1], "image+label": [0.0, 0.1]}
    assert conflict_percentile(belief, quantiles, ALL) == pytest.approx(50)
    assert conflict_percentile(believe(model, sample, ["image"]), quantiles, ALL) is None
    assert conflict_percentile(believe(model, sample, []), quantiles, ALL) is None


def test_what_is_generated_is_decoded_once_and_only_when_asked(toy_model, toy_batch, monkeypatch):
    model = toy_model()
    decoded = []
    monkeypatch.setattr(
        model, "expected", lambda z, usual=model.expected: decoded.append(len(z)) or usual(z)
    )
    belief = believe(model, toy_batch(n=1), ["label"], draws=8)
    assert belief.sharpness[-1] > 0
    assert not decoded
    assert torch.equal(belief.expected["image"], belief.samples["image"].mean(0))
    assert not belief.samples["image"].requires_grad
    assert decoded == [8]
