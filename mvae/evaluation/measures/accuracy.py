"""Accuracy of the labels, tags and texts that a model predicts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mvae.evaluation.accuracy import agreement, predict_value
from mvae.evaluation.conditioning_sets import ConditioningSet
from mvae.evaluation.context import GENERATED_SAMPLES, EvaluationContext
from mvae.evaluation.keys import FigureKey
from mvae.evaluation.measures.base import Measure
from mvae.evaluation.scored_figure import figure
from mvae.evaluation.step_cache import Step, StepCache
from mvae.modality import Modality

__all__ = ["TEXT_DRAWS", "Accuracy"]

#: Number of draws, whose most probable texts are the candidates for a model's prediction.
TEXT_DRAWS = 8


class Accuracy(Measure):
    r"""How often :math:`\arg\max_y E_{h|x_S}[p(y|h)]` is the label, with h drawn by the model.

    Texts are scored in the same way; for tags it is the fraction that is right.
    """

    name = "accuracy"
    kinds = ("accuracy", "accuracy_by_number")

    def steps(self, context: EvaluationContext) -> Iterator[Step]:
        """Yield steps that predict each annotation wherever it is not supplied."""
        for m, conditioning_set in prediction_tasks(context):
            for part, rows in enumerate(context.parts(n_samples(context, m))):
                run = partial(score_predictions, context, m, conditioning_set, rows, part)
                yield Step(f"accuracy {step_name(context, m, conditioning_set)}", part, 4, run)

    def figures(self, context: EvaluationContext, cache: StepCache) -> dict[str, Any]:
        """Return accuracies by conditioning set, and by the number of tiles supplied."""
        found = {}
        by_number: dict[str, list[Tensor]] = {}
        for m, conditioning_set in prediction_tasks(context):
            right = cache.results(f"accuracy {step_name(context, m, conditioning_set)}")["value"]
            given = {*conditioning_set.given}
            if conditioning_set.key and (~right.isnan()).sum() > 1:
                found[str(FigureKey("accuracy", conditioning_set.given, (m.name,)))] = figure(right)
            if m == context.label and given <= {*context.images}:
                by_number.setdefault(str(len(given)), []).append(right)
        result: dict[str, Any] = {"accuracy": found} if found else {}
        if by_number:
            # Subsets share the samples, so the standard error is taken over samples.
            result["accuracy_by_number"] = {
                count: figure(torch.stack(rights).mean(0)) for count, rights in by_number.items()
            }
        return result

    def protocol(self, context: EvaluationContext) -> dict[str, str | int | float]:
        """Return how annotations are predicted."""
        if not context.annotations:
            return {}
        description = f"argmax of E p(label|hidden), {context.draws} draws a sample"
        if any(m.is_set for m in context.annotations):
            description += "; of tags the share that is right"
        if any(m.is_text for m in context.annotations):
            description += (
                f"; a text is right as a whole, the likeliest of {TEXT_DRAWS} draws' texts"
            )
        return {
            "accuracy": description,
            "n_accuracy": max(n_samples(context, m) for m in context.annotations),
        }


def n_samples(context: EvaluationContext, m: Modality) -> int:
    """Return the number of test samples on which the accuracy of a modality is measured."""
    is_costly = context.model.uses_gibbs_chains or m.is_text
    return min(GENERATED_SAMPLES, len(context.test)) if is_costly else len(context.test)


def prediction_tasks(context: EvaluationContext) -> Iterator[tuple[Modality, ConditioningSet]]:
    """Yield each annotation with the conditioning sets from which it is predicted."""
    for m in context.annotations:
        column = context.test.names.index(m.name)
        for conditioning_set in context.conditioning_sets:
            supplied = conditioning_set.supplied[:, column].all()
            if not supplied and context.model.possible_targets(
                conditioning_set.restrict(context.test), [m.name]
            ):
                yield m, conditioning_set


def step_name(context: EvaluationContext, m: Modality, conditioning_set: ConditioningSet) -> str:
    """Return the name of a step, without the name of the label if there is only one."""
    asked = () if m == context.label else (m.name,)
    return str(FigureKey("accuracy", conditioning_set.given, asked))


@torch.no_grad()
def score_predictions(
    context: EvaluationContext,
    m: Modality,
    conditioning_set: ConditioningSet,
    rows: slice,
    part: int,
    _: torch.Generator,
) -> dict[str, Tensor]:
    """Score the prediction for each sample, from 0 to 1; NaN where it was supplied."""
    samples = context.test[rows]
    given = conditioning_set[rows].restrict(samples)
    draws = TEXT_DRAWS if m.is_text else context.draws
    p = context.model.generate(given, draws, context.seed + part, [m.name])[m.name]
    right = agreement(m, predict_value(m, p), samples.values[m.name])
    return {"value": right.masked_fill(given.present[:, given.names.index(m.name)], torch.nan)}
