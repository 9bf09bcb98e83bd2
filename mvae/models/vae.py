"""One VAE for each modality: the reference in which nothing is shared."""

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

    The modalities are independent, so its joint log p is the sum of the marginal ones, which a
    model with shared latents must beat. Kingma & Welling, *Auto-Encoding Variational Bayes*, 2014,
    https://arxiv.org/abs/1312.6114.

    Args:
        modalities: the modalities it models.
        latents: D, for each modality; the model has N · D.
    """

    title = "Independent VAEs"
    reference = "Kingma & Welling 2014, https://arxiv.org/abs/1312.6114"
    no_experts = (
        "Its modalities have latents of their own, so there are no experts over shared latents: "
        "nothing is multiplied."
    )

    def __init__(self, modalities: Iterable[Modality], latents: int) -> None:
        super().__init__(modalities, latents)
        self.latents = latents * len(self.modalities)

    def cannot(self, given: Collection[str], wanted: str) -> str:
        """Return why it cannot, unless the wanted modality is itself given, or nothing is."""
        if not given or wanted in given:
            return ""
        return f"Its VAEs share nothing: this evidence carries no information about the {wanted}."

    def posterior(self, batch: Batch) -> Gaussian:
        """Concatenate the modalities' posteriors, ``(B, N · D)``; missing ones have the prior."""
        batch = batch.align(self.modalities)
        q = self.encode(batch)  # (M, B, D)
        present = batch.present.T.unsqueeze(-1)
        mean, logvar = (torch.where(present, x, 0.0) for x in (q.mean, q.logvar))
        return Gaussian(torch.cat(tuple(mean), -1), torch.cat(tuple(logvar), -1))

    def decode(self, z: Tensor, name: str) -> Distribution:
        """Return p(x_name|z), which depends only on the modality's part of z, ``(..., N · D)``.

        Raises:
            ValueError: if there is no modality of that name, or z has another number of latents.
        """
        self._check_latents(z)
        index = self.modalities.index(self.modality(name))
        own = z.chunk(len(self.modalities), -1)[index]
        distribution: Distribution = self.decoders[index](own)
        return distribution


class VAEObjective(Objective):
    r"""Minus the ELBOs of the modalities present, each with its λ.

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
        """Compute the loss, a scalar, in nats per sample."""
        batch = batch.align(model.modalities)
        q = model.posterior(batch)
        z = q.sample(generator=generator)
        log_p = log_likelihoods(model, z, batch.present, batch, weighted=True)
        return (beta * q.kl_to_prior() - log_p).mean()
