"""Estimators, held against quadrature and against models whose figures are known."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm
from torch.distributions import Distribution, Independent, Normal

from mvae.batch import Batch
from mvae.checkpoint import ModelConfig
from mvae.distributions.gaussian import Gaussian
from mvae.distributions.mixture import Mixture
from mvae.evaluation.classifier import FILE, Classifier, load_classifier
from mvae.evaluation.decoder_evaluations import decoder_evaluations
from mvae.evaluation.importance import LogLikelihood
from mvae.evaluation.log_likelihood import conditional_log_likelihood, log_likelihood
from mvae.files import CheckpointError, save_tensors
from mvae.modality import Modality
from mvae.models.base import LatentModel
from mvae.models.objectives import draw_subsets, elbo
from mvae.training.recipes import config_for
from tests.reference import seeded

pytestmark = pytest.mark.usefixtures("float64")


def by_quadrature(model: LatentModel, batch: Batch) -> torch.Tensor:
    """Integrate p(z) Π p(x_i|z) over a grid of two latents."""
    line = torch.linspace(-7, 7, 401)
    z = torch.cartesian_prod(line, line)
    log_p = Gaussian.standard((2,)).log_prob(z).unsqueeze(-1).repeat(1, len(batch))
    for i, m in enumerate(model.modalities):
        p = model.decode(z.unsqueeze(1), m.name)
        log_p += torch.where(batch.present[:, i], p.log_prob(batch.values[m.name]), 0.0)
    return log_p.logsumexp(0) + 2 * (line[1] - line[0]).log()


SUBSETS = [["label"], ["point"], ["colour"], ["label", "point"], ["label", "point", "colour"]]


@pytest.mark.parametrize("subset", SUBSETS, ids="+".join)
def test_log_likelihood_agrees_with_quadrature(toy_model, toy_batch, toys, subset):
    model = toy_model(*toys[1:], scale=1.6)
    batch = toy_batch(*toys[1:], n=6).supply(subset)
    estimate = log_likelihood(model, batch, 5000)
    exact = by_quadrature(model, batch)
    assert ((estimate.value - exact).abs() < 4 * estimate.se + 1e-3).all()
    assert (estimate.se < 0.2).all()
    assert estimate.k_hat.shape == (6,)
    assert (estimate.k_hat < 0.7).all()


def test_log_likelihood_of_each_samples_own_modalities(toy_model, toy_batch, toys):
    present = torch.tensor([[True, False, True], [False, True, False], [True, True, True]])
    model, batch = toy_model(*toys[1:], scale=1.6), toy_batch(*toys[1:], n=3, present=present)
    estimate = log_likelihood(model, batch, 5000)
    exact = by_quadrature(model, batch)
    assert ((estimate.value - exact).abs() < 4 * estimate.se + 1e-3).all()


CONDITIONALS = [
    (["label"], ["point"]),
    (["point"], ["label"]),
    (["colour", "point"], ["label"]),
    (["label"], ["colour", "point"]),
    (["point"], []),
]


@pytest.mark.parametrize(("wanted", "given"), CONDITIONALS, ids=str)
def test_conditional_log_likelihood_agrees_with_quadrature(
    toy_model, toy_batch, toys, wanted, given
):
    model, batch = toy_model(*toys[1:], scale=1.6), toy_batch(*toys[1:], n=6)
    estimate = conditional_log_likelihood(model, batch, wanted, given, 5000)
    both = by_quadrature(model, batch.supply([*wanted, *given]))
    exact = both - by_quadrature(model, batch.supply(given))
    assert ((estimate.value - exact).abs() < 4 * estimate.se + 1e-3).all()
    assert (estimate.se < 0.2).all()


def spread_and_error(estimate: Callable[[int], LogLikelihood]) -> tuple[float, float]:
    """Return the spread of estimates by 150 seeds, and the standard error that they report."""
    each = [estimate(seed) for seed in range(150)]
    value, se = (torch.cat([getattr(x, name) for x in each]) for name in ("value", "se"))
    return value.std().item(), se.square().mean().sqrt().item()


@pytest.mark.slow
@pytest.mark.parametrize(("latents", "lowest"), [(5, 0.8), (2, 0.2)])
def test_the_standard_error_of_a_conditional_is_the_spread_of_repeated_estimates(
    toy_model, toy_batch, toys, latents, lowest
):
    """Both terms share their draws; with few latents those are spread evenly."""
    model, one = toy_model(*toys[1:], scale=1.6, latents=latents), toy_batch(*toys[1:], n=1)
    spread, se = spread_and_error(
        lambda seed: conditional_log_likelihood(model, one, ["point"], ["label"], 400, seed)
    )
    assert lowest <= spread / se <= 1.25


@pytest.mark.parametrize(("wanted", "given"), [([], ["label"]), (["label"], ["label", "point"])])
def test_a_conditional_of_nothing_or_of_what_is_given_is_refused(
    toy_model, toy_batch, toys, wanted, given
):
    with pytest.raises(ValueError, match="needs some modalities given others"):
        conditional_log_likelihood(toy_model(*toys[1:]), toy_batch(*toys[1:]), wanted, given, 50)


def test_log_likelihood_of_nothing_is_zero(toy_model, toys):
    estimate = log_likelihood(toy_model(), Batch.empty(toys, 2), 200)
    torch.testing.assert_close(estimate.value, torch.zeros(2))


@pytest.mark.slow
@pytest.mark.parametrize(("latents", "lowest"), [(5, 0.8), (2, 0.2)])
def test_the_standard_error_is_the_spread_of_repeated_estimates(
    toy_model, toy_batch, toys, latents, lowest
):
    """With few latents it is above: draws are spread evenly, and taken for independent."""
    model, one = toy_model(*toys[1:], scale=1.6, latents=latents), toy_batch(*toys[1:], n=1)
    spread, se = spread_and_error(lambda seed: log_likelihood(model, one, 400, seed))
    assert lowest <= spread / se <= 1.25


def test_log_likelihood_is_above_the_bound(toy_model, toy_batch, toys):
    model, one = toy_model(*toys[1:], scale=1.6), toy_batch(*toys[1:], n=1)
    bound = elbo(model, one[torch.zeros(5000, dtype=torch.long)], seeded()).mean()
    assert log_likelihood(model, one, 5000).value > bound


def test_an_over_confident_posterior_is_survived(toy_model, toy_batch, toys):
    # Draws from the prior find what an expert of far too small a width leaves out.
    model, batch = toy_model(toys[2], scale=1.0), toy_batch(toys[2], n=4)
    with torch.no_grad():
        model.encoders[0].rest[1][-1].bias[2:] -= 8
    estimate = log_likelihood(model, batch, 20_000)
    exact = by_quadrature(model, batch)
    assert ((estimate.value - exact).abs() < 4 * estimate.se + 1e-3).all()


@pytest.mark.parametrize("latents", [2, 5])
def test_random_numbers_belong_to_a_sample_wherever_it_is_scored(toy_model, toy_batch, latents):
    model, batch = toy_model(scale=1.0, latents=latents), toy_batch(n=40)
    whole = log_likelihood(model, batch, 1000)
    order = torch.randperm(40, generator=seeded())
    parts = [log_likelihood(model, batch[rows], 1000) for rows in order.split(7)]
    for name in ("value", "se", "k_hat", "variance"):
        found = torch.cat([getattr(part, name) for part in parts])
        torch.testing.assert_close(found, getattr(whole, name)[order])


def test_another_seed_gives_another_estimate(toy_model, toy_batch):
    model, batch = toy_model(scale=1.0), toy_batch(n=3)
    one, other = (log_likelihood(model, batch, 100, seed).value for seed in (0, 1))
    assert (one != other).all()


@pytest.mark.parametrize("estimate", [log_likelihood, conditional_log_likelihood])
def test_too_few_draws_for_a_tail_are_refused(toy_model, toy_batch, toys, estimate):
    asked = {"target": ["point"], "given": ["label"]} if estimate is not log_likelihood else {}
    with pytest.raises(ValueError, match="at least 25 draws, not 24"):
        estimate(toy_model(), toy_batch(n=2), k=24, **asked)


def test_a_conditional_of_incomplete_samples_is_refused_and_names_what_lacks(
    toy_model, toy_batch, toys
):
    present = torch.tensor([[True, True, True], [True, False, True]])
    model, batch = toy_model(*toys[1:]), toy_batch(*toys[1:], n=2, present=present)
    lacking = batch.names[1]
    with pytest.raises(ValueError, match=f"sample 1 has no {lacking}"):
        conditional_log_likelihood(model, batch, [lacking], [batch.names[0]], 50)
    with pytest.raises(ValueError, match=f"sample 1 has no {lacking}"):
        conditional_log_likelihood(model, batch, [batch.names[0]], [lacking], 50)


@pytest.mark.parametrize(
    ("given", "latents"), [(given, n) for given in (["point"], ["colour"]) for n in (2, 5)]
)
def test_log_p_of_a_label_given_others_is_never_above_0(toy_model, toy_batch, toys, given, latents):
    model = toy_model(*toys[1:], scale=1.6, latents=latents)
    batch = toy_batch(*toys[1:], n=30)
    for seed in range(3):
        found = conditional_log_likelihood(model, batch, ["label"], given, 50, seed)
        assert (found.value <= 0).all()


def test_proposals_find_a_lobe_that_the_posterior_misses():
    """Two lobes as in a label's posterior, of which the model's Gaussian knows one."""
    found = {}
    for name, extra in (("without", None), ("with", lobe(2.0))):
        model = TwoLobes()
        batch = Batch.of(model.modalities, {"x": [[2.0]]})
        found[name] = log_likelihood(model, batch, 400, proposals=extra)
    exact = model.exact(torch.tensor(2.0))
    assert (found["with"].value - exact).abs() < 0.02
    assert (found["without"].value - exact).abs() > 0.1


class TwoLobes(LatentModel):
    r"""x = |z_1| + noise: p(z|x) has a lobe at x and one at −x; q knows that at −x only."""

    reference = "a toy"
    noise = 0.05

    def __init__(self) -> None:
        super().__init__(
            [Modality(name="x", kind="vector", shape=(1,), likelihood="gaussian", hidden=(2,))], 5
        )

    def posterior(self, batch: Batch) -> Gaussian:
        mean = torch.zeros(len(batch), 5)
        mean[:, :1] = -batch.values["x"]
        logvar = torch.zeros(len(batch), 5)
        logvar[:, 0] = 2 * math.log(self.noise)
        return Gaussian(mean, logvar)

    def decode(self, z: torch.Tensor, name: str) -> Distribution:
        return Independent(Normal(z[..., :1].abs(), self.noise), 1)

    def exact(self, x: torch.Tensor) -> torch.Tensor:
        """Integrate over z_1 by SciPy."""
        density = lambda z: norm.pdf(z) * norm.pdf(x.item(), abs(z), self.noise)  # noqa: E731
        total = sum(quad(density, *ends)[0] for ends in ((-2.5, -1.5), (1.5, 2.5)))
        return torch.tensor(total).log()


def lobe(place: float) -> Mixture:
    mean, logvar = torch.zeros(1, 1, 5), torch.zeros(1, 1, 5)
    mean[..., 0], logvar[..., 0] = place, 2 * math.log(TwoLobes.noise)
    return Mixture(Gaussian(mean, logvar), torch.ones(1, 1, dtype=torch.bool))


def test_classifier_survives_its_file_and_its_faults_are_named(tmp_path):
    torch.manual_seed(0)
    picture = Modality(name="picture", kind="image", shape=(1, 8, 8), likelihood="bernoulli")
    five, seven = (
        Modality(name="kind", kind="label", shape=(n,), likelihood="categorical") for n in (5, 7)
    )
    model, path = Classifier((1, 8, 8), [five]).eval(), tmp_path / "toys" / FILE
    save_tensors(path, {n: w.half() for n, w in model.state_dict().items()})
    pictures = torch.rand(6, 1, 8, 8)
    loaded = load_classifier("toys", (picture, five), tmp_path)
    found, expected = loaded(pictures)["kind"], model(pictures)["kind"]
    torch.testing.assert_close(found, expected, atol=1e-2, rtol=1e-2)
    with pytest.raises(CheckpointError, match=r"net\.\d+\.bias of shape \(5,\)"):
        load_classifier("toys", (picture, seven), tmp_path)
    with pytest.raises(CheckpointError, match="no pictures with labels"):
        load_classifier("toys", (picture,), tmp_path)
    path.unlink()
    with pytest.raises(CheckpointError, match=r"no file .*classifier\.safetensors"):
        load_classifier("toys", (picture, five), tmp_path)


def test_a_classifier_of_words_learns_what_a_picture_shows():
    """A bright half of the picture is a tag; how many halves are bright is a text."""
    tags = Modality(
        name="tags", kind="tags", shape=(2,), likelihood="bernoulli", categories=("left", "right")
    )
    text = Modality(
        name="text",
        kind="text",
        shape=(3,),
        likelihood="autoregressive",
        categories=("", "x"),
        hidden=(4,),
    )
    on = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]).repeat(8, 1)
    pictures = on.repeat_interleave(4, 1).reshape(-1, 1, 1, 8).expand(-1, 1, 8, 8)
    values = {"tags": on, "text": (torch.arange(3) < on.sum(1, keepdim=True)).long()}
    torch.manual_seed(0)
    model = Classifier((1, 8, 8), (tags, text))
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(80):
        optimiser.zero_grad()
        model.loss(pictures, values).backward()
        optimiser.step()
    model.eval()
    assert model.accuracy(pictures, values).min() == 1
    assert {name: x.shape for name, x in model.predict(pictures).items()} == {
        "tags": (32, 2),
        "text": (32, 3),
    }


def narrow(dataset: str, recipe: str, **objective: float) -> ModelConfig:
    """Describe a recipe's model with narrow layers: what a step costs does not depend on them."""
    config = config_for(dataset, recipe)
    small = tuple(m.model_copy(update={"hidden": (4,)}) for m in config.modalities)
    other = config.objective.model_copy(update=objective)
    return config.model_copy(update={"modalities": small, "latents": 2, "objective": other})


