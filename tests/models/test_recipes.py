"""Models: recipes on data sets, by what they can do; and the product of experts."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from itertools import combinations, product

import pytest
import torch
from torch import Tensor
from torch.distributions import Distribution, Normal

from mvae.batch import Batch
from mvae.checkpoint import ModelConfig, load_model, save_model
from mvae.data import DATASETS
from mvae.distributions.gaussian import Gaussian
from mvae.evaluation.log_likelihood import log_likelihood
from mvae.models.base import ExpertModel, LatentModel, MultimodalModel
from mvae.models.cvae import CVAE
from mvae.models.dae import DAE
from mvae.models.encoder_decoder import EncoderDecoder
from mvae.models.mvae import MVAE
from mvae.training.budgets import BUDGETS
from mvae.training.recipes import RECIPES, config_for
from mvae.training.zoo import ZOO
from tests.reference import seeded

pytestmark = pytest.mark.usefixtures("float64", "brief_chains")


@pytest.fixture
def small() -> Callable[[str, str], ModelConfig]:
    """Describe a recipe's model with narrow layers and few latents."""

    def make(dataset: str, recipe: str) -> ModelConfig:
        config = config_for(dataset, recipe)
        narrow = tuple(
            m.model_copy(update={"hidden": (8, 6), "convolutions": (2,) * len(m.convolutions)})
            for m in config.modalities
        )
        return config.model_copy(update={"modalities": narrow, "latents": min(config.latents, 3)})

    return make


def subsets_of(names: tuple[str, ...]) -> list[tuple[str, ...]]:
    """List all subsets; of many modalities none, each alone, some, and all."""
    sizes = range(len(names) + 1) if len(names) <= 5 else (0, 1, len(names))
    found = [s for size in sizes for s in combinations(names, size)]
    return found if len(names) <= 5 else [*found, names[1:3], names[:4]]


