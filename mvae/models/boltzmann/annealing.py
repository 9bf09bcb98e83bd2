"""Forward and reverse annealed importance sampling of a Boltzmann machine's normaliser."""

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

#: The number of annealed runs and of temperatures used to estimate log Z when an epoch is chosen,
#: and of tempered ladders from whose states the reverse runs start.
RUNS, TEMPERATURES, LADDERS = 32, 500, 4


@torch.no_grad()
def annealed_log_weights(
    machine: BoltzmannMachine,
    runs: int,
    temperatures: int,
    generator: torch.Generator | None = None,
    clamped: State | None = None,
) -> Tensor:
    r"""Compute log w of annealed importance sampling, ``(runs,)``: the mean of w estimates Z.

    .. math:: E[w] = Z, \qquad \log w = \log Z_0 + \sum_{k=1}^K F_{\beta_{k-1}}(x_{k-1})
              - F_{\beta_k}(x_{k-1})

    The intermediate distributions are those of
    :class:`mvae.models.boltzmann.path.AnnealingPath`; x_k is obtained from x_{k−1} by one Gibbs
    sweep at β_k. The logarithm of the mean exceeds log Z by b nats with probability at most e^{−b},
    whatever the numbers of runs and temperatures: it is a stochastic lower bound, and a loose one
    with few temperatures. Salakhutdinov & Murray, *On the Quantitative Analysis of Deep Belief
    Networks*, ICML 2008, https://doi.org/10.1145/1390156.1390266.

    Args:
        machine: the machine whose Z is estimated.
        runs: the number of independent runs.
        temperatures: K, the number of evenly spaced steps in β.
        generator: the source of randomness.
        clamped: values of some even groups, ``(runs, units)``, that are held fixed; w then
            estimates the sum of exp(−E) over the states that have them. The log of that sum minus
            log Z of the whole machine is their log p.

    Example:
        >>> machine = BoltzmannMachine({"v": 3}, {"h": 2}, [("v", "h")])
        >>> for weight in machine.weights.values():
        ...     _ = weight.data.zero_()
        >>> log_w = annealed_log_weights(machine, runs=2000, temperatures=5)
        >>> round(log_w.exp().mean().item(), 0)  # 2 ** 5 states
        32.0
    """
    path, clamped = AnnealingPath(machine), clamped or {}
    even = path.draw((runs,), generator) | clamped
    free = path.log_z({n: bias for n, bias in path.base.items() if n not in clamped})
    fixed = [x @ path.base[name] for name, x in clamped.items()]
    betas = torch.linspace(0, 1, temperatures + 1)
    return free + torch.stack([_anneal(path, even, betas, generator, clamped), *fixed]).sum(0)


@torch.no_grad()
def reverse_log_weights(
    machine: BoltzmannMachine,
    starts: State,
    temperatures: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Compute log w of annealed runs from the machine to independent units, ``(B,)``.

    .. math:: E[1/w] = 1/Z \quad\text{where}\quad x_K \sim p, \qquad
              \log w = \log Z_0 - \sum_{k=1}^K F_{\beta_k}(x_k) - F_{\beta_{k-1}}(x_k)

    So minus the log of the mean of 1/w bounds log Z from above, as ``annealed_log_weights`` does
    from below, *if the starts are draws from the machine*. Starts concentrated where the machine
    has little mass, as those of persistent chains are, yield roughly the log Z of that region,
    which is smaller and therefore not a bound. Burda, Grosse & Salakhutdinov, *Accurate and
    Conservative Estimates of MRF Log-likelihood using Reverse Annealing*, AISTATS 2015,
    https://proceedings.mlr.press/v38/burda15.html.

    Args:
        machine: the machine whose Z is estimated.
        starts: draws of its even side, ``(B, units)``.
        temperatures: K, the number of evenly spaced steps in β.
        generator: the source of randomness.

    Example:
        >>> machine = BoltzmannMachine({"v": 3}, {"h": 2}, [("v", "h")])
        >>> starts = tempered_states(machine, chains=4, sweeps=20, snapshots=2)
        >>> reverse_log_weights(machine, starts, temperatures=10).shape
        torch.Size([8])
    """
    path = AnnealingPath(machine)
    betas = torch.linspace(1, 0, temperatures + 1)
    return path.log_z() - _anneal(path, starts, betas, generator)


def log_partition(machine: BoltzmannMachine, generator: torch.Generator | None = None) -> Tensor:
    """Estimate log Z, a scalar, by short annealed runs that suffice to compare epochs.

    The result is the mean of the lower and the upper estimate: with few temperatures both are off
    by some nats, in opposite directions.
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
    clamped: State | None = None,
) -> Tensor:
    """Sum F_β(x) − F_β'(x) over the steps from β to β', after each of which x is swept at β'."""
    total = torch.zeros(len(next(iter(even.values()))))
    for beta, next_beta in pairwise(betas):
        fields = path.fields(even)
        total += path.free_energy(beta, even, fields) - path.free_energy(next_beta, even, fields)
        even = path.sweep(next_beta, fields, generator) | (clamped or {})
    return total
