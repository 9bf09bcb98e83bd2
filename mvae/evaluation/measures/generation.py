"""Coherence, diversity and predictive log p of samples generated from each conditioning set."""

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
from mvae.evaluation.accuracy import coherence, most_probable
from mvae.evaluation.conditioning_sets import ConditioningSet
from mvae.evaluation.context import EvaluationContext
from mvae.evaluation.keys import FigureKey, joined, names_of
from mvae.evaluation.measures.base import Measure
from mvae.evaluation.scored_figure import figure
from mvae.evaluation.step_cache import Step, StepCache
from mvae.images.tiling import complete_pictures
from mvae.models.base import LatentModel

__all__ = ["Generation"]

#: Number of generated pictures per sample; and of real pictures per label, for comparison.
N_PICTURES, N_REAL = 8, 100


class Generation(Measure):
    r"""Figures of samples generated for every missing modality t, given every set S.

    - *predictive*: :math:`\log\frac1N\sum_n p(x_t|h_n)`, with :math:`h_n` drawn given x_S, in nats;
    - *coherence*: the fraction of generated pictures that a separate classifier assigns to the
      supplied label; if none is supplied, to the sample's own label; and if nothing is supplied, to
      the label that the same draw generates. For tags and several labels, the fraction that agrees;
    - *diversity*: the mean pairwise distance between pictures of one sample, relative to that
      between real pictures;
    - *entropy*: the entropy of the posterior, in nats.
    """

    name = "generation"
    kinds = ("predictive", "coherence", "diversity", "entropy", "classifier_accuracy")

    def steps(self, context: EvaluationContext) -> Iterator[Step]:
        """Yield a step for each conditioning set and part of the samples."""
        for conditioning_set in context.conditioning_sets:
            if conditioning_set.supplied.all() and not context.has_posterior(conditioning_set):
                continue  # nothing to generate and no entropy to measure
            for part, rows in enumerate(context.parts(context.n_generated)):
                run = partial(measure_generation, context, conditioning_set, rows, part)
                size = context.draws * context.steps_per_draw // 4
                yield Step(f"generated {conditioning_set.key}", part, size, run)
        if context.classifier is not None:
            yield Step("classifier", 0, 10, partial(measure_classifier, context))

    def figures(self, context: EvaluationContext, cache: StepCache) -> dict[str, Any]:
        """Return the figures of every conditioning set and target."""
        result: dict[str, Any] = {}
        for conditioning_set in context.conditioning_sets:
            for name, values in cache.results(f"generated {conditioning_set.key}").items():
                kind, _, wanted = name.partition(" ")
                if (~values.isnan()).sum() > 1:
                    key = FigureKey(kind, conditioning_set.given, names_of(wanted))
                    result.setdefault(kind, {})[str(key)] = figure(values)
        if accuracy := cache.results("classifier"):
            result["classifier_accuracy"] = figure(accuracy["value"])
        return result

    def protocol(self, context: EvaluationContext) -> dict[str, str | int | float]:
        """Return the numbers of samples and draws, and how the figures are defined."""
        return {
            "n_generated": context.n_generated,
            "predictive": f"log mean of p(x|hidden) over {context.draws} draws of the model's own "
            "posterior, in nats",
            "coherence": f"{N_PICTURES} draws a sample, pixel means, named by a separate classifier"
            ": the share with the sample's label, or given nothing with the label of the same draw"
            + ("" if context.label else "; of tags and several labels the share that agrees"),
            "diversity": "mean pairwise pixel distance of a sample's draws over that of "
            f"{N_REAL} real images of its label, or given nothing of any label",
        }


