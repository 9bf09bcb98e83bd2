"""Evaluation of a checkpoint on the test split: the figures of metrics.json, and their protocol."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from mvae.batch import Batch
from mvae.checkpoint import load_metrics, load_model
from mvae.data import dataset_of
from mvae.evaluation.classifier import FILE, load_classifier
from mvae.evaluation.context import EvaluationContext, is_costly
from mvae.evaluation.measures import OTHERS, Likelihoods, Measure, estimates
from mvae.evaluation.paired import PAIRED, merge_kept_errors, paired_errors, save_values
from mvae.evaluation.step_cache import CACHE_FILE, Step, StepCache
from mvae.files import CheckpointError, sha256, write_json
from mvae.search_path import find, folder_of, home_of, writing_beside

__all__ = ["MEASURES", "REFERENCE", "EvaluationProgress", "evaluate"]

#: Names of all measures.
MEASURES = tuple(measure.name for measure in (Likelihoods(), *OTHERS))

#: Name of the model that others are compared with on the same samples.
REFERENCE = "mvae"
#: Number of test samples whose log-likelihood is estimated, the same for all models of a data set.
SCORED = 1000
#: The same if draws are slow to decode, or if there are more subsets than the second number.
SCORED_IF_COSTLY, MANY_SUBSETS = 250, 3


@dataclass(frozen=True)
class EvaluationProgress:
    """Progress of an evaluation.

    Args:
        step: name of the last completed step.
        size: size of the steps completed since the last report, or before this run, in thousands of
            decoded latents.
        total: size of all steps.
    """

    step: str
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
    """Evaluate a checkpoint on the test split and write its metrics.json, yielding progress.

    The result of every step is saved beside the checkpoint at once, so that an interrupted
    evaluation resumes with the next call. Log-likelihoods are compared with those of the reference
    model, which are computed if necessary; every figure that ranks models is compared with those of
    all models whose values of single samples were saved before.

    Args:
        dataset: name of the data set.
        name: name of the model.
        n: number of test samples whose log-likelihood is estimated; by default 1,000, or 250 if
            there are many subsets or draws are slow to decode.
        k: number of importance draws per sample.
        seed: seed of all draws; two models with the same seed see the same noise.
        root: the only folder of checkpoints to read and write, instead of the search path.
        only: names of the measures to compute, out of :data:`MEASURES`; their figures and protocol
            replace those in metrics.json, and all others are kept. Empty for all measures.

    Raises:
        CheckpointError: if a checkpoint is missing or damaged, if the classifier is damaged, if
            ``only`` is given but there are no figures of the same weights, samples and seed to
            keep, or if another command is writing to the same folder.
        DatasetError: if there is no such data set, or its raw data are missing.
        ValueError: if ``only`` names an unknown measure.
    """
    if unknown := {*only} - {*MEASURES}:
        raise ValueError(f"no measure is called {min(unknown)!r}; there are {', '.join(MEASURES)}")
    load_model(dataset, name, root)  # fails for a wrong name before a folder is created
    with writing_beside(dataset, name, root):
        context = load_context(dataset, name, n, k, seed, root)
        yield from measure_all(context, dataset, name, root, only)


def measure_all(
    context: EvaluationContext, dataset: str, name: str, root: Path | None, only: Collection[str]
) -> Iterator[EvaluationProgress]:
    """Run all steps of an evaluation, yielding progress, and write metrics.json."""
    folder = folder_of(dataset, name, root)
    stored = stored_figures(context, dataset, name, root) if only else ({}, {})
    cache = open_cache(context, dataset, name, root)
    measures: list[Measure] = [m for m in (Likelihoods(), *OTHERS) if not only or m.name in only]
    steps = [(context, cache, step) for m in measures for step in m.steps(context)]
    reference = None
    scored = isinstance(measures[0], Likelihoods) and any(measures[0].steps(context))
    if (
        scored
        and name != REFERENCE
        and (folder_of(dataset, REFERENCE, root) / "weights.safetensors").exists()
    ):
        model, config = load_model(dataset, REFERENCE, root)
        reference = replace(context, model=model, config=config)
        reference_cache = open_cache(reference, dataset, REFERENCE, root)
        steps += [(reference, reference_cache, step) for step in Likelihoods().steps(reference)]
    yield from run_steps(steps, context.seed)

    if reference:
        measures[0] = Likelihoods((REFERENCE, estimates(reference, reference_cache)))
    test, protocol = (dict(part) for part in stored)
    paired = {part: test.pop(part, {}) for part in PAIRED}
    for kind in {kind for measure in measures for kind in measure.kinds}:
        for by_kind in (test, paired["paired"]):
            by_kind.pop(kind, None)
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
    values = save_values(folder, test)
    # Sorted as in a full evaluation, so that files differ only where their figures do.
    order = {kind: i for i, m in enumerate((Likelihoods(), *OTHERS)) for kind in m.kinds}
    test = dict(sorted(test.items(), key=lambda item: order[item[0]]))
    test |= merge_kept_errors(paired_errors(dataset, name, values, root), paired, test)
    write_json(folder / "metrics.json", {"protocol": protocol, "test": test})


def stored_figures(
    context: EvaluationContext, dataset: str, name: str, root: Path | None
) -> tuple[dict[str, Any], dict[str, str | int | float]]:
    """Return the stored figures and protocol, without kinds that are no longer computed.

    Raises:
        CheckpointError: if no figures of the same weights, test samples and seed are stored.
    """
    metrics = load_metrics(dataset, name, root)
    command = f"`python -m mvae evaluate {dataset}/{name}` without --only computes all"
    if metrics is None:
        raise CheckpointError(f"There are no figures of these weights to add to; {command}.")
    for what, ours in (("n", len(context.test)), ("seed", context.seed)):
        if (stored := metrics.protocol.get(what)) != ours:
            raise CheckpointError(
                f"The figures of {dataset}/{name} have {what} = {stored}, not {ours}; {command}."
            )
    measures: tuple[Measure, ...] = (Likelihoods(), *OTHERS)
    kinds = {kind for m in measures for kind in m.kinds}
    facts = {"split", "n", "seed", "date", "version", "weights_sha256", "command"}
    facts |= {f"{what}_{m.name}" for m in measures for what in ("date", "command")}
    facts |= {key for m in measures for key in m.protocol(context)}
    return (
        {kind: found for kind, found in metrics.test.items() if kind in {*kinds, *PAIRED}},
        {key: fact for key, fact in metrics.protocol.items() if key in facts},
    )


def run_steps(
    steps: list[tuple[EvaluationContext, StepCache, Step]], seed: int
) -> Iterator[EvaluationProgress]:
    """Run the steps that are not in their cache yet."""
    total = sum(step.size for _, _, step in steps)
    before = sum(step.size for _, cache, step in steps if cache.has(step))
    yield EvaluationProgress("steps completed before", before, total)
    for _, cache, step in steps:
        if not cache.has(step):
            cache.run(step, seed)
            yield EvaluationProgress(step.name, step.size, total)


def load_context(
    dataset: str, name: str, n: int | None, k: int, seed: int, root: Path | None
) -> EvaluationContext:
    """Load a model with the data and the classifier that it is evaluated on."""
    model, config = load_model(dataset, name, root)
    source = dataset_of(dataset)
    test = source.load("test", False)
    order = torch.randperm(len(test), generator=torch.Generator().manual_seed(seed))
    has_classifier = find(dataset, FILE, root).exists()
    many_subsets = 2 ** len(config.modalities) - 1 > MANY_SUBSETS
    costly = many_subsets or is_costly(config.modalities)
    default_n = min(SCORED_IF_COSTLY if costly else SCORED, len(test))

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
        classifier=load_classifier(dataset, config.modalities, root) if has_classifier else None,
        n=default_n if n is None else min(n, len(test)),
        k=k,
        seed=seed,
    )


def open_cache(context: EvaluationContext, dataset: str, name: str, root: Path | None) -> StepCache:
    """Open the cache of results computed earlier with the same weights and protocol."""
    settings: dict[str, str | int | float] = {
        "weights": sha256(folder_of(dataset, name, root) / "weights.safetensors"),
        "seed": context.seed,
        "samples": len(context.test),
    }
    for measure in (Likelihoods(), *OTHERS):
        settings |= measure.protocol(context)
    settings.pop("n_loglik", None)  # more samples only add parts
    return StepCache(home_of(dataset, name, root) / CACHE_FILE, settings)
