"""Whether tags are found by the other modalities, and the other modalities by tags."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mvae.evaluation.measures.base import ConditioningSet, EvaluationContext, Measure, figure
from mvae.evaluation.retrieval import average_precision, expected_by_chance
from mvae.evaluation.step_cache import Step, StepCache
from mvae.modality import Modality

__all__ = ["Retrieval"]

#: Test samples that are searched, and those whose tags are the queries.
ITEMS = 500
#: Queries of which something is generated together.
TOGETHER = 50


class Retrieval(Measure):
    r"""Mean average precision of tags, by :func:`mvae.evaluation.retrieval.average_precision`.

    - *tags found*: for each tag the test samples are ranked by :math:`E_{h|x_S}[p(t|h)]`;
    - *found by tags*: for each sample's tags y the test samples are ranked by
      :math:`\log p(x_t|y) - \log p(x_t)`, the second term being the mean over all queries, and
      those are relevant that share a tag with it. What is likely anyway is found by no query.
    """

    name = "retrieval"
    kinds = ("average_precision", "average_precision_chance")

    def steps(self, context: EvaluationContext) -> Iterator[Step]:
        """Rank in every conditioning set in which tags are missing; and from tags alone."""
        for m, conditioning_set in context.told(lambda m: m.is_set):
            size = context.draws * context.steps // 4
            run = partial(find_tags, context, m, conditioning_set)
            yield Step(f"tags {conditioning_set.key}->{m.name}", 0, size, run)
        for m, wanted in sought(context):
            run = partial(find_others, context, m, wanted)
            yield Step(f"by tags {m.name}->{wanted}", 0, context.draws * context.steps, run)

    def figures(self, context: EvaluationContext, cache: StepCache) -> dict[str, Any]:
        """Return the mean over tags or queries, and what a random ranking is expected to reach."""
        found, chance = {}, {}
        keys = {
            f"{s.key}->{m.name}": f"tags {s.key}->{m.name}"
            for m, s in context.told(lambda m: m.is_set)
        }
        keys |= {f"{m.name}->{t}": f"by tags {m.name}->{t}" for m, t in sought(context)}
        for key, what in keys.items():
            result = cache.of(what)
            if result:
                found[key] = figure(result["value"])
                chance[key] = figure(result["chance"])
        return {"average_precision": found, "average_precision_chance": chance} if found else {}

    def protocol(self, context: EvaluationContext) -> dict[str, str | int | float]:
        """Say what is ranked by what."""
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


def sought(context: EvaluationContext) -> Iterator[tuple[Modality, str]]:
    """List tags, and the other modalities that are generated from them alone."""
    for m in context.annotations:
        given = context.test.supply([m.name])
        if m.is_set:
            for name in context.model.possible(given, None):
                if name != m.name:
                    yield m, name


@torch.no_grad()
def find_tags(
    context: EvaluationContext, m: Modality, conditioning_set: ConditioningSet, _: torch.Generator
) -> dict[str, Tensor]:
    """Return each tag's average precision, and that expected of a random ranking."""
    rows = slice(0, min(ITEMS, len(context.test)))
    whole = context.test[rows]
    given = conditioning_set[rows].of(whole)
    p = context.model.generate(given, context.draws, context.seed, [m.name])[m.name]
    scores = m.distribution.expected(p).mean(0).T  # (tags, B)
    relevant = whole.values[m.name].T > 0.5
    return {
        "value": average_precision(scores, relevant),
        "chance": expected_by_chance(relevant.sum(1), torch.full((len(relevant),), len(whole))),
    }


@torch.no_grad()
def find_others(
    context: EvaluationContext, m: Modality, wanted: str, _: torch.Generator
) -> dict[str, Tensor]:
    """Return the average precision of each sample's tags as a query for the other samples."""
    whole = context.test[slice(0, min(ITEMS, len(context.test)))]
    tags, items = whole.values[m.name] > 0.5, whole.values[wanted]
    queries = whole.supply([m.name])
    scores = []
    for i in range(0, len(whole), TOGETHER):
        some = queries[slice(i, i + TOGETHER)]
        p = context.model.generate(some, context.draws, context.seed, [wanted])[wanted]
        # Every item under every query's draws: (N, Q) for each, (Q, B) together.
        scores.append(torch.stack([p.log_prob(x).logsumexp(0) for x in items], -1))
    above = torch.cat(scores)
    above = above - above.mean(0)
    relevant = (tags.float() @ tags.float().T) > 0
    relevant.fill_diagonal_(False)
    above.fill_diagonal_(-torch.inf)  # a sample does not find itself
    return {
        "value": average_precision(above, relevant),
        "chance": expected_by_chance(relevant.sum(1), torch.full((len(whole),), len(whole) - 1)),
    }
