"""Fréchet distance to real pictures of those generated from each conditioning set."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mvae.evaluation.frechet import features, pseudo_values
from mvae.evaluation.keys import FigureKey
from mvae.evaluation.measures.base import SOME, ConditioningSet, EvaluationContext, Measure, Scored
from mvae.evaluation.step_cache import Step, StepCache
from mvae.images.tiling import completed

__all__ = ["Frechet"]


class Frechet(Measure):
    """The distance between generated pictures, one for a test sample, and the real ones."""

    name = "frechet"
    kinds = ("frechet",)

    def steps(self, context: EvaluationContext) -> Iterator[Step]:
        """Generate a picture for each sample, wherever one is missing and can be generated."""
        if context.classifier is None:
            return
        size = len(context.parts(generated(context))) * (1 + context.steps // 3)
        for conditioning_set in context.conditioning_sets:
            if missing(context, conditioning_set):
                yield Step(
                    f"frechet {conditioning_set.key}",
                    0,
                    size,
                    partial(measure, context, conditioning_set),
                )

    def figures(self, context: EvaluationContext, cache: StepCache) -> dict[str, Any]:
        """Give the distance by what is given and what is asked."""
        found = {}
        for conditioning_set in context.conditioning_sets:
            if result := cache.of(f"frechet {conditioning_set.key}"):
                asked = tuple(missing(context, conditioning_set))
                key = str(FigureKey("frechet", conditioning_set.given, asked))
                each = result["value"]
                error = each.std().item() / len(each) ** 0.5
                found[key] = Scored(
                    {
                        "mean": round(each.mean().item(), 3),
                        "se": round(error, 3),
                        "n": generated(context),
                    },
                    each,
                )
        return {"frechet": found} if found else {}

    def protocol(self, context: EvaluationContext) -> dict[str, str | int | float]:
        """Say in which features, and of how many pictures."""
        n = generated(context)
        whose = "each test sample" if n == len(context.test) else f"each of {n:,} test samples"
        return {
            "frechet": "squared Fréchet distance in the last hidden layer of the classifier, one "
            f"generated picture (pixel means) for {whose}; standard error by a jackknife over the "
            "generated ones"
        }


def missing(context: EvaluationContext, conditioning_set: ConditioningSet) -> list[str]:
    """Return the names of the tiles to generate; none if the model cannot generate them all."""
    supplied = conditioning_set.supplied
    names = [n for i, n in enumerate(context.test.names) if not supplied[:, i].all()]
    wanted = [n for n in names if n in context.images]
    possible = context.model.possible(conditioning_set.of(context.test), wanted)
    return wanted if len(possible) == len(wanted) else []


def generated(context: EvaluationContext) -> int:
    """Say how many pictures are generated: with few of them the distance is larger."""
    n = len(context.test)
    return min(SOME, n) if context.model.sampler else n


@torch.no_grad()
def measure(
    context: EvaluationContext, conditioning_set: ConditioningSet, _: torch.Generator
) -> dict[str, Tensor]:
    """Generate the pictures in parts; return the pseudo-values of their distance to real ones."""
    assert context.classifier is not None
    model, wanted = context.model, missing(context, conditioning_set)
    seen = []
    for part, rows in enumerate(context.parts(generated(context))):
        given = conditioning_set[rows].of(context.test[rows])
        drawn = model.generate(given, 1, context.seed + part, wanted)
        means = {n: model.modality(n).distribution.expected(p) for n, p in drawn.items()}
        seen.append(features(context.classifier, completed(model.modalities, given, means)[0]))
    real = features(context.classifier, completed(model.modalities, context.test, {})[0])
    made = torch.cat(seen)
    return {"value": pseudo_values(made, real)}
