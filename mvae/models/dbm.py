"""The multimodal deep Boltzmann machine of Srivastava & Salakhutdinov (2012)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor, nn

from mvae.batch import Batch
from mvae.modality import Modality
from mvae.models.boltzmann.machine import CODE, State
from mvae.models.boltzmann.model import BoltzmannModel, BoltzmannObjective

__all__ = ["DBM", "DBMObjective"]

#: By how much the weights between two layers are multiplied in pre-training, upwards and
#: downwards: a unit inside the machine will hear two layers, and so far it hears one of them.
UP, DOWN = (2.0, 2.0, 1.0), (1.0, 2.0, 2.0)
#: Spread of the first weights between hidden layers: random projections, in which what a layer says
#: reaches the next at once. Smaller ones fade before they have anything to say.
INSIDE = 0.03
#: How much of a category's code each layer of its pathway hands to the next at first. From 0.7 on
#: the layers would hold one another in a single state, whatever the data.
GAIN = 0.5
#: How fast all weights and biases learn that touch no data, relative to those that do.
SLOWLY = 0.25
#: Nearest that a rate may be to 0 and 1 to be a bias.
EPSILON = 1e-3
#: Sweeps that take the persistent chains from a random start to the pre-trained machine.
BURN_IN = 200
#: The score of a machine in pre-training, below that of any other.
NOT_YET = -1e6


class DBM(BoltzmannModel):
    r"""Deep Boltzmann machine: a pathway of two hidden layers a modality, and a layer they share.

    .. math:: p(x, h) = \frac1Z \exp\sum_i \big(x_i^\top W_i h^1_i + {h^1_i}^\top V_i h^2_i
              + {h^2_i}^\top U_i h^3 + \text{biases}\big)

    x and h² make the even side, h¹ and h³ the odd one. log p is bounded by mean field, with
    log Z estimated. Srivastava & Salakhutdinov, *Multimodal Learning with Deep Boltzmann
    Machines*, NeurIPS 2012, https://papers.nips.cc/paper/4683.

    Args:
        modalities: binary or categorical, each with two hidden widths.
        latents: units of the joint layer h³.

    Raises:
        ValueError: for a modality that is neither binary nor a category, or has another number of
            hidden widths.
    """

    reference = "Srivastava & Salakhutdinov 2012, https://papers.nips.cc/paper/4683"
    no_experts = (
        "Its pathways meet in a layer of binary units, a product over the whole machine with an "
        "intractable normaliser: there are no Gaussians over latents, whose product "
        "would be a Gaussian again."
    )

    pretrained: Tensor

    def __init__(self, modalities: Iterable[Modality], latents: int) -> None:
        modalities = tuple(modalities)
        if bad := [m for m in modalities if len(m.hidden) != 2]:
            raise ValueError(
                f"a pathway of this deep Boltzmann machine has two hidden layers: give "
                f"{bad[0].name} two widths, not {len(bad[0].hidden)}"
            )
        first = {f"h1 {m.name}": m.hidden[0] for m in modalities}
        second = {f"h2 {m.name}": m.hidden[1] for m in modalities}
        edges = []
        for v, h1, h2 in zip((f"v {m.name}" for m in modalities), first, second, strict=True):
            edges += [(v, h1), (h2, h1), (h2, "h3")]
        super().__init__(modalities, latents, second, first | {"h3": latents}, edges)
        names = [f"v {m.name}" for m in modalities]
        #: Names of the groups of each layer, from the data up.
        self.layers = (tuple(names), tuple(first), tuple(second), ("h3",))
        self._connect()
        #: Whether joint training has begun.
        self.register_buffer("pretrained", torch.tensor(False))

    @torch.no_grad()
    def _connect(self) -> None:
        """Give the first weights between hidden layers: codes of categories, else at random.

        A category has a random code in every layer of its pathway, handed upwards. Without, a
        label of a few nats among hundreds stays untied from everything above it.
        """
        weights = self.machine.weights
        for m in self.modalities:
            h1, h2 = f"h1 {m.name}", f"h2 {m.name}"
            up, across = weights[f"{h2} - {h1}"], weights[f"{h2} - h3"]
            if m.is_category:
                code = weights[f"v {m.name} - {h1}"]
                code = _handed_on(code, up.T)
                _handed_on(code, across)
            else:
                for weight in (up, across):
                    weight.copy_(INSIDE * torch.randn(weight.shape))

    def energy_weights(self) -> dict[float, list[nn.Parameter]]:
        """Give the weights and biases by their speed: those inside learn slowly."""
        named = list(self.machine.named_parameters())
        return {
            1.0: [w for name, w in named if "v " in name],
            SLOWLY: [w for name, w in named if "v " not in name],
        }


def _handed_on(code: Tensor, weight: Tensor) -> Tensor:
    """Set weights that hand codes ``(K, below)`` on, and give those they become, ``(K, above)``."""
    above: Tensor = CODE / weight.shape[1] ** 0.5 * torch.randn(len(code), weight.shape[1])
    # A unit's mean moves by a quarter of its field.
    weight.copy_(GAIN * torch.linalg.pinv(code / 4) @ above)
    return above


class DBMObjective(BoltzmannObjective):
    r"""Greedy pre-training layer by layer while β < 1, then the joint machine by mean field.

    .. math:: -\nabla \log p(x) \approx E_{q(h|x)}[\nabla E(x,h)] - E_{p(x,h)}[\nabla E(x,h)]

    Of the range of β, [0, ⅓) trains the weights between x and h¹, [⅓, ⅔) those between h¹ and h²,
    and [⅔, 1) those between h² and h³, each pair as an RBM by one step of contrastive divergence,
    with weights doubled where the pair stands in for two layers: Salakhutdinov & Hinton 2009,
    https://proceedings.mlr.press/v5/salakhutdinov09a.html. From β = 1 on all weights are trained
    together: q is mean field, from which a few Gibbs sweeps go on, and p is persistent chains.
    Samples must be complete; λ has no place in it.
    """

    network = DBM

    name: Literal["dbm"] = "dbm"

    def __call__(
        self,
        model: DBM,
        batch: Batch,
        beta: float = 1.0,
        generator: torch.Generator | None = None,
        progress: float = 1.0,
    ) -> Tensor:
        """Give the contrast, a scalar, in nats a sample."""
        batch = batch.align(model.modalities)
        machine, data = model.machine, model.visible(batch[batch.present.all(-1)])
        machine.centre(data)
        if beta < 1:
            return self.greedy(model, data, int(3 * beta), generator)
        if not model.pretrained:
            for _ in range(BURN_IN):
                machine.persist(generator)
            model.pretrained.fill_(True)
        means = machine.mean_field(data)
        machine.recentre({name: x for name, x in means.items() if name not in data})
        seen = machine.posterior(data, means, generator)
        return machine.contrast(seen, machine.persist(generator))

    def greedy(
        self, model: DBM, data: State, stage: int, generator: torch.Generator | None = None
    ) -> Tensor:
        """Give the contrast of a pair of layers: its weights, and the biases of the upper layer.

        Those of the lower layer were learned with the pair below it, where there is one; here it
        has biases of its own, by its rates, which the joint machine does not keep.
        """
        machine = model.machine
        seen, again = self.reconstructed(model, data, stage, generator)
        loss = machine.contrast(seen, again)
        for name in model.layers[stage] if stage else ():
            apart = (seen[name] - again[name]).sum(0) / max(len(seen[name]), 1)
            loss = loss + machine.biases[name] @ apart
        return loss

    @torch.no_grad()
    def reconstructed(
        self, model: DBM, data: State, stage: int, generator: torch.Generator | None = None
    ) -> tuple[State, State]:
        """Give what the RBM of a pair of layers sees, and its reconstruction of it."""
        machine = model.machine

        def up(below: State, i: int) -> State:
            fields = {
                n: machine.biases[n] + UP[i] * machine.inputs(n, below) for n in model.layers[i + 1]
            }
            return {n: field.sigmoid() for n, field in fields.items()}

        below = data
        for i in range(stage):
            below = up(below, i)
        above = up(below, stage)
        drawn = {n: torch.bernoulli(p, generator=generator) for n, p in above.items()}
        biases = {
            n: below[n].mean(0).logit(EPSILON) if stage else machine.biases[n]
            for n in model.layers[stage]
        }
        again = {
            n: machine.mean(n, bias + DOWN[stage] * machine.inputs(n, drawn))
            for n, bias in biases.items()
        }
        return below | above, again | up(again, stage)

    def score(
        self, model: BoltzmannModel, batch: Batch, generator: torch.Generator | None = None
    ) -> Tensor:
        """Estimate the bound of log p(x), ``(B,)``; −10⁶ in pre-training, never to be chosen.

        The half-trained machine is far from the one that its pairs of layers stand in for, and a
        quick estimate of its log Z may be far too low.
        """
        if isinstance(model, DBM) and not model.pretrained:
            return torch.full((len(batch),), NOT_YET)
        return super().score(model, batch, generator)
