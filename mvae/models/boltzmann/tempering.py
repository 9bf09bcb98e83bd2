"""Parallel tempering: draws from a Boltzmann machine in which single chains mix too slowly."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from mvae.models.boltzmann.machine import BoltzmannMachine, State
from mvae.models.boltzmann.path import AnnealingPath

__all__ = ["tempered_states"]

#: The number of evenly spaced temperatures in the ladder: about half of all swaps are accepted.
N_TEMPERATURES = 24
#: The number of particles that are annealed for each chain.
PARTICLES_PER_CHAIN = 32


@torch.no_grad()
def tempered_states(
    machine: BoltzmannMachine,
    chains: int,
    sweeps: int,
    snapshots: int,
    generator: torch.Generator | None = None,
) -> State:
    r"""Draw nearly exact samples of the even side, ``(snapshots * chains, units)`` by group.

    A chain that starts at the data, or continues from training, stays near one mode for thousands
    of sweeps, however little of the machine's probability mass is there. So each level of a ladder
    of temperatures starts with draws from a *population*: particles annealed from independent
    units, and resampled by their weights when few carry most of the weight (Hukushima & Iba 2003,
    https://doi.org/10.1063/1.1632130). Then neighbouring levels swap states with the Metropolis
    acceptance probability A, and each takes Gibbs sweeps; both leave the distribution of every
    level invariant. Desjardins et al. 2010,
    https://proceedings.mlr.press/v9/desjardins10a.html.

    .. math:: \log A = F_i(x_i) + F_j(x_j) - F_i(x_j) - F_j(x_i)

    Args:
        machine: the machine whose states are drawn.
        chains: the number of ladders, independent except for their common population.
        sweeps: the number of Gibbs sweeps of the population, and then of the ladders.
        snapshots: how often the states at the lowest temperature are recorded in the second half of
            the sweeps; those of one time are adjacent, in the order of the chains.
        generator: the source of randomness.

    Example:
        >>> machine = BoltzmannMachine({"v": 3}, {"h": 2}, [("v", "h")])
        >>> tempered_states(machine, chains=4, sweeps=20, snapshots=5)["v"].shape
        torch.Size([20, 3])
    """
    path = AnnealingPath(machine)
    betas = torch.linspace(0, 1, N_TEMPERATURES)
    ladder = _anneal_population(path, betas, chains, sweeps, generator)
    states = []
    times = set(torch.linspace(sweeps / 2, sweeps - 1, snapshots).round().int().tolist())
    for step in range(sweeps):
        fields = _swap_neighbours(path, betas, ladder, step % 2, generator)
        ladder = path.sweep(betas[:, None], fields, generator)
        if step in times:
            states.append({name: x[-1] for name, x in ladder.items()})
    return {name: torch.cat([state[name] for state in states]) for name in machine.even}


def _anneal_population(
    path: AnnealingPath,
    betas: Tensor,
    chains: int,
    sweeps: int,
    generator: torch.Generator | None,
) -> State:
    """Anneal a population and keep draws from it at each level, ``(levels, chains, units)``."""
    size = PARTICLES_PER_CHAIN * chains
    even = path.draw((size,), generator)
    log_w = torch.zeros(size)
    levels = [_resample(even, log_w, chains, generator)]
    steps_per_level = max(sweeps // (len(betas) - 1), 1)
    grid = torch.linspace(0, 1, steps_per_level * (len(betas) - 1) + 1)
    for step, (beta, next_beta) in enumerate(pairwise(grid), start=1):
        fields = path.fields(even)
        log_w = log_w + path.free_energy(beta, even, fields)
        log_w = log_w - path.free_energy(next_beta, even, fields)
        weights = log_w.softmax(0)
        if weights.square().sum() > 2 / size:  # the effective sample size is below size / 2
            rows = torch.multinomial(weights, size, True, generator=generator)
            fields = {name: field[rows] for name, field in fields.items()}
            log_w = torch.zeros(size)
        even = path.sweep(next_beta, fields, generator)
        if step % steps_per_level == 0:
            levels.append(_resample(even, log_w, chains, generator))
    return {name: torch.stack([level[name] for level in levels]) for name in even}


def _resample(even: State, log_w: Tensor, size: int, generator: torch.Generator | None) -> State:
    """Draw particles in proportion to their weights, with replacement."""
    rows = torch.multinomial(log_w.softmax(0), size, True, generator=generator)
    return {name: x[rows] for name, x in even.items()}


def _swap_neighbours(
    path: AnnealingPath,
    betas: Tensor,
    ladder: State,
    first: int,
    generator: torch.Generator | None,
) -> State:
    """Swap neighbouring levels in pairs that start at level ``first``, 0 or 1.

    Return only the fields of the odd side, which suffice for the next sweep.
    """
    fields = path.fields(ladder)
    here, above, below = (
        path.free_energy(betas.roll(shift)[:, None], ladder, fields) for shift in (0, -1, 1)
    )
    log_accept = here[:-1] + here[1:] - above[:-1] - below[1:]  # (levels - 1, chains)
    accept = torch.rand(log_accept.shape, generator=generator).log() < log_accept
    accept[1 - first :: 2] = False
    source = torch.arange(len(betas))[:, None].repeat(1, accept.shape[1])
    source[:-1] += accept.long()
    source[1:] -= accept.long()
    return {name: f.gather(0, source[..., None].expand_as(f)) for name, f in fields.items()}
