"""Annealed importance sampling: the normaliser of a Boltzmann machine."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from mvae.baselines.boltzmann import BoltzmannMachine

__all__ = ["annealed_log_weights", "log_partition"]

#: Annealed runs and temperatures by which log Z is estimated to choose an epoch.
RUNS, TEMPERATURES = 32, 300


@torch.no_grad()
def annealed_log_weights(
    machine: BoltzmannMachine,
    runs: int,
    temperatures: int,
    generator: torch.Generator | None = None,
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

    Example:
        >>> machine = BoltzmannMachine({"v": 3}, {"h": 2}, [("v", "h")])
        >>> for weight in machine.weights.values():
        ...     _ = nn.init.zeros_(weight)
        >>> log_w = annealed_log_weights(machine, runs=2000, temperatures=5)
        >>> round(log_w.exp().mean().item(), 0)  # 2 ** 5 states
        32.0
    """
    base = machine.base_rates()
    log_z = torch.tensor(math.log(2.0) * sum(machine.odd.values()))
    for name, bias in base.items():
        one_hot = name in machine.categorical
        log_z = log_z + (bias.logsumexp(0) if one_hot else functional.softplus(bias).sum())
    log_w = log_z.repeat(runs)
    even = {n: machine.draw(n, bias.expand(runs, -1), generator) for n, bias in base.items()}
    for colder, beta in pairwise(torch.linspace(0, 1, temperatures + 1).tolist()):
        for name, x in even.items():
            log_w += (beta - colder) * (x @ (machine.biases[name] - base[name]))
        odd = {}
        for name in machine.odd:
            field = machine.field(name, even)
            log_w += functional.softplus(beta * field).sum(-1)
            log_w -= functional.softplus(colder * field).sum(-1)
            odd[name] = machine.draw(name, beta * field, generator)
        even = {
            n: machine.draw(n, (1 - beta) * base[n] + beta * machine.field(n, odd), generator)
            for n in machine.even
        }
    return log_w


def log_partition(machine: BoltzmannMachine, generator: torch.Generator | None = None) -> Tensor:
    """Estimate log Z by few and short annealed runs, enough to compare epochs."""
    log_w = annealed_log_weights(machine, RUNS, TEMPERATURES, generator)
    return log_w.logsumexp(0) - math.log(RUNS)
