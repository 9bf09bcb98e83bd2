"""Calibration of posteriors, and the accuracy of linear probes on their means."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mvae.evaluation.calibration import MIN_INFORMATION, Calibration, calibrate
from mvae.evaluation.conditioning_sets import ConditioningSet
from mvae.evaluation.context import MAX_FULLY_SCORED, EvaluationContext
from mvae.evaluation.measures.base import Measure
from mvae.evaluation.probe import linear_probe
from mvae.evaluation.scored_figure import figure
from mvae.evaluation.step_cache import Step, StepCache
from mvae.models.base import LatentModel

__all__ = ["CalibrationMeasure", "Probe"]

#: Number of simulated samples; and of bins of a rank histogram.
SIMULATED, BINS = 2000, 20
#: Masses of the central intervals whose coverage is measured.
LEVELS = (0.5, 0.9)
#: Fraction of the bars of uniform ranks that lie within the band.
BAND = 0.99
#: Number of training samples that a probe is fitted on.
TRAINING_SAMPLES = 10_000


def sets_with_posterior(context: EvaluationContext) -> list[ConditioningSet]:
    """List the non-empty conditioning sets for which the model has a posterior."""
    return [s for s in context.conditioning_sets if s.key and context.has_posterior(s)]


class CalibrationMeasure(Measure):
    """Simulation-based calibration of q(z|x_S); see :mod:`mvae.evaluation.calibration`."""

    name = "calibration"
    kinds = (*(f"coverage_{level:.0%}" for level in LEVELS), "used_latents", "ranks", "rank_band")

    def steps(self, context: EvaluationContext) -> Iterator[Step]:
        """Yield a step per conditioning set; all of them simulate the same samples."""
        for conditioning_set in sets_with_posterior(context):
            run = partial(measure_ranks, context, conditioning_set)
            yield Step(f"ranks {conditioning_set.key}", 0, 8, run)

    def figures(self, context: EvaluationContext, cache: StepCache) -> dict[str, Any]:
        """Return coverage and rank histograms of the dimensions in use, by conditioning set.

        They are left out for a conditioning set without a dimension in use: its posterior is the
        prior.
        """
        coverage: dict[str, dict[str, Any]] = {f"coverage_{level:.0%}": {} for level in LEVELS}
        n_used, ranks, bands = {}, {}, {}
        for conditioning_set in sets_with_posterior(context):
            found = cache.results(f"ranks {conditioning_set.key}")
            all_dimensions = Calibration(found["value"], found["information"])
            used_dimensions = all_dimensions.used
            samples, count = used_dimensions.ranks.shape
            n_used[conditioning_set.key] = {"mean": count, "se": 0.0, "n": samples}
            if not count:
                continue
            for level in LEVELS:
                # Dimensions share the samples, so the standard error is taken over samples.
                coverage[f"coverage_{level:.0%}"][conditioning_set.key] = figure(
                    used_dimensions.covered(level).double().mean(1)
                ) | {"by_dimension": [round(c, 3) for c in all_dimensions.coverage(level).tolist()]}
            counts = used_dimensions.histogram(BINS).T  # (D, BINS)
            if len(context.conditioning_sets) > MAX_FULLY_SCORED:
                # With many conditioning sets, all dimensions are pooled.
                counts = counts.sum(0, keepdim=True)
            ranks[conditioning_set.key] = counts.tolist()
            source = torch.Generator().manual_seed(context.seed)
            band = used_dimensions.uniform_band(BINS, BAND, generator=source)
            bands[conditioning_set.key] = [round(height, 3) for height in band]
        if not n_used:
            return {}
        return {**coverage, "used_latents": n_used, "ranks": ranks, "rank_band": bands}

    def protocol(self, context: EvaluationContext) -> dict[str, str | int | float]:
        """Return how samples are simulated."""
        return {
            "coverage": f"{SIMULATED:,} simulated samples, z ~ p(z), x ~ p(x|z), not of the test "
            "split; the share of z_d within the central interval of q(z_d|x_S), over the "
            f"dimensions in use: KL to the prior of {MIN_INFORMATION} nats or more, averaged over "
            "samples"
        }


@torch.no_grad()
def measure_ranks(
    context: EvaluationContext, conditioning_set: ConditioningSet, _: torch.Generator
) -> dict[str, Tensor]:
    """Rank simulated latents within the posterior given their own data."""
    assert isinstance(context.model, LatentModel)
    # Simulated sample n has the same modalities supplied as test sample n, cyclically.
    supplied = conditioning_set.supplied[torch.arange(SIMULATED) % len(conditioning_set.supplied)]
    source = torch.Generator().manual_seed(context.seed)
    found = calibrate(context.model, supplied, source)
    return {"value": found.ranks, "information": found.information}


class Probe(Measure):
    """Accuracy of a linear probe on the mean of the posterior; see :mod:`mvae.evaluation.probe`."""

    name = "probe"
    kinds = ("probe",)

    def steps(self, context: EvaluationContext) -> Iterator[Step]:
        """Yield a step for each conditioning set that does not hold the label itself."""
        if context.label is None:
            return
        column = context.test.names.index(context.label.name)
        for conditioning_set in sets_with_posterior(context):
            if not conditioning_set.supplied[:, column].any():
                yield Step(
                    f"probe {conditioning_set.key}",
                    0,
                    60,
                    partial(measure_probe, context, conditioning_set),
                )

    def figures(self, context: EvaluationContext, cache: StepCache) -> dict[str, Any]:
        """Return accuracies by conditioning set."""
        right = {
            s.key: cache.results(f"probe {s.key}").get("value") for s in context.conditioning_sets
        }
        found = {key: figure(x) for key, x in right.items() if x is not None}
        return {"probe": found} if found else {}

    def protocol(self, context: EvaluationContext) -> dict[str, str | int | float]:
        """Return what the probe is fitted on."""
        return {
            "probe": "logistic regression on the mean of q(z|x_S), learned from "
            f"{TRAINING_SAMPLES:,} training samples"
        }


def measure_probe(
    context: EvaluationContext, conditioning_set: ConditioningSet, generator: torch.Generator
) -> dict[str, Tensor]:
    """Fit a probe; return 1 for the test samples that it classifies correctly, else 0."""
    model = context.model
    assert isinstance(model, LatentModel)
    assert context.label is not None
    train = context.train()
    train_subset = train[torch.randperm(len(train), generator=generator)[:TRAINING_SAMPLES]]
    rows = torch.arange(len(train_subset)) % len(conditioning_set.supplied)
    train_evidence = ConditioningSet(
        conditioning_set.given, conditioning_set.supplied[rows]
    ).restrict(train_subset)
    return {
        "value": linear_probe(
            model, train_evidence, conditioning_set.restrict(context.test), context.label.name
        )
    }
