"""Disagreement between the modalities of matched samples, and the cost of a training step."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.distributions.conflict import UNUSUAL_PERCENTILE, disagreement
from mvae.distributions.gaussian import Gaussian
from mvae.evaluation.conditioning_sets import MAX_FOR_ALL_SUBSETS, subsets_of
from mvae.evaluation.context import EvaluationContext
from mvae.evaluation.decoder_evaluations import decoder_evaluations
from mvae.evaluation.keys import joined
from mvae.evaluation.measures.base import Measure
from mvae.evaluation.scored_figure import figure
from mvae.evaluation.step_cache import Step, StepCache
from mvae.models.base import ExpertModel

__all__ = ["ConflictAndCost", "detected_swaps", "disagreement_quantiles"]

#: Number of stored percentiles of disagreement: 0, ½, 1, … 100 %.
QUANTILES = 201
#: Separator between a subset and its swapped modality, in the name of a result.
SEPARATOR = "; wrong "


class ConflictAndCost(Measure):
    """Disagreement of modalities, how often it reveals a swap, and decoder evaluations per step."""

    name = "conflict-and-cost"
    kinds = ("decoder_evaluations", "disagreement", "detects")

    def steps(self, context: EvaluationContext) -> Iterator[Step]:
        """Yield one step for the quantiles and one for the swaps, each over all test samples."""
        if (
            isinstance(context.model, ExpertModel)
            and len(context.test.names) <= MAX_FOR_ALL_SUBSETS
        ):
            yield Step("disagreement", 0, 20, partial(measure_quantiles, context))
            yield Step("detects", 0, 20, partial(measure_detection, context))

    def figures(self, context: EvaluationContext, cache: StepCache) -> dict[str, Any]:
        """Return quantiles and detection rates by subset, and decoder evaluations by modality."""
        result: dict[str, Any] = {
            "decoder_evaluations": decoder_evaluations(context.config, context.test[slice(0, 8)])
        }
        if found := cache.results("disagreement"):
            result["disagreement"] = {
                key: [round(point, 3) for point in points.tolist()] for key, points in found.items()
            }
        for key, detected in cache.results("detects").items():
            subset, _, wrong = key.partition(SEPARATOR)
            result.setdefault("detects", {}).setdefault(subset, {})[wrong] = figure(detected)
        return result

    def protocol(self, context: EvaluationContext) -> dict[str, str | int | float]:
        """Return how disagreement and detection are measured."""
        return {
            "disagreement": f"{QUANTILES} evenly spaced quantiles over matched test samples",
            "detects": "share of test samples with one modality of another sample, which differs, "
            f"that disagree more than {UNUSUAL_PERCENTILE:g} % of matched ones",
        }


def measure_quantiles(context: EvaluationContext, _: torch.Generator) -> dict[str, Tensor]:
    """Compute the quantiles as the results of a step."""
    assert isinstance(context.model, ExpertModel)
    return disagreement_quantiles(context.model, context.test)


def measure_detection(context: EvaluationContext, generator: torch.Generator) -> dict[str, Tensor]:
    """Compute the detected swaps as the results of a step."""
    assert isinstance(context.model, ExpertModel)
    found = detected_swaps(context.model, context.test, generator)
    return {
        f"{joined(subset)}{SEPARATOR}{name}": detected for (subset, name), detected in found.items()
    }


@torch.no_grad()
def disagreement_quantiles(model: ExpertModel, batch: Batch) -> dict[str, Tensor]:
    """Compute percentiles of the disagreement within every subset of two or more modalities."""
    batch = batch.align(model.modalities)
    experts = model.experts(batch)
    levels = torch.linspace(0, 1, QUANTILES, dtype=torch.float64)
    return {
        joined(subset): disagreement(experts, batch.mask([subset])[0])
        .between_modalities.double()
        .quantile(levels)
        for subset in subsets_of(batch.names, smallest=2)
    }


@torch.no_grad()
def detected_swaps(
    model: ExpertModel, batch: Batch, generator: torch.Generator
) -> dict[tuple[tuple[str, ...], str], Tensor]:
    """Find the samples that disagree unusually once a modality is swapped for another sample's.

    Labels, tags and texts are swapped, one at a time; in a subset without any, the first modality.

    Args:
        model: a model with experts.
        batch: matched samples.
        generator: source of random numbers, which chooses the other samples.

    Returns:
        dict: 1 or 0 for each sample by subset and swapped modality, ``(B,)``; NaN if the other
        sample has the same value, or if a modality of the subset is missing.
    """
    batch = batch.align(model.modalities)
    experts = model.experts(batch)
    other = torch.randperm(len(batch), generator=generator)
    found = {}
    for subset in subsets_of(batch.names, smallest=2):
        mask = batch.mask([subset])[0]
        present = torch.stack([batch.there(name) for name in subset]).all(0)
        threshold = disagreement(experts, mask).between_modalities.quantile(
            UNUSUAL_PERCENTILE / 100
        )
        annotations = [m.name for m in model.modalities if m.is_annotation and m.name in subset]
        for name in annotations or subset[:1]:
            row, x = batch.names.index(name), batch.values[name]
            mean, logvar = experts.mean.clone(), experts.logvar.clone()
            mean[row], logvar[row] = mean[row, other], logvar[row, other]
            detected = (
                disagreement(Gaussian(mean, logvar), mask).between_modalities > threshold
            ).double()
            differs = (x != x[other]).reshape(len(x), -1).any(-1)
            valid = present & present[other] & differs
            found[subset, name] = detected.where(valid, torch.nan)
    return found
