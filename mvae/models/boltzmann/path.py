"""Machines between independent units and a Boltzmann machine, along which it is annealed."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from mvae.models.boltzmann.machine import BoltzmannMachine, State

__all__ = ["AnnealingPath"]


class AnnealingPath:
    r"""Machines :math:`p_\beta(x) \propto e^{-(1-\beta)E_0(x) - \beta E(x)}`, 0 ≤ β ≤ 1.

    E_0 is a machine of independent units whose even ones are on as often as in the persistent
    chains: starting near the machine shortens the way by far. Its log Z is known.

    Args:
        machine: at β = 1.
    """

    def __init__(self, machine: BoltzmannMachine) -> None:
        self.machine, self.base = machine, machine.base_rates()

    def log_z(self, free: State | None = None) -> Tensor:
        """Return log Z at β = 0, a scalar; of some even groups alone if they are given."""
        log_z = torch.tensor(math.log(2.0) * sum(self.machine.odd.values()))
        for name, bias in (self.base if free is None else free).items():
            one_hot = name in self.machine.categorical
            log_z = log_z + (bias.logsumexp(0) if one_hot else functional.softplus(bias).sum())
        return log_z

    def draw(self, shape: tuple[int, ...], generator: torch.Generator | None = None) -> State:
        """Draw the even side at β = 0, ``(*shape, units)``."""
        return {
            name: self.machine.draw(name, bias.expand(*shape, -1), generator)
            for name, bias in self.base.items()
        }

    def fields(self, even: State) -> State:
        """Return the logits of the odd side at β = 1 given the even one, ``(..., units)``."""
        return {name: self.machine.field(name, even) for name in self.machine.odd}

    def free_energy(self, beta: Tensor, even: State, fields: State) -> Tensor:
        r"""Return F with p_β(even) ∝ exp(−F), the odd side summed out, ``(...)``.

        .. math:: F_\beta(x) = (1-\beta)E_0(x) + \beta E(x, 0)
                  - \sum_j\log\big(1+e^{\beta f_j(x)}\big)

        Args:
            beta: a scalar, or what can be broadcast with the samples.
            even: the states, ``(..., units)``.
            fields: the logits f that the states give to the odd side.
        """
        independent = torch.stack([x @ self.base[name] for name, x in even.items()]).sum(0)
        energy = beta * self.machine.energy_of_even(even, fields) - (1 - beta) * independent
        each = beta.unsqueeze(-1)
        on = [functional.softplus(each * field).sum(-1) for field in fields.values()]
        return energy - torch.stack(on).sum(0)

    def sweep(self, beta: Tensor, fields: State, generator: torch.Generator | None = None) -> State:
        """Draw the odd side by its logits at β = 1, then the even one, both at β."""
        each, machine = beta.unsqueeze(-1), self.machine
        odd = {name: machine.draw(name, each * field, generator) for name, field in fields.items()}
        return {
            name: machine.draw(
                name, (1 - each) * self.base[name] + each * machine.field(name, odd), generator
            )
            for name in machine.even
        }
