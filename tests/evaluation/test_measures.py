"""What is measured of every model, on models whose figures are known."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from mvae.analysis.inference import percentile
from mvae.batch import Batch
from mvae.checkpoint import ModelConfig
from mvae.distributions.conflict import disagreement
from mvae.distributions.gaussian import Gaussian
from mvae.distributions.likelihood import LIKELIHOODS
from mvae.evaluation.classifier import Classifier
from mvae.evaluation.conditioning_sets import conditioning_sets, subsets_of
from mvae.evaluation.context import EvaluationContext
from mvae.evaluation.importance import LogLikelihood
from mvae.evaluation.measures import OTHERS, Likelihoods
from mvae.evaluation.measures.accuracy import Accuracy
from mvae.evaluation.measures.base import Measure
from mvae.evaluation.measures.calibration import CalibrationMeasure
from mvae.evaluation.measures.conflict_and_cost import detected_swaps, disagreement_quantiles
from mvae.evaluation.measures.frechet import Frechet
from mvae.evaluation.measures.generation import Generation
from mvae.evaluation.measures.probe import Probe
from mvae.evaluation.scored_figure import figure
from mvae.evaluation.step_cache import StepCache
from mvae.modality import Modality
from mvae.models.base import ExpertModel, MultimodalModel
from tests.reference import seeded
from tests.toys import LATENTS, TOYS, build

pytestmark = pytest.mark.usefixtures("float64")

PICTURE = Modality(name="picture", kind="image", shape=(1, 4, 4), likelihood="gaussian")
DIGIT = Modality(name="digit", kind="label", shape=(3,), likelihood="categorical")


class Code(ExpertModel):
    """One latent that holds the class; a picture's brightness is a tenth of it."""

    reference = "a model whose figures are known"

    def __init__(self, shift: float = 0.0, logvar: float = -6.0) -> None:
        MultimodalModel.__init__(self, (PICTURE, DIGIT), 1)  # without networks: it needs none
        self.shift = shift  # of the picture that a class generates
        self.logvar = logvar  # of its experts

    def experts(self, batch):
        brightness = batch.values["picture"].mean((1, 2, 3))
        mean = torch.stack((10 * brightness - self.shift, batch.values["digit"].double()))
        return Gaussian(mean.unsqueeze(-1), torch.full((2, len(batch), 1), self.logvar))

    def decode(self, z, name):
        if name == "digit":
            return LIKELIHOODS["categorical"].distribution(
                -9 * (z - torch.arange(3)).square(), (3,)
            )
        brightness = ((z + self.shift) / 10).expand(*z.shape[:-1], 16)
        output = torch.cat((brightness, torch.zeros_like(brightness)), -1)
        return LIKELIHOODS["gaussian"].distribution(output, (1, 4, 4))


class Brightness(Classifier):
    """Names a picture by its brightness."""

    def __init__(self) -> None:
        super().__init__((1, 4, 4), (DIGIT,))

    def forward(self, pictures):
        return {"digit": -(10 * pictures.mean((1, 2, 3)).unsqueeze(-1) - torch.arange(3)).square()}


def coded_samples(model: Code, n: int = 40) -> Batch:
    """Give n pictures of each class, drawn as the model draws them."""
    digits = torch.arange(3).repeat_interleave(n)
    q = model.posterior(Batch.of(model.modalities, {"digit": digits}))
    pictures = model.expected(q.sample(generator=seeded(8)))["picture"]
    return Batch.of(model.modalities, {"digit": digits, "picture": pictures})


@pytest.fixture
def measured(tmp_path, toy_config):
    """Give the figures of a measure."""

    def run(measure: Measure, model, batch: Batch, **settings):
        torch.manual_seed(0)  # the classifier's features are random ones
        config = toy_config().model_dump() | {"modalities": model.modalities}
        context = EvaluationContext(
            model=model,
            config=ModelConfig.model_validate(config),
            test=batch,
            train=lambda: batch,
            valid=lambda: batch,
            classifier=Brightness() if PICTURE in model.modalities else None,
            **{"n": len(batch), "k": 100, "seed": 0} | settings,
        )
        cache = StepCache(tmp_path / "working.safetensors", {})
        for step in measure.steps(context):
            cache.run(step, 0)
        return measure.figures(context, cache)

    return run