@pytest.mark.parametrize(
    ("recipe", "image", "label"),
    [
        ("mvae-joint", 1, 1),
        ("mvae-singles", 1, 1),
        ("mvae", 2, 2),  # all together, and alone
        ("mvae-k4", 2, 2),  # two modalities have no subsets between
        ("mvae-q", 2, 2),
        ("mvae-denoising", 3, 3),  # from all, from itself, from the other
        ("mvae-cover", 3, 4),  # and read back; the label from the image, too
        ("vae", 1, 1),
        ("cvae", 1, 1),
        ("jmvae", 1, 1),
        ("bivcca", 2, 2),
        ("mmvae", 2, 2),
        ("mopoe", 1, 1),
        ("mvtcae", 1, 1),
        ("dae", 1, 1),
    ],
)
def test_a_step_decodes_each_modality_of_a_pair_so_often(toy_batch, recipe, image, label):
    config = narrow("mnist", recipe)
    cost = decoder_evaluations(config, toy_batch(*config.modalities, n=8))
    assert cost == {"image": image, "label": label}


@pytest.mark.parametrize("k", [0, 1, 4])
def test_every_subset_between_costs_its_own_modalities_and_denoising_all(toy_batch, k):
    config = narrow("quadrants", "mvae", k=k)
    batch = toy_batch(*config.modalities, n=8)
    drawn, expected = draw_subsets(batch.present, k, seeded()), dict.fromkeys(batch.names, 0.0)
    terms = 0
    for b in range(8):
        masks = {tuple(mask[b].tolist()) for mask in drawn}
        masks |= {(True,) * 5, *(tuple(i == j for j in range(5)) for i in range(5))}
        terms += len(masks)
        for i, name in enumerate(batch.names):
            expected[name] += sum(mask[i] for mask in masks) / 8
    assert decoder_evaluations(config, batch) == pytest.approx(expected)
    everything = dict.fromkeys(batch.names, terms / 8)
    assert decoder_evaluations(narrow("quadrants", "mvae-denoising", k=k), batch) == everything


def test_what_is_missing_is_not_decoded(toy_batch):
    config = narrow("mnist", "mvae")
    present = torch.tensor([[True, True], [True, False], [False, True], [False, False]])
    batch = toy_batch(*config.modalities, n=4, present=present)
    assert decoder_evaluations(config, batch) == {"image": 3 / 4, "label": 3 / 4}
