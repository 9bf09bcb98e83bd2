"""One VAE for each modality: the reference without sharing."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal

import torch
from torch import Tensor
from torch.distributions import Distribution

from mvae.batch import Batch
from mvae.distributions.gaussian import Gaussian
from mvae.modality import Modality
from mvae.models.base import LatentModel
from mvae.models.objectives import Objective, log_likelihoods

__all__ = ["VAE", "VAEObjective"]


class VAE(LatentModel):
    r"""Separate variational autoencoders: every modality has latents of its own.

    .. math:: p(x_1,\dots,x_N,z) = \prod_i p(z_i)\,p(x_i|z_i), \qquad
              q(z|X_S) = \prod_{i \in S} q(z_i|x_i) \prod_{i \notin S} p(z_i)

    It says nothing of one modality given another, so its joint log p is the sum of the marginal
    ones: what a model that shares must beat. Kingma & Welling, *Auto-Encoding Variational Bayes*,
    2014, https://arxiv.org/abs/1312.6114.

    Args:
        modalities: what it is a model of.
        latents: D of each modality; the model has N · D.
    """

    title = "Independent VAEs"
    reference = "Kingma & Welling 2014, https://arxiv.org/abs/1312.6114"
    no_experts = (
        "Its modalities have latents of their own, so there are no experts on common ones: "
        "nothing is multiplied."
    )

    def __init__(self, modalities: Iterable[Modality], latents: int) -> None:
        super().__init__(modalities, latents)
        self.latents = latents * len(self.modalities)

    def cannot(self, given: Collection[str], wanted: str) -> str:
        """It ignores evidence of other modalities."""
        if not given or wanted in given:
            return ""
        return f"Its VAEs share nothing: what is given tells it nothing about the {wanted}."

    def posterior(self, batch: Batch) -> Gaussian:
        """Put the modalities' latents side by side, ``(B, N · D)``; missing ones have the prior."""
        batch = batch.align(self.modalities)
        q = self.encode(batch)  # (M, B, D)
        there = batch.present.T.unsqueeze(-1)
        mean, logvar = (torch.where(there, x, 0.0) for x in (q.mean, q.logvar))
        return Gaussian(torch.cat(tuple(mean), -1), torch.cat(tuple(logvar), -1))

    def decode(self, z: Tensor, name: str) -> Distribution:
        """Return p(x_name|z) by the modality's own latents, of all of them ``(..., N · D)``.

        Raises:
            ValueError: if there is no modality of that name, or z has another number of latents.
        """
        self._check_latents(z)
        index = self.modalities.index(self.modality(name))
        own = z.chunk(len(self.modalities), -1)[index]
        distribution: Distribution = self.decoders[index](own)
        return distribution


class VAEObjective(Objective):
    r"""Minus the ELBO of every modality present, with its λ.

    .. math:: \sum_i E_{q(z_i|x_i)}[\lambda_i \log p(x_i|z_i)] - \beta\,KL(q(z_i|x_i)\,\|\,p(z_i))
    """

    network = VAE

    name: Literal["vae"] = "vae"

    def __call__(
        self,
        model: VAE,
        batch: Batch,
        beta: float = 1.0,
        generator: torch.Generator | None = None,
        progress: float = 1.0,
    ) -> Tensor:
        """Give the loss, a scalar, in nats a sample."""
        batch = batch.align(model.modalities)
        q = model.posterior(batch)
        z = q.sample(generator=generator)
        log_p = log_likelihoods(model, z[None], batch.present[None], batch, weighted=True)[0]
        return (beta * q.kl_to_prior() - log_p).mean()
