"""Retrieval of samples by tags, and of tags from the other modalities."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mvae.evaluation.conditioning_sets import ConditioningSet
from mvae.evaluation.context import EvaluationContext
from mvae.evaluation.keys import FigureKey
from mvae.evaluation.measures.base import Measure
from mvae.evaluation.retrieval import average_precision, expected_by_chance
from mvae.evaluation.scored_figure import figure
from mvae.evaluation.step_cache import Step, StepCache
from mvae.modality import Modality

__all__ = ["Retrieval"]

#: Number of test samples that are ranked, and whose tags serve as queries.
ITEMS = 500
#: Number of queries that are processed together.
QUERIES_PER_BATCH = 50


class Retrieval(Measure):
    r"""Mean average precision of tags, by :func:`mvae.evaluation.retrieval.average_precision`.

    - *retrieval of tags*: for each tag t, the test samples are ranked by
      :math:`E_{h|x_S}[p(t|h)]`;
    - *retrieval by tags*: for the tags y of each sample, the other test samples are ranked by
      :math:`\log p(x_t|y) - \log p(x_t)`, where the second term is the mean over all queries, so
      that samples which are likely in any case do not rank high. Samples that share a tag with the
      query are relevant.
    """

    name = "retrieval"
    kinds = ("average_precision", "average_precision_chance")

    def steps(self, context: EvaluationContext) -> Iterator[Step]:
        """Yield a step for each set that predicts tags, and for each modality retrieved by tags."""
        for m, conditioning_set in context.predictable(lambda m: m.is_set):
            size = context.draws * context.steps_per_draw // 4
            run = partial(measure_tag_retrieval, context, m, conditioning_set)
            yield Step(f"tags {key_of(conditioning_set.given, m.name)}", 0, size, run)
        for m, wanted in tag_queries(context):
            run = partial(measure_retrieval_by_tags, context, m, wanted)
            size = context.draws * context.steps_per_draw
            yield Step(f"by tags {key_of((m.name,), wanted)}", 0, size, run)

    def figures(self, context: EvaluationContext, cache: StepCache) -> dict[str, Any]:
        """Return means over tags or queries, and the expectation of a random ranking."""
        found, chance = {}, {}
        predictable = context.predictable(lambda m: m.is_set)
        steps = {key_of(s.given, m.name): "tags" for m, s in predictable}
        steps |= {key_of((m.name,), wanted): "by tags" for m, wanted in tag_queries(context)}
        for key, step in steps.items():
            if result := cache.results(f"{step} {key}"):
                found[key] = figure(result["value"])
                chance[key] = figure(result["chance"])
        return {"average_precision": found, "average_precision_chance": chance} if found else {}

    def protocol(self, context: EvaluationContext) -> dict[str, str | int | float]:
        """Return what is ranked, and by what."""
        if not any(m.is_set for m in context.annotations):
            return {}
        n = min(ITEMS, len(context.test))
        return {
            "average_precision": f"{n} test samples are ranked, by the probability of each tag "
            "that any of them has; or, given the tags of each of them, by how much likelier these "
            "make them than the tags of the others do, those being relevant that share a tag; "
            f"{context.draws} draws of what is hidden; by chance: the expectation over all orders, "
            "averaged over the tags or queries"
        }


def key_of(given: tuple[str, ...], asked: str) -> str:
    """Return what is given and asked, by which steps and figures are named."""
    return str(FigureKey("average_precision", given, (asked,)))


def tag_queries(context: EvaluationContext) -> Iterator[tuple[Modality, str]]:
    """Yield the tags, with each other modality that can be generated from them alone."""
    for m in context.annotations:
        given = context.test.supply([m.name])
        if m.is_set:
            for name in context.model.possible_targets(given, None):
                if name != m.name:
                    yield m, name


@torch.no_grad()
def measure_tag_retrieval(
    context: EvaluationContext, m: Modality, conditioning_set: ConditioningSet, _: torch.Generator
) -> dict[str, Tensor]:
    """Compute the average precision of each tag, and that expected of a random ranking."""
    rows = slice(0, min(ITEMS, len(context.test)))
    samples = context.test[rows]
    given = conditioning_set[rows].restrict(samples)
    p = context.model.generate(given, context.draws, context.seed, [m.name])[m.name]
    scores = m.distribution.expected(p).mean(0).T  # (tags, B)
    relevant = samples.values[m.name].T > 0.5
    return {
        "value": average_precision(scores, relevant),
        "chance": expected_by_chance(relevant.sum(1), torch.full((len(relevant),), len(samples))),
    }


@torch.no_grad()
def measure_retrieval_by_tags(
    context: EvaluationContext, m: Modality, target: str, _: torch.Generator
) -> dict[str, Tensor]:
    """Compute the average precision of each sample's tags as a query for the other samples."""
    samples = context.test[slice(0, min(ITEMS, len(context.test)))]
    tags, items = samples.values[m.name] > 0.5, samples.values[target]
    queries = samples.supply([m.name])
    scores = []
    for i in range(0, len(samples), QUERIES_PER_BATCH):
        query_batch = queries[slice(i, i + QUERIES_PER_BATCH)]
        p = context.model.generate(query_batch, context.draws, context.seed, [target])[target]
        # Each item is scored under the draws of every query, (N, Q); all items together, (Q, B).
        scores.append(torch.stack([p.log_prob(x).logsumexp(0) for x in items], -1))
    log_ratio = torch.cat(scores)
    log_ratio = log_ratio - log_ratio.mean(0)
    relevant = (tags.float() @ tags.float().T) > 0
    relevant.fill_diagonal_(False)
    log_ratio.fill_diagonal_(-torch.inf)  # a sample does not retrieve itself
    return {
        "value": average_precision(log_ratio, relevant),
        "chance": expected_by_chance(
            relevant.sum(1), torch.full((len(samples),), len(samples) - 1)
        ),
    }
