"""Autoencoders with binary codes, built from the MVAE's networks, and an RBM over the codes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

import torch
from pydantic import Field
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
#: The smallest probability of a code's bit.
EPSILON = 1e-5
#: The number of mean-field sweeps of a prediction through which gradients pass.
PREDICTION_SWEEPS = 3


class DeepRBM(MultimodalModel):
    r"""Autoencoders with binary codes, one per modality, and an RBM over all codes together.

    .. math:: c_i \sim q(c_i|x_i) = \text{Bernoulli}(\sigma(f_i(x_i))), \qquad
              p(c_1,\dots,c_N,h) = \frac1Z\exp\Big(\sum_i (b_i + W_i h)\cdot c_i + a\cdot h\Big),
              \qquad p(x_i|c_i)

    The networks f_i and p(x_i|c_i) are as deep and wide as those of the MVAE, so the two differ in
    what couples the modalities: here it is an RBM with 256 hidden units instead of Gaussian
    experts. It is a VAE whose prior is the RBM, and all parts are trained together on its bound. To
    generate, the codes of the evidence are drawn and clamped, Gibbs chains draw the other codes and
    the hidden units, and every code is decoded. After Ngiam et al., *Multimodal Deep Learning*,
    ICML 2011, https://icml.cc/2011/papers/399_icmlpaper.pdf, whose RBM joins the pathways in the
    same place.

    Args:
        modalities: the modalities it models, of any kind.
        latents: the number of bits in each modality's code.
    """

    #: The number of Gibbs sweeps from a state of the persistent chains to a draw.
    GIBBS_SWEEPS: ClassVar[int] = 50

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
        "unknown: only a bound is estimated, to choose an epoch."
    )

    def __init__(self, modalities: Iterable[Modality], latents: int) -> None:
        super().__init__(modalities, latents)
        self.encoders = nn.ModuleList(Pathway(m, (*m.hidden, latents)) for m in self.modalities)
        self.decoders = nn.ModuleList(Decoder(m, latents) for m in self.modalities)
        codes = [f"c {m.name}" for m in self.modalities]
        self.machine = BoltzmannMachine(
            dict.fromkeys(codes, latents), {"h": HIDDEN}, [(code, "h") for code in codes]
        )

    def energy_weights(self) -> list[nn.Parameter]:
        """Return the weights and biases of the machine."""
        return list(self.machine.parameters())

    def encode(self, batch: Batch) -> State:
        """Compute q(c_i = 1|x_i) for each code, ``(B, D)``; meaningless where x_i is missing.

        Probabilities are clamped to [ε, 1 − ε], where their entropy has a finite gradient.
        """
        batch = batch.align(self.modalities)
        return {
            f"c {m.name}": encoder(batch.filled(m.name)).sigmoid().clamp(EPSILON, 1 - EPSILON)
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
        start = self.machine.draw_persistent(codes, given, (draws, len(batch)), generator)
        state = self.machine.gibbs(codes, given, start, self.GIBBS_SWEEPS, generator)
        return {
            m.name: decoder(state[f"c {m.name}"])
            for m, decoder in zip(self.modalities, self.decoders, strict=True)
            if m.name in names
        }


class DeepRBMObjective(Objective):
    r"""The bound of a VAE with binary codes and an RBM as its prior, all parts trained together.

    .. math:: -\sum_i \lambda_i \log p(x_i|c_i) + \beta\,\Big(F(c) + \log Z - H(q(c|x))
              - \gamma\sum_{i\in A}\log p(x_i|c_i(x_{\setminus i}))\Big), \qquad c_i \sim q(c_i|x_i)

    F is the RBM's free energy, whose gradient trains encoders and RBM alike; the gradient of log Z
    is estimated from persistent chains. Gradients pass through the drawn bits as if they were their
    probabilities (the straight-through estimator: Bengio et al. 2013,
    https://arxiv.org/abs/1308.3432). It is biased, but REINFORCE was not needed: its variance grows
    with the number of bits, and wake-sleep would not train the encoders on the bound.

    The last term predicts labels, tags and texts A from the codes of all other modalities, through
    mean-field sweeps of the RBM: without it, the bound is dominated by pixels and the RBM relates
    the codes only loosely. Samples that lack a modality train the networks only.

    Args:
        discriminative: γ.
    """

    network = DeepRBM
    keep_after = 0.5

    name: Literal["deep-rbm"] = "deep-rbm"
    discriminative: float = Field(default=0.0, ge=0)

    def __call__(
        self,
        model: DeepRBM,
        batch: Batch,
        beta: float = 1.0,
        generator: torch.Generator | None = None,
        progress: float = 1.0,
    ) -> Tensor:
        """Compute the loss, a scalar, in nats per sample, up to log Z and its gradient."""
        batch, machine = batch.align(model.modalities), model.machine
        q = model.encode(batch)
        codes = {name: straight_through(p, generator) for name, p in q.items()}
        weights = torch.tensor([m.weight for m in model.modalities])
        fit = (weights @ model.log_likelihoods(codes, batch)).mean()
        complete = batch.present.all(-1)
        if not complete.any():
            return -fit
        codes, q = ({n: x[complete] for n, x in state.items()} for state in (codes, q))
        machine.initialise_from({name: c.detach() for name, c in codes.items()})
        chains = machine.advance_chains(generator)
        free_energy = (
            machine.free_energy(codes).mean()
            - machine.free_energy({name: chains[name] for name in machine.even}).mean()
        )
        prior = free_energy - bernoulli_entropy(q.values()).mean()
        predicted = self._prediction_loss(model, codes, batch[complete], generator)
        return beta * (prior + predicted) - fit

    def _prediction_loss(
        self, model: DeepRBM, codes: State, batch: Batch, generator: torch.Generator | None
    ) -> Tensor:
        """Compute −γ Σ log p(x_i|code from all other codes), a scalar, in nats per sample."""
        total = torch.zeros(())
        for m, decoder in zip(model.modalities, model.decoders, strict=True):
            if self.discriminative and m.is_annotation and len(model.modalities) > 1:
                others = {name: c for name, c in codes.items() if name != f"c {m.name}"}
                means = model.machine.mean_field(others, PREDICTION_SWEEPS)
                code = straight_through(means[f"c {m.name}"], generator)
                total = total - decoder(code).log_prob(batch.values[m.name]).mean()
        return self.discriminative * total

    def score(
        self, model: DeepRBM, batch: Batch, generator: torch.Generator | None = None
    ) -> Tensor:
        r"""Bound log p of complete samples as in a VAE whose prior is the RBM, ``(B,)``.

        .. math:: \sum_i\log p(x_i|c_i) + \log p(c) + H(q(c|x)), \qquad c \sim q(c|x)

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
