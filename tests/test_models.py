"""Models: every recipe on every data set, and the product-of-experts network."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch

from mvae.checkpoint import ModelConfig, load_model, save_model
from mvae.data import DATASETS
from mvae.gaussian import Gaussian
from mvae.modality import Batch
from mvae.model import MVAE
from mvae.recipes import RECIPES, config_for

pytestmark = pytest.mark.usefixtures("float64")


@pytest.mark.parametrize(("dataset", "recipe"), list(product(DATASETS, RECIPES)))
def test_every_recipe_makes_a_whole_model(dataset, recipe, toy_batch, tmp_path):
    torch.manual_seed(0)
    config = config_for(dataset, recipe)
    model = config.build()
    assert model.modalities == config.modalities
    assert ModelConfig.model_validate_json(config.model_dump_json()) == config
    for name in (dataset, recipe, type(config.objective).__name__, "label"):
        assert name in repr(config)
    assert repr(model).startswith("MVAE(")

    batch = toy_batch(*config.modalities, n=3)
    q = model.posterior(batch)
    assert q.shape == (3, config.latents)
    everything = model.expected(q.sample(2))
    for m in config.modalities:
        assert everything[m.name].shape == (2, 3, *m.shape)
        assert model.decode(q.sample(2), m.name).log_prob(batch.values[m.name]).shape == (2, 3)
        assert model.decode(q.sample(), m.name).sample().shape == (3, *m.event_shape)

    loss = config.objective(model, batch, 0.5, torch.Generator().manual_seed(0))
    loss.backward()
    assert loss.isfinite()
    for name, weight in model.named_parameters():
        assert weight.grad.isfinite().all(), name
        assert weight.grad.abs().sum() > 0, name

    save_model(tmp_path / dataset / recipe, config, model.state_dict())
    loaded, same_config = load_model(dataset, recipe, tmp_path)
    assert same_config == config
    for name, weight in loaded.state_dict().items():
        assert torch.equal(weight, model.state_dict()[name].half().double()), name
    torch.testing.assert_close(loaded.posterior(batch).mean, q.mean, atol=5e-3, rtol=5e-3)
    assert not any(weight.requires_grad for weight in loaded.parameters())


def test_labels_have_their_weight_in_every_recipe_and_other_modalities_none():
    for dataset, recipe in product(DATASETS, RECIPES):
        for m in config_for(dataset, recipe).modalities:
            expected = RECIPES[recipe].label_weight[dataset] if m.kind == "label" else 1.0
            assert m.weight == expected


def test_posterior_multiplies_the_experts_of_the_modalities_present(toy_model, toy_batch):
    model = toy_model()
    present = torch.tensor([[True, False, True, True], [False, True, False, False]])
    batch = toy_batch(n=2, present=present)
    experts, q = model.experts(batch), model.posterior(batch)
    assert experts.shape == (4, 2, 2)
    for b in range(2):
        precision = (-experts.logvar[present[b], b]).exp()
        total = 1 + precision.sum(0)
        mean = (precision * experts.mean[present[b], b]).sum(0) / total
        torch.testing.assert_close(q.mean[b], mean)
        torch.testing.assert_close(q.logvar[b], -total.log())


def test_posterior_without_evidence_is_the_prior(toy_model, toys):
    q = toy_model().posterior(Batch.empty(toys, 3))
    assert (q.mean == 0).all()
    assert (q.logvar == 0).all()


def test_experts_do_not_look_at_other_modalities_or_samples(toy_model, toy_batch):
    model, batch = toy_model(), toy_batch()
    other = toy_batch(seed=9)
    mixed = Batch({**other.values, "point": batch.values["point"]}, batch.present)
    torch.testing.assert_close(model.experts(mixed).mean[2], model.experts(batch).mean[2])
    torch.testing.assert_close(
        model.experts(batch[slice(1, 2)]).mean, model.experts(batch).mean[:, 1:2]
    )


def test_nan_in_missing_rows_changes_no_gradient(toy_model, toy_batch, toys):
    present = torch.tensor([[True, True, False, True], [False, True, True, True]])
    clean = toy_batch(n=2, present=present)
    dirty = Batch({name: x.clone() for name, x in clean.values.items()}, present)
    dirty.values["point"][0] = math.nan
    dirty.values["image"][1] = math.nan
    dirty.values["label"] = clean.values["label"]

    def gradients(batch):
        model = toy_model()
        q = model.posterior(batch)
        value = (q.mean.square() + q.kl_to_prior().unsqueeze(-1)).sum()
        value.backward()
        return value, {name: w.grad for name, w in model.encoders.named_parameters()}

    (value, grads), (dirty_value, dirty_grads) = gradients(clean), gradients(dirty)
    assert torch.equal(value, dirty_value)
    for name, grad in grads.items():
        assert torch.equal(grad, dirty_grads[name]), name


def test_category_out_of_range_in_a_missing_row_does_no_harm(toy_model, toy_batch):
    present = torch.tensor([[True, False, True, True]])
    batch = toy_batch(n=1, present=present)
    batch.values["label"][:] = -100
    assert toy_model().posterior(batch).mean.isfinite().all()


def test_decoded_batch_shapes_follow_the_latents(toy_model):
    model = toy_model()
    for shape in ((), (3,), (4, 3)):
        z = Gaussian.standard((2,)).sample() if not shape else torch.randn(*shape, 2)
        for name, x in model.expected(z).items():
            assert x.shape == (*shape, *model.modality(name).shape)


def test_a_model_refuses_doubled_or_no_modalities(toys):
    for modalities in ([toys[0], toys[0]], []):
        with pytest.raises(ValueError, match="different names"):
            MVAE(modalities, 2)
    with pytest.raises(ValueError, match="no modality is called 'sound'"):
        MVAE(toys, 2).modality("sound")
