"""Autoencoders with binary codes, built from the MVAE's networks, and an RBM over the codes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from mvae.batch import Batch
from mvae.kinds.networks import Decoder, Pathway
from mvae.modality import Modality
from mvae.models.base import MultimodalModel
from mvae.models.boltzmann.annealing import log_partition
from mvae.models.boltzmann.machine import BoltzmannMachine, State, bernoulli_entropy
from mvae.models.objectives import Objective

__all__ = ["DeepRBM", "DeepRBMObjective"]

#: The number of hidden units of the RBM over the codes.
HIDDEN = 256


class DeepRBM(MultimodalModel):
    r"""Autoencoders with binary codes, one per modality, and an RBM over all codes together.

    .. math:: c_i \sim q(c_i|x_i) = \text{Bernoulli}(\sigma(f_i(x_i))), \qquad
              p(c_1,\dots,c_N,h) = \frac1Z\exp\Big(\sum_i (b_i + W_i h)\cdot c_i + a\cdot h\Big),
              \qquad p(x_i|c_i)

    The networks f_i and p(x_i|c_i) are as deep and wide as those of the MVAE, so the two differ in
    what couples the modalities: here it is an RBM with 256 hidden units instead of Gaussian
    experts. To generate, the codes of the evidence are drawn and clamped, Gibbs chains draw the
    other codes and the hidden units, and every code is decoded. The codes are learned first and
    then held fixed, which couples the modalities poorly. After Ngiam et al., *Multimodal Deep
    Learning*, ICML 2011, https://icml.cc/2011/papers/399_icmlpaper.pdf, whose RBM joins the
    pathways in the same place.

    Args:
        modalities: the modalities it models, of any kind.
        latents: the number of bits in each modality's code.
    """

    #: The number of Gibbs sweeps from a random start to a draw.
    GIBBS_SWEEPS: ClassVar[int] = 200

    uses_gibbs_chains = True
    title = "RBM over binary codes"
    reference = "after Ngiam et al. 2011, https://icml.cc/2011/papers/399_icmlpaper.pdf"
    no_experts = (
        "Its modalities meet in a Boltzmann machine over binary codes, a product of experts with "
        "an intractable normaliser: there are no Gaussians over latents, whose product would be a "
        "Gaussian again."
    )
    no_posterior = (
        "Its codes and hidden units are binary: given the data, each is on with some probability, "
        "and there are no real-valued latents."
    )
    no_likelihood = (
        "Its log p is a sum over all binary codes, weighed by a machine whose normaliser is "
        "unknown, and its parts are never trained together on it: only a bound is estimated, to "
        "choose an epoch."
    )

    def __init__(self, modalities: Iterable[Modality], latents: int) -> None:
        super().__init__(modalities, latents)
        self.encoders = nn.ModuleList(Pathway(m, (*m.hidden, latents)) for m in self.modalities)
        self.decoders = nn.ModuleList(Decoder(m, latents) for m in self.modalities)
        codes = [f"c {m.name}" for m in self.modalities]
        self.machine = BoltzmannMachine(
            dict.fromkeys(codes, latents), {"h": HIDDEN}, [(code, "h") for code in codes]
        )

    def energy_weights(self) -> dict[float, list[nn.Parameter]]:
        """Return the weights and biases of the machine, all with the same learning rate."""
        return {1.0: list(self.machine.parameters())}

    def encode(self, batch: Batch) -> State:
        """Compute q(c_i = 1|x_i) for each code, ``(B, D)``; meaningless where x_i is missing."""
        batch = batch.align(self.modalities)
        return {
            f"c {m.name}": encoder(batch.filled(m.name)).sigmoid()
            for m, encoder in zip(self.modalities, self.encoders, strict=True)
        }

    def log_likelihoods(self, codes: State, batch: Batch) -> Tensor:
        """Compute log p(x_i|c_i) per modality, ``(M, B)``; 0 where a modality is missing."""
        batch = batch.align(self.modalities)
        log_p = [
            decoder(codes[f"c {m.name}"]).log_prob(batch.filled(m.name))
            for m, decoder in zip(self.modalities, self.decoders, strict=True)
        ]
        return torch.where(batch.present.T, torch.stack(log_p), 0.0)

    def _generate(
        self, batch: Batch, draws: int, seed: int, names: list[str]
    ) -> dict[str, Distribution]:
        """Draw the codes of the evidence, run Gibbs chains for the others, and decode."""
        generator = torch.Generator().manual_seed(seed)
        codes = {
            name: torch.bernoulli(q.expand(draws, -1, -1), generator=generator)
            for name, q in self.encode(batch).items()
        }
        given = {f"c {n}": batch.there(n).unsqueeze(-1) for n in batch.names}
        state = self.machine.gibbs(codes, given, (draws, len(batch)), self.GIBBS_SWEEPS, generator)
        return {
            m.name: decoder(state[f"c {m.name}"])
            for m, decoder in zip(self.modalities, self.decoders, strict=True)
            if m.name in names
        }


class DeepRBMObjective(Objective):
    r"""The autoencoders alone while β < 1; then the RBM alone, with the autoencoders held fixed.

    .. math:: -\sum_i \lambda_i \log p(x_i|c_i), \quad c_i \sim q(c_i|x_i); \qquad
              -\nabla\log p(c) = E_{p(h|c)}[\nabla E(c,h)] - E_{p(c,h)}[\nabla E(c,h)]

    The gradient passes through the drawn codes as if they were their probabilities (the
    straight-through estimator: Bengio et al. 2013, https://arxiv.org/abs/1308.3432). The RBM is
    trained on the codes of complete samples by persistent contrastive divergence.
    """

    network = DeepRBM

    name: Literal["deep-rbm"] = "deep-rbm"

    def __call__(
        self,
        model: DeepRBM,
        batch: Batch,
        beta: float = 1.0,
        generator: torch.Generator | None = None,
        progress: float = 1.0,
    ) -> Tensor:
        """Compute the loss, a scalar, in nats per sample."""
        batch = batch.align(model.modalities)
        if beta < 1:
            q = model.encode(batch)
            codes = {name: straight_through(p, generator) for name, p in q.items()}
            weights = torch.tensor([m.weight for m in model.modalities])
            return -(weights @ model.log_likelihoods(codes, batch)).mean()
        with torch.no_grad():
            q = model.encode(batch[batch.present.all(-1)])
        codes = {name: torch.bernoulli(p, generator=generator) for name, p in q.items()}
        machine = model.machine
        machine.initialise_from(codes)
        return machine.contrastive_loss(
            machine.mean_field(codes), machine.advance_chains(generator)
        )

    def score(
        self, model: DeepRBM, batch: Batch, generator: torch.Generator | None = None
    ) -> Tensor:
        r"""Bound log p of complete samples as in a VAE whose prior is the RBM, ``(B,)``.

        .. math:: \sum_i\log p(x_i|c_i) + \log p(c) + H(q(c|x)), \qquad c \sim q(c|x)

        Before the RBM is trained, p(c) is uniform, so no epoch of pre-training is chosen.

        Raises:
            ValueError: if a sample lacks a modality.
        """
        batch = batch.align(model.modalities)
        batch.require(batch.names)
        q = model.encode(batch)
        codes = {name: torch.bernoulli(p, generator=generator) for name, p in q.items()}
        log_prior = model.machine.bound(codes) - log_partition(model.machine, generator=generator)
        fit = model.log_likelihoods(codes, batch).sum(0)
        return fit + log_prior + bernoulli_entropy(q.values())


def straight_through(p: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draw 0 or 1 with probabilities p; gradients pass through to p unchanged."""
    return torch.bernoulli(p.detach(), generator=generator) + p - p.detach()
