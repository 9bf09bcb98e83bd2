"""Annealed importance sampling: the normaliser of a Boltzmann machine."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from mvae.baselines.boltzmann import BoltzmannMachine, State

__all__ = ["annealed_log_weights", "log_partition", "reverse_log_weights"]

#: Annealed runs and temperatures by which log Z is estimated to choose an epoch.
RUNS, TEMPERATURES = 32, 500
#: Sweeps by which persistent chains, some of them young, come nearer to what the machine believes.
BURN_IN = 200


@torch.no_grad()
def annealed_log_weights(
    machine: BoltzmannMachine,
    runs: int,
    temperatures: int,
    generator: torch.Generator | None = None,
    held: State | None = None,
) -> Tensor:
    r"""Give log w of annealed importance sampling, ``(runs,)``: the mean of w estimates Z.

    .. math:: E[w] = Z, \qquad \log w = \log Z_0 + \sum_{k=1}^K F_{\beta_{k-1}}(x_{k-1})
              - F_{\beta_k}(x_{k-1}), \qquad E_\beta = (1-\beta)E_0 + \beta E

    E_0 is a machine of independent units whose even ones are on as often as in the persistent
    chains: starting near what the machine believes shortens the way by far. The odd side is summed
    out; x_k is a Gibbs sweep on from x_{k−1} at β_k. With too few temperatures log Z comes out too
    small. Salakhutdinov & Murray, *On the Quantitative Analysis of Deep Belief Networks*, ICML
    2008, https://doi.org/10.1145/1390156.1390266.

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
    base = machine.base_rates()
    held = held or {}
    even = {n: machine.draw(n, bias.expand(runs, -1), generator) for n, bias in base.items()} | held
    path = torch.linspace(0, 1, temperatures + 1).tolist()
    free = _base_log_z(machine, {n: bias for n, bias in base.items() if n not in held})
    fixed = [x @ base[name] for name, x in held.items()]
    weights = _anneal(machine, base, even, path, generator, held)
    return free + torch.stack([weights, *fixed]).sum(0)


@torch.no_grad()
def reverse_log_weights(
    machine: BoltzmannMachine, temperatures: int, generator: torch.Generator | None = None
) -> Tensor:
    r"""Give log w of runs the other way, ``(CHAINS,)``: the mean of 1/w estimates 1/Z.

    They begin with the persistent chains, taken on for a while without new starts, and end with
    E_0; log Z so comes out too large where ``annealed_log_weights`` gives it too small, as far as
    the chains are draws of the machine. Burda, Grosse & Salakhutdinov, *Accurate and Conservative
    Estimates of MRF Log-likelihood using Reverse Annealing*, AISTATS 2015,
    https://proceedings.mlr.press/v38/burda15.html.

    Args:
        machine: whose Z is wanted.
        temperatures: K, evenly spaced.
        generator: the source of randomness.

    Example:
        >>> log_w = reverse_log_weights(BoltzmannMachine({"v": 3}, {"h": 2}, [("v", "h")]), 10)
        >>> log_w.shape
        torch.Size([128])
    """
    base = machine.base_rates()
    path = [1.0] * BURN_IN + torch.linspace(1, 0, temperatures + 1).tolist()
    return _base_log_z(machine, base) - _anneal(
        machine, base, machine.persistent(), path, generator
    )


def log_partition(machine: BoltzmannMachine, generator: torch.Generator | None = None) -> Tensor:
    """Estimate log Z by short annealed runs, enough to compare epochs.

    The mean of an estimate that is too small and one that is too large: with few temperatures both
    err by tens of nats, and about as far.
    """
    forward = annealed_log_weights(machine, RUNS, TEMPERATURES, generator)
    backward = reverse_log_weights(machine, TEMPERATURES, generator)
    low = forward.logsumexp(0) - math.log(len(forward))
    high = math.log(len(backward)) - (-backward).logsumexp(0)
    return (low + high) / 2


def _base_log_z(machine: BoltzmannMachine, base: State) -> Tensor:
    """Give log Z of the machine of independent units."""
    log_z = torch.tensor(math.log(2.0) * sum(machine.odd.values()))
    for name, bias in base.items():
        one_hot = name in machine.categorical
        log_z = log_z + (bias.logsumexp(0) if one_hot else functional.softplus(bias).sum())
    return log_z


def _anneal(
    machine: BoltzmannMachine,
    base: State,
    even: State,
    path: Iterable[float],
    generator: torch.Generator | None,
    held: State | None = None,
) -> Tensor:
    """Sum F_β(x) − F_β'(x) over the steps from β to β' of a path, x then moving on by β'."""
    total = torch.zeros(len(next(iter(even.values()))))
    for beta, to in pairwise(path):
        fields = {name: machine.field(name, even) for name in machine.odd}
        start = torch.stack([x @ base[name] for name, x in even.items()]).sum(0)
        total += (beta - to) * (machine.energy_of_even(even, fields) + start)
        for field in fields.values():
            total += (functional.softplus(to * field) - functional.softplus(beta * field)).sum(-1)
        odd = {name: machine.draw(name, to * field, generator) for name, field in fields.items()}
        even = {
            n: machine.draw(n, (1 - to) * base[n] + to * machine.field(n, odd), generator)
            for n in machine.even
        } | (held or {})
    return total
