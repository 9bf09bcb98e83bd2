"""Steps for the likelihoods of Boltzmann machines, and for the two estimates of log Z."""

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
    ZERO_LOG_PARTITION,
    LogPartition,
    anneal_both_ways,
    boltzmann_log_likelihood,
)
from mvae.evaluation.conditioning_sets import ConditioningSet
from mvae.evaluation.context import EvaluationContext
from mvae.evaluation.step_cache import Step, StepCache
from mvae.models.boltzmann.model import BoltzmannModel

__all__ = ["ANNEALING", "annealing_steps", "conditional_protocol", "log_partition", "normalised"]

#: How log p is estimated, for the protocol.
ANNEALING = (
    f"K/10 annealed runs of {TEMPERATURES:,} temperatures each way bound log Z: those to the "
    "machine from below, those from it, which start with states of tempered chains, from above if "
    "these are draws of the machine. log p takes the upper estimate, so that it is too small "
    "on average, as by importance weights; a deep machine's mean field errs the same way. Where "
    "the two cross by more than two standard errors no bound follows"
)


def conditional_protocol(model: BoltzmannModel) -> str:
    """Return how log p(x_A|x_B) is computed: as a difference in which log Z cancels."""
    if model.machine.even.keys() <= {f"v {m.name}" for m in model.modalities}:
        return "log p(x_A|x_B) is exact: a difference in which log Z cancels"
    return (
        "log p(x_A|x_B) is a difference of two mean-field bounds, in which log Z cancels; "
        "it is no bound itself"
    )


def annealing_steps(
    context: EvaluationContext, scored: Iterable[ConditioningSet]
) -> Iterator[Step]:
    """Yield the steps for a Boltzmann machine: log Z in parts, then unnormalised likelihoods.

    Args:
        context: an evaluation of a Boltzmann machine over the data.
        scored: the conditioning sets for which log p is estimated.
    """
    for part in range(math.ceil(context.k / 10 / PART)):
        yield Step("log Z", part, 5 * context.k, partial(measure_log_z, context))
    for conditioning_set in scored:
        yield Step(
            f"log p {conditioning_set.key}",
            0,
            5 * context.k,
            partial(measure_unnormalised, context, conditioning_set),
        )


def measure_log_z(context: EvaluationContext, generator: torch.Generator) -> dict[str, Tensor]:
    """Run one part of the annealed runs, in both directions."""
    assert isinstance(context.model, BoltzmannModel)
    return anneal_both_ways(context.model.machine, generator)


def measure_unnormalised(
    context: EvaluationContext, conditioning_set: ConditioningSet, generator: torch.Generator
) -> dict[str, Tensor]:
    """Estimate log p(x_S) + log Z for the first n samples."""
    assert isinstance(context.model, BoltzmannModel)
    rows = slice(0, context.n)
    batch, runs = conditioning_set[rows].restrict(context.test[rows]), context.k // 10
    estimate = boltzmann_log_likelihood(context.model, batch, runs, generator, ZERO_LOG_PARTITION)
    return {"value": estimate.value, "k_hat": estimate.k_hat}


def normalised(
    found: Mapping[str, Mapping[str, Tensor]], cache: StepCache
) -> dict[str, dict[str, Tensor]]:
    """Subtract the upper estimate of log Z, if there is one; k̂ is ∞ if the estimates cross."""
    log_z = partition_of(cache)
    if log_z is None:
        return {key: dict(x) for key, x in found.items()}
    k_hat = torch.tensor(math.inf if log_z.crossed else log_z.k_hat)
    return {
        key: {"value": x["value"] - log_z.reverse, "k_hat": torch.maximum(x["k_hat"], k_hat)}
        for key, x in found.items()
    }


def log_partition(cache: StepCache) -> dict[str, Any]:
    """Return both estimates of log Z and whether they cross; empty for other models."""
    log_z, runs = partition_of(cache), cache.results("log Z")
    if log_z is None:
        return {}
    ways = {"forward": log_z.forward_se, "reverse": log_z.reverse_se}
    found = {
        way: {"mean": round(getattr(log_z, way), 3), "se": round(se, 3), "n": runs[way].numel()}
        for way, se in ways.items()
    }
    return {"log_partition": {**found, "crossed": log_z.crossed}}


def partition_of(cache: StepCache) -> LogPartition | None:
    """Return the estimates from all parts; None if no part has been run."""
    parts = cache.results("log Z")
    return LogPartition.of(parts["forward"], parts["reverse"]) if parts else None
