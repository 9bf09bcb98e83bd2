"""Modalities, batches with holes, and what likelihoods mean."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from scipy import integrate, special

from mvae.batch import Batch
from mvae.distributions.likelihood import LIKELIHOODS
from mvae.modality import Modality

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
        ({"label": None}, "at least one modality"),
        ({"label": torch.tensor([3])}, "label must be an index from 0 to 2: sample 0 has 3"),
        ({"label": torch.tensor([0, -1])}, "label must be an index from 0 to 2: sample 1 has -1"),
        ({"label": [1, 2, 3]}, "subtract 1"),
        ({"label": [0, 1.7]}, "sample 1 has 1.7, .* an index is a whole number"),
        ({"label": 1}, "label needs a list with one value per sample; got 1"),
        ({"label": torch.tensor(1)}, r"label must be of shape \(0,\), not \(\)"),
        ({"label": "2"}, "label needs a list with one value per sample; got '2'"),
        ({"label": ["2", "cat"]}, "sample 1 of label: there is no 'cat', only 0, 1, 2"),
        ({"label": [[0], [1]]}, r"label must be of shape \(2,\), not \(2, 1\)"),
        ({"label": [1j]}, "label must be real numbers, not torch.complex128"),
        ({"point": torch.zeros(1, 3)}, r"point must be of shape \(1, 2\)"),
        ({"point": [[0.0, 1.0], [1.0]]}, r"sample 1 of point must be of shape \(2,\), not \(1,\)"),
        ({"point": [[0.0, 1.0], {}]}, "sample 1 of point: {} is not a number or an array"),
        ({"point": ["high"]}, "sample 0 of point: 'high' is a string"),
        ({"label": torch.tensor([0, 1]), "point": torch.zeros(1, 2)}, "point has 1 samples, and"),
        ({"point": torch.tensor([[math.nan, 0.0]])}, "point must be finite, but sample 0 has nan"),
        ({"image": torch.full((1, 1, 2, 2), math.inf)}, "image must be finite, but sample 0 has"),
    ],
)
def test_batch_refuses_values_that_do_not_fit(toys, values, message):
    with pytest.raises(ValueError, match=message):
        Batch.of(toys, values)


PICTURE = Modality(
    name="picture", kind="image", shape=(1, 2, 2), likelihood="bernoulli-cross-entropy"
)
TAGS = Modality(
    name="tags",
    kind="tags",
    shape=(3,),
    likelihood="bernoulli",
    categories=("sea", "sky", "dog"),
)
TEXT = Modality(
    name="text",
    kind="text",
    shape=(4,),
    likelihood="autoregressive",
    categories=("", *"0123456789"),
)
ANIMAL = Modality(
    name="animal",
    kind="label",
    shape=(2,),
    likelihood="categorical",
    categories=("cat", "dog"),
)


@pytest.mark.parametrize(
    ("low", "high", "remedy"),
    [
        (0, 255, "divide by 255"),
        (0, 3, "divide by 255"),
        (-1, 1, r"take \(x \+ 1\) / 2"),
        (-3, 3, "rescale it to between 0 and 1"),
        (0, 1000, "rescale it to between 0 and 1"),
    ],
)
def test_pixels_outside_of_a_bernoullis_support_are_refused_with_the_remedy(
    toys, low, high, remedy
):
    x = torch.full((3, 1, 2, 2), 0.0)
    x[1, 0, 1, 0], x[2, 0, 0, 0] = low, high
    first = 1 if low < 0 else 2
    found = f"sample {first} has {low if low < 0 else high}, and all values lie between {low} and"
    with pytest.raises(ValueError, match=f"picture must be between 0 and 1: {found} .*; {remedy}$"):
        Batch.of([PICTURE], {"picture": x})
    with pytest.raises(ValueError, match=f"image must be 0 or 1: {found} .*; {remedy}, then binar"):
        Batch.of(toys, {"image": x})


def test_whole_numbers_are_held_to_the_support_too(toys):
    greys = np.array([[[[0, 255], [7, 1]]]], dtype=np.uint8)
    for m in (PICTURE, toys[0]):
        with pytest.raises(ValueError, match="divide by 255"):
            Batch.of([m], {m.name: greys})
        batch = Batch.of([m], {m.name: greys // 255})
        assert batch.values[m.name].flatten().tolist() == [0, 1, 0, 0]


def test_greys_are_no_data_of_a_bernoulli_but_of_its_cross_entropy(toys):
    grey = torch.rand(2, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(Batch.of([PICTURE], {"picture": grey}).values["picture"], grey)
    with pytest.raises(ValueError, match=r"binarise it, x > 0\.5, or .* bernoulli-cross-entropy"):
        Batch.of(toys, {"image": grey})


@pytest.mark.parametrize(
    ("m", "values", "message"),
    [
        (TAGS, [[0, 1, 5]], "tags must be 0 or 1: sample 0 has 5, .*; use 1 for a tag that"),
        (TAGS, [["sea", "fox"]], "sample 0 of tags: there is no 'fox', only sea, sky, dog"),
        (ANIMAL, ["cow"], "sample 0 of animal: there is no 'cow', only cat, dog"),
        (TEXT, [[1, 2, 11, 0]], "text must be tokens, each an index from 0 to 10: sample 0 has 11"),
        (TEXT, ["12", "1a"], "sample 1 of text: 'a' is not in the vocabulary of text"),
        (TEXT, ["12345"], "sample 0 of text: This text has 5 tokens, but text may have 3 at most"),
    ],
)
def test_words_that_are_not_the_modalitys_are_refused(m, values, message):
    with pytest.raises(ValueError, match=message):
        Batch.of([m], {m.name: values})


def test_a_number_too_large_for_the_type_is_not_finite(toys):
    torch.set_default_dtype(torch.float32)
    with pytest.raises(ValueError, match=r"point must be finite, but sample 1 has 1e\+300"):
        Batch.of(toys, {"point": np.array([[0.0, 1.0], [1e300, 0.0]])})


def test_values_are_taken_as_people_have_them(toys):
    values = {
        "tags": [["sky", "sea"], [], None, (1.0, 0.0, 0.0)],
        "text": ["307", None, "", [1, 0, 0, 0]],
        "animal": ["dog", "cat", 1, math.nan],
        "point": [[0.5, -1.0], None, np.ones(2), torch.zeros(2)],
    }
    batch = Batch.of([toys[2], ANIMAL, TEXT, TAGS], values)
    assert batch.names == ("point", "animal", "text", "tags")
    here = {name: batch.there(name).tolist() for name in batch.names}
    assert here == {
        "tags": [True, True, False, True],
        "text": [True, False, True, True],
        "animal": [True, True, True, False],
        "point": [True, False, True, True],
    }
    assert batch.values["tags"].tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0]]
    assert batch.values["text"].tolist() == [[4, 1, 8, 0], [0] * 4, [0] * 4, [1, 0, 0, 0]]
    assert batch.values["animal"].tolist() == [1, 0, 1, 0]
    assert batch.values["point"].tolist() == [[0.5, -1.0], [0, 0], [1, 1], [0, 0]]
    assert [x.dtype for x in batch.values.values()] == [
        torch.float64,
        torch.long,
        torch.long,
        torch.float64,
    ]


@pytest.mark.parametrize(
    "values",
    [
        {"label": np.array([2.0, math.nan, 0.0]), "point": np.full((3, 2), 1, dtype=">i2")},
        {"label": pd.Series([2, None, 0]), "point": pd.DataFrame(np.ones((3, 2)))},
        {"label": torch.tensor([2.0, math.nan, 0.0]), "point": torch.ones(3, 2)[:, :]},
        {"label": np.array([2, None, 0], dtype=object), "point": [[1, 1]] * 3, "colour": None},
        {"label": ("2", None, "0"), "point": np.ones((2, 3)).T[:, ::-1]},
    ],
)
def test_arrays_tables_and_lists_are_the_same(toys, values):
    batch = Batch.of(toys, values)
    assert batch.present.tolist() == [[False, label, True, False] for label in (True, False, True)]
    assert batch.values["label"].tolist() == [2, 0, 0]
    assert batch.values["point"].tolist() == [[1, 1]] * 3


def test_no_samples_are_a_batch_too(toys):
    batch = Batch.of(toys, {"image": torch.zeros(0, 1, 2, 2), "label": []})
    assert len(batch) == 0
    assert batch.names == tuple(m.name for m in toys)


def test_a_sample_that_is_nan_throughout_is_missing_whatever_its_shape(toys):
    x = torch.ones(3, 1, 2, 2)
    x[1] = math.nan
    batch = Batch.of(toys, {"image": x, "label": [0, 1, 2]})
    assert batch.there("image").tolist() == [True, False, True]
    assert batch.values["image"].isfinite().all()
    x[2, 0, 0, 0] = math.nan
    with pytest.raises(ValueError, match="image must be finite, but sample 2 has nan"):
        Batch.of(toys, {"image": x})


@pytest.mark.parametrize("kind", ["names", "matrix", "numpy"])
def test_a_mask_says_what_is_missing_and_values_there_are_not_looked_at(toys, kind):
    values = {"image": torch.full((2, 1, 2, 2), 1.0), "label": torch.tensor([-100, 1])}
    values["image"][1] = math.inf
    matrix = torch.tensor([[True, False, False, False], [False, True, False, False]])
    mask = {
        "names": {"image": [True, False], "label": np.array([False, True])},
        "matrix": matrix,
        "numpy": matrix.numpy(),
    }[kind]
    batch = Batch.of(toys, values, mask)
    assert torch.equal(batch.present, matrix)
    assert batch.values["label"].tolist() == [0, 1]
    assert batch.values["image"][1].tolist() == [[[0, 0], [0, 0]]]


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ({"sound": [True]}, "the mask names 'sound', but the modalities are image, label"),
        ({"label": [True]}, r"the mask of label must be bool of shape \(2,\), not torch.bool of"),
        ({"label": [1, 0]}, "the mask of label must be bool of shape .*, not torch.int64"),
        ({"label": ["yes", "no"]}, "the mask of label must be bool"),
        ({"point": [False, True]}, "the mask says that sample 1 has point, and there is no value"),
        ({"label": [True, True]}, "the mask says that sample 1 has label, and there is no value"),
        (torch.ones(2, 3, dtype=torch.bool), r"the mask must be bool of shape \(2, 4\)"),
        (torch.ones(4, 2, dtype=torch.bool), r"the mask must be bool of shape \(2, 4\)"),
    ],
)
def test_a_mask_that_contradicts_the_values_is_refused_by_name(toys, mask, message):
    with pytest.raises(ValueError, match=message):
        Batch.of(toys, {"label": [0, None]}, mask)


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
