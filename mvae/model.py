"""The interface that every model keeps, and the MVAE of Wu & Goodman (2018)."""

from __future__ import annotations

import abc
from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from mvae.gaussian import Gaussian, Product, product_of_experts
from mvae.modality import Batch, Modality
from mvae.networks import Decoder, Encoder

__all__ = ["MVAE", "MultimodalModel"]


class MultimodalModel(nn.Module, abc.ABC):
    """What every model can be asked, so that nobody needs to know which model it is.

    Args:
        modalities: what it is a model of, in a fixed order.
        latents: D, the number of latent dimensions.
    """

    reference: ClassVar[str]

    def __init__(self, modalities: Iterable[Modality], latents: int) -> None:
        super().__init__()
        self.modalities = tuple(modalities)
        self.latents = latents
        names = [m.name for m in self.modalities]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"a model needs modalities with different names, not {names}")

    @abc.abstractmethod
    def experts(self, batch: Batch) -> Gaussian:
        """Give each modality's own Gaussian, ``(M, B, D)``; rows of missing ones mean nothing."""

    @abc.abstractmethod
    def product(self, experts: Gaussian, present: Tensor) -> Product:
        """Give the posterior for a mask ``(B, M)``, or for S subsets at once, ``(S, B, M)``."""

    @abc.abstractmethod
    def decode(self, z: Tensor, name: str) -> Distribution:
        """Give p(x_name|z) for latents ``(..., D)``."""

    def posterior(self, batch: Batch) -> Gaussian:
        """Give q(z|X_S) for the modalities present in each sample, ``(B, D)``."""
        return self.product(self.experts(batch), batch.present).posterior

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

    def expected(self, z: Tensor) -> dict[str, Tensor]:
        """Decode latents ``(..., D)`` into the mean of every modality, ``(..., *shape)``."""
        return {m.name: m.distribution.expected(self.decode(z, m.name)) for m in self.modalities}


class MVAE(MultimodalModel):
    r"""Multimodal variational autoencoder with a product-of-experts inference network.

    .. math:: p(x_1,\dots,x_N,z) = p(z)\prod_i p(x_i|z), \qquad
              q(z|X_S) \propto p(z)\prod_{i\in S}\tilde q(z|x_i)

    Wu & Goodman, *Multimodal Generative Models for Scalable Weakly-Supervised Learning*,
    NeurIPS 2018, https://arxiv.org/abs/1802.05335.

    Args:
        modalities: what it is a model of; each gets an encoder and a decoder of its kind.
        latents: D.

    Raises:
        ValueError: if two modalities have the same name, or there are none.

    Example:
        >>> label = Modality(name="label", kind="label", shape=(10,), likelihood="categorical")
        >>> model = MVAE([label], latents=2)
        >>> q = model.posterior(Batch.empty(model.modalities))
        >>> q.mean.tolist(), q.logvar.abs().tolist()  # without evidence: the prior
        ([[0.0, 0.0]], [[0.0, 0.0]])
    """

    reference = "Wu & Goodman 2018, https://arxiv.org/abs/1802.05335"

    def __init__(self, modalities: Iterable[Modality], latents: int) -> None:
        super().__init__(modalities, latents)
        self.encoders = nn.ModuleList(Encoder(m, latents) for m in self.modalities)
        self.decoders = nn.ModuleList(Decoder(m, latents) for m in self.modalities)

    def experts(self, batch: Batch) -> Gaussian:
        """Encode each modality once, ``(M, B, D)``."""
        means, logvars = [], []
        for i, (m, encoder) in enumerate(zip(self.modalities, self.encoders, strict=True)):
            x = batch.values[m.name]
            # Zeros for what is missing: a NaN there would reach the weights' gradients.
            there = batch.present[:, i].reshape(-1, *[1] * (x.ndim - 1))
            q = encoder(torch.where(there, x, torch.zeros((), dtype=x.dtype, device=x.device)))
            means.append(q.mean)
            logvars.append(q.logvar)
        return Gaussian(torch.stack(means), torch.stack(logvars))

    def product(self, experts: Gaussian, present: Tensor) -> Product:
        """Multiply the prior and the experts that are present."""
        return product_of_experts(experts, present)

    def decode(self, z: Tensor, name: str) -> Distribution:
        """Give p(x_name|z) for latents ``(..., D)``."""
        index = self.modalities.index(self.modality(name))
        distribution: Distribution = self.decoders[index](z)
        return distribution