def test_accuracy_counts_the_samples_named_right(measured):
    model = Code()
    batch = coded_samples(model)
    batch.values["digit"][:10] = 2
    found = measured(Accuracy(), model, batch)
    assert found["accuracy"] == {"picture->digit": {"mean": 0.9167, "se": 0.0253, "n": 120}}
    # Given nothing the likeliest class of the prior is 0, which 30 of the samples are left of.
    assert found["accuracy_by_number"]["0"]["mean"] == 0.25
    assert found["accuracy_by_number"]["1"] == found["accuracy"]["picture->digit"]


def test_a_faithful_model_is_coherent_and_as_diverse_as_the_data(measured):
    model = Code()
    found = measured(Generation(), model, coded_samples(model, 150))
    assert found["coherence"]["digit->picture"]["mean"] == 1
    assert found["coherence"]["digit->picture"]["n"] == 450
    assert found["coherence"]["->picture"]["mean"] > 0.9  # now and then z lies between classes
    assert found["diversity"]["digit->picture"]["mean"] == pytest.approx(1, abs=0.2)
    assert found["classifier_accuracy"]["mean"] == 1
    assert set(found["coherence"]) == {"digit->picture", "->picture"}


def test_a_model_that_draws_another_class_is_not_coherent(measured):
    found = measured(Generation(), Code(shift=1.0), coded_samples(Code()))
    assert found["coherence"]["digit->picture"]["mean"] == pytest.approx(1 / 3, abs=1e-3)


def test_a_model_that_repeats_itself_is_not_diverse(measured):
    batch = coded_samples(Code())
    noisy = batch.values["picture"] + torch.randn(batch.values["picture"].shape, generator=seeded())
    batch = Batch.of((PICTURE, DIGIT), {**batch.values, "picture": noisy})
    found = measured(Generation(), Code(), batch)
    assert found["diversity"]["digit->picture"]["mean"] < 0.05


def test_what_is_missing_is_scored_by_the_models_own_belief(measured):
    model = Code()
    batch = coded_samples(model, 5)
    found = measured(Generation(), model, batch)
    assert set(found["predictive"]) == {"->picture", "->digit", "picture->digit", "digit->picture"}
    # By a fine grid of the posterior, instead of by draws of it.
    q = model.posterior(batch.supply(["picture"]))
    z = q.from_noise(torch.linspace(-5, 5, 801)[:, None, None].expand(-1, 15, 1))
    log_p = model.decode(z, "digit").log_prob(batch.values["digit"]) + q.log_prob(z)
    exact = (log_p.logsumexp(0) + math.log(10 / 800) + q.std.log()[:, 0]).mean().item()
    assert found["predictive"]["picture->digit"]["mean"] == pytest.approx(exact, abs=0.02)
    assert found["entropy"]["picture"]["mean"] == pytest.approx(q.entropy().mean().item(), abs=1e-4)
    assert found["entropy"][""]["mean"] == pytest.approx(
        0.5 * math.log(2 * math.pi * math.e), abs=1e-4
    )


def test_pictures_of_another_brightness_are_farther_away(measured):
    near = measured(Frechet(), Code(), coded_samples(Code(), 100))
    far = measured(Frechet(), Code(shift=3.0), coded_samples(Code(), 100))
    assert set(near["frechet"]) == {"digit->picture", "->picture"}
    assert far["frechet"]["digit->picture"]["mean"] > 2 * near["frechet"]["digit->picture"]["mean"]


def test_a_probe_reads_the_label_off_the_belief(measured):
    found = measured(Probe(), Code(), coded_samples(Code()))
    assert list(found["probe"]) == ["picture"]  # a probe on the label itself would tell nothing
    assert found["probe"]["picture"]["mean"] > 0.95


