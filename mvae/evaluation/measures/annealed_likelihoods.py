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
from mvae.evaluation.measures.base import ConditioningSet, EvaluationContext
from mvae.evaluation.step_cache import Step, StepCache
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


def annealed(context: EvaluationContext, scored: Iterable[ConditioningSet]) -> Iterator[Step]:
    """List the steps for a Boltzmann machine: log Z in parts, shared by all samples, and the rest.

    Args:
        context: whose model is a Boltzmann machine over the data.
        scored: the conditioning sets in which log p is estimated.
    """
    for part in range(math.ceil(context.k / 10 / PART)):
        yield Step("log Z", part, 5 * context.k, partial(anneal, context))
    for conditioning_set in scored:
        yield Step(
            f"log p {conditioning_set.key}",
            0,
            5 * context.k,
            partial(score, context, conditioning_set),
        )


def anneal(context: EvaluationContext, generator: torch.Generator) -> dict[str, Tensor]:
    """Anneal both ways, a part of the runs."""
    assert isinstance(context.model, BoltzmannModel)
    return anneal_both_ways(context.model.machine, generator)


def score(
    context: EvaluationContext, conditioning_set: ConditioningSet, generator: torch.Generator
) -> dict[str, Tensor]:
    """Estimate log p(x_S) + log Z of the first n samples."""
    assert isinstance(context.model, BoltzmannModel)
    rows = slice(0, context.n)
    batch, runs = conditioning_set[rows].of(context.test[rows]), context.k // 10
    found = boltzmann_log_likelihood(context.model, batch, runs, generator, UNNORMALISED)
    return {"value": found.value, "k_hat": found.k_hat}


def normalised(
    found: Mapping[str, Mapping[str, Tensor]], cache: StepCache
) -> dict[str, dict[str, Tensor]]:
    """Subtract the upper estimate of log Z, if there is one; k̂ is ∞ where no bound follows."""
    log_z = partition_of(cache)
    if log_z is None:
        return {key: dict(x) for key, x in found.items()}
    k_hat = torch.tensor(math.inf if log_z.crossed else log_z.k_hat)
    return {
        key: {"value": x["value"] - log_z.reverse, "k_hat": torch.maximum(x["k_hat"], k_hat)}
        for key, x in found.items()
    }


def log_partition(cache: StepCache) -> dict[str, Any]:
    """Return both estimates of log Z and whether they cross; nothing without a machine."""
    log_z, runs = partition_of(cache), cache.of("log Z")
    if log_z is None:
        return {}
    ways = {"forward": log_z.forward_se, "reverse": log_z.reverse_se}
    found = {
        way: {"mean": round(getattr(log_z, way), 3), "se": round(se, 3), "n": runs[way].numel()}
        for way, se in ways.items()
    }
    return {"log_partition": {**found, "crossed": log_z.crossed}}


def partition_of(cache: StepCache) -> LogPartition | None:
    """Return the estimates of all parts together."""
    parts = cache.of("log Z")
    return LogPartition.of(parts["forward"], parts["reverse"]) if parts else None