def means_of(model: MultimodalModel, generated: dict[str, Distribution]) -> dict[str, Tensor]:
    return {n: model.modality(n).distribution.expected(p) for n, p in generated.items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


def assert_is_a_sentence_for_people(text: str) -> None:
    assert text[0].isupper()
    assert text.endswith(".")
    assert "  " not in text
    for recipe in RECIPES.values():
        kind = recipe.objective.network.__name__
        assert not re.search(rf"\b({kind}|{kind}Objective)\b", text), text


def pairwise() -> list[tuple[str, str]]:
    """List runs, a data set and a recipe, that between them cover what can go wrong in pairs.

    Every objective, every data set, and every network on every kind of modality that it is
    trained on. Recipes that differ in numbers only stand for each other.
    """
    covered: set[object] = set()
    chosen = []
    for dataset, recipe in (
        *(("mnist", recipe) for recipe in RECIPES),
        *((run.dataset, run.recipe) for run in ZOO if run.recipe != "mvae"),
        *((dataset, "mvae") for dataset in DATASETS),
    ):
        config = config_for(dataset, recipe)
        network = config.objective.network
        parts = {dataset, type(config.objective), *((network, m.kind) for m in config.modalities)}
        if not parts <= covered:
            chosen.append((dataset, recipe))
            covered |= parts
    return chosen


each_run = pytest.mark.parametrize(("dataset", "recipe"), pairwise())


def test_every_recipe_is_kept_as_json():
    for dataset, recipe in {*product(("mnist",), RECIPES), *((r.dataset, r.recipe) for r in ZOO)}:
        config = config_for(dataset, recipe)
        assert ModelConfig.model_validate_json(config.model_dump_json()) == config


@each_run
def test_a_recipe_makes_a_whole_model(dataset, recipe, small, toy_batch, tmp_path):
    torch.manual_seed(0)
    config = small(dataset, recipe)
    model = config.build()
    assert model.modalities == config.modalities
    assert ModelConfig.model_validate_json(config.model_dump_json()) == config
    for name in (dataset, recipe, type(config.objective).__name__, model.modalities[-1].name):
        assert name in repr(config)
    assert repr(model).startswith(f"{type(model).__name__}(")

    # Some models train a part of themselves at a time, by β.
    batch, training = toy_batch(*config.modalities, n=3), config.build()
    for step, beta in enumerate((0.1, 0.4, 0.7, 1.0)):
        loss = config.objective(training, batch, beta, seeded(step))
        assert loss.shape == ()
        assert loss.isfinite()
        loss.backward()
    for name, weight in training.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name
        assert weight.grad.abs().sum() > 0, name
    with torch.no_grad():
        score = config.objective.score(training, batch, seeded())
    assert score.shape == (3,)
    assert score.isfinite().all()

    save_model(tmp_path / dataset / recipe, config, model.state_dict())
    loaded, same_config = load_model(dataset, recipe, tmp_path)
    assert same_config == config
    assert not any(weight.requires_grad for weight in loaded.parameters())
    halved = {n: w.half().to(w.dtype) for n, w in model.state_dict().items()}
    assert same(loaded.state_dict(), halved)
    model.eval().load_state_dict(halved)
    for evidence in ((), batch.names[:1], batch.names[1:], batch.names):
        with torch.no_grad():
            before, after = (
                means_of(m, m.generate(batch.supply(evidence), 2, 5)) for m in (model, loaded)
            )
        assert same(before, after)


@each_run
@torch.no_grad()
def test_a_recipe_generates_what_it_does_not_refuse(dataset, recipe, small, toy_batch):
    torch.manual_seed(0)
    model = small(dataset, recipe).build().eval()
    batch, names, some = toy_batch(*model.modalities, n=3), [m.name for m in model.modalities], 0
    for evidence in subsets_of(batch.names):
        given, refusals = batch.supply(evidence), {n: model.cannot(evidence, n) for n in names}
        for refusal in filter(None, refusals.values()):
            assert_is_a_sentence_for_people(refusal)
        generated = model.generate(given, 2, seed=1)
        assert list(generated) == [n for n in names if not refusals[n]]
        for name, p in generated.items():
            m = model.modality(name)
            assert p.batch_shape == (2, 3)
            assert p.log_prob(batch.values[name]).shape == (2, 3)
            assert p.log_prob(batch.values[name]).isfinite().all()
            assert p.sample().shape == (2, 3, *m.event_shape)
            each = (m.outputs,) if m.kind == "text" else ()  # a text has some for each token
            assert m.distribution.expected(p).shape == (2, 3, *m.shape, *each)
        some += len(generated)
        if evidence not in ((), batch.names[:1], batch.names[1:]) or not generated:
            continue
        means = means_of(model, generated)
        assert same(means, means_of(model, model.generate(given, 2, seed=1)))
        another = means_of(model, model.generate(given, 2, seed=2))
        # A model whose codes are points has nothing to draw.
        point = isinstance(model, DAE | EncoderDecoder)
        for name, mean in means.items():
            assert torch.allclose(mean, another[name]) == point, name
            assert torch.allclose(mean[0], mean[1]) == point, name
        one = next(iter(generated))
        assert list(model.generate(given, 2, 1, [one])) == [one]
        assert model.generate(given, 2, 1, []) == {}
    assert some > 0


@each_run
@torch.no_grad()
def test_what_a_model_has_and_what_it_says_it_lacks_agree(dataset, recipe, small):
    model = small(dataset, recipe).build()
    assert "https://" in model.reference
    assert model.title
    assert (model.no_experts == "") == isinstance(model, ExpertModel)
    assert (model.no_posterior == "") == isinstance(model, LatentModel)
    for lack in filter(None, (model.no_experts, model.no_posterior, model.no_likelihood)):
        assert_is_a_sentence_for_people(lack)
    empty = Batch.empty(model.modalities, 2)
    if isinstance(model, LatentModel):
        q = model.posterior(empty)
        assert q.shape == (2, model.latents)
        assert (q.mean == 0).all()
        assert (q.std == 1).all()
        z = torch.randn(4, 2, model.latents, generator=seeded())
        torch.testing.assert_close(q.log_prob(z), Normal(0, 1).log_prob(z).sum(-1))
    if model.no_likelihood:
        with pytest.raises(ValueError, match=re.escape(model.no_likelihood)):
            log_likelihood(model, empty, 30)
    elif isinstance(model, LatentModel):
        assert log_likelihood(model, empty, 30).value.abs().max() < 1e-9


def test_evidence_that_differs_between_samples_leaves_out_what_any_of_them_refuses(toy_batch, toys):
    model = CVAE(toys[:2], 2)
    batch = toy_batch(*toys[:2], n=2, present=torch.eye(2, dtype=torch.bool))
    assert list(model.generate(batch[slice(0, 1)], 1)) == ["label"]
    assert list(model.generate(batch[slice(1, 2)], 1)) == ["image"]
    assert model.generate(batch, 1) == {}


def test_what_is_in_words_has_its_weight_in_every_recipe_and_other_modalities_none():
    for dataset, name in product(DATASETS, RECIPES):
        recipe = RECIPES[name]
        chosen = recipe.weights.get(dataset, BUDGETS[dataset].weight) if recipe.weighted else 1.0
        for m in config_for(dataset, name).modalities:
            assert m.weight == (chosen if m.is_annotation else 1.0)


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


@pytest.mark.parametrize("base", [ExpertModel, MVAE])
@pytest.mark.parametrize("name", ["product", "posterior"])
def test_a_model_of_experts_cannot_have_another_prior_or_product(base, name):
    """The browser multiplies experts and N(0, I) itself: it would draw another posterior."""

    def wide_prior(self, *_):
        return Gaussian(torch.zeros(1, 2), torch.full((1, 2), math.log(2.0)))

    with pytest.raises(TypeError, match=rf"Wide overrides {name}, .*derive from LatentModel"):
        type("Wide", (base,), {name: wide_prior})
    # with a posterior of its own it has no experts, and so no page that would multiply them
    other = type("Wide", (LatentModel,), {"posterior": wide_prior})
    assert not issubclass(other, ExpertModel)
