"""Whether posteriors are as sure as they may be, and what a linear probe can read off them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mvae.evaluation.calibration import USED, Calibration, calibrate
from mvae.evaluation.measures.base import WHOLE, ConditioningSet, EvaluationContext, Measure, figure
from mvae.evaluation.probe import linear_probe
from mvae.evaluation.step_cache import Step, StepCache
from mvae.models.base import LatentModel

__all__ = ["CalibrationMeasure", "Probe"]

#: Simulated samples; and bins of a rank histogram.
SIMULATED, BINS = 2000, 20
#: Intervals whose coverage is counted.
LEVELS = (0.5, 0.9)
#: Share of the bars that a band of evenly spread ranks holds.
BAND = 0.99
#: Training samples that a probe learns from.
LEARNED = 10_000


def with_posterior(context: EvaluationContext) -> list[ConditioningSet]:
    """List the conditioning sets in which something is supplied and the model has a posterior."""
    return [s for s in context.conditioning_sets if s.key and context.has_posterior(s)]


class CalibrationMeasure(Measure):
    """Simulation-based calibration of q(z|x_S); see :mod:`mvae.evaluation.calibration`."""

    name = "calibration"
    kinds = (*(f"coverage_{level:.0%}" for level in LEVELS), "used_latents", "ranks", "rank_band")

    def steps(self, context: EvaluationContext) -> Iterator[Step]:
        """Simulate anew for each conditioning set: all of them see the same samples."""
        for conditioning_set in with_posterior(context):
            run = partial(rank, context, conditioning_set)
            yield Step(f"ranks {conditioning_set.key}", 0, 8, run)

    def figures(self, context: EvaluationContext, cache: StepCache) -> dict[str, Any]:
        """Return coverage and rank histograms of the dimensions in use, by conditioning set.

        A conditioning set in which no dimension is in use has none: its posterior is the prior.
        """
        coverage: dict[str, dict[str, Any]] = {f"coverage_{level:.0%}": {} for level in LEVELS}
        used, ranks, bands = {}, {}, {}
        for conditioning_set in with_posterior(context):
            found = cache.of(f"ranks {conditioning_set.key}")
            whole = Calibration(found["value"], found["information"])
            kept = whole.used
            samples, count = kept.ranks.shape
            used[conditioning_set.key] = {"mean": count, "se": 0.0, "n": samples}
            if not count:
                continue
            for level in LEVELS:
                # Dimensions share the samples, so the standard error is over samples.
                coverage[f"coverage_{level:.0%}"][conditioning_set.key] = figure(
                    kept.covered(level).double().mean(1)
                ) | {"by_dimension": [round(c, 3) for c in whole.coverage(level).tolist()]}
            counts = kept.histogram(BINS).T  # (D, BINS)
            if len(context.conditioning_sets) > WHOLE:
                counts = counts.sum(
                    0, keepdim=True
                )  # of many conditioning sets all dimensions together
            ranks[conditioning_set.key] = counts.tolist()
            source = torch.Generator().manual_seed(context.seed)
            band = kept.band(BINS, BAND, generator=source)
            bands[conditioning_set.key] = [round(height, 3) for height in band]
        if not used:
            return {}
        return {**coverage, "used_latents": used, "ranks": ranks, "rank_band": bands}

    def protocol(self, context: EvaluationContext) -> dict[str, str | int | float]:
        """Say how samples are simulated."""
        return {
            "coverage": f"{SIMULATED:,} simulated samples, z ~ p(z), x ~ p(x|z), not of the test "
            "split; the share of z_d within the central interval of q(z_d|x_S), over the "
            f"dimensions in use: KL to the prior of {USED} nats or more, averaged over samples"
        }


@torch.no_grad()
def rank(
    context: EvaluationContext, conditioning_set: ConditioningSet, _: torch.Generator
) -> dict[str, Tensor]:
    """Rank simulated latents within the posterior that their own data give."""
    assert isinstance(context.model, LatentModel)
    # The n-th simulated sample is given what the n-th test sample is given, from the first again.
    supplied = conditioning_set.supplied[torch.arange(SIMULATED) % len(conditioning_set.supplied)]
    source = torch.Generator().manual_seed(context.seed)
    found = calibrate(context.model, supplied, source)
    return {"value": found.ranks, "information": found.information}


class Probe(Measure):
    """Accuracy of a linear probe on the mean of the posterior; see :mod:`mvae.evaluation.probe`."""

    name = "probe"
    kinds = ("probe",)

    def steps(self, context: EvaluationContext) -> Iterator[Step]:
        """Learn a probe for each conditioning set that does not tell the label itself."""
        if context.label is None:
            return
        column = context.test.names.index(context.label.name)
        for conditioning_set in with_posterior(context):
            if not conditioning_set.supplied[:, column].any():
                yield Step(
                    f"probe {conditioning_set.key}",
                    0,
                    60,
                    partial(probe, context, conditioning_set),
                )

    def figures(self, context: EvaluationContext, cache: StepCache) -> dict[str, Any]:
        """Give the accuracy by conditioning set."""
        right = {s.key: cache.of(f"probe {s.key}").get("value") for s in context.conditioning_sets}
        found = {key: figure(x) for key, x in right.items() if x is not None}
        return {"probe": found} if found else {}

    def protocol(self, context: EvaluationContext) -> dict[str, str | int | float]:
        """Say what the probe is."""
        return {
            "probe": f"logistic regression on the mean of q(z|x_S), learned from {LEARNED:,} "
            "training samples"
        }


def probe(
    context: EvaluationContext, conditioning_set: ConditioningSet, generator: torch.Generator
) -> dict[str, Tensor]:
    """Say for which test samples the probe is right."""
    model = context.model
    assert isinstance(model, LatentModel)
    assert context.label is not None
    train = context.train()
    some = train[torch.randperm(len(train), generator=generator)[:LEARNED]]
    rows = torch.arange(len(some)) % len(conditioning_set.supplied)
    learned = ConditioningSet(conditioning_set.given, conditioning_set.supplied[rows]).of(some)
    return {
        "value": linear_probe(model, learned, conditioning_set.of(context.test), context.label.name)
    }
