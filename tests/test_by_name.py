"""Batches in another order, with fewer or more modalities: the same answer, or a clear error.

Every public method of every model and objective, and every public function of the library that
takes a model and a batch, is found by its signature; a new one is tested without being listed, or
this file says that it has to be.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution

import mvae
from mvae.analysis.comparison import predict
from mvae.analysis.embedding import pool_posteriors, posterior_means
from mvae.analysis.inference import Inference, infer
from mvae.batch import Batch
from mvae.checkpoint import ModelConfig, Training, load_model, load_samples
from mvae.distributions.gaussian import Gaussian
from mvae.distributions.mixture import Mixture
from mvae.evaluation.boltzmann_likelihood import ZERO_LOG_PARTITION, boltzmann_log_likelihood
from mvae.evaluation.context import EvaluationContext
from mvae.evaluation.decoder_evaluations import decoder_evaluations
from mvae.evaluation.exact_posterior import ExactInference
from mvae.evaluation.log_likelihood import (
    conditional_log_likelihood,
    direction_log_likelihood,
    log_likelihood,
)
from mvae.evaluation.matching_proposals import matching_posteriors
from mvae.evaluation.measures.conflict_and_cost import detected_swaps, disagreement_quantiles
from mvae.evaluation.probe import linear_probe
from mvae.evaluation.product_check import compare_products
from mvae.images.tiling import complete_pictures
from mvae.modality import Modality
from mvae.models.mvae import MVAE
from mvae.models.objectives import elbo, log_likelihoods
from mvae.training.recipes import RECIPES
from mvae.training.search import quality
from mvae.training.trainer import Trainer, validation_score
from mvae.training.weak_supervision import correct
from tests.reference import seeded

pytestmark = pytest.mark.usefixtures("float64", "brief_chains")

LABEL = Modality(name="label", kind="label", shape=(3,), likelihood="categorical", hidden=(6, 4))
IMAGE = Modality(
    name="image", kind="image", shape=(1, 2, 2), likelihood="bernoulli", hidden=(6, 4), weight=2.0
)
COLOUR = Modality(name="colour", kind="label", shape=(4,), likelihood="categorical", hidden=(6, 4))
SOUND = Modality(name="sound", kind="vector", shape=(2,), likelihood="gaussian")
MODALITIES = (IMAGE, LABEL, COLOUR)
NAMES = tuple(m.name for m in MODALITIES)

#: One recipe for each objective.
OBJECTIVES = {r.objective.name: r.objective for r in RECIPES.values()}
EVIDENCE = [(), ("label",), ("image", "colour"), NAMES]
OTHER_ORDERS = [("colour", "label", "image"), ("label", "colour", "image")]


def config_of(name: str) -> ModelConfig:
    return ModelConfig(
        dataset="toys",
        model=name,
        summary="A toy.",
        limitations=("It knows nothing.",),
        latents=2,
        modalities=MODALITIES,
        objective=OBJECTIVES[name],
        training=Training(epochs=1, batch=3, learning_rate=1e-2),
    )


def model_of(name: str) -> nn.Module:
    torch.manual_seed(0)
    model = config_of(name).build().eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(2.0)
    return model


def reordered(batch: Batch, names: tuple[str, ...]) -> Batch:
    """Take these modalities of a batch, in this order."""
    columns = [batch.names.index(n) for n in names]
    return Batch({n: batch.values[n] for n in names}, batch.present[:, columns])


def with_sound(batch: Batch, there: bool) -> Batch:
    present = torch.cat((torch.full((len(batch), 1), there), batch.present), 1)
    return Batch({"sound": torch.ones(len(batch), 2), **batch.values}, present)


def numbers(x: Any) -> Iterator[Any]:
    """List everything that an answer is made of."""
    match x:
        case nn.Module():
            return
        case Gaussian():
            yield from (x.mean, x.logvar)
        case Mixture():
            yield from (*numbers(x[:].mean), *numbers(x.std))
        case Categorical():
            yield x.probs
        case Distribution():
            yield x.mean
        case Mapping():
            for key in sorted(x):
                yield from (key, *numbers(x[key]))
        case tuple() | list():
            for each in x:
                yield from numbers(each)
        case Inference():
            yield from (
                *numbers([x.evidence, x.experts, x.posterior, x.shares, x.sharpness]),
                *numbers([x.conflict, x.draws, x.expected]),
            )
        case Tensor() | str() | int() | float() | None:
            yield x
        case _:
            yield from (y for v in vars(x).values() if not callable(v) for y in numbers(v))


def result(call: Callable[..., Any], model: nn.Module | None, batch: Batch) -> list[Any]:
    """Give what a call answers, or the sentence with which it refuses."""
    torch.manual_seed(0)
    try:
        return ["answer", *numbers(call(copy.deepcopy(model), batch))]
    except ValueError as error:
        return [str(error)]


def assert_same(one: list[Any], other: list[Any], of: object) -> None:
    assert len(one) == len(other), of
    for a, b in zip(one, other, strict=True):
        if isinstance(a, Tensor):
            torch.testing.assert_close(a, b, equal_nan=True, msg=f"{of}: {a} != {b}")
        else:
            assert a == (pytest.approx(b) if isinstance(b, float) else b), of


def takes_a_batch(function: Callable[..., Any]) -> bool:
    found = inspect.signature(function).parameters.values()
    return any(str(p.annotation) in ("Batch", str(Batch)) for p in found)


#: What further arguments mean, by their names.
ARGUMENTS: dict[str, Callable[[Batch], Any]] = {
    "draws": lambda b: 3,
    "seed": lambda b: 1,
    "wanted": lambda b: None,
    "beta": lambda b: 1.0,
    "progress": lambda b: 1.0,
    "generator": lambda b: seeded(),
    "weighted": lambda b: True,
    "given": lambda b: b.align(MODALITIES).present,
    "codes": lambda b: {f"c {n}": torch.ones(len(b), 2) for n in NAMES},
    "q": lambda b: Gaussian.standard((4, len(b), 2)),
    "z": lambda b: Gaussian.standard((4, len(b), 2)).mean + 0.3,
}


def calls_of(owner: Any, first: tuple[str, ...] = ()) -> dict[str, Callable[..., Any]]:
    """Find the public methods that take a batch, as calls with a model and a batch."""
    found: dict[str, Callable[..., Any]] = {}
    for name, method in inspect.getmembers(type(owner), inspect.isfunction):
        if (name.startswith("_") and name != "__call__") or not takes_a_batch(method):
            continue
        parameters = [p for p in inspect.signature(method).parameters if p != "self"]

        def call(model: Any, batch: Batch, name: str = name, parameters: Any = parameters) -> Any:
            arguments: dict[str, Any] = {}
            for p in parameters:
                if p in ("batch", "model"):
                    arguments[p] = batch if p == "batch" else model
                elif name == "direction" and p in ("wanted", "draws"):
                    arguments[p] = "label" if p == "wanted" else (3,)
                else:
                    arguments[p] = ARGUMENTS[p](batch)
            self = model if "model" not in parameters else owner
            return getattr(self, name)(**arguments)

        found[name] = call
    return found


def every_call(name: str) -> dict[str, Callable[..., Any]]:
    model = model_of(name)
    methods = {f"model.{n}": c for n, c in calls_of(model).items()}
    return methods | {f"objective.{n}": c for n, c in calls_of(OBJECTIVES[name]).items()}


def batches(toy_batch: Callable[..., Batch]) -> Iterator[Batch]:
    whole = toy_batch(*MODALITIES, n=3)
    for evidence in EVIDENCE:
        yield whole.supply(evidence)
    yield Batch(whole.values, torch.tensor([[1, 0, 0], [1, 1, 1], [0, 0, 0]], dtype=torch.bool))


def assert_by_name(call: Callable[..., Any], model: nn.Module, batch: Batch, of: object) -> None:
    """Hold a call to its own answer for other batches that say the same."""
    right = result(call, model, batch)
    for order in OTHER_ORDERS:
        assert_same(right, result(call, model, reordered(batch, order)), (of, order))
    here = tuple(n for n in reversed(NAMES) if batch.there(n).any())
    if len(here) < len(NAMES):
        assert_same(right, result(call, model, reordered(batch, here)), (of, here))
    assert_same(right, result(call, model, with_sound(batch, there=False)), (of, "more"))
    more = result(call, model, with_sound(batch, there=True))
    if "no modality called 'sound'" not in more[0]:
        assert_same(right, more, (of, "evidence that the model does not know"))


@pytest.mark.slow
@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_method_of_every_model_and_objective_goes_by_names(name, toy_batch):
    model, calls = model_of(name), every_call(name)
    assert {"model.generate", "objective.__call__", "objective.score"} <= calls.keys()
    for batch in batches(toy_batch):
        for of, call in calls.items():
            assert_by_name(call, model, batch, (of, batch.present.tolist()))


def named(batch: Batch, row: int = 0) -> list[str]:
    return [n for n in NAMES if n in batch.names and batch.there(n)[row]]


def with_labels(batch: Batch) -> Batch:
    """Repeat samples, so that a regression has something of each category."""
    return batch[torch.arange(12) % len(batch)]


def trained(config: ModelConfig, batch: Batch) -> dict[str, Tensor]:
    trainer = Trainer(config, batch, batch)
    list(trainer)
    return trainer.best


def context_of(model: Any, batch: Batch) -> EvaluationContext:
    return EvaluationContext(
        model, config_of("sub-sampled"), batch, lambda: batch, lambda: batch, None, 3, 30, 0
    )


def alike(context: EvaluationContext, evidence: Batch) -> Any:
    found = matching_posteriors(context, evidence)
    return None if found is None else (found.mean, found.std)


#: By name, calls of library functions with a model that has experts and two latents.
FUNCTIONS: dict[str, Callable[[Any, Batch], Any]] = {
    "infer": lambda m, b: infer(m, b[:1], named(b), draws=3),
    "predict": lambda m, b: predict(m, b[:1], named(b)[:1], draws=3),
    "posterior_means": lambda m, b: posterior_means(m, b, named(b)),
    "pool_posteriors": pool_posteriors,
    "elbo": lambda m, b: elbo(m, b, seeded()),
    "log_likelihoods": lambda m, b: log_likelihoods(
        m, torch.ones(1, len(b), 2), b.align(MODALITIES).present[None], b, weighted=True
    ),
    "log_likelihood": lambda m, b: log_likelihood(m, b, 30),
    "conditional_log_likelihood": lambda m, b: conditional_log_likelihood(
        m, b, ["label"], ["image"], 30
    ),
    "decoder_evaluations": lambda m, b: decoder_evaluations(config_of("sub-sampled"), b),
    "linear_probe": lambda m, b: linear_probe(m, with_labels(b), b, "label"),
    "disagreement_quantiles": disagreement_quantiles,
    "ExactInference": lambda m, b: ExactInference(m)(b[:1], named(b)).log_evidence,
    "compare_products": lambda m, b: (
        compare_products(ExactInference(m), b[:1], ["label"], ["image"]).log_normaliser
    ),
    "complete_pictures": lambda m, b: complete_pictures(
        MODALITIES, b, {"image": torch.rand(2, 3, 1, 2, 2)}
    ),
    "correct": lambda m, b: correct(m, b, "image", "label"),
    "validation_score": lambda m, b: validation_score(OBJECTIVES["sub-sampled"], m, b),
    "quality": lambda m, b: quality(config_of("sub-sampled"), m, b),
    "Trainer": lambda m, b: trained(config_of("sub-sampled"), b),
    "Subject": lambda m, b: [
        (s.given, s.supplied, s.restrict(context.test).present)
        for context in [context_of(m, b)]
        for s in context.conditioning_sets
    ],
    "detected_swaps": lambda m, b: detected_swaps(m, b, seeded()),
    "matching_posteriors": lambda m, b: alike(
        context_of(m, b), b.align(MODALITIES).supply(["label"])
    ),
}
#: What needs no model, asks for one modality by name, or is tested above.
WITHOUT = {
    "direction_log_likelihood",  # of another model: below
    "conditioning_sets",  # in the order of the batch: `EvaluationContext` has the model's
    "train",  # what `Trainer` does, with files
    "mix_pairs",
    "boltzmann_log_likelihood",  # of another model: below
    *("drop_empty", "warn_of_scales", "diagnose"),  # one modality of a batch at a time, by its name
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_goes_by_names(function, toy_batch):
    model, call = model_of("sub-sampled"), FUNCTIONS[function]
    whole = toy_batch(*MODALITIES, n=3)
    complete = {"conditional_log_likelihood", "linear_probe", "compare_products", "correct"}
    masks = [NAMES] if function in {*complete, "complete_pictures", "Trainer"} else EVIDENCE
    for evidence in masks:
        assert_by_name(call, model, whole.supply(evidence), function)


def test_every_public_function_that_takes_a_batch_is_tested():
    found = set()
    for info in pkgutil.walk_packages(mvae.__path__, "mvae."):
        shared = info.name in ("mvae.models.base", "mvae.models.objectives")
        if info.name.startswith(("mvae.data", "mvae.models", "mvae.cli")) and not shared:
            continue
        module = importlib.import_module(info.name)
        for name in getattr(module, "__all__", ()):
            public = getattr(module, name)
            if inspect.isfunction(public) and takes_a_batch(public):
                found.add(name)
    assert found - FUNCTIONS.keys() - WITHOUT == set()


def test_a_conditional_model_goes_by_names(toy_batch):
    def call(model: Any, batch: Batch) -> Any:
        return direction_log_likelihood(model, batch, "label", 30)

    assert_by_name(call, model_of("cvae"), toy_batch(*MODALITIES, n=3), "cvae")


def test_a_boltzmann_machine_goes_by_names(toy_batch):
    def call(model: Any, batch: Batch) -> Any:
        return boltzmann_log_likelihood(model, batch, 25, seeded(), ZERO_LOG_PARTITION)

    assert_by_name(call, model_of("rbm"), toy_batch(*MODALITIES, n=3), "rbm")


@pytest.mark.parametrize("order", [("image", "label"), ("label", "image")])
def test_the_bundled_model_reads_a_label_by_its_name(order, request):
    torch.set_default_dtype(torch.float32)
    model, _ = load_model("mnist", "mvae-cover")
    modalities = [model.modality(name) for name in order]
    batch = Batch.of(modalities, {"label": torch.tensor([3])})
    p = infer(model, batch, ["label"]).expected["label"]
    assert p[3] > 0.9
    # The same through the interface, whatever else a sample has.
    sample = load_samples("mnist", tuple(modalities))[slice(3, 4)]
    own = sample.values["label"].item()
    q = model.generate(sample.supply(["image"]), 8)["label"].probs.mean((0, 1))
    assert q.argmax() == own


def test_values_of_another_shape_or_type_are_refused_by_name(toy_batch):
    model = MVAE(MODALITIES, 2)
    batch = toy_batch(*MODALITIES, n=2)
    larger = Batch({**batch.values, "image": torch.ones(2, 1, 3, 3)}, batch.present)
    with pytest.raises(ValueError, match=r"image is of shape \(1, 2, 2\) to this model, not of"):
        model.posterior(larger)
    floats = Batch({**batch.values, "label": torch.ones(2)}, batch.present)
    with pytest.raises(ValueError, match=r"label is torch\.int64 to this model, not"):
        model.generate(floats, 1)
    with pytest.raises(ValueError, match="no modality is called 'sound'"):
        model.generate(batch, 1, wanted=["sound"])


@pytest.mark.parametrize(
    ("present", "message"),
    [
        (torch.ones(2, 3), "must be bool"),
        (torch.ones(2, dtype=torch.bool), "must be bool of shape"),
        (torch.ones(2, 2, dtype=torch.bool), "2 columns for 3 modalities: image, label, colour"),
        (torch.ones(5, 3, dtype=torch.bool), "image has 2 samples, and the mask 5"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(toy_batch, present, message):
    with pytest.raises(ValueError, match=message):
        Batch(toy_batch(*MODALITIES, n=2).values, present)
