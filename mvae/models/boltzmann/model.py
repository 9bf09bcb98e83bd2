"""The base class of models whose visible units are the data, and that of their objectives."""

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


def n_units(modality: Modality) -> int:
    """Return the number of units needed for a modality's data.

    Raises:
        ValueError: for data that are neither binary nor categorical.
    """
    if modality.likelihood in ("gaussian", "autoregressive"):
        raise ValueError(
            "the units of a Boltzmann machine are binary or categorical, but the likelihood of "
            f"{modality.name} is {modality.distribution.title}: use a Bernoulli likelihood or "
            "another model"
        )
    return elements(modality.shape)


def to_units(modality: Modality, x: Tensor) -> Tensor:
    """Convert data ``(B, *event shape)`` to unit states ``(B, units)``, with one-hot labels."""
    if modality.is_category:
        return functional.one_hot(x, modality.shape[0]).to(torch.get_default_dtype())
    return x.flatten(1)  # grey values are used as probabilities


class BoltzmannModel(MultimodalModel):
    """A Boltzmann machine over the data themselves, with one group of visible units per modality.

    Args:
        modalities: the modalities it models, binary or categorical; the visible units of modality x
            are the even group "v x".
        latents: the number of hidden units of the top layer.
        hidden: the number of units of each group of the other even layers, by name.
        odd: the same for the odd layers.
        edges: the pairs of an even and an odd group that are connected.

    Raises:
        ValueError: for a modality that is neither binary nor categorical.
    """

    #: The number of Gibbs sweeps from a random start to a draw.
    GIBBS_SWEEPS: ClassVar[int] = 200

    uses_gibbs_chains = True
    no_posterior = (
        "Its hidden units are binary: given the data, each is on with some probability, "
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
        visible = {f"v {m.name}": n_units(m) for m in self.modalities}
        labels = {f"v {m.name}" for m in self.modalities if m.is_category}
        self.machine = BoltzmannMachine(visible | dict(hidden), odd, edges, labels)

    def energy_weights(self) -> dict[float, list[nn.Parameter]]:
        """Return the weights and biases of the machine, all with the same learning rate."""
        return {1.0: list(self.machine.parameters())}

    def visible(self, batch: Batch) -> State:
        """Return the data as unit states; zeros or the first category where missing."""
        batch = batch.align(self.modalities)
        return {f"v {m.name}": to_units(m, batch.filled(m.name)) for m in self.modalities}

    def _generate(
        self, batch: Batch, draws: int, seed: int, names: list[str]
    ) -> dict[str, Distribution]:
        """Run Gibbs chains with the evidence clamped, and return p(x_i|last hidden state)."""
        given = {f"v {n}": batch.there(n).unsqueeze(-1) for n in batch.names}
        state = self.machine.gibbs(
            self.visible(batch),
            given,
            (draws, len(batch)),
            self.GIBBS_SWEEPS,
            torch.Generator().manual_seed(seed),
        )
        return {
            name: m.distribution.distribution(self.machine.field(f"v {name}", state), m.shape)
            for name in names
            for m in [self.modality(name)]
        }

    def bound(self, batch: Batch) -> Tensor:
        """Compute a lower bound on log p(x_S) + log Z, ``(B,)``; missing labels are summed out.

        Raises:
            ValueError: if a modality other than a label is missing.
        """
        batch = batch.align(self.modalities)
        missing = ~batch.present
        if any(missing[:, i].any() and not m.is_category for i, m in enumerate(self.modalities)):
            raise ValueError(
                "a Boltzmann machine can sum out missing labels only: supply every other modality, "
                "or anneal with the evidence clamped"
            )
        for i, m in enumerate(self.modalities):
            if missing[:, i].any():
                categories = range(m.shape[0])
                bounds = torch.stack([self.bound(_with_label(batch, i, c)) for c in categories])
                observed = torch.arange(m.shape[0])[:, None] == batch.values[m.name]
                return bounds.where(missing[:, i] | observed, -torch.inf).logsumexp(0)
        return self.machine.bound(self.visible(batch))


def _with_label(batch: Batch, index: int, category: int) -> Batch:
    """Set a label to a category in the samples that lack it."""
    name, present = batch.names[index], batch.present.clone()
    filled = batch.values[name].where(present[:, index], category)
    present[:, index] = True
    return Batch(batch.values | {name: filled}, present)


class BoltzmannObjective(Objective):
    """The base of objectives for a Boltzmann machine over the data: how an epoch is chosen."""

    #: While the chains are far from the machine's distribution, the estimate of log Z may be too
    #: small by hundreds of nats: a deep machine's first epoch on FashionMNIST scored highest.
    keep_after = 0.5

    def score(
        self, model: BoltzmannModel, batch: Batch, generator: torch.Generator | None = None
    ) -> Tensor:
        """Estimate log p(x), or a bound for a deep machine, from few annealed runs, ``(B,)``."""
        return model.bound(batch) - log_partition(model.machine, generator)
