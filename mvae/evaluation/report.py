"""Everything that metrics.json holds, computed on the test split with its protocol beside it."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from mvae.batch import Batch
from mvae.checkpoint import (
    CheckpointError,
    load_metrics,
    load_model,
    sha256,
    write_json,
)
from mvae.data import dataset_of
from mvae.evaluation.classifier import FILE, classifier_of
from mvae.evaluation.measures import OTHERS, EvaluationContext, Likelihoods, Measure, estimates
from mvae.evaluation.measures.base import costly
from mvae.evaluation.paired import PAIRED, keep_values, paired_errors, with_kept
from mvae.evaluation.step_cache import WORKING, Step, StepCache
from mvae.search_path import find, folder_of, home_of, writing_beside

__all__ = ["MEASURES", "REFERENCE", "EvaluationProgress", "evaluate"]

#: Names of all measures.
MEASURES = tuple(measure.name for measure in (Likelihoods(), *OTHERS))

#: The model that others are compared with on the same samples.
REFERENCE = "mvae"
#: Test samples whose log-likelihood is estimated, the same for all models of a data set; and where
#: there are more than so many subsets, or a draw takes long to decode.
SCORED, SUBSETS, FEWER = 1000, 3, 250


@dataclass(frozen=True)
class EvaluationProgress:
    """How far an evaluation is.

    Args:
        what: was done last.
        size: of what was done since the last report, or before this run, in thousand latents.
        total: of all that there is to do.
    """

    what: str
    size: int
    total: int


def evaluate(
    dataset: str,
    name: str,
    n: int | None = None,
    k: int = 1000,
    seed: int = 0,
    root: Path | None = None,
    only: Collection[str] = (),
) -> Iterator[EvaluationProgress]:
    """Measure a checkpoint on the test split and write its metrics.json; yield what is done.

    What is computed is kept beside the checkpoint at once: interrupted, the next call goes on.
    Log-likelihoods are compared with those of the reference, which are computed if need be; and
    every figure that ranks models with those of all models that were evaluated here before.

    Args:
        dataset: name of the data set.
        name: name of the model.
        n: test samples whose log-likelihood is estimated; None for 1,000, or 250 where there are
            many subsets or a draw takes long to decode.
        k: importance draws a sample.
        seed: of all draws; two models with the same seed see the same noise.
        root: the only folder of checkpoints to read and write, instead of the search path.
        only: names of the measures to compute, out of :data:`MEASURES`; their figures and their
            protocol replace those in metrics.json, all else there is kept. None for all measures.

    Raises:
        CheckpointError: if a checkpoint is missing or damaged, or the classifier is damaged, or if
            there are no figures of the same weights, samples and seed to keep beside ``only``, or
            another command is writing into its folder.
        DatasetError: if there is no such data set, or its raw data are not there.
        ValueError: if no measure has such a name.
    """
    if unknown := {*only} - {*MEASURES}:
        raise ValueError(f"no measure is called {min(unknown)!r}; there are {', '.join(MEASURES)}")
    load_model(dataset, name, root)  # so that a wrong name makes no folder
    with writing_beside(dataset, name, root):
        context = context_of(dataset, name, n, k, seed, root)
        yield from measure_all(context, dataset, name, root, only)


def measure_all(
    context: EvaluationContext, dataset: str, name: str, root: Path | None, only: Collection[str]
) -> Iterator[EvaluationProgress]:
    """Measure a subject, and write its metrics.json."""
    folder = folder_of(dataset, name, root)
    kept = kept_figures(context, dataset, name, root) if only else ({}, {})
    cache = cache_of(context, dataset, name, root)
    measures: list[Measure] = [m for m in (Likelihoods(), *OTHERS) if not only or m.name in only]
    todo = [(context, cache, step) for m in measures for step in m.steps(context)]
    reference = None
    scored = isinstance(measures[0], Likelihoods) and any(measures[0].steps(context))
    if (
        scored
        and name != REFERENCE
        and (folder_of(dataset, REFERENCE, root) / "weights.safetensors").exists()
    ):
        model, config = load_model(dataset, REFERENCE, root)
        reference = replace(context, model=model, config=config)
        theirs = cache_of(reference, dataset, REFERENCE, root)
        todo += [(reference, theirs, step) for step in Likelihoods().steps(reference)]
    yield from run(todo, context.seed)

    if reference:
        measures[0] = Likelihoods((REFERENCE, estimates(reference, theirs)))
    test, protocol = (dict(part) for part in kept)
    paired = {part: test.pop(part, {}) for part in PAIRED}
    for kind in {kind for measure in measures for kind in measure.kinds}:
        for found in (test, paired["paired"]):
            found.pop(kind, None)
    for measure in measures:
        figures = measure.figures(context, cache)
        assert figures.keys() <= {*measure.kinds}, f"{measure.name} does not list all of its kinds"
        test |= figures
        protocol |= measure.protocol(context)
    if reference and "loglik_above" in test:
        version = sha256(folder_of(dataset, REFERENCE, root) / "weights.safetensors")
        test["loglik_above"][REFERENCE]["weights_sha256"] = version
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    settings = f"--n {context.n} --k {context.k} --seed {context.seed}"
    command = f"python -m mvae evaluate {dataset}/{name} {settings}"
    if only:
        for measure in measures:
            protocol[f"date_{measure.name}"] = today
            protocol[f"command_{measure.name}"] = f"{command} --only {measure.name}"
    else:
        protocol = {"split": "test", "n": len(context.test), "seed": context.seed} | protocol
        protocol |= {
            "date": today,
            "version": torch.__version__.split("+")[0],
            "weights_sha256": sha256(folder / "weights.safetensors"),
            "command": command,
        }
    values = keep_values(folder, test)
    # In the order of a whole evaluation, so that a file differs only where its figures do.
    place = {kind: i for i, m in enumerate((Likelihoods(), *OTHERS)) for kind in m.kinds}
    test = dict(sorted(test.items(), key=lambda item: place[item[0]]))
    test |= with_kept(paired_errors(dataset, name, values, root), paired, test)
    write_json(folder / "metrics.json", {"protocol": protocol, "test": test})


def kept_figures(
    context: EvaluationContext, dataset: str, name: str, root: Path | None
) -> tuple[dict[str, Any], dict[str, str | int | float]]:
    """Return the figures and the protocol that stay; kinds that no measure has any more go.

    Raises:
        CheckpointError: if there are none of the same weights, test samples and seed.
    """
    metrics = load_metrics(dataset, name, root)
    again = f"`python -m mvae evaluate {dataset}/{name}` without --only computes all"
    if metrics is None:
        raise CheckpointError(f"There are no figures of these weights to add to; {again}.")
    for what, ours in (("n", len(context.test)), ("seed", context.seed)):
        if (theirs := metrics.protocol.get(what)) != ours:
            raise CheckpointError(
                f"The figures of {dataset}/{name} have {what} = {theirs}, not {ours}; {again}."
            )
    every: tuple[Measure, ...] = (Likelihoods(), *OTHERS)
    kinds = {kind for m in every for kind in m.kinds}
    facts = {"split", "n", "seed", "date", "version", "weights_sha256", "command"}
    facts |= {f"{what}_{m.name}" for m in every for what in ("date", "command")}
    facts |= {key for m in every for key in m.protocol(context)}
    return (
        {kind: found for kind, found in metrics.test.items() if kind in {*kinds, *PAIRED}},
        {key: fact for key, fact in metrics.protocol.items() if key in facts},
    )


def run(
    todo: list[tuple[EvaluationContext, StepCache, Step]], seed: int
) -> Iterator[EvaluationProgress]:
    """Run the steps that were not done before."""
    total = sum(step.size for _, _, step in todo)
    before = sum(step.size for _, cache, step in todo if cache.has(step))
    yield EvaluationProgress("what was done before", before, total)
    for _, cache, step in todo:
        if not cache.has(step):
            cache.do(step, seed)
            yield EvaluationProgress(step.what, step.size, total)


def context_of(
    dataset: str, name: str, n: int | None, k: int, seed: int, root: Path | None
) -> EvaluationContext:
    """Load a model and what it is measured on."""
    model, config = load_model(dataset, name, root)
    source = dataset_of(dataset)
    test = source.load("test", False)
    order = torch.randperm(len(test), generator=torch.Generator().manual_seed(seed))
    judged = find(dataset, FILE, root).exists()
    many = 2 ** len(config.modalities) - 1 > SUBSETS
    some = min(FEWER if many or costly(config.modalities) else SCORED, len(test))

    @lru_cache
    def train() -> Batch:
        return source.load("train", False)

    @lru_cache
    def valid() -> Batch:
        return source.load("valid", False)

    return EvaluationContext(
        model=model,
        config=config,
        test=test[order],
        train=train,
        valid=valid,
        classifier=classifier_of(dataset, config.modalities, root) if judged else None,
        n=some if n is None else min(n, len(test)),
        k=k,
        seed=seed,
    )


def cache_of(context: EvaluationContext, dataset: str, name: str, root: Path | None) -> StepCache:
    """Give what was computed before with the same weights and the same protocol."""
    settings: dict[str, str | int | float] = {
        "weights": sha256(folder_of(dataset, name, root) / "weights.safetensors"),
        "seed": context.seed,
        "samples": len(context.test),
    }
    for measure in (Likelihoods(), *OTHERS):
        settings |= measure.protocol(context)
    settings.pop("n_loglik", None)  # more samples are more parts
    return StepCache(home_of(dataset, name, root) / WORKING, settings)
