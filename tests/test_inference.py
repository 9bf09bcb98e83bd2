"""What a model believes about one sample, given some of its modalities."""

from __future__ import annotations

import json
from itertools import permutations

import pytest
import torch

from mvae.analysis.inference import believe, conflict_percentile, percentile
from mvae.analysis.posterior_summary import as_dict, tell
from mvae.batch import Batch
from mvae.distributions.disagreement import disagreement
from mvae.distributions.gaussian import conflict

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


def test_several_samples_are_believed_as_each_is_alone(toy_model, toy_batch):
    present = torch.tensor([[1, 0, 1, 1], [1, 1, 1, 0], [1, 1, 1, 1]], dtype=torch.bool)
    model, batch = toy_model(), toy_batch(n=3, present=present)
    together = believe(model, batch, ["point", "image"], draws=7, seed=4)
    assert together.draws.shape == (7, 3, 2)
    assert together.expected["image"].shape == (3, 1, 2, 2)
    assert set(together.experts) == set(ALL)
    for b in range(3):
        alone = believe(model, batch[b : b + 1], ["point", "image"], draws=7, seed=4)
        torch.testing.assert_close(together.posterior.mean[b], alone.posterior.mean)
        torch.testing.assert_close(together.posterior.logvar[b], alone.posterior.logvar)
        torch.testing.assert_close(together.draws[:, b], alone.draws)
        for name in ALL:
            torch.testing.assert_close(together.samples[name][:, b], alone.samples[name])
            torch.testing.assert_close(together.expected[name][b], alone.expected[name])
            mean = together.experts[name].mean[b]
            if name in alone.experts:
                torch.testing.assert_close(mean, alone.experts[name].mean)
            else:
                assert mean.isnan().all()
        for name, share in alone.shares.items():
            torch.testing.assert_close(together.shares[name][b], share)
        assert [x[b].item() for x in together.sharpness] == pytest.approx(alone.sharpness)
        assert together.conflict[b].item() == pytest.approx(alone.conflict)
        assert together.entropy[b].item() == pytest.approx(alone.entropy)
        assert together.informative(1)[b] == alone.informative(1)
        quantiles = {"image+point": [0.0, 1.0, 5.0, 30.0]}
        places = [conflict_percentile(x, quantiles, ALL) for x in (together, alone)]
        assert places[0][b].item() == pytest.approx(places[1], rel=1e-6)
    # Plain lists hold all of them, and a terminal one.
    plain = as_dict(together)
    assert len(plain["entropy"]) == len(plain["posterior"]["mean"]) == 3
    assert json.dumps(plain["sharpness"])
    with pytest.raises(ValueError, match="one sample is told at a time, not 3"):
        next(tell(together))


def test_what_one_of_several_samples_lacks_is_said(toy_model, toy_batch):
    present = torch.tensor([[True] * 4, [True, False, True, True]])
    with pytest.raises(ValueError, match="sample 1 has no label"):
        believe(toy_model(), toy_batch(n=2, present=present), ["image", "label"])


def test_no_sample_and_no_draw_are_refused(toy_model, toy_batch, toys):
    with pytest.raises(ValueError, match="at least one sample and one draw, not 0 and 64"):
        believe(toy_model(), Batch.empty(toys, 0), [])
    with pytest.raises(ValueError, match="at least one sample and one draw, not 2 and 0"):
        believe(toy_model(), toy_batch(n=2), [], draws=0)


@pytest.mark.parametrize("quantiles", [[], [1.0], [2.0, 1.0], [0.0, float("nan")]])
def test_percentiles_need_quantiles_that_rise(quantiles):
    with pytest.raises(ValueError, match="two or more quantiles, from the lowest"):
        percentile(1.0, quantiles)


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
