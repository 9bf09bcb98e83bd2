"""The base class of models whose visible units are the data, and that of their objectives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

import torch
from pydantic import Field
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

#: The number of mean-field sweeps of a prediction through which gradients pass.
PREDICTION_SWEEPS = 5


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

    #: The number of Gibbs sweeps from the first state of a chain to a draw.
    GIBBS_SWEEPS: ClassVar[int] = 50

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

    def energy_weights(self) -> list[nn.Parameter]:
        """Return the weights and biases of the machine."""
        return list(self.machine.parameters())

    def visible(self, batch: Batch) -> State:
        """Return the data as unit states; zeros or the first category where missing."""
        batch = batch.align(self.modalities)
        return {f"v {m.name}": to_units(m, batch.filled(m.name)) for m in self.modalities}

    def _generate(
        self, batch: Batch, draws: int, seed: int, names: list[str]
    ) -> dict[str, Distribution]:
        """Run Gibbs chains with the evidence clamped, and return p(x_i|last hidden state)."""
        generator = torch.Generator().manual_seed(seed)
        evidence = self.visible(batch)
        given = {f"v {n}": batch.there(n).unsqueeze(-1) for n in batch.names}
        start = self._draw_start(evidence, given, (draws, len(batch)), generator)
        state = self.machine.gibbs(evidence, given, start, self.GIBBS_SWEEPS, generator)
        return {
            name: m.distribution.distribution(self.machine.field(f"v {name}", state), m.shape)
            for name in names
            for m in [self.modality(name)]
        }

    @torch.no_grad()
    def _draw_start(
        self,
        evidence: State,
        given: Mapping[str, Tensor],
        shape: tuple[int, int],
        generator: torch.Generator,
    ) -> State:
        """Draw the first states of Gibbs chains, ``(N, B, units)`` for each even group.

        If all but labels and tags is given, they are draws from mean field, as in training. If not,
        mean field would average over modes, and they are persistent chains.
        """
        machine = self.machine
        start = machine.draw_persistent(evidence, given, shape, generator)
        names = [f"v {m.name}" for m in self.modalities if not m.is_annotation]
        if not names:
            return start
        complete = torch.stack([given[name] for name in names]).all(0)
        means = machine.mean_field({name: evidence[name] for name in names})
        odd = {name: means[name] for name in machine.odd}
        drawn = {
            name: machine.draw(name, machine.field(name, odd).expand(*shape, -1), generator)
            for name in machine.even
        }
        return {name: torch.where(complete, drawn[name], x) for name, x in start.items()}

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
    r"""The base of objectives for a Boltzmann machine over the data.

    .. math:: -\log p(x) - \gamma\sum_{i\in A}\log q(x_i|x_{\setminus i})

    A are the labels and tags. With γ > 0 training is hybrid, generative and discriminative:
    Larochelle & Bengio 2008, https://doi.org/10.1145/1390156.1390224. The predictions q are
    mean-field ones, and gradients pass through their sweeps: Goodfellow et al. 2013,
    https://papers.nips.cc/paper/5024.

    Args:
        discriminative: γ, the weight of the prediction of labels and tags from all else.
    """

    discriminative: float = Field(default=0.0, ge=0)

    #: While the chains are far from the machine's distribution, the estimate of log Z may be too
    #: small by hundreds of nats: a deep machine's first epoch on FashionMNIST scored highest.
    keep_after = 0.5

    def prediction_loss(self, model: BoltzmannModel, data: State) -> Tensor:
        """Compute −γ Σ log q(x_i|all else) over labels and tags, a scalar, in nats per sample."""
        total, machine = torch.zeros(()), model.machine
        for m in model.modalities if self.discriminative else ():
            if not m.is_annotation:
                continue
            name = f"v {m.name}"
            others = {n: x for n, x in data.items() if n != name}
            if not others:
                continue
            means = machine.mean_field(others, PREDICTION_SWEEPS)
            field = machine.field(name, {n: means[n] for n in machine.odd})
            loss = (
                functional.cross_entropy
                if m.is_category
                else functional.binary_cross_entropy_with_logits
            )
            total = total + loss(field, data[name], reduction="sum") / max(len(field), 1)
        return self.discriminative * total

    def score(
        self, model: BoltzmannModel, batch: Batch, generator: torch.Generator | None = None
    ) -> Tensor:
        """Estimate log p(x), or a bound for a deep machine, from few annealed runs, ``(B,)``."""
        return model.bound(batch) - log_partition(model.machine, generator)