@torch.no_grad()
def measure_generation(
    context: EvaluationContext,
    conditioning_set: ConditioningSet,
    rows: slice,
    part: int,
    _: torch.Generator,
) -> dict[str, Tensor]:
    """Compute all figures of some samples; NaN where a modality was supplied."""
    model, samples = context.model, context.test[rows]
    given = conditioning_set[rows].restrict(samples)
    drawn = model.generate(given, context.draws, context.seed + part)
    results = {"entropy": posterior_entropy(context, conditioning_set[rows], samples)}
    for i, m in enumerate(model.modalities):
        if m.name in drawn and not given.present[:, i].all():
            log_p = drawn[m.name].log_prob(samples.values[m.name])  # (N, B)
            score = log_p.logsumexp(0) - math.log(len(log_p))
            results[f"predictive {m.name}"] = score.masked_fill(given.present[:, i], math.nan)
    missing = [n for n in context.images if not given.present[:, given.names.index(n)].all()]
    if not missing or not drawn.keys() >= {*missing}:
        return results
    means = {
        name: model.modality(name).distribution.expected(p)[:N_PICTURES]
        for name, p in drawn.items()
        if name in context.images
    }
    pictures = complete_pictures(model.modalities, given, means)  # (N, B, C, H, W)
    annotation_draws = {m.name: drawn[m.name] for m in context.annotations if m.name in drawn}
    tiles = joined(missing)
    agreement = measure_coherence(
        context, conditioning_set, given, samples, pictures, annotation_draws
    )
    if agreement is not None:
        results[f"coherence {tiles}"] = agreement
    distance = torch.stack([torch.pdist(of.flatten(1)).mean() for of in pictures.unbind(1)])
    results[f"diversity {tiles}"] = distance / real_distances(context, conditioning_set, samples)
    return results


def measure_coherence(
    context: EvaluationContext,
    conditioning_set: ConditioningSet,
    given: Batch,
    samples: Batch,
    pictures: Tensor,
    annotation_draws: Mapping[str, Distribution],
) -> Tensor | None:
    """Compute the coherence of each sample, ``(B,)``; None if it is undefined."""
    if context.classifier is None:
        return None
    annotations = context.classifier.annotations
    supplied = {m.name: given.present[:, given.names.index(m.name)] for m in annotations}
    # If no annotation of a sample is supplied, all of its own annotations count.
    nothing_supplied = ~torch.stack(list(supplied.values())).any(0)
    mask = {name: x | nothing_supplied for name, x in supplied.items()}
    target = {m.name: samples.values[m.name] for m in annotations}
    if not conditioning_set.key:
        if any(m.name not in annotation_draws for m in annotations):
            return None
        target = {
            m.name: most_probable(m, m.distribution.expected(annotation_draws[m.name]))[
                : len(pictures)
            ]
            for m in annotations
        }
    predictions = context.classifier.predict(pictures.flatten(0, 1))
    predicted = {name: x.unflatten(0, pictures.shape[:2]) for name, x in predictions.items()}
    return coherence(annotations, predicted, target, mask).mean(0)


def posterior_entropy(
    context: EvaluationContext, conditioning_set: ConditioningSet, batch: Batch
) -> Tensor:
    """Return the entropy of the posterior, exactly or from draws; NaN if there is none."""
    if not context.has_posterior(conditioning_set):
        return torch.full((len(batch),), math.nan)
    assert isinstance(context.model, LatentModel)
    q = context.model.posterior(conditioning_set.restrict(batch))
    if isinstance(q, Gaussian):
        return q.entropy()
    z = q.sample(context.draws, torch.Generator().manual_seed(context.seed))
    return -q.log_prob(z).mean(0)


def real_distances(
    context: EvaluationContext, conditioning_set: ConditioningSet, batch: Batch
) -> Tensor:
    """Return the mean pairwise distance of real pictures of each sample's label, ``(B,)``."""
    label = context.label
    pictures = complete_pictures(context.model.modalities, context.test, {})[0].flatten(1)
    if label is None or not conditioning_set.key:
        return torch.pdist(pictures[:N_REAL]).mean().expand(len(batch))
    labels = context.test.values[label.name]
    each = [torch.pdist(pictures[labels == c][:N_REAL]).mean() for c in range(label.shape[0])]
    return torch.stack(each)[batch.values[label.name]]


@torch.no_grad()
def measure_classifier(context: EvaluationContext, _: torch.Generator) -> dict[str, Tensor]:
    """Return the classifier's accuracy on real pictures, an upper limit of any coherence."""
    assert context.classifier is not None
    pictures = complete_pictures(context.model.modalities, context.test, {})[0]
    return {"value": context.classifier.accuracy(pictures, context.test.values)}
