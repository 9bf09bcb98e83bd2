"""The interface that all models share."""

from __future__ import annotations

import abc
from collections.abc import Collection, Iterable
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from mvae.batch import Batch
from mvae.distributions.gaussian import Gaussian, Product, product_of_experts
from mvae.distributions.mixture import Mixture
from mvae.kinds.networks import Decoder, Encoder
from mvae.modality import Modality

__all__ = ["DRAWS", "DecodingModel", "ExpertModel", "LatentModel", "MultimodalModel", "noise"]

#: Usual number of draws of the hidden variables that an expectation is estimated from.
DRAWS = 64


def noise(draws: int, samples: int, latents: int, seed: int) -> Tensor:
    """Return the ε of z = μ + σε, ``(draws, B, D)``, the same for any evidence and any model.

    Raises:
        ValueError: for fewer than one draw.
    """
    if draws < 1:
        raise ValueError(f"there must be at least one draw, not {draws}")
    return torch.randn(draws, samples, latents, generator=torch.Generator().manual_seed(seed))


class MultimodalModel(nn.Module, abc.ABC):
    """The interface of every model, so that callers need not know which model they hold.

    Each attribute ``no_…`` is a sentence that explains what the model cannot do; an empty string
    means that it can.

    Args:
        modalities: the modalities it models, in a fixed order.
        latents: D, the number of latent variables, at least one.

    Raises:
        ValueError: if two modalities have the same name, or there are none, or no latents.
    """

    #: The model's name in words, such as "Multimodal VAE".
    title: ClassVar[str]
    #: The paper, with a link.
    reference: ClassVar[str]
    #: Why it has no Gaussian experts whose product is its posterior.
    no_experts: ClassVar[str] = ""
    #: Why it has no posterior over real-valued latents.
    no_posterior: ClassVar[str] = ""
    #: Why log p of its modalities is not estimated.
    no_likelihood: ClassVar[str] = ""
    #: Whether generating runs a long Gibbs chain, so that nothing else should wait for it.
    uses_gibbs_chains: ClassVar[bool] = False

    def __init__(self, modalities: Iterable[Modality], latents: int) -> None:
        super().__init__()
        self.modalities = tuple(modalities)
        self.latents = latents
        names = [m.name for m in self.modalities]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"a model needs modalities with different names, not {names}")
        if latents < 1:
            raise ValueError(f"a model needs at least one latent, not {latents}")

    def cannot(self, given: Collection[str], wanted: str) -> str:
        """Return why it cannot generate ``wanted`` from the given modalities; empty if it can."""
        return ""

    def generate(
        self, batch: Batch, draws: int, seed: int = 0, wanted: Collection[str] | None = None
    ) -> dict[str, Distribution]:
        """Draw hidden states given the modalities present, and decode them.

        Args:
            batch: B samples, of which any modality may be missing.
            draws: N, the number of hidden states per sample, at least one.
            seed: seed of the draws; it gives the same random numbers for any evidence.
            wanted: names of the modalities to generate; None for all that the model can generate.

        Returns:
            dict: p(x_i|hidden) by modality, of batch shape ``(N, B)``; modalities that cannot be
            generated from this evidence are left out.

        Raises:
            ValueError: if a wanted modality or one in the batch is unknown, or for fewer than one
                draw.
        """
        if draws < 1:
            raise ValueError(f"there must be at least one draw, not {draws}")
        batch = batch.align(self.modalities)
        names = self.possible_targets(batch, wanted)
        return self._generate(batch, draws, seed, names) if names else {}

    @abc.abstractmethod
    def _generate(
        self, batch: Batch, draws: int, seed: int, names: list[str]
    ) -> dict[str, Distribution]:
        """Draw hidden states and decode the named modalities, at least one."""

    def energy_weights(self) -> list[nn.Parameter]:
        """Return the parameters of its energy function; empty for a model without one.

        They are trained by an optimiser of their own.
        """
        return []

    def modality(self, name: str) -> Modality:
        """Find a modality by its name.

        Raises:
            ValueError: if there is none of that name.
        """
        for m in self.modalities:
            if m.name == name:
                return m
        known = ", ".join(m.name for m in self.modalities)
        raise ValueError(f"no modality is called {name!r}: there are {known}")

    def possible_targets(self, batch: Batch, wanted: Collection[str] | None) -> list[str]:
        """Return the names of the wanted modalities that it can generate for every sample.

        Raises:
            ValueError: if a wanted modality or one in the batch is unknown.
        """
        batch = batch.align(self.modalities)
        wanted = None if wanted is None else {self.modality(name).name for name in wanted}
        evidence = {
            tuple(name for name, present in zip(batch.names, row, strict=True) if present)
            for row in batch.present.unique(dim=0).tolist()
        }
        names = [m.name for m in self.modalities if wanted is None or m.name in wanted]
        return [n for n in names if not any(self.cannot(given, n) for given in evidence)]


