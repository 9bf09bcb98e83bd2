"""Fréchet distance of the pictures that a model generates from each situation to real ones."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mvae.evaluation.frechet import features, pseudo_values
from mvae.evaluation.measures.base import SOME, Measure, Scored, Situation, Subject
from mvae.evaluation.step_cache import Step, Work
from mvae.images.tiling import completed

__all__ = ["Frechet"]


class Frechet(Measure):
    """The distance between generated pictures, one for a test sample, and the real ones."""

    kinds = ("frechet",)

    def steps(self, subject: Subject) -> Iterator[Step]:
        """Generate a picture for each sample, wherever one is missing and can be generated."""
        if subject.classifier is None:
            return
        size = len(subject.parts(generated(subject))) * (1 + subject.steps // 3)
        for situation in subject.situations:
            if missing(subject, situation):
                yield Step(
                    f"frechet {situation.key}", 0, size, partial(measure, subject, situation)
                )

    def figures(self, subject: Subject, work: Work) -> dict[str, Any]:
        """Give the distance by what is given and what is asked."""
        found = {}
        for situation in subject.situations:
            if result := work.of(f"frechet {situation.key}"):
                key = f"{situation.key}->{'+'.join(missing(subject, situation))}"
                each = result["value"]
                error = each.std().item() / len(each) ** 0.5
                found[key] = Scored(
                    {
                        "mean": round(each.mean().item(), 3),
                        "se": round(error, 3),
                        "n": generated(subject),
                    },
                    each,
                )
        return {"frechet": found} if found else {}

    def protocol(self, subject: Subject) -> dict[str, str | int | float]:
        """Say in which features, and of how many pictures."""
        n = generated(subject)
        whose = "each test sample" if n == len(subject.test) else f"each of {n:,} test samples"
        return {
            "frechet": "squared Fréchet distance in the last hidden layer of the classifier, one "
            f"generated picture (pixel means) for {whose}; standard error by a jackknife over the "
            "generated ones"
        }


def missing(subject: Subject, situation: Situation) -> list[str]:
    """Name the tiles that are generated in a situation; none if it cannot generate them all."""
    supplied = situation.supplied
    names = [n for i, n in enumerate(subject.test.names) if not supplied[:, i].all()]
    wanted = [n for n in names if n in subject.images]
    possible = subject.model.possible(situation.of(subject.test), wanted)
    return wanted if len(possible) == len(wanted) else []


def generated(subject: Subject) -> int:
    """Say how many pictures are generated: with few of them the distance is larger."""
    n = len(subject.test)
    return min(SOME, n) if subject.model.sampler else n


@torch.no_grad()
def measure(subject: Subject, situation: Situation, _: torch.Generator) -> dict[str, Tensor]:
    """Generate the pictures in parts; return the pseudo-values of their distance to real ones."""
    assert subject.classifier is not None
    model, wanted = subject.model, missing(subject, situation)
    seen = []
    for part, rows in enumerate(subject.parts(generated(subject))):
        given = situation[rows].of(subject.test[rows])
        drawn = model.generate(given, 1, subject.seed + part, wanted)
        means = {n: model.modality(n).distribution.expected(p) for n, p in drawn.items()}
        seen.append(features(subject.classifier, completed(model.modalities, given, means)[0]))
    real = features(subject.classifier, completed(model.modalities, subject.test, {})[0])
    made = torch.cat(seen)
    return {"value": pseudo_values(made, real)}
