"""The conflict of matched samples, by which a page says what is unusual; and what a step costs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mvae.evaluation.cost import decoder_evaluations
from mvae.evaluation.measures.measure import FEW, Measure, Subject, subsets_of
from mvae.evaluation.work import Step, Work
from mvae.gaussian import conflict
from mvae.modality import Batch
from mvae.model import ExpertModel

__all__ = ["Facts"]

#: Percentiles of conflict that are stored: 0, ½, 1, … 100 %.
QUANTILES = 201


class Facts(Measure):
    """Percentiles of the conflict gauge, and decoder evaluations of a training step."""

    kinds = ("decoder_evaluations", "conflict")

    def steps(self, subject: Subject) -> Iterator[Step]:
        """Take all test samples at once."""
        if isinstance(subject.model, ExpertModel) and len(subject.test.names) <= FEW:
            yield Step("conflict", 0, 20, partial(measure_conflict, subject))

    def figures(self, subject: Subject, work: Work) -> dict[str, Any]:
        """Give evenly spaced quantiles by subset; and evaluations by modality."""
        result: dict[str, Any] = {
            "decoder_evaluations": decoder_evaluations(subject.config, subject.test[slice(0, 8)])
        }
        if found := work.of("conflict"):
            result["conflict"] = {
                key: [round(point, 3) for point in points.tolist()] for key, points in found.items()
            }
        return result

    def protocol(self, subject: Subject) -> dict[str, str | int | float]:
        """Say what the quantiles are of."""
        return {"conflict": f"{QUANTILES} evenly spaced quantiles over matched test samples"}


def measure_conflict(subject: Subject, _: torch.Generator) -> dict[str, Tensor]:
    """Give the quantiles as a step's results."""
    assert isinstance(subject.model, ExpertModel)
    return conflict_quantiles(subject.model, subject.test)


@torch.no_grad()
def conflict_quantiles(model: ExpertModel, batch: Batch) -> dict[str, Tensor]:
    """Percentiles of the conflict gauge over matched samples, for every subset of two or more."""
    batch = batch.align(model.modalities)
    experts = model.experts(batch)
    levels = torch.linspace(0, 1, QUANTILES, dtype=torch.float64)
    return {
        "+".join(subset): conflict(experts, model.product(experts, batch.mask([subset])[0]))
        .double()
        .quantile(levels)
        for subset in subsets_of(batch.names, smallest=2)
    }
