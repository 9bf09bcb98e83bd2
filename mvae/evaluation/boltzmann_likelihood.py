"""Log-likelihood of Boltzmann machines, with the normaliser estimated by annealing both ways."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.evaluation.importance import MIN_DRAWS, LogLikelihood, log_mean
from mvae.models.boltzmann.annealing import annealed_log_weights, reverse_log_weights
from mvae.models.boltzmann.machine import BoltzmannMachine
from mvae.models.boltzmann.model import BoltzmannModel
from mvae.models.boltzmann.tempering import tempered_states

__all__ = [
    "ANNEALED",
    "TEMPERATURES",
    "LogPartition",
    "anneal_both_ways",
    "boltzmann_log_likelihood",
]

#: Name of this estimator, as `mvae.evaluation.log_likelihood.ESTIMATOR` is of the other.
ANNEALED = "annealed-1"

#: Number of temperatures between independent units and the full Boltzmann machine, each way.
TEMPERATURES = 4000
#: Sweeps of the tempered chains that draw the starting states of the reverse runs; and the number
#: of tempering ladders in a part.
SWEEPS, LADDERS = 2000, 5
#: Number of runs in a part, each way.
PART = MIN_DRAWS
#: Number of standard errors by which the lower estimate may exceed the upper one.
TOLERANCE = 2.0


@dataclass(frozen=True)
class LogPartition:
    r"""Two estimates of the log partition function log Z of a machine, in nats.

    .. math:: \log\frac1K\sum_k w_k \;\lesssim\; \log Z \;\lesssim\; -\log\frac1L\sum_l 1/w'_l

    The first is a stochastic lower bound. The second is a stochastic upper bound, provided that
    the runs that leave the machine start from samples of it.

    Args:
        forward: estimate from runs that end at the machine.
        forward_se: its standard error.
        reverse: estimate from runs that start at the machine.
        reverse_se: its standard error, over the independent ladders.
        k_hat: Pareto shape k̂ of the weights of the reverse runs.
    """

    forward: float
    forward_se: float
    reverse: float
    reverse_se: float
    k_hat: float

    @staticmethod
    def of(forward: Tensor, reverse: Tensor) -> LogPartition:
        """Compute both estimates from the log weights of forward and reverse runs.

        Args:
            forward: log weights of independent runs to the machine, ``(K,)``.
            reverse: log weights of S runs from the states of each of L ladders, ``(L, S)``. Runs
                of the same ladder are correlated, so the standard error is taken over ladders.
        """
        lower, upper = log_mean(forward[:, None]), log_mean(-reverse.reshape(-1, 1))
        ladders = log_mean((-reverse).logsumexp(1)[:, None])
        return LogPartition(
            lower.value.item(),
            lower.se.item(),
            -upper.value.item(),
            ladders.se.item(),
            upper.k_hat.item(),
        )

    @property
    def crossed(self) -> bool:
        """Whether the lower bound exceeds the upper one by more than their errors allow.

        If it does, the reverse runs did not start from samples of the machine, and no bound
        follows.
        """
        error = math.hypot(self.forward_se, self.reverse_se)
        return self.forward - self.reverse > TOLERANCE * error


#: log Z = 0, for likelihoods that are left unnormalised.
ZERO_LOG_PARTITION = LogPartition(0.0, 0.0, 0.0, 0.0, -math.inf)


@torch.no_grad()
def anneal_both_ways(
    machine: BoltzmannMachine, generator: torch.Generator | None = None
) -> dict[str, Tensor]:
    """Return log weights for `LogPartition.of`: ``forward (25,)`` and ``reverse (5, 5)``.

    The reverse runs start from states of tempered chains (:mod:`mvae.models.boltzmann.tempering`),
    which are independent of the forward runs. Results of several calls with different random
    numbers can be concatenated along the first dimension.
    """
    forward = annealed_log_weights(machine, PART, TEMPERATURES, generator)
    starts = tempered_states(machine, LADDERS, SWEEPS, PART // LADDERS, generator)
    reverse = reverse_log_weights(machine, starts, TEMPERATURES, generator)
    return {"forward": forward, "reverse": reverse.unflatten(0, (-1, LADDERS)).T}


@torch.no_grad()
def boltzmann_log_likelihood(
    model: BoltzmannModel,
    batch: Batch,
    runs: int,
    generator: torch.Generator | None = None,
    log_z: LogPartition | None = None,
) -> LogLikelihood:
    r"""Estimate log p(x_S) if only labels are supplied, or only labels are missing.

    .. math:: \log p(x_S) \ge E_q[-E(x_S,h)] + H(q) - \log Z, \qquad
              \log p(y) = \log \sum_{x,h} e^{-E(x,y,h)} - \log Z

    The upper estimate of log Z is used, so log p is underestimated on average, as it is by
    importance weighting; the mean field of a deep machine errs in the same direction. If only
    labels are supplied, they are clamped while everything else is annealed, with a quarter as many
    runs for each distinct value; this, too, is a lower estimate. All samples share log Z, its
    standard error and its k̂, which is ∞ where the estimates cross. No result depends on which
    samples are scored together.

    Args:
        model: a Boltzmann machine over the data.
        batch: B samples, each with the modalities to be scored.
        runs: number of annealed runs each way, at least 25.
        generator: source of random numbers.
        log_z: log Z of this machine; estimated if it is not given.

    Raises:
        ValueError: if a modality other than a label is missing, unless only labels are supplied.
    """
    batch = batch.align(model.modalities)
    labels = [i for i, m in enumerate(model.modalities) if m.is_category]
    others = [i for i in range(len(model.modalities)) if i not in labels]
    labels_alone = bool(others) and bool(batch.present[:, labels].all())
    labels_alone = labels_alone and not bool(batch.present[:, others].any())
    # Computed first, as it raises an error for what cannot be summed out.
    bound = None if labels_alone else model.bound(batch)
    seed = int(torch.randint(2**62, (), generator=generator))
    if log_z is None:
        parts = [anneal_both_ways(model.machine, generator) for _ in range(0, runs, PART)]
        log_z = LogPartition.of(*(torch.cat([p[way] for p in parts]) for way in parts[0]))
    shared = LogLikelihood(
        torch.tensor(log_z.reverse),
        torch.tensor(log_z.reverse_se),
        torch.tensor(math.inf if log_z.crossed else log_z.k_hat),
    )
    if bound is None:
        return _labels_alone(model, batch, labels, max(runs // 4, MIN_DRAWS), seed, shared)
    size = len(batch)
    return LogLikelihood(bound - shared.value, shared.se.expand(size), shared.k_hat.expand(size))


def _labels_alone(
    model: BoltzmannModel,
    batch: Batch,
    labels: list[int],
    runs: int,
    seed: int,
    log_z: LogLikelihood,
) -> LogLikelihood:
    """Estimate log p of labels, once for each combination, each with its own random numbers."""
    supplied = torch.stack([batch.values[batch.names[i]] for i in labels], -1)
    combinations, inverse = supplied.unique(dim=0, return_inverse=True)
    weights = []
    for i, combination in enumerate(combinations.tolist()):
        sample = (inverse == i).nonzero()[0]
        clamped = {
            name: x.repeat(runs, 1)
            for name, x in model.visible(batch[sample]).items()
            if name in {f"v {batch.names[j]}" for j in labels}
        }
        # The seed depends on the combination alone, not on the labels of the other samples.
        source = torch.Generator().manual_seed(seed + zlib.crc32(repr(combination).encode()))
        weights.append(annealed_log_weights(model.machine, runs, TEMPERATURES, source, clamped))
    each = log_mean(torch.stack(weights, -1))
    return LogLikelihood(
        (each.value - log_z.value)[inverse],
        torch.hypot(each.se, log_z.se)[inverse],
        torch.maximum(each.k_hat, log_z.k_hat)[inverse],
    )
