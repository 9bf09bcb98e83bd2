"""Log-likelihood of Boltzmann machines, whose normaliser is estimated by annealing both ways."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.evaluation.importance import FEWEST, LogLikelihood, average
from mvae.models.boltzmann.annealing import annealed_log_weights, reverse_log_weights
from mvae.models.boltzmann.machine import BoltzmannMachine
from mvae.models.boltzmann.model import BoltzmannModel
from mvae.models.boltzmann.tempering import tempered_states

__all__ = ["TEMPERATURES", "LogPartition", "anneal_both_ways", "boltzmann_log_likelihood"]

#: Temperatures from independent units to a whole Boltzmann machine, and back.
TEMPERATURES = 4000
#: Sweeps by which the states are drawn that the runs back start from; and ladders of a part.
SWEEPS, LADDERS = 2000, 5
#: Runs of a part, each way.
PART = FEWEST
#: Standard errors by which the lower estimate may lie above the upper one.
TOLERANCE = 2.0


@dataclass(frozen=True)
class LogPartition:
    r"""Two estimates of the log Z of a machine, in nats.

    .. math:: \log\frac1K\sum_k w_k \;\lesssim\; \log Z \;\lesssim\; -\log\frac1L\sum_l 1/w'_l

    The first is a stochastic lower bound; the second an upper one if the runs from the machine
    start with draws of it.

    Args:
        forward: by runs to the machine.
        forward_se: its standard error.
        reverse: by runs from the machine.
        reverse_se: its standard error, over the independent ladders.
        k_hat: Pareto shape of the weights of the runs from the machine.
    """

    forward: float
    forward_se: float
    reverse: float
    reverse_se: float
    k_hat: float

    @staticmethod
    def of(forward: Tensor, reverse: Tensor) -> LogPartition:
        """Average the log weights of runs to the machine, ``(K,)``, and from it, ``(L, S)``.

        Args:
            forward: of independent runs.
            reverse: of S runs from the states of each of L ladders; those of one ladder resemble
                one another, so the standard error is over ladders.
        """
        there, back = average(forward[:, None]), average(-reverse.reshape(-1, 1))
        ladders = average((-reverse).logsumexp(1)[:, None])
        return LogPartition(
            there.value.item(),
            there.se.item(),
            -back.value.item(),
            ladders.se.item(),
            back.k_hat.item(),
        )

    @property
    def crossed(self) -> bool:
        """Whether the lower bound lies above the upper one beyond their errors.

        Then the starts were no draws of the machine, and no bound follows.
        """
        error = math.hypot(self.forward_se, self.reverse_se)
        return self.forward - self.reverse > TOLERANCE * error


#: By which a likelihood is not yet normalised.
UNNORMALISED = LogPartition(0.0, 0.0, 0.0, 0.0, -math.inf)


@torch.no_grad()
def anneal_both_ways(
    machine: BoltzmannMachine, generator: torch.Generator | None = None
) -> dict[str, Tensor]:
    """Return log weights as `LogPartition.of` takes them: ``forward (25,)``, ``reverse (5, 5)``.

    The runs from the machine start with states of tempered chains, see
    :mod:`mvae.models.boltzmann.tempering`, which know nothing of the runs to it. Parts with random
    numbers of their own are put together along the first dimension.
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
    r"""Estimate log p(x_S) where nothing but labels is supplied, or nothing but labels is missing.

    .. math:: \log p(x_S) \ge E_q[-E(x_S,h)] + H(q) - \log Z, \qquad
              \log p(y) = \log \sum_{x,h} e^{-E(x,y,h)} - \log Z

    log Z is the upper estimate, so that log p comes out too small on average, as it does by
    importance weights; a deep machine's mean field errs the same way. Labels alone are held while
    everything else is annealed, a lower estimate too, by a quarter as many runs for each value. All
    samples share log Z, its standard error and its k̂, which is ∞ where no bound follows. None of it
    depends on which samples are scored together.

    Args:
        model: a Boltzmann machine over the data.
        batch: B samples, each with the modalities to be scored.
        runs: annealed ones each way, at least 25.
        generator: the source of randomness.
        log_z: of this machine; estimated if it is not given.

    Raises:
        ValueError: if anything but labels is missing, unless labels are all that is supplied.
    """
    batch = batch.align(model.modalities)
    labels = [i for i, m in enumerate(model.modalities) if m.is_category]
    others = [i for i in range(len(model.modalities)) if i not in labels]
    alone = bool(others) and bool(batch.present[:, labels].all())
    alone = alone and not bool(batch.present[:, others].any())
    bound = None if alone else model.bound(batch)  # which refuses first what it cannot sum out
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
        return _labels_alone(model, batch, labels, max(runs // 4, FEWEST), seed, shared)
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
    """Estimate log p of labels, each combination once, with random numbers of its own."""
    told = torch.stack([batch.values[batch.names[i]] for i in labels], -1)
    kinds, again = told.unique(dim=0, return_inverse=True)
    weights = []
    for i, kind in enumerate(kinds.tolist()):
        first = (again == i).nonzero()[0]
        held = {
            name: x.repeat(runs, 1)
            for name, x in model.visible(batch[first]).items()
            if name in {f"v {batch.names[j]}" for j in labels}
        }
        # The same whichever labels the other samples have.
        own = torch.Generator().manual_seed(seed + zlib.crc32(repr(kind).encode()))
        weights.append(annealed_log_weights(model.machine, runs, TEMPERATURES, own, held))
    each = average(torch.stack(weights, -1))
    return LogLikelihood(
        (each.value - log_z.value)[again],
        torch.hypot(each.se, log_z.se)[again],
        torch.maximum(each.k_hat, log_z.k_hat)[again],
    )
