"""Small Boltzmann machines, and all their states written out one by one."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from mvae.batch import Batch
from mvae.modality import Modality
from mvae.models.boltzmann.machine import BoltzmannMachine
from mvae.models.dbm import DBM
from mvae.models.rbm import RBM
from tests.reference import seeded

STROKE = Modality(
    name="stroke", kind="image", shape=(1, 2, 2), likelihood="bernoulli", hidden=(2, 2)
)
LABEL = Modality(name="label", kind="label", shape=(3,), likelihood="categorical", hidden=(2, 2))
PAIR = (STROKE, LABEL)


def with_large_weights(model, scale=1.0, seed=0):
    """Give a model, or a machine, weights large enough to matter."""
    machine = model if isinstance(model, BoltzmannMachine) else model.machine
    source = seeded(seed)
    with torch.no_grad():
        for weight in machine.parameters():
            weight.copy_(scale * torch.randn(weight.shape, generator=source))
        for name in machine.even | machine.odd:
            offset = machine.offset(name)
            offset.copy_(torch.rand(offset.shape, generator=source))
        machine.centred.fill_(True)
    return model


def rbm(seed=0, scale=1.0) -> BoltzmannMachine:
    return with_large_weights(RBM(PAIR, 5), scale, seed).machine


def dbm(seed=0, scale=1.0) -> BoltzmannMachine:
    return with_large_weights(DBM(PAIR, 2), scale, seed).machine


class Enumeration:
    """All states of a machine and their energies, term by term from the definition."""

    def __init__(self, machine: BoltzmannMachine) -> None:
        self.sizes = machine.even | machine.odd
        values = [
            np.eye(n)
            if name in machine.categorical
            else np.array(list(itertools.product((0.0, 1.0), repeat=n)))
            for name, n in self.sizes.items()
        ]
        picks = np.array(list(itertools.product(*(range(len(v)) for v in values))))
        self.states = {
            name: v[picks[:, i]] for i, (name, v) in enumerate(zip(self.sizes, values, strict=True))
        }
        self.energy = np.zeros(len(picks))
        for name, x in self.states.items():
            bias = machine.biases[name].detach().numpy()
            self.energy -= (x * bias).sum(-1)
        for a, b in machine.edges:
            weight = machine.weights[f"{a} - {b}"].detach().numpy()
            x, y = (self.states[n] - machine.offset(n).numpy() for n in (a, b))
            self.energy -= np.einsum("si,ij,sj->s", x, weight, y)
        self.log_z = np.logaddexp.reduce(-self.energy)
        self.p = np.exp(-self.energy - self.log_z)

    def tensors(self) -> dict[str, torch.Tensor]:
        return {name: torch.from_numpy(x) for name, x in self.states.items()}

    def where(self, values: dict[str, torch.Tensor]) -> np.ndarray:
        """Mark the states with these values of some groups, each ``(units,)``."""
        return np.logical_and.reduce(
            [(self.states[name] == x.numpy()).all(-1) for name, x in values.items()]
        )

    def log_p(self, values: dict[str, torch.Tensor]) -> np.ndarray:
        """Give log p of values ``(B, units)``, all other groups summed out."""
        rows = range(len(next(iter(values.values()))))
        return np.array(
            [np.log(self.p[self.where({n: x[b] for n, x in values.items()})].sum()) for b in rows]
        )


def pairs() -> Batch:
    """Give every value of stroke and label once, 48 samples."""
    strokes = torch.tensor(list(itertools.product((0.0, 1.0), repeat=4)))
    return Batch.of(
        PAIR,
        {
            "stroke": strokes.repeat_interleave(3, 0).reshape(-1, 1, 2, 2),
            "label": torch.arange(3).repeat(16),
        },
    )
