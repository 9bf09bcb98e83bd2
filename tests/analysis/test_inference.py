"""What a model believes about one sample, given some of its modalities."""

from __future__ import annotations

import json
from itertools import permutations

import pytest
import torch

from mvae.analysis.inference import conflict_percentile, infer, percentile
from mvae.analysis.posterior_summary import as_dict, summary_lines
from mvae.batch import Batch
from mvae.distributions.conflict import conflict, disagreement

pytestmark = pytest.mark.usefixtures("float64")

ALL = ("image", "label", "point", "colour")


def test_empty_evidence_gives_the_prior(toy_model, toy_batch):
    inference = infer(toy_model(), toy_batch(n=1), [])
    assert (inference.posterior.mean == 0).all()
    assert (inference.posterior.logvar == 0).all()
    assert inference.sharpness == (0.0,)
    assert inference.conflict == 0
    assert list(inference.shares) == ["prior"]
    assert (inference.shares["prior"] == 1).all()
    assert set(inference.expected) == set(ALL)


def test_belief_is_the_models_posterior_whatever_the_order_of_supply(toy_model, toy_batch):
    model, sample = toy_model(), toy_batch(n=1)
    q = model.posterior(sample.supply(["colour", "image", "point"]))[0]
    for order in permutations(["colour", "image", "point"]):
        inference = infer(model, sample, order)
        assert inference.evidence == order
        assert list(inference.shares) == ["prior", *order]
        torch.testing.assert_close(inference.posterior.mean, q.mean)
        torch.testing.assert_close(inference.posterior.logvar, q.logvar)
        torch.testing.assert_close(sum(inference.shares.values()), torch.ones(2))


def test_shares_belong_to_the_modality_that_they_are_named_after(toy_model, toy_batch):
    inference = infer(toy_model(), toy_batch(n=1), ["colour", "image"])
    precision = {name: (-inference.experts[name].logvar).exp() for name in inference.evidence}
    total = 1 + sum(precision.values())
    for name, value in precision.items():
        torch.testing.assert_close(inference.shares[name], value / total)


def test_every_modality_supplied_sharpens_the_belief(toy_model, toy_batch):
    for seed in range(20):
        inference = infer(toy_model(seed=seed, scale=3.0), toy_batch(n=1, seed=seed), ALL)
        assert len(inference.sharpness) == 5
        assert inference.sharpness[0] == 0
        steps = zip(inference.sharpness, inference.sharpness[1:], strict=False)
        assert all(before <= after for before, after in steps)
        prior_entropy = infer(toy_model(), toy_batch(n=1), []).entropy
        assert inference.sharpness[-1] == pytest.approx(prior_entropy - inference.entropy)


def test_sharpness_follows_the_order_of_supply(toy_model, toy_batch):
    model, sample = toy_model(), toy_batch(n=1)
    inference = infer(model, sample, ["point", "label"])
    alone = infer(model, sample, ["point"])
    assert inference.sharpness[:2] == pytest.approx(alone.sharpness)


def test_the_same_seed_gives_the_same_noise_for_any_evidence(toy_model, toy_batch):
    model, sample = toy_model(), toy_batch(n=1)

    def noise(evidence, seed):
        inference = infer(model, sample, evidence, draws=7, seed=seed)
        assert inference.draws.shape == (7, 2)
        return (inference.draws - inference.posterior.mean) / inference.posterior.std

    torch.testing.assert_close(noise(["image"], 4), noise(["label", "point"], 4))
    torch.testing.assert_close(noise(["image"], 4), noise([], 4))
    assert not torch.allclose(noise(["image"], 4), noise(["image"], 5))


def test_generated_values_are_the_means_of_the_draws(toy_model, toy_batch):
    model = toy_model()
    inference = infer(model, toy_batch(n=1), ["image"], draws=6)
    for m in model.modalities:
        assert inference.samples[m.name].shape == (6, *m.shape)
        torch.testing.assert_close(inference.expected[m.name], inference.samples[m.name].mean(0))
        one = model.expected(inference.draws[2])[m.name]
        torch.testing.assert_close(inference.samples[m.name][2], one)


def test_modalities_that_were_not_supplied_change_nothing(toy_model, toy_batch):
    model, sample = toy_model(), toy_batch(n=1)
    only = infer(model, sample.supply(["label"]), ["label"])
    whole = infer(model, sample, ["label"])
    assert torch.equal(only.posterior.mean, whole.posterior.mean)
    assert torch.equal(only.draws, whole.draws)
    assert set(whole.experts) == set(ALL)
    assert set(only.experts) == {"label"}


