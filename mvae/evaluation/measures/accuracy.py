"""How often the labels, tags and texts that a model infers are right."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mvae.evaluation.accuracy import agreement, told
from mvae.evaluation.measures.base import SOME, ConditioningSet, EvaluationContext, Measure, figure
from mvae.evaluation.step_cache import Step, StepCache
from mvae.modality import Modality

__all__ = ["TEXTS", "Accuracy"]

#: Draws whose likeliest texts are the candidates for what a model says.
TEXTS = 8


class Accuracy(Measure):
    r"""Whether :math:`\arg\max_y E_{h|x_S}[p(y|h)]` is the label, with h drawn by the model.

    So for each label, for each text; of tags it is the share that is right.
    """

    name = "accuracy"
    kinds = ("accuracy", "accuracy_by_number")

    def steps(self, context: EvaluationContext) -> Iterator[Step]:
        """Infer each modality in words wherever it is not supplied."""
        for m, conditioning_set in asked(context):
            for part, rows in enumerate(context.parts(samples(context, m))):
                run = partial(infer, context, m, conditioning_set, rows, part)
                yield Step(f"accuracy {key(context, m, conditioning_set)}", part, 4, run)

    def figures(self, context: EvaluationContext, cache: StepCache) -> dict[str, Any]:
        """Give accuracy by conditioning set, and by how many tiles of the picture are supplied."""
        found = {}
        by_number: dict[str, list[Tensor]] = {}
        for m, conditioning_set in asked(context):
            right = cache.of(f"accuracy {key(context, m, conditioning_set)}")["value"]
            given = set(conditioning_set.key.split("+")) - {""}
            if conditioning_set.key and (~right.isnan()).sum() > 1:
                found[f"{conditioning_set.key}->{m.name}"] = figure(right)
            if m == context.label and given <= {*context.images}:
                by_number.setdefault(str(len(given)), []).append(right)
        result: dict[str, Any] = {"accuracy": found} if found else {}
        if by_number:
            # Several subsets share the samples, so the standard error is over samples.
            result["accuracy_by_number"] = {
                count: figure(torch.stack(rights).mean(0)) for count, rights in by_number.items()
            }
        return result

    def protocol(self, context: EvaluationContext) -> dict[str, str | int | float]:
        """Say how words are inferred."""
        if not context.annotations:
            return {}
        said = f"argmax of E p(label|hidden), {context.draws} draws a sample"
        if any(m.is_set for m in context.annotations):
            said += "; of tags the share that is right"
        if any(m.is_text for m in context.annotations):
            said += f"; a text is right as a whole, the likeliest of {TEXTS} draws' texts"
        return {
            "accuracy": said,
            "n_accuracy": max(samples(context, m) for m in context.annotations),
        }


def samples(context: EvaluationContext, m: Modality) -> int:
    """Say of how many test samples a modality is inferred."""
    costly = context.model.sampler or m.is_text
    return min(SOME, len(context.test)) if costly else len(context.test)


def asked(context: EvaluationContext) -> Iterator[tuple[Modality, ConditioningSet]]:
    """List each modality in words with the conditioning sets in which it is inferred."""
    for m in context.annotations:
        place = context.test.names.index(m.name)
        for conditioning_set in context.conditioning_sets:
            told = conditioning_set.supplied[:, place].all()
            if not told and context.model.possible(conditioning_set.of(context.test), [m.name]):
                yield m, conditioning_set


def key(context: EvaluationContext, m: Modality, conditioning_set: ConditioningSet) -> str:
    """Name a step; where there is one label its name goes without saying."""
    return conditioning_set.key if m == context.label else f"{conditioning_set.key}->{m.name}"


@torch.no_grad()
def infer(
    context: EvaluationContext,
    m: Modality,
    conditioning_set: ConditioningSet,
    rows: slice,
    part: int,
    _: torch.Generator,
) -> dict[str, Tensor]:
    """Say for which samples what is inferred is right; NaN where it was supplied."""
    whole = context.test[rows]
    given = conditioning_set[rows].of(whole)
    draws = TEXTS if m.is_text else context.draws
    p = context.model.generate(given, draws, context.seed + part, [m.name])[m.name]
    right = agreement(m, told(m, p), whole.values[m.name])
    return {"value": right.masked_fill(given.present[:, given.names.index(m.name)], torch.nan)}