def test_honesty_sees_that_a_belief_is_too_sure(measured):
    found = measured(CalibrationMeasure(), Code(), coded_samples(Code()))
    assert set(found["coverage_50%"]) == {"picture", "digit", "picture+digit"}
    # Its label's expert has a standard deviation of 0.05, and its decoder tells far less.
    assert found["coverage_90%"]["digit"]["mean"] < 0.5
    assert sum(found["ranks"]["digit"][0]) == 2000
    assert found["coverage_90%"]["digit"]["by_dimension"] == [
        pytest.approx(found["coverage_90%"]["digit"]["mean"], abs=1e-3)
    ]


def test_of_many_subsets_no_more_samples_are_decoded_than_count(measured, monkeypatch):
    model = build(TOYS["scenes"]).double()
    q = Gaussian(torch.zeros(120, LATENTS), torch.zeros(120, LATENTS))
    means = model.expected(q.sample(generator=seeded()))
    batch = Batch.of(model.modalities, {**means, "edges": means["edges"].round()})
    scored = []

    def counted(model, evidence, pairs, k, seed, proposals):
        scored.extend(len(part) for part in evidence.values())
        zeros = torch.zeros(len(next(iter(evidence.values()))))
        return dict.fromkeys([*evidence, *pairs], LogLikelihood(zeros, zeros, zeros))

    monkeypatch.setattr("mvae.evaluation.measures.likelihoods.subset_log_likelihoods", counted)
    found = measured(Likelihoods(), model, batch, n=60, k=25)["loglik"]
    assert found["+".join(batch.names)]["n"] == 60
    assert found["grey"]["n"] == 50
    assert sum(scored) == 31 * 50 + 25  # 31 subsets of two parts, that of all of a third


def test_likelihoods_of_every_subset_and_of_each_given_the_other(measured):
    model = Code(logvar=-2.0)
    batch = coded_samples(model, 4)
    found = measured(Likelihoods(), model, batch, k=5000)
    z = torch.linspace(-8, 8, 4001)[:, None, None]
    log_p = Gaussian.standard((1,)).log_prob(z).expand(-1, 12)
    exact = {}
    for key in ("picture", "digit", "picture+digit"):
        terms = sum(model.decode(z, n).log_prob(batch.values[n]) for n in key.split("+"))
        exact[key] = (log_p + terms).logsumexp(0).mean() + math.log(16 / 4000)
    exact["digit|picture"] = exact["picture+digit"] - exact["picture"]
    exact["picture|digit"] = exact["picture+digit"] - exact["digit"]
    assert set(found["loglik"]) == set(exact)
    for key, value in exact.items():
        assert found["loglik"][key]["mean"] == pytest.approx(value.item(), abs=0.05)
        assert found["loglik"][key]["n"] == 12
    assert set(found["variance_of_log_weights"]) == {"picture", "digit", "picture+digit"}
    for key, bound in found["elbo"].items():
        assert bound["mean"] < found["loglik"][key]["mean"] + 3 * bound["se"]


def test_differences_to_another_model_are_of_the_same_samples(measured):
    batch, other = coded_samples(Code(), 4), torch.arange(12.0)
    own = measured(Likelihoods(), Code(), batch)["loglik"]["digit"]["mean"]
    theirs = {"digit": {"value": other, "k_hat": torch.tensor([1.0] * 5 + [0.0] * 7)}}
    above = measured(Likelihoods(("it", theirs)), Code(), batch)["loglik_above"]
    assert list(above["it"]) == ["digit"]
    assert above["it"]["digit"]["mean"] == pytest.approx(own - other.mean().item(), abs=0.01)
    # A difference is no better than the worse of the two.
    assert above["it"]["digit"]["k_hat_over_0.7"] >= 5


def test_subsets_are_all_there_and_small_ones_first():
    subsets = subsets_of(("a", "b", "c"))
    assert subsets[0] == ()
    assert subsets[-1] == ("a", "b", "c")
    assert len(set(subsets)) == 8
    assert [len(s) for s in subsets] == sorted(len(s) for s in subsets)
    assert subsets_of(("a", "b", "c"), 2) == [("a", "b"), ("a", "c"), ("b", "c"), ("a", "b", "c")]


