"""Fréchet distance between real pictures and those generated from each conditioning set."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mvae.evaluation.conditioning_sets import ConditioningSet
from mvae.evaluation.context import GENERATED_SAMPLES, EvaluationContext
from mvae.evaluation.frechet import features, pseudo_values
from mvae.evaluation.keys import FigureKey
from mvae.evaluation.measures.base import Measure
from mvae.evaluation.scored_figure import ScoredFigure
from mvae.evaluation.step_cache import Step, StepCache
from mvae.images.tiling import complete_pictures

__all__ = ["Frechet"]


class Frechet(Measure):
    """Fréchet distance between generated pictures, one per test sample, and the real ones."""

    name = "frechet"
    kinds = ("frechet",)

    def steps(self, context: EvaluationContext) -> Iterator[Step]:
        """Yield a step for each conditioning set whose missing tiles the model can generate."""
        if context.classifier is None:
            return
        size = len(context.parts(n_pictures(context))) * (1 + context.steps_per_draw // 3)
        for conditioning_set in context.conditioning_sets:
            if missing_tiles(context, conditioning_set):
                yield Step(
                    f"frechet {conditioning_set.key}",
                    0,
                    size,
                    partial(measure, context, conditioning_set),
                )

    def figures(self, context: EvaluationContext, cache: StepCache) -> dict[str, Any]:
        """Return distances by conditioning set and generated tiles."""
        found = {}
        for conditioning_set in context.conditioning_sets:
            if result := cache.results(f"frechet {conditioning_set.key}"):
                asked = tuple(missing_tiles(context, conditioning_set))
                key = str(FigureKey("frechet", conditioning_set.given, asked))
                each = result["value"]
                error = each.std().item() / len(each) ** 0.5
                found[key] = ScoredFigure(
                    {
                        "mean": round(each.mean().item(), 3),
                        "se": round(error, 3),
                        "n": n_pictures(context),
                    },
                    each,
                )
        return {"frechet": found} if found else {}

    def protocol(self, context: EvaluationContext) -> dict[str, str | int | float]:
        """Return the features and the number of pictures."""
        n = n_pictures(context)
        source = "each test sample" if n == len(context.test) else f"each of {n:,} test samples"
        return {
            "frechet": "squared Fréchet distance in the last hidden layer of the classifier, one "
            f"generated picture (pixel means) for {source}; standard error by a jackknife over the "
            "generated ones"
        }


def missing_tiles(context: EvaluationContext, conditioning_set: ConditioningSet) -> list[str]:
    """Return the tiles that are not supplied; none if the model cannot generate all of them."""
    supplied = conditioning_set.supplied
    names = [n for i, n in enumerate(context.test.names) if not supplied[:, i].all()]
    targets = [n for n in names if n in context.images]
    possible = context.model.possible_targets(conditioning_set.restrict(context.test), targets)
    return targets if len(possible) == len(targets) else []


def n_pictures(context: EvaluationContext) -> int:
    """Return how many pictures are generated; the fewer they are, the larger the distance."""
    n = len(context.test)
    return min(GENERATED_SAMPLES, n) if context.model.uses_gibbs_chains else n


@torch.no_grad()
def measure(
    context: EvaluationContext, conditioning_set: ConditioningSet, _: torch.Generator
) -> dict[str, Tensor]:
    """Generate pictures in parts, and compute the pseudo-values of their distance to real ones."""
    assert context.classifier is not None
    model, targets = context.model, missing_tiles(context, conditioning_set)
    generated_features = []
    for part, rows in enumerate(context.parts(n_pictures(context))):
        given = conditioning_set[rows].restrict(context.test[rows])
        drawn = model.generate(given, 1, context.seed + part, targets)
        means = {n: model.modality(n).distribution.expected(p) for n, p in drawn.items()}
        pictures = complete_pictures(model.modalities, given, means)[0]
        generated_features.append(features(context.classifier, pictures))
    real = features(context.classifier, complete_pictures(model.modalities, context.test, {})[0])
    generated = torch.cat(generated_features)
    return {"value": pseudo_values(generated, real)}
