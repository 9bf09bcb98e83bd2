"""JMVAE-kl: a joint encoder, and single encoders drawn to it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from mvae.batch import Batch
from mvae.distributions.gaussian import Gaussian
from mvae.modality import Modality
from mvae.models.base import LatentModel
from mvae.models.joint_encoder import JointEncoder
from mvae.models.objectives import Objective, log_likelihoods

__all__ = ["JMVAE", "JMVAEObjective"]


class JMVAE(LatentModel):
    r"""Joint multimodal variational autoencoder.

    .. math:: p(x_1,\dots,x_N,z) = p(z)\prod_i p(x_i|z), \qquad q(z|X),\; q(z|x_1),\dots,q(z|x_N)

    Every posterior is a network of its own, so N modalities would need 2^N of them. This one has
    those for all modalities together and for each alone. Suzuki, Nakayama & Matsuo, *Joint
    Multimodal Learning with Deep Generative Models*, 2016, https://arxiv.org/abs/1611.01891.

    Args:
        modalities: what it is a model of.
        latents: D.
    """

    reference = "Suzuki et al. 2016, https://arxiv.org/abs/1611.01891"
    no_experts = (
        "One network reads all modalities together, and others read each alone: "
        "there are no experts to multiply."
    )

    def __init__(self, modalities: Iterable[Modality], latents: int) -> None:
        super().__init__(modalities, latents)
        self.joint = JointEncoder(self.modalities, 2 * latents)

    def cannot(self, given: Collection[str], wanted: str) -> str:
        """It reads single modalities, or all of them."""
        if len(given) < 2 or len(given) == len(self.modalities):
            return ""
        return (
            "It has encoders for each modality alone and for all of them together, "
            f"none for {len(given)} of {len(self.modalities)}."
        )

    def all_together(self, batch: Batch) -> Gaussian:
        """Give q(z|X), ``(B, D)``, which means nothing for a sample that misses a modality."""
        mean, logvar = self.joint(batch.align(self.modalities)).chunk(2, -1)
        return Gaussian(mean, logvar)

    def posterior(self, batch: Batch) -> Gaussian:
        """Give the posterior of all modalities, of a single one, or the prior."""
        batch = batch.align(self.modalities)
        count = batch.present.sum(-1)
        every = count == len(self.modalities)
        if ((count > 1) & ~every).any():
            first = batch.present[(count > 1) & ~every][0].tolist()
            given = [name for name, there in zip(batch.names, first, strict=True) if there]
            raise ValueError(self.cannot(given, ""))
        single, joint = self.encode(batch), self.all_together(batch)
        # With one modality there is no difference; its single encoder then stands back.
        alone = (batch.present & ~every.unsqueeze(-1)).T.unsqueeze(-1)  # (M, B, 1)
        whole = every.unsqueeze(-1)
        return Gaussian(
            *(
                torch.where(alone, one, 0.0).sum(0) + torch.where(whole, both, 0.0)
                for one, both in ((single.mean, joint.mean), (single.logvar, joint.logvar))
            )
        )


class JMVAEObjective(Objective):
    r"""Minus the joint ELBO, and α times the divergence of each single posterior from the joint.

    .. math:: -E_{q(z|X)}\Big[\sum_i \lambda_i \log p(x_i|z)\Big] + \beta\,KL(q(z|X)\,\|\,p(z))
              + \beta\alpha \sum_i KL(q(z|X)\,\|\,q(z|x_i))

    It learns from complete samples only.

    Args:
        alpha: α.
    """

    network = JMVAE

    name: Literal["jmvae"] = "jmvae"
    alpha: float = Field(default=0.1, ge=0)

    def __call__(
        self,
        model: JMVAE,
        batch: Batch,
        beta: float = 1.0,
        generator: torch.Generator | None = None,
        progress: float = 1.0,
    ) -> Tensor:
        """Give the loss, a scalar, in nats a sample."""
        batch = batch.align(model.modalities)
        complete = batch.present.all(-1)  # (B,)
        q, single = model.all_together(batch), model.encode(batch)
        z = q.sample(generator=generator)
        wanted = batch.present & complete.unsqueeze(-1)
        log_p = log_likelihoods(model, z[None], wanted[None], batch, weighted=True)[0]
        divergence = q.kl_to_prior() + self.alpha * q.kl(single).sum(0)
        return torch.where(complete, beta * divergence - log_p, 0.0).mean()
