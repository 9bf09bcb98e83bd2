"""Likelihoods of Boltzmann machines in pieces, and the two estimates of log Z that they rest on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mvae.evaluation.boltzmann_likelihood import (
    PART,
    TEMPERATURES,
    UNNORMALISED,
    LogPartition,
    anneal_both_ways,
    boltzmann_log_likelihood,
)
from mvae.evaluation.measures.base import Situation, Subject
from mvae.evaluation.step_cache import Step, Work
from mvae.models.boltzmann.model import BoltzmannModel

__all__ = ["ANNEALING", "annealed", "conditional_protocol", "log_partition", "normalised"]

#: How log p comes about, for the protocol.
ANNEALING = (
    f"K/10 annealed runs of {TEMPERATURES:,} temperatures each way bound log Z: those to the "
    "machine from below, those from it, which start with states of tempered chains, from above if "
    "these are draws of the machine. log p takes the upper estimate, so that it is too small "
    "on average, as by importance weights; a deep machine's mean field errs the same way. Where "
    "the two cross by more than two standard errors no bound follows"
)


def conditional_protocol(model: BoltzmannModel) -> str:
    """Describe how log p(x_A|x_B) is computed: a difference in which log Z cancels."""
    if model.machine.even.keys() <= {f"v {m.name}" for m in model.modalities}:
        return "log p(x_A|x_B) is exact: a difference in which log Z cancels"
    return (
        "log p(x_A|x_B) is a difference of two mean-field bounds, in which log Z cancels; "
        "it is no bound itself"
    )


def annealed(subject: Subject, scored: Iterable[Situation]) -> Iterator[Step]:
    """List the steps for a Boltzmann machine: log Z in parts, shared by all samples, and the rest.

    Args:
        subject: whose model is a Boltzmann machine over the data.
        scored: the situations in which log p is estimated.
    """
    for part in range(math.ceil(subject.k / 10 / PART)):
        yield Step("log Z", part, 5 * subject.k, partial(anneal, subject))
    for situation in scored:
        yield Step(f"log p {situation.key}", 0, 5 * subject.k, partial(score, subject, situation))


def anneal(subject: Subject, generator: torch.Generator) -> dict[str, Tensor]:
    """Anneal both ways, a part of the runs."""
    assert isinstance(subject.model, BoltzmannModel)
    return anneal_both_ways(subject.model.machine, generator)


def score(subject: Subject, situation: Situation, generator: torch.Generator) -> dict[str, Tensor]:
    """Estimate log p(x_S) + log Z of the first n samples."""
    assert isinstance(subject.model, BoltzmannModel)
    rows = slice(0, subject.n)
    batch, runs = situation[rows].of(subject.test[rows]), subject.k // 10
    found = boltzmann_log_likelihood(subject.model, batch, runs, generator, UNNORMALISED)
    return {"value": found.value, "k_hat": found.k_hat}


def normalised(
    found: Mapping[str, Mapping[str, Tensor]], work: Work
) -> dict[str, dict[str, Tensor]]:
    """Subtract the upper estimate of log Z, if there is one; k̂ is ∞ where no bound follows."""
    log_z = partition_of(work)
    if log_z is None:
        return {key: dict(x) for key, x in found.items()}
    k_hat = torch.tensor(math.inf if log_z.crossed else log_z.k_hat)
    return {
        key: {"value": x["value"] - log_z.reverse, "k_hat": torch.maximum(x["k_hat"], k_hat)}
        for key, x in found.items()
    }


def log_partition(work: Work) -> dict[str, Any]:
    """Return both estimates of log Z and whether they cross; nothing without a machine."""
    log_z, runs = partition_of(work), work.of("log Z")
    if log_z is None:
        return {}
    ways = {"forward": log_z.forward_se, "reverse": log_z.reverse_se}
    found = {
        way: {"mean": round(getattr(log_z, way), 3), "se": round(se, 3), "n": runs[way].numel()}
        for way, se in ways.items()
    }
    return {"log_partition": {**found, "crossed": log_z.crossed}}


def partition_of(work: Work) -> LogPartition | None:
    """Return the estimates of all parts together."""
    parts = work.of("log Z")
    return LogPartition.of(parts["forward"], parts["reverse"]) if parts else None
