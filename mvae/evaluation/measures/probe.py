"""Accuracy of linear probes on the means of posteriors given each conditioning set."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mvae.evaluation.conditioning_sets import ConditioningSet
from mvae.evaluation.context import EvaluationContext
from mvae.evaluation.measures.base import Measure
from mvae.evaluation.probe import linear_probe
from mvae.evaluation.scored_figure import figure
from mvae.evaluation.step_cache import Step, StepCache
from mvae.models.base import LatentModel

__all__ = ["Probe"]

#: Number of training samples that a probe is fitted on.
TRAINING_SAMPLES = 10_000


class Probe(Measure):
    """Accuracy of a linear probe on the mean of the posterior; see :mod:`mvae.evaluation.probe`."""

    name = "probe"
    kinds = ("probe",)

    def steps(self, context: EvaluationContext) -> Iterator[Step]:
        """Yield a step for each conditioning set that does not hold the label itself."""
        if context.label is None:
            return
        column = context.test.names.index(context.label.name)
        for conditioning_set in context.sets_with_posterior():
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
