"""The disagreement of matched samples, by which a page says what is unusual; what a step costs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.distributions.disagreement import UNUSUAL, disagreement
from mvae.distributions.gaussian import Gaussian
from mvae.evaluation.cost import decoder_evaluations
from mvae.evaluation.keys import joined
from mvae.evaluation.measures.base import ENUMERATED, EvaluationContext, Measure, figure, subsets_of
from mvae.evaluation.step_cache import Step, StepCache
from mvae.models.base import ExpertModel

__all__ = ["ConflictAndCost", "disagreement_quantiles", "noticed"]

#: Percentiles of disagreement that are stored: 0, ½, 1, … 100 %.
QUANTILES = 201
#: Between the modalities of a pair's name, and the one of them that is another sample's.
WRONG = "; wrong "


class ConflictAndCost(Measure):
    """How far modalities disagree, when that is noticed, and decoder evaluations of a step."""

    name = "conflict-and-cost"
    kinds = ("decoder_evaluations", "disagreement", "detects")

    def steps(self, context: EvaluationContext) -> Iterator[Step]:
        """Take all test samples at once."""
        if isinstance(context.model, ExpertModel) and len(context.test.names) <= ENUMERATED:
            yield Step("disagreement", 0, 20, partial(measure_quantiles, context))
            yield Step("detects", 0, 20, partial(measure_noticed, context))

    def figures(self, context: EvaluationContext, cache: StepCache) -> dict[str, Any]:
        """Return evenly spaced quantiles by subset; shares noticed; and evaluations by modality."""
        result: dict[str, Any] = {
            "decoder_evaluations": decoder_evaluations(context.config, context.test[slice(0, 8)])
        }
        if found := cache.of("disagreement"):
            result["disagreement"] = {
                key: [round(point, 3) for point in points.tolist()] for key, points in found.items()
            }
        for key, hits in cache.of("detects").items():
            subset, _, wrong = key.partition(WRONG)
            result.setdefault("detects", {}).setdefault(subset, {})[wrong] = figure(hits)
        return result

    def protocol(self, context: EvaluationContext) -> dict[str, str | int | float]:
        """Say what the quantiles are of, and what is to be noticed."""
        return {
            "disagreement": f"{QUANTILES} evenly spaced quantiles over matched test samples",
            "detects": "share of test samples with one modality of another sample, which differs, "
            f"that disagree more than {UNUSUAL:g} % of matched ones",
        }


def measure_quantiles(context: EvaluationContext, _: torch.Generator) -> dict[str, Tensor]:
    """Return the quantiles as a step's results."""
    assert isinstance(context.model, ExpertModel)
    return disagreement_quantiles(context.model, context.test)


def measure_noticed(context: EvaluationContext, generator: torch.Generator) -> dict[str, Tensor]:
    """Return what is noticed as a step's results."""
    assert isinstance(context.model, ExpertModel)
    found = noticed(context.model, context.test, generator)
    return {f"{joined(subset)}{WRONG}{name}": hits for (subset, name), hits in found.items()}


@torch.no_grad()
def disagreement_quantiles(model: ExpertModel, batch: Batch) -> dict[str, Tensor]:
    """Compute percentiles of the modalities' disagreement, for every subset of two or more."""
    batch = batch.align(model.modalities)
    experts = model.experts(batch)
    levels = torch.linspace(0, 1, QUANTILES, dtype=torch.float64)
    return {
        joined(subset): disagreement(experts, batch.mask([subset])[0])
        .among.double()
        .quantile(levels)
        for subset in subsets_of(batch.names, smallest=2)
    }


@torch.no_grad()
def noticed(
    model: ExpertModel, batch: Batch, generator: torch.Generator
) -> dict[tuple[tuple[str, ...], str], Tensor]:
    """Find which samples disagree unusually once one of their modalities is another sample's.

    Wrong are labels, tags and texts, one at a time; in a subset without any, its first modality.

    Args:
        model: whose experts they are.
        batch: matched samples.
        generator: of the choice of the other samples.

    Returns:
        dict: by subset and wrong modality, 1 or 0 for each sample, ``(B,)``; NaN where the other
        sample has the same there, or where something of the subset is missing.
    """
    batch = batch.align(model.modalities)
    experts = model.experts(batch)
    other = torch.randperm(len(batch), generator=generator)
    found = {}
    for subset in subsets_of(batch.names, smallest=2):
        mask = batch.mask([subset])[0]
        there = torch.stack([batch.there(name) for name in subset]).all(0)
        limit = disagreement(experts, mask).among.quantile(UNUSUAL / 100)
        annotations = [m.name for m in model.modalities if m.is_annotation and m.name in subset]
        for name in annotations or subset[:1]:
            row, x = batch.names.index(name), batch.values[name]
            mean, logvar = experts.mean.clone(), experts.logvar.clone()
            mean[row], logvar[row] = mean[row, other], logvar[row, other]
            hits = (disagreement(Gaussian(mean, logvar), mask).among > limit).double()
            differs = (x != x[other]).reshape(len(x), -1).any(-1)
            counts = there & there[other] & differs
            found[subset, name] = hits.where(counts, torch.nan)
    return found
