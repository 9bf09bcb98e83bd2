"""Parallel tempering: draws of a Boltzmann machine that single chains do not give."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from mvae.models.boltzmann.machine import BoltzmannMachine, State
from mvae.models.boltzmann.path import AnnealingPath

__all__ = ["tempered_states"]

#: Temperatures of the ladder, evenly spaced: neighbours swap about every other time.
LEVELS = 24
#: How many particles are annealed for each chain.
PARTICLES = 32


@torch.no_grad()
def tempered_states(
    machine: BoltzmannMachine,
    chains: int,
    sweeps: int,
    kept: int,
    generator: torch.Generator | None = None,
) -> State:
    r"""Draw the even side of a machine about exactly, ``(kept * chains, units)`` by group.

    A chain that starts at data, or goes on from training, stays for thousands of sweeps with the
    kind of picture that it has found, however little of the machine's mass is there. So each level
    of a ladder of temperatures starts with draws of a *population*: particles annealed from
    independent units, and drawn anew by their weights where few outweigh the rest (Hukushima & Iba
    2003, https://doi.org/10.1063/1.1632130). Then neighbours of the ladder swap their states by
    Metropolis' rule, and each goes on by Gibbs sweeps; these leave all levels' distributions as
    they are. Desjardins et al. 2010, https://proceedings.mlr.press/v9/desjardins10a.html.

    .. math:: \log A = F_i(x_i) + F_j(x_j) - F_i(x_j) - F_j(x_i)

    Args:
        machine: whose states are drawn.
        chains: ladders, independent but for their common population.
        sweeps: of the population, and then of the ladders.
        kept: how often the coldest states are kept, in the second half of the sweeps; those of one
            time lie together, in the order of the chains.
        generator: the source of randomness.

    Example:
        >>> machine = BoltzmannMachine({"v": 3}, {"h": 2}, [("v", "h")])
        >>> tempered_states(machine, chains=4, sweeps=20, kept=5)["v"].shape
        torch.Size([20, 3])
    """
    path = AnnealingPath(machine)
    betas = torch.linspace(0, 1, LEVELS)
    ladder = _populated(path, betas, chains, sweeps, generator)
    states = []
    times = set(torch.linspace(sweeps / 2, sweeps - 1, kept).round().int().tolist())
    for step in range(sweeps):
        fields = _swapped(path, betas, ladder, step % 2, generator)
        ladder = path.sweep(betas[:, None], fields, generator)
        if step in times:
            states.append({name: x[-1] for name, x in ladder.items()})
    return {name: torch.cat([state[name] for state in states]) for name in machine.even}


def _populated(
    path: AnnealingPath,
    betas: Tensor,
    chains: int,
    sweeps: int,
    generator: torch.Generator | None,
) -> State:
    """Anneal a population and keep draws of it at each level, ``(levels, chains, units)``."""
    size = PARTICLES * chains
    even = path.draw((size,), generator)
    log_w = torch.zeros(size)
    levels = [_drawn(even, log_w, chains, generator)]
    between = max(sweeps // (len(betas) - 1), 1)
    grid = torch.linspace(0, 1, between * (len(betas) - 1) + 1)
    for step, (beta, to) in enumerate(pairwise(grid), start=1):
        fields = path.fields(even)
        log_w = log_w + path.free_energy(beta, even, fields) - path.free_energy(to, even, fields)
        share = log_w.softmax(0)
        if share.square().sum() > 2 / size:  # as few as half of them carry the weight
            again = torch.multinomial(share, size, True, generator=generator)
            fields = {name: field[again] for name, field in fields.items()}
            log_w = torch.zeros(size)
        even = path.sweep(to, fields, generator)
        if step % between == 0:
            levels.append(_drawn(even, log_w, chains, generator))
    return {name: torch.stack([level[name] for level in levels]) for name in even}


def _drawn(even: State, log_w: Tensor, size: int, generator: torch.Generator | None) -> State:
    """Draw particles by their weights, with replacement."""
    rows = torch.multinomial(log_w.softmax(0), size, True, generator=generator)
    return {name: x[rows] for name, x in even.items()}


def _swapped(
    path: AnnealingPath,
    betas: Tensor,
    ladder: State,
    first: int,
    generator: torch.Generator | None,
) -> State:
    """Swap neighbours in pairs, from the first or the second on; return the fields of the odd side.

    By these alone the ladder goes on.
    """
    fields = path.fields(ladder)
    here, above, below = (
        path.free_energy(betas.roll(shift)[:, None], ladder, fields) for shift in (0, -1, 1)
    )
    log_accept = here[:-1] + here[1:] - above[:-1] - below[1:]  # (levels - 1, chains)
    accept = torch.rand(log_accept.shape, generator=generator).log() < log_accept
    accept[1 - first :: 2] = False
    place = torch.arange(len(betas))[:, None].repeat(1, accept.shape[1])
    place[:-1] += accept.long()
    place[1:] -= accept.long()
    return {name: f.gather(0, place[..., None].expand_as(f)) for name, f in fields.items()}
