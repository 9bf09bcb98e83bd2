"""Fréchet distance of the pictures that a model generates from each situation to real ones."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mvae.evaluation.frechet import features, frechet_distance, frechet_error
from mvae.evaluation.measures.measure import Measure, Situation, Subject
from mvae.evaluation.work import Step, Work
from mvae.pictures import completed

__all__ = ["Frechet"]


class Frechet(Measure):
    """The distance between one generated picture for each test sample and the real ones."""

    def steps(self, subject: Subject) -> Iterator[Step]:
        """Generate a picture for each sample, wherever one is missing and can be generated."""
        if subject.classifier is None:
            return
        yield Step("frechet real", 0, 10, partial(see, subject))
        for situation in subject.situations:
            if missing(subject, situation):
                for part, rows in enumerate(subject.parts(len(subject.test))):
                    run = partial(draw, subject, situation, rows, part)
                    yield Step(f"frechet {situation.key}", part, 1 + subject.steps // 3, run)

    def figures(self, subject: Subject, work: Work) -> dict[str, Any]:
        """Give the distance by what is given and what is asked."""
        real, found = work.of("frechet real"), {}
        for situation in subject.situations:
            if seen := work.of(f"frechet {situation.key}"):
                key = f"{situation.key}->{'+'.join(missing(subject, situation))}"
                points = seen["value"].float(), real["value"].float()
                found[key] = {
                    "mean": round(frechet_distance(*points), 3),
                    "se": round(frechet_error(*points), 3),
                    "n": len(points[0]),
                }
        return {"frechet": found} if found else {}

    def protocol(self, subject: Subject) -> dict[str, str | int | float]:
        """Say in which features."""
        return {
            "frechet": "squared Fréchet distance in the last hidden layer of the classifier, one "
            "generated picture (pixel means) for each test sample; standard error by a jackknife "
            "over the generated ones"
        }


def missing(subject: Subject, situation: Situation) -> list[str]:
    """Name the tiles that are generated in a situation; none if it cannot generate them all."""
    supplied = situation.supplied
    names = [n for i, n in enumerate(subject.test.names) if not supplied[:, i].all()]
    wanted = [n for n in names if n in subject.images]
    possible = subject.model.possible(situation.of(subject.test), wanted)
    return wanted if len(possible) == len(wanted) else []


@torch.no_grad()
def draw(
    subject: Subject, situation: Situation, rows: slice, part: int, _: torch.Generator
) -> dict[str, Tensor]:
    """Generate a picture for each of some samples, and give what the classifier sees in it."""
    assert subject.classifier is not None
    given = situation[rows].of(subject.test[rows])
    model, wanted = subject.model, missing(subject, situation)
    generated = model.generate(given, 1, subject.seed + part, wanted)
    means = {n: model.modality(n).distribution.expected(p) for n, p in generated.items()}
    seen = features(subject.classifier, completed(model.modalities, given, means)[0])
    return {"value": seen.half()}  # the working file need not be larger


@torch.no_grad()
def see(subject: Subject, _: torch.Generator) -> dict[str, Tensor]:
    """Give what the classifier sees in the real pictures."""
    assert subject.classifier is not None
    pictures = completed(subject.model.modalities, subject.test, {})[0]
    return {"value": features(subject.classifier, pictures).half()}
