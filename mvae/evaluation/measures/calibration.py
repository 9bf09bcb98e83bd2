"""Whether beliefs are as sure as they may be, and what a linear probe can read off them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mvae.evaluation.calibration import USED, Calibration, calibrate
from mvae.evaluation.measures.base import WHOLE, Measure, Situation, Subject, figure
from mvae.evaluation.probe import linear_probe
from mvae.evaluation.step_cache import Step, Work
from mvae.models.base import LatentModel

__all__ = ["Honesty", "Probe"]

#: Simulated samples; and bins of a rank histogram.
SIMULATED, BINS = 2000, 20
#: Intervals whose coverage is counted.
LEVELS = (0.5, 0.9)
#: Share of the bars that a band of evenly spread ranks holds.
BAND = 0.99
#: Training samples that a probe learns from.
LEARNED = 10_000


def believing(subject: Subject) -> list[Situation]:
    """List the situations in which something is supplied and the model has a belief."""
    return [s for s in subject.situations if s.key and subject.believes(s)]


class Honesty(Measure):
    """Simulation-based calibration of q(z|x_S); see :mod:`mvae.evaluation.calibration`."""

    kinds = (*(f"coverage_{level:.0%}" for level in LEVELS), "used_latents", "ranks", "rank_band")

    def steps(self, subject: Subject) -> Iterator[Step]:
        """Simulate anew for each situation: all of them see the same samples."""
        for situation in believing(subject):
            run = partial(rank, subject, situation)
            yield Step(f"ranks {situation.key}", 0, 8, run)

    def figures(self, subject: Subject, work: Work) -> dict[str, Any]:
        """Return coverage and rank histograms of the dimensions in use, by situation.

        A situation in which no dimension is in use has none: its posterior is the prior.
        """
        coverage: dict[str, dict[str, Any]] = {f"coverage_{level:.0%}": {} for level in LEVELS}
        used, ranks, bands = {}, {}, {}
        for situation in believing(subject):
            found = work.of(f"ranks {situation.key}")
            whole = Calibration(found["value"], found["information"])
            kept = whole.used
            samples, count = kept.ranks.shape
            used[situation.key] = {"mean": count, "se": 0.0, "n": samples}
            if not count:
                continue
            for level in LEVELS:
                # Dimensions share the samples, so the standard error is over samples.
                coverage[f"coverage_{level:.0%}"][situation.key] = figure(
                    kept.covered(level).double().mean(1)
                ) | {"by_dimension": [round(c, 3) for c in whole.coverage(level).tolist()]}
            counts = kept.histogram(BINS).T  # (D, BINS)
            if len(subject.situations) > WHOLE:
                counts = counts.sum(0, keepdim=True)  # of many situations all dimensions together
            ranks[situation.key] = counts.tolist()
            source = torch.Generator().manual_seed(subject.seed)
            band = kept.band(BINS, BAND, generator=source)
            bands[situation.key] = [round(height, 3) for height in band]
        if not used:
            return {}
        return {**coverage, "used_latents": used, "ranks": ranks, "rank_band": bands}

    def protocol(self, subject: Subject) -> dict[str, str | int | float]:
        """Say how samples are simulated."""
        return {
            "coverage": f"{SIMULATED:,} simulated samples, z ~ p(z), x ~ p(x|z), not of the test "
            "split; the share of z_d within the central interval of q(z_d|x_S), over the "
            f"dimensions in use: KL to the prior of {USED} nats or more, averaged over samples"
        }


@torch.no_grad()
def rank(subject: Subject, situation: Situation, _: torch.Generator) -> dict[str, Tensor]:
    """Rank simulated latents within the belief that their own data give."""
    assert isinstance(subject.model, LatentModel)
    # The n-th simulated sample is given what the n-th test sample is given, from the first again.
    supplied = situation.supplied[torch.arange(SIMULATED) % len(situation.supplied)]
    source = torch.Generator().manual_seed(subject.seed)
    found = calibrate(subject.model, supplied, source)
    return {"value": found.ranks, "information": found.information}


class Probe(Measure):
    """Accuracy of a linear probe on the mean of the belief; see :mod:`mvae.evaluation.probe`."""

    kinds = ("probe",)

    def steps(self, subject: Subject) -> Iterator[Step]:
        """Learn a probe for each situation that does not tell the label itself."""
        if subject.label is None:
            return
        place = subject.test.names.index(subject.label.name)
        for situation in believing(subject):
            if not situation.supplied[:, place].any():
                yield Step(f"probe {situation.key}", 0, 60, partial(probe, subject, situation))

    def figures(self, subject: Subject, work: Work) -> dict[str, Any]:
        """Give the accuracy by situation."""
        right = {s.key: work.of(f"probe {s.key}").get("value") for s in subject.situations}
        found = {key: figure(x) for key, x in right.items() if x is not None}
        return {"probe": found} if found else {}

    def protocol(self, subject: Subject) -> dict[str, str | int | float]:
        """Say what the probe is."""
        return {
            "probe": f"logistic regression on the mean of q(z|x_S), learned from {LEARNED:,} "
            "training samples"
        }


def probe(subject: Subject, situation: Situation, generator: torch.Generator) -> dict[str, Tensor]:
    """Say for which test samples the probe is right."""
    model = subject.model
    assert isinstance(model, LatentModel)
    assert subject.label is not None
    train = subject.train()
    some = train[torch.randperm(len(train), generator=generator)[:LEARNED]]
    rows = torch.arange(len(some)) % len(situation.supplied)
    learned = Situation(situation.key, situation.supplied[rows]).of(some)
    return {"value": linear_probe(model, learned, situation.of(subject.test), subject.label.name)}