def test_conflict_is_the_gauge_of_the_factors_supplied(toy_model, toy_batch):
    model, sample = toy_model(), toy_batch(n=1)
    experts = model.experts(sample)
    product = model.product(experts, sample.supply(["image", "point"]).present)
    inference = infer(model, sample, ["point", "image"])
    assert inference.conflict == pytest.approx(conflict(experts, product).item())
    parts = disagreement(experts, product.present)
    assert inference.disagreement == pytest.approx(parts.between_modalities.item())
    assert inference.conflict == pytest.approx(
        parts.between_modalities.item() + parts.from_prior.item(), rel=1e-5
    )


def test_informative_dimensions_come_first(toy_model, toy_batch):
    inference = infer(toy_model(latents=6), toy_batch(n=1), ALL)
    told = inference.posterior.information()
    order = inference.most_informative()
    assert sorted(order) == list(range(6))
    assert told[order].tolist() == sorted(told.tolist(), reverse=True)
    assert inference.most_informative(2) == order[:2]


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
        infer(toy_model(), sample, evidence)


def test_several_samples_are_believed_as_each_is_alone(toy_model, toy_batch):
    present = torch.tensor([[1, 0, 1, 1], [1, 1, 1, 0], [1, 1, 1, 1]], dtype=torch.bool)
    model, batch = toy_model(), toy_batch(n=3, present=present)
    together = infer(model, batch, ["point", "image"], draws=7, seed=4)
    assert together.draws.shape == (7, 3, 2)
    assert together.expected["image"].shape == (3, 1, 2, 2)
    assert set(together.experts) == set(ALL)
    for b in range(3):
        alone = infer(model, batch[b : b + 1], ["point", "image"], draws=7, seed=4)
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
        assert together.most_informative(1)[b] == alone.most_informative(1)
        quantiles = {"image+point": [0.0, 1.0, 5.0, 30.0]}
        places = [conflict_percentile(x, quantiles, ALL) for x in (together, alone)]
        assert places[0][b].item() == pytest.approx(places[1], rel=1e-6)
    # Plain lists hold all of them, and a terminal one.
    plain = as_dict(together)
    assert len(plain["entropy"]) == len(plain["posterior"]["mean"]) == 3
    assert json.dumps(plain["sharpness"])
    with pytest.raises(ValueError, match="one sample can be summarised at a time, not 3"):
        next(summary_lines(together))


def test_what_one_of_several_samples_lacks_is_said(toy_model, toy_batch):
    present = torch.tensor([[True] * 4, [True, False, True, True]])
    with pytest.raises(ValueError, match="sample 1 has no label"):
        infer(toy_model(), toy_batch(n=2, present=present), ["image", "label"])


def test_no_sample_and_no_draw_are_refused(toy_model, toy_batch, toys):
    with pytest.raises(ValueError, match="at least one sample and one draw, not 0 and 64"):
        infer(toy_model(), Batch.empty(toys, 0), [])
    with pytest.raises(ValueError, match="at least one sample and one draw, not 2 and 0"):
        infer(toy_model(), toy_batch(n=2), [], draws=0)


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
    inference = infer(model, sample, ["point", "image"])
    value = inference.disagreement
    quantiles = {"image+point": [value - 1, value + 1], "image+label": [0.0, 0.1]}
    assert conflict_percentile(inference, quantiles, ALL) == pytest.approx(50)
    assert conflict_percentile(infer(model, sample, ["image"]), quantiles, ALL) is None
    assert conflict_percentile(infer(model, sample, []), quantiles, ALL) is None


def test_what_is_generated_is_decoded_once_and_only_when_asked(toy_model, toy_batch, monkeypatch):
    model = toy_model()
    decoded = []
    monkeypatch.setattr(
        model, "expected", lambda z, usual=model.expected: decoded.append(len(z)) or usual(z)
    )
    inference = infer(model, toy_batch(n=1), ["label"], draws=8)
    assert inference.sharpness[-1] > 0
    assert not decoded
    assert torch.equal(inference.expected["image"], inference.samples["image"].mean(0))
    assert not inference.samples["image"].requires_grad
    assert decoded == [8]


def test_the_product_of_all_evidence_is_computed_once(toy_model, toy_batch, monkeypatch):
    model, made = toy_model(), []
    usual = type(model).product

    def counting(self, experts, present):
        made.append(tuple(present.shape))
        return usual(self, experts, present)

    monkeypatch.setattr(type(model), "product", counting)
    infer(model, toy_batch(n=1), ["label", "point"])
    assert made == [(3, 1, 4)]  # nothing, the label, and both
