"""Modalities, batches with holes, and what likelihoods mean."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError
from scipy import integrate, special

from mvae.likelihood import LIKELIHOODS
from mvae.modality import Batch, Modality

pytestmark = pytest.mark.usefixtures("float64")


def test_batch_knows_which_modalities_it_was_given(toys):
    batch = Batch.of(toys, {"point": torch.zeros(3, 2), "label": torch.tensor([0, 1, 2])})
    assert batch.names == ("image", "label", "point", "colour")
    assert batch.present.tolist() == [[False, True, True, False]] * 3
    assert len(batch) == 3


def test_empty_batch_has_nothing(toys):
    batch = Batch.empty(toys, 4)
    assert len(batch) == 4
    assert not batch.present.any()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sound": torch.zeros(1)}, "no modality is called 'sound'"),
        ({}, "at least one modality"),
        ({"label": torch.tensor([3])}, "label must be an index from 0 to 2"),
        ({"label": torch.tensor([-1])}, "label must be an index from 0 to 2"),
        ({"point": torch.zeros(1, 3)}, r"point must be of shape \(1, 2\)"),
        ({"label": torch.tensor([0, 1]), "point": torch.zeros(1, 2)}, "point must be of shape"),
        ({"point": torch.tensor([[math.nan, 0.0]])}, "point has values that are not finite"),
        ({"image": torch.full((1, 1, 2, 2), math.inf)}, "image has values that are not finite"),
    ],
)
def test_batch_refuses_values_that_do_not_fit(toys, values, message):
    with pytest.raises(ValueError, match=message):
        Batch.of(toys, values)


def test_subset_masks_keep_only_what_is_present(toys, toy_batch):
    present = torch.tensor([[True, True, False, True], [False, True, True, True]])
    batch = toy_batch(n=2, present=present)
    masks = batch.mask([[], ["image", "point"], batch.names])
    assert masks[0].sum() == 0
    assert masks[1].tolist() == [[True, False, False, False], [False, False, True, False]]
    assert torch.equal(masks[2], present)
    assert torch.equal(batch.supply(["image", "point"]).present, masks[1])
    with pytest.raises(ValueError, match="no modality is called 'sound'"):
        batch.mask([["sound"]])


def test_indexing_a_batch_takes_values_and_mask_together(toy_batch):
    present = torch.rand(5, 4, generator=torch.Generator().manual_seed(0)) < 0.5
    batch = toy_batch(present=present)
    part = batch[torch.tensor([4, 1])]
    assert torch.equal(part.present, present[[4, 1]])
    assert torch.equal(part.values["point"], batch.values["point"][[4, 1]])


@pytest.mark.parametrize(
    "wrong",
    [
        {"shape": (28, 28)},
        {"likelihood": "categorical"},
        {"kind": "label"},
        {"weight": 0.0},
        {"name": "Über/../picture"},
        {"likelihood": "poisson"},
        {"categories": ("a", "b")},
        {"colour": "red"},
    ],
)
def test_modality_refuses_an_inconsistent_description(wrong):
    right = {"name": "image", "kind": "image", "shape": (1, 4, 4), "likelihood": "bernoulli"}
    assert Modality(**right).outputs == 16
    with pytest.raises(ValidationError):
        Modality(**right | wrong)


def test_modality_survives_json(toys):
    for modality in toys:
        assert Modality.model_validate_json(modality.model_dump_json()) == modality


def test_category_has_its_name_or_its_number():
    named = {"name": "label", "kind": "label", "shape": (2,), "likelihood": "categorical"}
    assert Modality(**named, categories=("cat", "dog")).category(1) == "dog"
    assert Modality(**named).category(1) == "1"


def test_discrete_likelihoods_are_normalised():
    torch.manual_seed(0)
    pixels = LIKELIHOODS["bernoulli"].distribution(torch.randn(4), (1, 2, 2))
    every = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 4).reshape(16, 1, 2, 2)
    assert pixels.log_prob(every).exp().sum().item() == pytest.approx(1.0)
    label = LIKELIHOODS["categorical"].distribution(torch.randn(5), (5,))
    assert label.log_prob(torch.arange(5)).exp().sum().item() == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["bernoulli", "bernoulli-cross-entropy"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 28, 28), (3, 1, 127), (1, 5, 25)])
@pytest.mark.parametrize("gradients", [False, True])
def test_pixels_are_scored_as_scipy_scores_them(kind, shape, gradients):
    source = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 2, *shape, generator=source).mul_(30)
    logits[0], logits[1], logits[2] = 0.0, 200.0, -200.0
    x = torch.rand(2, *shape, generator=source)
    x = x if kind.endswith("entropy") else x.round()
    before = logits.clone()
    with torch.set_grad_enabled(gradients):
        found = LIKELIHOODS[kind].distribution(logits.flatten(2), shape).log_prob(x)
    eta, data = logits.double().numpy(), x.double().numpy()
    each = data * special.log_expit(eta) + (1 - data) * special.log_expit(-eta)
    expected = torch.from_numpy(each.sum((-1, -2, -3)))
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-3)
    torch.testing.assert_close(logits, before, rtol=0, atol=0)


def test_gaussian_likelihood_is_a_density_of_bounded_height():
    likelihood = LIKELIHOODS["gaussian"]
    p = likelihood.distribution(torch.tensor([0.5, -1.0]), (1,))
    density = lambda x: p.log_prob(torch.tensor([x])).exp().item()  # noqa: E731
    assert integrate.quad(density, -10, 10)[0] == pytest.approx(1.0)
    mean = integrate.quad(lambda x: x * density(x), -10, 10)[0]
    assert likelihood.expected(p).item() == pytest.approx(mean)
    sharpest = likelihood.distribution(torch.tensor([0.0, -1e6]), (1,))
    assert sharpest.log_prob(torch.tensor([0.0])).item() <= 3.0


def test_expected_values_are_probabilities_of_the_events_shape():
    torch.manual_seed(0)
    pixels = LIKELIHOODS["bernoulli"]
    mean = pixels.expected(pixels.distribution(torch.randn(7, 4), (1, 2, 2)))
    assert mean.shape == (7, 1, 2, 2)
    assert ((mean > 0) & (mean < 1)).all()
    label = LIKELIHOODS["categorical"]
    probabilities = label.expected(label.distribution(torch.randn(7, 5), (5,)))
    torch.testing.assert_close(probabilities.sum(-1), torch.ones(7))


def test_grey_cross_entropy_is_not_called_a_likelihood():
    grey = LIKELIHOODS["bernoulli-cross-entropy"]
    assert not grey.exact
    assert all(one.exact for one in LIKELIHOODS.values() if one is not grey)
    logits, x = torch.tensor([0.7]), torch.tensor([0.3])
    p = torch.sigmoid(logits)
    expected = 0.3 * p.log() + 0.7 * (1 - p).log()
    torch.testing.assert_close(grey.distribution(logits, (1,)).log_prob(x), expected.squeeze())
