"""Calibration of posteriors given each conditioning set."""

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
from mvae.evaluation.scored_figure import figure
from mvae.evaluation.step_cache import Step, StepCache
from mvae.models.base import LatentModel

__all__ = ["CalibrationMeasure"]

#: Number of simulated samples; and of bins of a rank histogram.
SIMULATED, BINS = 2000, 20
#: Masses of the central intervals whose coverage is measured.
LEVELS = (0.5, 0.9)
#: Fraction of the bars of uniform ranks that lie within the band.
BAND = 0.99


class CalibrationMeasure(Measure):
    """Simulation-based calibration of q(z|x_S); see :mod:`mvae.evaluation.calibration`."""

    name = "calibration"
    kinds = (*(f"coverage_{level:.0%}" for level in LEVELS), "used_latents", "ranks", "rank_band")

    def steps(self, context: EvaluationContext) -> Iterator[Step]:
        """Yield a step per conditioning set; all of them simulate the same samples."""
        for conditioning_set in context.sets_with_posterior():
            run = partial(measure_ranks, context, conditioning_set)
            yield Step(f"ranks {conditioning_set.key}", 0, 8, run)

    def figures(self, context: EvaluationContext, cache: StepCache) -> dict[str, Any]:
        """Return coverage and rank histograms of the dimensions in use, by conditioning set.

        They are left out for a conditioning set without a dimension in use: its posterior is the
        prior.
        """
        coverage: dict[str, dict[str, Any]] = {f"coverage_{level:.0%}": {} for level in LEVELS}
        n_used, ranks, bands = {}, {}, {}
        for conditioning_set in context.sets_with_posterior():
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
