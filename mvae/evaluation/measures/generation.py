"""Coherence, diversity and predictive log p of what is generated from each conditioning set."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from mvae.batch import Batch
from mvae.distributions.gaussian import Gaussian
from mvae.evaluation.accuracy import coherence, likeliest
from mvae.evaluation.keys import FigureKey, joined, names_of
from mvae.evaluation.measures.base import ConditioningSet, EvaluationContext, Measure, figure
from mvae.evaluation.step_cache import Step, StepCache
from mvae.images.tiling import completed
from mvae.models.base import LatentModel

__all__ = ["Generation"]

#: Draws whose pictures are judged; and real pictures of a label that their distances are set
#: beside.
PICTURES, REAL = 8, 100


class Generation(Measure):
    r"""For every conditioning set S and missing modality t, under the model itself.

    - *predictive*: :math:`\log\frac1N\sum_n p(x_t|h_n)` with :math:`h_n` drawn given x_S, in nats;
    - *coherence*: the share of the generated pictures that a separate classifier names as the
      label that is supplied, or as the sample's own, or, where nothing is supplied, as the label
      that the same draw generates; of tags and of several labels the share that agrees;
    - *diversity*: mean pairwise distance of the pictures of one sample, over that of real ones;
    - *entropy* of the posterior, in nats.
    """

    name = "generation"
    kinds = ("predictive", "coherence", "diversity", "entropy", "classifier_accuracy")

    def steps(self, context: EvaluationContext) -> Iterator[Step]:
        """Take some samples in parts, each conditioning set by itself."""
        for conditioning_set in context.conditioning_sets:
            if conditioning_set.supplied.all() and not context.has_posterior(conditioning_set):
                continue  # nothing is missing, and there is no posterior: no chains for nothing
            for part, rows in enumerate(context.parts(context.some)):
                run = partial(generate, context, conditioning_set, rows, part)
                size = context.draws * context.steps // 4
                yield Step(f"generated {conditioning_set.key}", part, size, run)
        if context.classifier is not None:
            yield Step("classifier", 0, 10, partial(name_real, context))

    def figures(self, context: EvaluationContext, cache: StepCache) -> dict[str, Any]:
        """Give the figures of every pair of what is given and what is asked."""
        result: dict[str, Any] = {}
        for conditioning_set in context.conditioning_sets:
            for name, values in cache.of(f"generated {conditioning_set.key}").items():
                kind, _, wanted = name.partition(" ")
                if (~values.isnan()).sum() > 1:
                    key = FigureKey(kind, conditioning_set.given, names_of(wanted))
                    result.setdefault(kind, {})[str(key)] = figure(values)
        if right := cache.of("classifier"):
            result["classifier_accuracy"] = figure(right["value"])
        return result

    def protocol(self, context: EvaluationContext) -> dict[str, str | int | float]:
        """Say how many samples and draws there are."""
        return {
            "n_generated": context.some,
            "predictive": f"log mean of p(x|hidden) over {context.draws} draws of the model's own "
            "posterior, in nats",
            "coherence": f"{PICTURES} draws a sample, pixel means, named by a separate classifier: "
            "the share with the sample's label, or given nothing with the label of the same draw"
            + ("" if context.label else "; of tags and several labels the share that agrees"),
            "diversity": "mean pairwise pixel distance of a sample's draws over that of "
            f"{REAL} real images of its label, or given nothing of any label",
        }


@torch.no_grad()
def generate(
    context: EvaluationContext,
    conditioning_set: ConditioningSet,
    rows: slice,
    part: int,
    _: torch.Generator,
) -> dict[str, Tensor]:
    """Measure some samples; NaN stands where a modality was supplied."""
    model, whole = context.model, context.test[rows]
    given = conditioning_set[rows].of(whole)
    drawn = model.generate(given, context.draws, context.seed + part)
    results = {"entropy": entropy(context, conditioning_set[rows], whole)}
    for i, m in enumerate(model.modalities):
        if m.name in drawn and not given.present[:, i].all():
            log_p = drawn[m.name].log_prob(whole.values[m.name])  # (N, B)
            score = log_p.logsumexp(0) - math.log(len(log_p))
            results[f"predictive {m.name}"] = score.masked_fill(given.present[:, i], math.nan)
    missing = [n for n in context.images if not given.present[:, given.names.index(n)].all()]
    if not missing or not drawn.keys() >= {*missing}:
        return results
    means = {
        name: model.modality(name).distribution.expected(p)[:PICTURES]
        for name, p in drawn.items()
        if name in context.images
    }
    pictures = completed(model.modalities, given, means)  # (N, B, C, H, W)
    words = {m.name: drawn[m.name] for m in context.annotations if m.name in drawn}
    tiles = joined(missing)
    right = coherent(context, conditioning_set, given, whole, pictures, words)
    if right is not None:
        results[f"coherence {tiles}"] = right
    apart = torch.stack([torch.pdist(of.flatten(1)).mean() for of in pictures.unbind(1)])
    results[f"diversity {tiles}"] = apart / distances(context, conditioning_set, whole)
    return results


def coherent(
    context: EvaluationContext,
    conditioning_set: ConditioningSet,
    given: Batch,
    whole: Batch,
    pictures: Tensor,
    words: Mapping[str, Distribution],
) -> Tensor | None:
    """Say how far what a classifier sees agrees with what it should see, ``(B,)``."""
    if context.classifier is None:
        return None
    annotations = context.classifier.annotations
    there = {m.name: given.present[:, given.names.index(m.name)] for m in annotations}
    # Where nothing is said in words all of it counts that is known of the sample.
    silent = ~torch.stack(list(there.values())).any(0)
    counted = {name: x | silent for name, x in there.items()}
    wanted = {m.name: whole.values[m.name] for m in annotations}
    if not conditioning_set.key:
        if any(m.name not in words for m in annotations):
            return None
        wanted = {
            m.name: likeliest(m, m.distribution.expected(words[m.name]))[: len(pictures)]
            for m in annotations
        }
    found = context.classifier.name(pictures.flatten(0, 1))
    seen = {name: x.unflatten(0, pictures.shape[:2]) for name, x in found.items()}
    return coherence(annotations, seen, wanted, counted).mean(0)


def entropy(context: EvaluationContext, conditioning_set: ConditioningSet, batch: Batch) -> Tensor:
    """Give the entropy of the posterior, exactly or by draws; NaN where there is none."""
    if not context.has_posterior(conditioning_set):
        return torch.full((len(batch),), math.nan)
    assert isinstance(context.model, LatentModel)
    q = context.model.posterior(conditioning_set.of(batch))
    if isinstance(q, Gaussian):
        return q.entropy()
    z = q.sample(context.draws, torch.Generator().manual_seed(context.seed))
    return -q.log_prob(z).mean(0)


def distances(
    context: EvaluationContext, conditioning_set: ConditioningSet, batch: Batch
) -> Tensor:
    """Give the mean pairwise distance of real pictures of each sample's label, ``(B,)``."""
    label = context.label
    pictures = completed(context.model.modalities, context.test, {})[0].flatten(1)
    if label is None or not conditioning_set.key:
        return torch.pdist(pictures[:REAL]).mean().expand(len(batch))
    labels = context.test.values[label.name]
    each = [torch.pdist(pictures[labels == c][:REAL]).mean() for c in range(label.shape[0])]
    return torch.stack(each)[batch.values[label.name]]


@torch.no_grad()
def name_real(context: EvaluationContext, _: torch.Generator) -> dict[str, Tensor]:
    """Say how far the classifier names real pictures right: more than that nobody can reach."""
    assert context.classifier is not None
    pictures = completed(context.model.modalities, context.test, {})[0]
    return {"value": context.classifier.right(pictures, context.test.values)}
