"""The interface of all models."""

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

__all__ = ["DecodingModel", "ExpertModel", "LatentModel", "MultimodalModel", "noise"]


def noise(draws: int, samples: int, latents: int, seed: int) -> Tensor:
    """Return the ε of z = μ + σε, ``(draws, B, D)``: the same for any evidence and any model.

    Raises:
        ValueError: for fewer than one draw.
    """
    if draws < 1:
        raise ValueError(f"there must be at least one draw, not {draws}")
    return torch.randn(draws, samples, latents, generator=torch.Generator().manual_seed(seed))


class MultimodalModel(nn.Module, abc.ABC):
    """What every model can be asked, so that nobody needs to know which model it is.

    What a model cannot do it says in a sentence; an empty sentence means that it can.

    Args:
        modalities: what it is a model of, in a fixed order.
        latents: D, the number of its latent variables, at least one.

    Raises:
        ValueError: if two modalities have the same name, or there are none, or no latents.
    """

    #: The paper, with a link.
    reference: ClassVar[str]
    #: Why it has no Gaussian experts whose product is its posterior.
    no_experts: ClassVar[str] = ""
    #: Why it has no posterior over real-valued latents.
    no_posterior: ClassVar[str] = ""
    #: Why log p of its modalities is not estimated.
    no_likelihood: ClassVar[str] = ""
    #: Whether generating takes a chain of many steps, so that nothing else should wait for it.
    sampler: ClassVar[bool] = False

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
        """Say why it cannot generate a modality from the given ones; empty where it can."""
        return ""

    def generate(
        self, batch: Batch, draws: int, seed: int = 0, wanted: Collection[str] | None = None
    ) -> dict[str, Distribution]:
        """Draw what is hidden, given the modalities present, and decode it.

        Args:
            batch: B samples with any modality missing.
            draws: N, how many states of what is hidden, at least one.
            seed: of the draws; the same seed gives the same random numbers for any evidence.
            wanted: names of the modalities to decode; None for all that it can.

        Returns:
            dict: for each modality p(x_i|hidden), of batch shape ``(N, B)``; what it cannot
            generate from this evidence is left out.

        Raises:
            ValueError: if a wanted modality, or one that a sample has, is unknown, or for fewer
                than one draw.
        """
        if draws < 1:
            raise ValueError(f"there must be at least one draw, not {draws}")
        batch = batch.align(self.modalities)
        names = self.possible(batch, wanted)
        return self._generate(batch, draws, seed, names) if names else {}

    @abc.abstractmethod
    def _generate(
        self, batch: Batch, draws: int, seed: int, names: list[str]
    ) -> dict[str, Distribution]:
        """Draw what is hidden and decode these modalities, of which there is at least one."""

    def energy_weights(self) -> dict[float, list[nn.Parameter]]:
        """Give the weights of its energy, if it has one, by their speed relative to the rate.

        They learn by another optimiser.
        """
        return {}

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

    def possible(self, batch: Batch, wanted: Collection[str] | None) -> list[str]:
        """Return the names of the wanted modalities that it can generate for every sample.

        Raises:
            ValueError: if a wanted modality, or one that a sample has, is unknown.
        """
        batch = batch.align(self.modalities)
        wanted = None if wanted is None else {self.modality(name).name for name in wanted}
        evidence = {
            tuple(name for name, there in zip(batch.names, row, strict=True) if there)
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
        modalities: what it is a model of; each gets an encoder and a decoder of its kind.
        latents: D.
    """

    #: What importance weighting draws from, in words.
    proposes: ClassVar[str] = "q its own posterior"

    def __init__(self, modalities: Iterable[Modality], latents: int) -> None:
        super().__init__(modalities, latents)
        self.encoders = nn.ModuleList(Encoder(m, latents) for m in self.modalities)
        self.decoders = nn.ModuleList(Decoder(m, latents) for m in self.modalities)

    def encode(self, batch: Batch) -> Gaussian:
        """Encode each modality once, ``(M, B, D)``; rows of missing ones mean nothing."""
        batch = batch.align(self.modalities)
        each = [
            encoder(batch.filled(m.name))
            for m, encoder in zip(self.modalities, self.encoders, strict=True)
        ]
        return Gaussian(torch.stack([q.mean for q in each]), torch.stack([q.logvar for q in each]))

    @abc.abstractmethod
    def posterior(self, batch: Batch) -> Gaussian | Mixture:
        """Give q(z|X_S) for the modalities present in each sample, ``(B, D)``.

        Raises:
            ValueError: where it has none for such a subset, with the sentence of `cannot`.
        """

    def proposal(self, batch: Batch) -> Gaussian | Mixture:
        """Give what importance weighting draws from; the posterior, unless there is none."""
        return self.posterior(batch)

    def _generate(
        self, batch: Batch, draws: int, seed: int, names: list[str]
    ) -> dict[str, Distribution]:
        """Decode draws of q(z|X_S)."""
        z = self.posterior(batch).at(noise(draws, len(batch), self.latents, seed))
        return {name: self.decode(z, name) for name in names}


class ExpertModel(LatentModel):
    """A model whose posterior is a product of experts, one for each modality, and of N(0, I).

    What draws and explains such a model multiplies its experts by itself, and the browser decodes
    with the weights of its decoders. So a subclass chooses the experts alone; one with another
    product is a `LatentModel`, and so is one with another prior: everything that samples, scores or
    calibrates takes p(z) = N(0, I), so a learned prior is a map z = g(u), u ~ N(0, I), in `decode`.

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
        """Give each modality's own Gaussian, ``(M, B, D)``; rows of missing ones mean nothing."""

    @final
    def product(self, experts: Gaussian, present: Tensor) -> Product:
        """Multiply for a mask ``(B, M)``, or for S subsets at once, ``(S, B, M)``."""
        return product_of_experts(experts, present)

    @final
    def posterior(self, batch: Batch) -> Gaussian:
        """Give q(z|X_S) for the modalities present in each sample, ``(B, D)``."""
        batch = batch.align(self.modalities)
        return self.product(self.experts(batch), batch.present).posterior
