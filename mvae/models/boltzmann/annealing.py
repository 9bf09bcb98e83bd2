"""Annealed importance sampling, both ways: the normaliser of a Boltzmann machine."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise

import torch
from torch import Tensor

from mvae.models.boltzmann.machine import BoltzmannMachine, State
from mvae.models.boltzmann.path import AnnealingPath
from mvae.models.boltzmann.tempering import tempered_states

__all__ = ["annealed_log_weights", "log_partition", "reverse_log_weights"]

#: Annealed runs and temperatures by which log Z is estimated to choose an epoch; and the ladders
#: whose states the reverse runs start from.
RUNS, TEMPERATURES, LADDERS = 32, 500, 4


@torch.no_grad()
def annealed_log_weights(
    machine: BoltzmannMachine,
    runs: int,
    temperatures: int,
    generator: torch.Generator | None = None,
    held: State | None = None,
) -> Tensor:
    r"""Return log w of annealed importance sampling, ``(runs,)``: the mean of w estimates Z.

    .. math:: E[w] = Z, \qquad \log w = \log Z_0 + \sum_{k=1}^K F_{\beta_{k-1}}(x_{k-1})
              - F_{\beta_k}(x_{k-1})

    The machines between are those of :class:`mvae.models.boltzmann.path.AnnealingPath`; x_k is a
    Gibbs sweep on from x_{k−1} at β_k. The logarithm of the mean exceeds log Z by b nats with
    probability e^{−b} at most, whatever the number of runs and of temperatures: a lower bound, and
    with few temperatures a loose one. Salakhutdinov & Murray, *On the Quantitative Analysis of Deep
    Posterior Networks*, ICML 2008, https://doi.org/10.1145/1390156.1390266.

    Args:
        machine: whose Z is wanted.
        runs: independent ones.
        temperatures: K, evenly spaced.
        generator: the source of randomness.
        held: values of some even groups, ``(runs, units)``, that stay as they are; w then estimates
            Σ exp(−E) over the states that have them, and log Z of it less that of the whole
            machine is their log p.

    Example:
        >>> machine = BoltzmannMachine({"v": 3}, {"h": 2}, [("v", "h")])
        >>> for weight in machine.weights.values():
        ...     _ = weight.data.zero_()
        >>> log_w = annealed_log_weights(machine, runs=2000, temperatures=5)
        >>> round(log_w.exp().mean().item(), 0)  # 2 ** 5 states
        32.0
    """
    path, held = AnnealingPath(machine), held or {}
    even = path.draw((runs,), generator) | held
    free = path.log_z({n: bias for n, bias in path.base.items() if n not in held})
    fixed = [x @ path.base[name] for name, x in held.items()]
    betas = torch.linspace(0, 1, temperatures + 1)
    return free + torch.stack([_anneal(path, even, betas, generator, held), *fixed]).sum(0)


@torch.no_grad()
def reverse_log_weights(
    machine: BoltzmannMachine,
    starts: State,
    temperatures: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Return log w of runs from the machine to independent units, ``(B,)``.

    .. math:: E[1/w] = 1/Z \quad\text{where}\quad x_K \sim p, \qquad
              \log w = \log Z_0 - \sum_{k=1}^K F_{\beta_k}(x_k) - F_{\beta_{k-1}}(x_k)

    So −log of the mean of 1/w bounds log Z from above as ``annealed_log_weights`` does from below,
    *if the starts are draws of the machine*. Starts that crowd where the machine has little mass,
    as persistent chains do, give about the log Z of that part, which lies below: no bound. Burda,
    Grosse & Salakhutdinov, *Accurate and Conservative Estimates of MRF Log-likelihood using Reverse
    Annealing*, AISTATS 2015, https://proceedings.mlr.press/v38/burda15.html.

    Args:
        machine: whose Z is wanted.
        starts: draws of its even side, ``(B, units)``.
        temperatures: K, evenly spaced.
        generator: the source of randomness.

    Example:
        >>> machine = BoltzmannMachine({"v": 3}, {"h": 2}, [("v", "h")])
        >>> starts = tempered_states(machine, chains=4, sweeps=20, kept=2)
        >>> reverse_log_weights(machine, starts, temperatures=10).shape
        torch.Size([8])
    """
    path = AnnealingPath(machine)
    betas = torch.linspace(1, 0, temperatures + 1)
    return path.log_z() - _anneal(path, starts, betas, generator)


def log_partition(machine: BoltzmannMachine, generator: torch.Generator | None = None) -> Tensor:
    """Estimate log Z by short annealed runs, enough to compare epochs, a scalar.

    The mean of the lower estimate and of the upper one: with few temperatures both err by some
    nats, and in opposite directions.
    """
    forward = annealed_log_weights(machine, RUNS, TEMPERATURES, generator)
    starts = tempered_states(machine, LADDERS, TEMPERATURES, RUNS // LADDERS, generator)
    backward = reverse_log_weights(machine, starts, TEMPERATURES, generator)
    low = forward.logsumexp(0) - math.log(len(forward))
    high = math.log(len(backward)) - (-backward).logsumexp(0)
    return (low + high) / 2


def _anneal(
    path: AnnealingPath,
    even: State,
    betas: Iterable[Tensor],
    generator: torch.Generator | None,
    held: State | None = None,
) -> Tensor:
    """Sum F_β(x) − F_β'(x) over the steps from β to β' of a path, x then moving on by β'."""
    total = torch.zeros(len(next(iter(even.values()))))
    for beta, to in pairwise(betas):
        fields = path.fields(even)
        total += path.free_energy(beta, even, fields) - path.free_energy(to, even, fields)
        even = path.sweep(to, fields, generator) | (held or {})
    return total
