"""The multimodal deep Boltzmann machine of Srivastava & Salakhutdinov (2012)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor, nn

from mvae.batch import Batch
from mvae.modality import Modality
from mvae.models.boltzmann.machine import CODE_SCALE, State
from mvae.models.boltzmann.model import BoltzmannModel, BoltzmannObjective

__all__ = ["DBM", "DBMObjective"]

#: The factors, by pair of layers, by which weights are multiplied in pre-training, upwards and
#: downwards: an inner unit has input from only one layer then, but from two in the joint machine.
UP_SCALE, DOWN_SCALE = (2.0, 2.0, 1.0), (1.0, 2.0, 2.0)
#: Standard deviation of the initial weights between hidden layers: random projections, which pass
#: a layer's information on from the start. Smaller weights decay before they become useful.
HIDDEN_SCALE = 0.03
#: The initial gain with which each layer of a label's pathway passes its code to the next. From 0.7
#: on, the layers would lock one another into a single state, whatever the data.
CODE_GAIN = 0.5
#: The learning rate of weights and biases not connected to the data, relative to those that are.
HIDDEN_RATE = 0.25
#: Probabilities are clamped to [ε, 1 − ε] before they are converted to biases.
EPSILON = 1e-3
#: Gibbs sweeps that take the persistent chains from a random start to the pre-trained machine.
BURN_IN_SWEEPS = 200
#: The score of a machine during pre-training, below any score after it.
PRETRAINING_SCORE = -1e6


class DBM(BoltzmannModel):
    r"""Deep Boltzmann machine: two hidden layers per modality, and a top layer that they share.

    .. math:: p(x, h) = \frac1Z \exp\sum_i \big(x_i^\top W_i h^1_i + {h^1_i}^\top V_i h^2_i
              + {h^2_i}^\top U_i h^3 + \text{biases}\big)

    x and h² form the even side, h¹ and h³ the odd side. log p is bounded by mean field, with log Z
    estimated. Srivastava & Salakhutdinov, *Multimodal Learning with Deep Boltzmann Machines*,
    NeurIPS 2012, https://papers.nips.cc/paper/4683.

    Args:
        modalities: the modalities it models, binary or categorical, each with two hidden widths.
        latents: the number of units of the joint layer h³.

    Raises:
        ValueError: for a modality that is neither binary nor categorical, or that does not have two
            hidden widths.
    """

    title = "Multimodal deep Boltzmann machine"
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
                "a pathway of this deep Boltzmann machine has two hidden layers: give "
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
        self._initialise_hidden_weights()
        #: Whether joint training has begun.
        self.register_buffer("pretrained", torch.tensor(False))

    @torch.no_grad()
    def _initialise_hidden_weights(self) -> None:
        """Initialise the weights between hidden layers: to pass on a label's code, or at random.

        Each category of a label has a random code in every layer of its pathway, and the weights
        map each to the next. Otherwise a label, a few nats among hundreds, would remain unconnected
        to the layers above it.
        """
        weights = self.machine.weights
        for m in self.modalities:
            h1, h2 = f"h1 {m.name}", f"h2 {m.name}"
            up, across = weights[f"{h2} - {h1}"], weights[f"{h2} - h3"]
            if m.is_category:
                code = weights[f"v {m.name} - {h1}"]
                code = _propagate_code(code, up.T)
                _propagate_code(code, across)
            else:
                for weight in (up, across):
                    weight.copy_(HIDDEN_SCALE * torch.randn(weight.shape))

    def energy_weights(self) -> dict[float, list[nn.Parameter]]:
        """Return the parameters by factors of the learning rate; inner ones learn slowly."""
        parameters = list(self.machine.named_parameters())
        return {
            1.0: [w for name, w in parameters if "v " in name],
            HIDDEN_RATE: [w for name, w in parameters if "v " not in name],
        }


def _propagate_code(code: Tensor, weight: Tensor) -> Tensor:
    """Set a weight to map codes ``(K, below)`` to random new ones, returned as ``(K, above)``."""
    above: Tensor = CODE_SCALE / weight.shape[1] ** 0.5 * torch.randn(len(code), weight.shape[1])
    # Near 0 a unit's mean changes by a quarter of its field, the slope of the sigmoid.
    weight.copy_(CODE_GAIN * torch.linalg.pinv(code / 4) @ above)
    return above


class DBMObjective(BoltzmannObjective):
    r"""Greedy layer-wise pre-training while β < 1, then joint training with mean field.

    .. math:: -\nabla \log p(x) \approx E_{q(h|x)}[\nabla E(x,h)] - E_{p(x,h)}[\nabla E(x,h)]

    While β is in [0, ⅓), the weights between x and h¹ are trained; in [⅓, ⅔) those between h¹ and
    h²; and in [⅔, 1) those between h² and h³. Each pair of layers is trained as an RBM by one step
    of contrastive divergence, with doubled weights where a layer will later have input from two:
    Salakhutdinov & Hinton 2009, https://proceedings.mlr.press/v5/salakhutdinov09a.html. From β = 1
    on, all weights are trained together: draws of q start at the mean-field solution and take a few
    Gibbs sweeps, and draws of p come from persistent chains. Only complete samples are used; the
    weights λ are ignored.
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
        """Compute the contrastive loss, a scalar, in nats per sample."""
        batch = batch.align(model.modalities)
        machine, data = model.machine, model.visible(batch[batch.present.all(-1)])
        machine.initialise_from(data)
        if beta < 1:
            return self.pretraining_loss(model, data, int(3 * beta), generator)
        if not model.pretrained:
            for _ in range(BURN_IN_SWEEPS):
                machine.advance_chains(generator)
            model.pretrained.fill_(True)
        means = machine.mean_field(data)
        machine.update_offsets({name: x for name, x in means.items() if name not in data})
        posterior = machine.draw_posterior(data, means, generator)
        return machine.contrastive_loss(posterior, machine.advance_chains(generator))

    def pretraining_loss(
        self, model: DBM, data: State, stage: int, generator: torch.Generator | None = None
    ) -> Tensor:
        """Compute the loss of a pair of layers, for its weights and the upper layer's biases.

        The lower layer's biases were learned with the pair below it, if there is one; here
        temporary ones are used that match its mean activations.
        """
        machine = model.machine
        observed, reconstructed = self.reconstruct(model, data, stage, generator)
        loss = machine.contrastive_loss(observed, reconstructed)
        # Cancel the gradient of the lower layer's biases, which are not trained here.
        for name in model.layers[stage] if stage else ():
            difference = observed[name] - reconstructed[name]
            loss = loss + machine.biases[name] @ (difference.sum(0) / max(len(difference), 1))
        return loss

    @torch.no_grad()
    def reconstruct(
        self, model: DBM, data: State, stage: int, generator: torch.Generator | None = None
    ) -> tuple[State, State]:
        """Return the states on which a pair of layers is trained, and their reconstructions."""
        machine = model.machine

        def up(below: State, i: int) -> State:
            fields = {
                n: machine.biases[n] + UP_SCALE[i] * machine.inputs(n, below)
                for n in model.layers[i + 1]
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
        reconstruction = {
            n: machine.mean(n, bias + DOWN_SCALE[stage] * machine.inputs(n, drawn))
            for n, bias in biases.items()
        }
        return below | above, reconstruction | up(reconstruction, stage)

    def score(
        self, model: BoltzmannModel, batch: Batch, generator: torch.Generator | None = None
    ) -> Tensor:
        """Estimate the bound on log p(x), ``(B,)``; −10⁶ in pre-training, so that it is not chosen.

        The half-trained machine is far from the joint one that its pairs of layers approximate, and
        a quick estimate of its log Z may be far too low.
        """
        if isinstance(model, DBM) and not model.pretrained:
            return torch.full((len(batch),), PRETRAINING_SCORE)
        return super().score(model, batch, generator)