class DecodingModel(MultimodalModel):
    """A model that decodes points of a latent space, with a decoder for each modality."""

    decoders: nn.ModuleList

    def decode(self, z: Tensor, name: str) -> Distribution:
        """Return p(x_name|z) for latents ``(..., D)``.

        Raises:
            ValueError: if there is no modality of that name, or z has another number of latents.
        """
        self._check_latents(z)
        index = self.modalities.index(self.modality(name))
        distribution: Distribution = self.decoders[index](z)
        return distribution

    def _check_latents(self, z: Tensor) -> None:
        if z.shape[-1:] != (self.latents,):
            raise ValueError(f"z must be of shape (..., {self.latents}), not {tuple(z.shape)}")

    def expected(self, z: Tensor) -> dict[str, Tensor]:
        """Return the mean of every modality given latents ``(..., D)``, ``(..., *shape)``.

        Raises:
            ValueError: if z has another number of latents.
        """
        return {m.name: m.distribution.expected(self.decode(z, m.name)) for m in self.modalities}


class LatentModel(DecodingModel):
    """A variational autoencoder: p(x_1, …, x_N, z) = p(z) ∏ p(x_i|z) with p(z) = N(0, I).

    Args:
        modalities: the modalities it models; each gets an encoder and a decoder of its kind.
        latents: D.
    """

    #: The proposal of importance weighting, in words.
    proposal_description: ClassVar[str] = "q its own posterior"

    def __init__(self, modalities: Iterable[Modality], latents: int) -> None:
        super().__init__(modalities, latents)
        self.encoders = nn.ModuleList(Encoder(m, latents) for m in self.modalities)
        self.decoders = nn.ModuleList(Decoder(m, latents) for m in self.modalities)

    def encode(self, batch: Batch) -> Gaussian:
        """Encode each modality once, ``(M, B, D)``; rows of missing modalities are meaningless."""
        batch = batch.align(self.modalities)
        encoded = [
            encoder(batch.filled(m.name))
            for m, encoder in zip(self.modalities, self.encoders, strict=True)
        ]
        means, logvars = [q.mean for q in encoded], [q.logvar for q in encoded]
        return Gaussian(torch.stack(means), torch.stack(logvars))

    @abc.abstractmethod
    def posterior(self, batch: Batch) -> Gaussian | Mixture:
        """Compute q(z|X_S) given the modalities present in each sample, ``(B, D)``.

        Raises:
            ValueError: if the model has no posterior for such a subset, with the sentence
                returned by `cannot`.
        """

    def proposal(self, batch: Batch) -> Gaussian | Mixture:
        """Return the proposal of importance weighting: the posterior, unless there is none."""
        return self.posterior(batch)

    def _generate(
        self, batch: Batch, draws: int, seed: int, names: list[str]
    ) -> dict[str, Distribution]:
        """Decode draws of q(z|X_S)."""
        z = self.posterior(batch).from_noise(noise(draws, len(batch), self.latents, seed))
        return {name: self.decode(z, name) for name in names}


class ExpertModel(LatentModel):
    """A model whose posterior is the product of one expert per modality and of N(0, I).

    Code that explains such a model, for example in figures, multiplies the experts itself, and the
    browser decodes with the weights of its decoders. So a subclass may only override `experts`; a
    model with another product is a `LatentModel`, and so is one with another prior: whatever
    samples, scores or calibrates takes p(z) = N(0, I), so a learned prior is a map z = g(u),
    u ~ N(0, I), in `decode`.

    Raises:
        TypeError: if a subclass overrides `product` or `posterior`.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in ("product", "posterior"):
            if getattr(cls, name) is not getattr(ExpertModel, name):
                raise TypeError(
                    f"{cls.__name__} overrides {name}, but an ExpertModel's posterior is the "
                    "product of its experts and of N(0, I): override experts, or derive from "
                    "LatentModel"
                )

    @abc.abstractmethod
    def experts(self, batch: Batch) -> Gaussian:
        """Compute each modality's expert, ``(M, B, D)``; rows of missing ones are meaningless."""

    @final
    def product(self, experts: Gaussian, present: Tensor) -> Product:
        """Multiply the prior and the experts in a mask ``(B, M)``, or S masks ``(S, B, M)``."""
        return product_of_experts(experts, present)

    @final
    def posterior(self, batch: Batch) -> Gaussian:
        """Compute q(z|X_S) given the modalities present in each sample, ``(B, D)``."""
        batch = batch.align(self.modalities)
        return self.product(self.experts(batch), batch.present).posterior
