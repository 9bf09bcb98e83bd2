"""The annealing path: distributions between independent units and a Boltzmann machine."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from mvae.models.boltzmann.machine import BoltzmannMachine, State

__all__ = ["AnnealingPath"]


class AnnealingPath:
    r"""Distributions :math:`p_\beta(x) \propto e^{-(1-\beta)E_0(x) - \beta E(x)}`, 0 ≤ β ≤ 1.

    E_0 is the energy of independent units, of which the even ones are on as often as in the
    persistent chains; a start near the machine shortens the path considerably. Its log Z is known.

    Args:
        machine: the machine at β = 1.
    """

    def __init__(self, machine: BoltzmannMachine) -> None:
        self.machine, self.base = machine, machine.independent_biases()

    def log_z(self, free: State | None = None) -> Tensor:
        """Compute log Z at β = 0, a scalar; only over the even groups in ``free`` if given."""
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
        """Compute the logits of the odd side at β = 1 given the even one, ``(..., units)``."""
        return {name: self.machine.field(name, even) for name in self.machine.odd}

    def free_energy(self, beta: Tensor, even: State, fields: State) -> Tensor:
        r"""Compute F with p_β(even) ∝ exp(−F), where the odd side is summed out, ``(...)``.

        .. math:: F_\beta(x) = (1-\beta)E_0(x) + \beta E(x, 0)
                  - \sum_j\log\big(1+e^{\beta f_j(x)}\big)

        Args:
            beta: a scalar, or a tensor that can be broadcast with the samples.
            even: the states of the even side, ``(..., units)``.
            fields: the logits f of the odd side given these states.
        """
        independent = torch.stack([x @ self.base[name] for name, x in even.items()]).sum(0)
        energy = beta * self.machine.energy_with_odd_off(even, fields) - (1 - beta) * independent
        per_unit = beta.unsqueeze(-1)
        summed_out = [functional.softplus(per_unit * f).sum(-1) for f in fields.values()]
        return energy - torch.stack(summed_out).sum(0)

    def sweep(self, beta: Tensor, fields: State, generator: torch.Generator | None = None) -> State:
        """Draw the odd side at β, given its logits at β = 1; return draws of the even side at β."""
        b, machine = beta.unsqueeze(-1), self.machine
        odd = {name: machine.draw(name, b * field, generator) for name, field in fields.items()}
        return {
            name: machine.draw(
                name, (1 - b) * self.base[name] + b * machine.field(name, odd), generator
            )
            for name in machine.even
        }
