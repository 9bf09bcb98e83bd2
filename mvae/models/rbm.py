"""A single restricted Boltzmann machine over all modalities."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.modality import Modality
from mvae.models.boltzmann.model import BoltzmannModel, BoltzmannObjective

__all__ = ["RBM", "RBMObjective"]


class RBM(BoltzmannModel):
    r"""Restricted Boltzmann machine: all modalities are visible units of one layer.

    .. math:: p(x_1,\dots,x_N,h) = \frac1Z \exp\Big(\sum_i (b_i + W_i h)\cdot x_i + c\cdot h\Big)

    Summed over h, it is a product of experts over the data, one for each hidden unit, with an
    intractable normaliser Z. Each observed modality adds its evidence :math:`W_i^\top x_i` to the
    logits of p(h|x); a missing one has to be summed over. Its log p is exact except for log Z,
    which is estimated. Smolensky 1986, https://doi.org/10.21236/ADA620727;
    training: Tieleman 2008, https://doi.org/10.1145/1390156.1390290; log Z: Salakhutdinov &
    Murray 2008, https://doi.org/10.1145/1390156.1390266.

    Args:
        modalities: the modalities it models, binary or categorical.
        latents: the number of hidden units.

    Raises:
        ValueError: for a modality that is neither binary nor categorical.

    Example:
        >>> label = Modality(name="label", kind="label", shape=(10,), likelihood="categorical")
        >>> model = RBM([label], latents=4)
        >>> draws = model.generate(Batch.empty(model.modalities), draws=3)
        >>> draws["label"].probs.shape
        torch.Size([3, 1, 10])
    """

    title = "Restricted Boltzmann machine"
    reference = "Tieleman 2008, https://doi.org/10.1145/1390156.1390290"
    no_experts = (
        "It is itself a product of experts, one for each hidden unit, but over the data, with an "
        "intractable normaliser; experts over the latents are Gaussians, whose product has its "
        "normaliser in closed form. Here, too, each observed modality adds its evidence to "
        "p(h|x), but a missing one has to be summed over."
    )

    def __init__(self, modalities: Iterable[Modality], latents: int) -> None:
        modalities = tuple(modalities)
        edges = [(f"v {m.name}", "h") for m in modalities]
        super().__init__(modalities, latents, hidden={}, odd={"h": latents}, edges=edges)


class RBMObjective(BoltzmannObjective):
    r"""Persistent contrastive divergence on all modalities together, for complete samples.

    .. math:: -\nabla \log p(x) = E_{p(h|x)}[\nabla E(x,h)] - E_{p(x,h)}[\nabla E(x,h)]

    The second expectation is over persistent chains, advanced by one Gibbs sweep per step; at each
    step a few restart at random. The weights λ are not used.
    """

    network = RBM

    name: Literal["rbm"] = "rbm"

    def __call__(
        self,
        model: RBM,
        batch: Batch,
        beta: float = 1.0,
        generator: torch.Generator | None = None,
        progress: float = 1.0,
    ) -> Tensor:
        """Compute the contrastive loss, a scalar, in nats per sample; β is not used."""
        batch = batch.align(model.modalities)
        machine, complete = model.machine, batch[batch.present.all(-1)]
        visible = model.visible(complete)
        machine.initialise_from(visible)
        with torch.no_grad():
            data = machine.mean_field(visible)
        loss = machine.contrastive_loss(data, machine.advance_chains(generator))
        return loss + self.prediction_loss(model, visible)
