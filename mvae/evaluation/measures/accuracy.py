"""How often the labels, tags and texts that a model infers are right."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mvae.evaluation.accuracy import agreement, told
from mvae.evaluation.measures.base import SOME, Measure, Situation, Subject, figure
from mvae.evaluation.step_cache import Step, Work
from mvae.modality import Modality

__all__ = ["TEXTS", "Accuracy"]

#: Draws whose likeliest texts are the candidates for what a model says.
TEXTS = 8


class Accuracy(Measure):
    r"""Whether :math:`\arg\max_y E_{h|x_S}[p(y|h)]` is the label, with h drawn by the model.

    So for each label, for each text; of tags it is the share that is right.
    """

    kinds = ("accuracy", "accuracy_by_number")

    def steps(self, subject: Subject) -> Iterator[Step]:
        """Infer each modality in words wherever it is not supplied."""
        for m, situation in asked(subject):
            for part, rows in enumerate(subject.parts(samples(subject, m))):
                run = partial(infer, subject, m, situation, rows, part)
                yield Step(f"accuracy {key(subject, m, situation)}", part, 4, run)

    def figures(self, subject: Subject, work: Work) -> dict[str, Any]:
        """Give accuracy by situation, and by how many tiles of the picture are supplied."""
        found = {}
        by_number: dict[str, list[Tensor]] = {}
        for m, situation in asked(subject):
            right = work.of(f"accuracy {key(subject, m, situation)}")["value"]
            given = set(situation.key.split("+")) - {""}
            if situation.key and (~right.isnan()).sum() > 1:
                found[f"{situation.key}->{m.name}"] = figure(right)
            if m == subject.label and given <= {*subject.images}:
                by_number.setdefault(str(len(given)), []).append(right)
        result: dict[str, Any] = {"accuracy": found} if found else {}
        if by_number:
            # Several subsets share the samples, so the standard error is over samples.
            result["accuracy_by_number"] = {
                count: figure(torch.stack(rights).mean(0)) for count, rights in by_number.items()
            }
        return result

    def protocol(self, subject: Subject) -> dict[str, str | int | float]:
        """Say how words are inferred."""
        if not subject.named:
            return {}
        said = f"argmax of E p(label|hidden), {subject.draws} draws a sample"
        if any(m.kind == "tags" for m in subject.named):
            said += "; of tags the share that is right"
        if any(m.kind == "text" for m in subject.named):
            said += f"; a text is right as a whole, the likeliest of {TEXTS} draws' texts"
        return {"accuracy": said, "n_accuracy": max(samples(subject, m) for m in subject.named)}


def samples(subject: Subject, m: Modality) -> int:
    """Say of how many test samples a modality is inferred."""
    costly = subject.model.sampler or m.kind == "text"
    return min(SOME, len(subject.test)) if costly else len(subject.test)


def asked(subject: Subject) -> Iterator[tuple[Modality, Situation]]:
    """List each modality in words with the situations in which it is inferred."""
    for m in subject.named:
        place = subject.test.names.index(m.name)
        for situation in subject.situations:
            told = situation.supplied[:, place].all()
            if not told and subject.model.possible(situation.of(subject.test), [m.name]):
                yield m, situation


def key(subject: Subject, m: Modality, situation: Situation) -> str:
    """Name a step; where there is one label its name goes without saying."""
    return situation.key if m == subject.label else f"{situation.key}->{m.name}"


@torch.no_grad()
def infer(
    subject: Subject, m: Modality, situation: Situation, rows: slice, part: int, _: torch.Generator
) -> dict[str, Tensor]:
    """Say for which samples what is inferred is right; NaN where it was supplied."""
    whole = subject.test[rows]
    given = situation[rows].of(whole)
    draws = TEXTS if m.kind == "text" else subject.draws
    p = subject.model.generate(given, draws, subject.seed + part, [m.name])[m.name]
    right = agreement(m, told(m, p), whole.values[m.name])
    return {"value": right.masked_fill(given.present[:, given.names.index(m.name)], torch.nan)}
