"""How often the label that a model infers is right."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mvae.evaluation.measures.measure import SOME, Measure, Situation, Subject, figure
from mvae.evaluation.work import Step, Work

__all__ = ["Accuracy"]


class Accuracy(Measure):
    r"""Whether :math:`\arg\max_y E_{h|x_S}[p(y|h)]` is the label, with h drawn by the model."""

    def steps(self, subject: Subject) -> Iterator[Step]:
        """Infer the label wherever it is not supplied."""
        if subject.label is None:
            return
        some = SOME if subject.model.sampler else len(subject.test)
        place = subject.test.names.index(subject.label.name)
        for situation in subject.situations:
            told = situation.supplied[:, place].all()
            if not told and subject.model.possible(
                situation.of(subject.test), [subject.label.name]
            ):
                for part, rows in enumerate(subject.parts(some)):
                    run = partial(infer, subject, situation, rows, part)
                    yield Step(f"accuracy {situation.key}", part, 4, run)

    def figures(self, subject: Subject, work: Work) -> dict[str, Any]:
        """Give accuracy by situation, and by how many tiles of the picture are supplied."""
        if subject.label is None:
            return {}
        found = {
            s.key: done["value"]
            for s in subject.situations
            if (done := work.of(f"accuracy {s.key}"))
        }
        by_number: dict[str, list[Tensor]] = {}
        for key, right in found.items():
            given = set(key.split("+")) - {""}
            if given <= {*subject.images}:
                by_number.setdefault(str(len(given)), []).append(right)
        return {
            "accuracy": {
                f"{key}->{subject.label.name}": figure(right) for key, right in found.items() if key
            },
            # Several subsets share the samples, so the standard error is over samples.
            "accuracy_by_number": {
                count: figure(torch.stack(rights).mean(0)) for count, rights in by_number.items()
            },
        }

    def protocol(self, subject: Subject) -> dict[str, str | int | float]:
        """Say how the label is inferred."""
        n = len(subject.test)
        return {
            "accuracy": f"argmax of E p(label|hidden), {subject.draws} draws a sample",
            "n_accuracy": min(SOME, n) if subject.model.sampler else n,
        }


@torch.no_grad()
def infer(
    subject: Subject, situation: Situation, rows: slice, part: int, _: torch.Generator
) -> dict[str, Tensor]:
    """Say for which samples the inferred label is right; NaN where it was supplied."""
    assert subject.label is not None
    label, whole = subject.label.name, subject.test[rows]
    given = situation[rows].of(whole)
    p = subject.model.generate(given, subject.draws, subject.seed + part, [label])[label]
    named = subject.label.distribution.expected(p).mean(0).argmax(-1)
    right = (named == whole.values[label]).float()
    return {"value": right.masked_fill(given.present[:, given.names.index(label)], torch.nan)}