def test_with_many_modalities_a_situation_is_how_many_are_supplied(toy_batch):
    many = [
        Modality(name=f"spot {i}", kind="vector", shape=(1,), likelihood="gaussian")
        for i in range(20)
    ]
    found = conditioning_sets(toy_batch(*many, n=30))
    assert [s.given for s in found] == [(), *((f"{m} of 20",) for m in range(1, 21))]
    for m, conditioning_set in enumerate(found):
        assert (conditioning_set.supplied.sum(-1) == m).all()
    assert not (found[3].supplied == found[3].supplied[0]).all()  # each sample its own
    for before, after in pairwise(found):
        assert (after.supplied | ~before.supplied).all()  # one more, and those before


@pytest.mark.slow
def test_every_measure_takes_twenty_modalities(measured, toy_batch, toy_model):
    many = [
        Modality(name=f"spot {i}", kind="vector", shape=(1,), likelihood="gaussian", hidden=(4,))
        for i in range(20)
    ]
    model, batch = toy_model(*many, scale=1.0), toy_batch(*many, n=12)
    found = {}
    for measure in (Likelihoods(), *OTHERS):
        found |= measured(measure, model, batch, k=30)
    assert set(found["loglik"]) >= {"1 of 20", "20 of 20", "the next|1 of 20"}
    assert found["predictive"]["3 of 20->spot 7"]["n"] <= 12
    assert "20 of 20->spot 7" not in found["predictive"]
    assert found["entropy"]["20 of 20"]["mean"] < found["entropy"]["1 of 20"]["mean"]
    assert "coverage_90%" in found


def test_a_figure_has_its_standard_error():
    values = torch.tensor([1.0, 2.0, 3.0, 6.0])
    result = figure(values)
    assert result["mean"] == 3
    assert result["n"] == 4
    assert result["se"] == pytest.approx(math.sqrt(14 / 3) / 2, abs=1e-4)
    assert figure(torch.tensor([1.0, math.nan, 3.0]))["n"] == 2


def test_matched_samples_are_spread_evenly_over_the_percentiles_of_disagreement(
    toy_model, toy_batch
):
    model, batch = toy_model(), toy_batch(n=1500)
    quantiles = disagreement_quantiles(model, batch)
    assert len(quantiles) == 6 + 4 + 1
    experts = model.experts(batch)
    for key in ("image+point", "image+label+point+colour"):
        gauge = disagreement(experts, batch.supply(key.split("+")).present).between_modalities
        places = [percentile(x, quantiles[key].tolist()) for x in gauge.tolist()]
        assert sum(places) / len(places) == pytest.approx(50, abs=2)
        assert sum(place < 10 for place in places) / len(places) == pytest.approx(0.1, abs=0.03)


class Certain(ExpertModel):
    """Experts that know one number of each modality, and are as sure of it as they are told."""

    modalities = (
        Modality(name="word", kind="label", shape=(10,), likelihood="categorical"),
        Modality(name="point", kind="vector", shape=(1,), likelihood="gaussian"),
    )
    logvars = (0.0, 0.0)

    def experts(self, batch):
        mean = torch.stack([batch.values[m.name].double().reshape(-1, 1) for m in self.modalities])
        return Gaussian(mean, torch.tensor(self.logvars).reshape(2, 1, 1).expand_as(mean))


@pytest.mark.parametrize(("logvar", "low", "high"), [(-6.0, 0.99, 1.0), (12.0, 0.0, 0.12)])
def test_what_is_wrong_is_noticed_by_those_who_are_sure_of_it(logvar, low, high):
    """Labels 0 to 9 and points near them; where experts are wide, a wrong one is no surprise."""
    source = torch.Generator().manual_seed(0)
    words = torch.arange(10).repeat(200)
    points = words.double().unsqueeze(-1) + 0.1 * torch.randn(2000, 1, generator=source)
    points += 20 * (logvar > 0) * torch.randn(2000, 1, generator=source)
    model = Certain.__new__(Certain)
    torch.nn.Module.__init__(model)
    model.logvars = (logvar, logvar)
    batch = Batch.of(model.modalities, {"word": words, "point": points})
    (key, hits), *others = detected_swaps(model, batch, source).items()
    assert (key, others) == ((("word", "point"), "word"), [])
    found = figure(hits)
    assert low <= found["mean"] <= high
    assert 1700 < found["n"] < 1900  # one sample in ten meets another of its own label
