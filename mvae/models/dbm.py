"""The multimodal deep Boltzmann machine of Srivastava & Salakhutdinov (2012).

What training it took to make it predict labels, found on MNIST (1,000 or 2,000 validation images):

- The gradients are right: on machines that can be enumerated they are those of the exact log p.
- *A label needs no pathway of its own.* Behind two hidden layers, ten units among hundreds are
  lost: 65 % of labels were right. Joined to the top layer, 80 %.
- *Pre-training is needed*, with the doubled weights of Salakhutdinov & Hinton (2009): without it
  the weights between hidden layers stay near their random start (standard deviation 0.034 to 0.037
  in six epochs). After eight epochs for each pair of layers, 90 % are right before any joint
  training.
- *Persistent chains alone lose that again*: 77 % after two epochs of joint training, 89 % after
  ten. Predicting the label through unrolled mean-field sweeps, as a second term, reaches 95 % in
  six epochs; averaging the weights over steps removes the noise of the chains.
- *Chains mix badly.* From random units, 200 sweeps lead to the label's class in 28 % of pictures;
  from states of the persistent chains, weighed by how well they explain the evidence, in 72 % at
  the same epoch. Annealing to the conditional instead finds modes that training never visited.
- No help: a learning rate per layer, fast weights for the chains (Tieleman & Hinton 2009), and
  annealed restarts, which improve pictures but not predictions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.modality import Modality
from mvae.models.boltzmann.machine import State
from mvae.models.boltzmann.model import BoltzmannModel, BoltzmannObjective

__all__ = ["DBM", "DBMObjective"]

#: The factors, by pair of layers, by which upward weights are multiplied in pre-training; downward
#: ones are doubled for hidden units. An inner unit has input from only one layer then, but from two
#: in the joint machine.
UP_SCALE, DOWN_SCALE = (2.0, 2.0, 1.0), 2.0
#: Standard deviation of the initial weights between hidden layers: random projections, which pass
#: a layer's information on from the start. Smaller weights decay before they become useful.
HIDDEN_SCALE = 0.03
#: Probabilities are clamped to [ε, 1 − ε] before they are converted to biases.
EPSILON = 1e-3
#: Gibbs sweeps that take the persistent chains from a random start to the pre-trained machine.
BURN_IN_SWEEPS = 200
#: The score of a machine during pre-training, below any score after it.
PRETRAINING_SCORE = -1e6


class DBM(BoltzmannModel):
    r"""Deep Boltzmann machine: a pathway of two hidden layers per image, and a shared top layer.

    .. math:: p(x, h) = \frac1Z \exp\Big(\sum_i \big(x_i^\top W_i h^1_i + {h^1_i}^\top V_i h^2_i
              + {h^2_i}^\top U_i h^3\big) + \sum_j y_j^\top R_j h^3 + \text{biases}\Big)

    Labels and tags y are joined to the top layer directly. x, h² and y form the even side, h¹ and
    h³ the odd side. log p is bounded by mean field, with log Z estimated. Srivastava &
    Salakhutdinov, *Multimodal Learning with Deep Boltzmann Machines*, NeurIPS 2012,
    https://papers.nips.cc/paper/4683.

    Args:
        modalities: the modalities it models, binary or categorical; those that are not labels or
            tags with two hidden widths each.
        latents: the number of units of the joint layer h³.

    Raises:
        ValueError: for a modality that is neither binary nor categorical, for one with a pathway
            that does not have two hidden widths, and if all are labels or tags.
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
        deep = [m for m in modalities if not m.is_annotation]
        if not deep:
            raise ValueError(
                "a deep Boltzmann machine of labels and tags alone has no pathway: use an RBM"
            )
        if bad := [m for m in deep if len(m.hidden) != 2]:
            raise ValueError(
                "a pathway of this deep Boltzmann machine has two hidden layers: give "
                f"{bad[0].name} two widths, not {len(bad[0].hidden)}"
            )
        visible = tuple(f"v {m.name}" for m in deep)
        annotations = tuple(f"v {m.name}" for m in modalities if m.is_annotation)
        first = {f"h1 {m.name}": m.hidden[0] for m in deep}
        second = {f"h2 {m.name}": m.hidden[1] for m in deep}
        edges = [(name, "h3") for name in annotations]
        for v, h1, h2 in zip(visible, first, second, strict=True):
            edges += [(v, h1), (h2, h1), (h2, "h3")]
        super().__init__(modalities, latents, second, first | {"h3": latents}, edges)
        #: Names of the groups of each layer, from the data up.
        self.layers = (visible, tuple(first), (*second, *annotations), ("h3",))
        with torch.no_grad():
            for a, b in edges:
                if a in second:
                    weight = self.machine.weight(a, b)
                    weight.copy_(HIDDEN_SCALE * torch.randn(weight.shape))
        #: Whether joint training has begun.
        self.register_buffer("pretrained", torch.tensor(False))


class DBMObjective(BoltzmannObjective):
    r"""Greedy layer-wise pre-training while β < 1, then joint training with mean field.

    .. math:: -\nabla \log p(x) \approx E_{q(h|x)}[\nabla E(x,h)] - E_{p(x,h)}[\nabla E(x,h)]

    While β is in [0, ⅓), the weights between x and h¹ are trained; in [⅓, ⅔) those between h¹ and
    h²; and in [⅔, 1) those between h³ and both h² and the labels and tags. Each pair of layers is
    trained as an RBM by one step of contrastive divergence, with doubled weights where a layer will
    later have input from two: Salakhutdinov & Hinton 2009,
    https://proceedings.mlr.press/v5/salakhutdinov09a.html. From β = 1 on, all weights are trained
    together: draws of q start at the mean-field solution and take a few Gibbs sweeps, and draws of
    p come from persistent chains. Only complete samples are used; the weights λ are ignored.
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
        with torch.no_grad():
            means = machine.mean_field(data)
        machine.update_offsets({name: x for name, x in means.items() if name not in data})
        posterior = machine.draw_posterior(data, means, generator)
        loss = machine.contrastive_loss(posterior, machine.advance_chains(generator))
        return loss + self.prediction_loss(model, data)

    def pretraining_loss(
        self, model: DBM, data: State, stage: int, generator: torch.Generator | None = None
    ) -> Tensor:
        """Compute the loss of a pair of layers, for its weights and the upper layer's biases.

        The biases of a lower hidden layer were learned with the pair below it; here temporary ones
        are used that match its mean activations. The offsets of the upper layer follow its means.
        """
        machine = model.machine
        observed, reconstructed = self.reconstruct(model, data, stage, generator)
        machine.update_offsets({n: observed[n] for n in model.layers[stage + 1] if n not in data})
        loss = machine.contrastive_loss(observed, reconstructed)
        # Cancel the gradient of the lower hidden layer's biases, which are not trained here.
        for name in set(model.layers[stage]) - set(data):
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
                if n not in data
            }
            return {n: field.sigmoid() for n, field in fields.items()}

        below: State = {}
        for i in range(stage + 1):
            below = up(below, i - 1) if i else {}
            below |= {n: data[n] for n in model.layers[i] if n in data}
        above = up(below, stage)
        drawn = {n: torch.bernoulli(p, generator=generator) for n, p in above.items()}
        reconstruction = {}
        for n, x in below.items():
            if n in data:
                field = machine.field(n, drawn)
            else:
                field = x.mean(0).logit(EPSILON) + DOWN_SCALE * machine.inputs(n, drawn)
            reconstruction[n] = machine.mean(n, field)
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
