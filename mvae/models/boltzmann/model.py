"""Models whose data are the visible units of a Boltzmann machine, and what trains them shares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn import functional

from mvae.batch import Batch
from mvae.distributions.likelihood import elements
from mvae.modality import Modality
from mvae.models.base import MultimodalModel
from mvae.models.boltzmann.annealing import log_partition
from mvae.models.boltzmann.machine import BoltzmannMachine, State
from mvae.models.objectives import Objective

__all__ = ["BoltzmannModel", "BoltzmannObjective"]


def units(modality: Modality) -> int:
    """Give the number of units that a modality's data take.

    Raises:
        ValueError: for data that are neither binary nor categories.
    """
    if modality.likelihood in ("gaussian", "autoregressive"):
        raise ValueError(
            f"the units of a Boltzmann machine are binary or categories, and {modality.name} is "
            f"{modality.distribution.title}: give it a Bernoulli likelihood, or use another model"
        )
    return elements(modality.shape)


def as_units(modality: Modality, x: Tensor) -> Tensor:
    """Give data ``(B, *event shape)`` as units, ``(B, units)``: a category one-hot."""
    if modality.is_category:
        return functional.one_hot(x, modality.shape[0]).to(torch.get_default_dtype())
    return x.flatten(1)  # grey values stand for probabilities


class BoltzmannModel(MultimodalModel):
    """A Boltzmann machine over the data themselves: visible units in a group for each modality.

    Args:
        modalities: binary or categorical; a modality x has the even group "v x".
        latents: hidden units of the top layer.
        hidden: names of the groups of the other even layers, and how many units each has.
        odd: the same for the odd layers.
        edges: which even group is connected with which odd group.

    Raises:
        ValueError: for a modality that is neither binary nor a category.
    """

    #: Gibbs sweeps from a random start to a draw.
    STEPS: ClassVar[int] = 200

    sampler = True
    no_posterior = (
        "Its hidden units are binary: given the data each is on with some probability, "
        "and there are no real-valued latents."
    )

    def __init__(
        self,
        modalities: Iterable[Modality],
        latents: int,
        hidden: Mapping[str, int],
        odd: Mapping[str, int],
        edges: Iterable[tuple[str, str]],
    ) -> None:
        super().__init__(modalities, latents)
        visible = {f"v {m.name}": units(m) for m in self.modalities}
        labels = {f"v {m.name}" for m in self.modalities if m.is_category}
        self.machine = BoltzmannMachine(visible | dict(hidden), odd, edges, labels)

    def energy_weights(self) -> dict[float, list[nn.Parameter]]:
        """Give the weights and biases of the machine, all of one speed."""
        return {1.0: list(self.machine.parameters())}

    def visible(self, batch: Batch) -> State:
        """Give the data as units, zeros or the first category where missing, ``(B, units)``."""
        batch = batch.align(self.modalities)
        return {f"v {m.name}": as_units(m, batch.filled(m.name)) for m in self.modalities}

    def _generate(
        self, batch: Batch, draws: int, seed: int, names: list[str]
    ) -> dict[str, Distribution]:
        """Run Gibbs chains with the evidence clamped and give p(x_i|last hidden state)."""
        given = {f"v {n}": batch.there(n).unsqueeze(-1) for n in batch.names}
        state = self.machine.gibbs(
            self.visible(batch),
            given,
            (draws, len(batch)),
            self.STEPS,
            torch.Generator().manual_seed(seed),
        )
        return {
            name: m.distribution.distribution(self.machine.field(f"v {name}", state), m.shape)
            for name in names
            for m in [self.modality(name)]
        }

    def bound(self, batch: Batch) -> Tensor:
        """Bound log p(x_S) + log Z from below, ``(B,)``; missing labels are summed out.

        Raises:
            ValueError: if anything but labels is missing.
        """
        batch = batch.align(self.modalities)
        missing = ~batch.present
        if any(missing[:, i].any() and not m.is_category for i, m in enumerate(self.modalities)):
            raise ValueError(
                "a Boltzmann machine sums out labels only: supply everything else, or anneal with "
                "what is supplied held"
            )
        for i, m in enumerate(self.modalities):
            if missing[:, i].any():
                each = torch.stack([self.bound(_told(batch, i, c)) for c in range(m.shape[0])])
                own = torch.arange(m.shape[0])[:, None] == batch.values[m.name]
                return each.where(missing[:, i] | own, -torch.inf).logsumexp(0)
        return self.machine.bound(self.visible(batch))


def _told(batch: Batch, index: int, category: int) -> Batch:
    """Say that a label is a category, where it is missing."""
    name, present = batch.names[index], batch.present.clone()
    told = batch.values[name].where(present[:, index], category)
    present[:, index] = True
    return Batch(batch.values | {name: told}, present)


class BoltzmannObjective(Objective):
    """What training on the data's own Boltzmann machine shares: how an epoch is chosen."""

    #: While its chains are far from what a machine believes, log Z may come out too small by
    #: hundreds of nats: a deep machine's first epoch on FashionMNIST had the highest score.
    settled = 0.5

    def score(
        self, model: BoltzmannModel, batch: Batch, generator: torch.Generator | None = None
    ) -> Tensor:
        """Estimate log p(x), or its bound for a deep machine, with few annealed runs, ``(B,)``."""
        return model.bound(batch) - log_partition(model.machine, generator)
