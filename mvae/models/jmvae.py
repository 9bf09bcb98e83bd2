"""JMVAE-kl: a joint encoder, and single-modality encoders trained to match it."""

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

    Every posterior is a network of its own, so N modalities would need 2^N of them. This model has
    one for all modalities together and one for each alone. Suzuki, Nakayama & Matsuo, *Joint
    Multimodal Learning with Deep Generative Models*, 2016, https://arxiv.org/abs/1611.01891.

    Args:
        modalities: the modalities it models.
        latents: D.
    """

    title = "Joint multimodal VAE"
    reference = "Suzuki et al. 2016, https://arxiv.org/abs/1611.01891"
    no_experts = (
        "One network reads all modalities together, and others read each alone: "
        "there are no experts to multiply."
    )

    def __init__(self, modalities: Iterable[Modality], latents: int) -> None:
        super().__init__(modalities, latents)
        self.joint = JointEncoder(self.modalities, 2 * latents)

    def cannot(self, given: Collection[str], wanted: str) -> str:
        """Return why it cannot, unless at most one modality is given, or all are."""
        if len(given) < 2 or len(given) == len(self.modalities):
            return ""
        return (
            "It has encoders for each modality alone and for all of them together, but "
            f"none for {len(given)} of {len(self.modalities)}."
        )

    def joint_posterior(self, batch: Batch) -> Gaussian:
        """Compute q(z|X), ``(B, D)``; meaningless for a sample that lacks a modality."""
        mean, logvar = self.joint(batch.align(self.modalities)).chunk(2, -1)
        return Gaussian(mean, logvar)

    def posterior(self, batch: Batch) -> Gaussian:
        """Compute the posterior given all modalities or a single one; the prior given none."""
        batch = batch.align(self.modalities)
        count = batch.present.sum(-1)
        complete = count == len(self.modalities)
        if ((count > 1) & ~complete).any():
            first = batch.present[(count > 1) & ~complete][0].tolist()
            given = [name for name, present in zip(batch.names, first, strict=True) if present]
            raise ValueError(self.cannot(given, ""))
        single, joint = self.encode(batch), self.joint_posterior(batch)
        # A model of one modality uses its joint encoder, not its single one.
        use_single = (batch.present & ~complete.unsqueeze(-1)).T.unsqueeze(-1)  # (M, B, 1)
        use_joint = complete.unsqueeze(-1)
        return Gaussian(
            *(
                torch.where(use_single, of_one, 0.0).sum(0) + torch.where(use_joint, of_all, 0.0)
                for of_one, of_all in ((single.mean, joint.mean), (single.logvar, joint.logvar))
            )
        )


class JMVAEObjective(Objective):
    r"""Minus the joint ELBO, plus α times the divergence of the joint from each single posterior.

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
        """Compute the loss, a scalar, in nats per sample."""
        batch = batch.align(model.modalities)
        complete = batch.present.all(-1)  # (B,)
        q, single = model.joint_posterior(batch), model.encode(batch)
        z = q.sample(generator=generator)
        wanted = batch.present & complete.unsqueeze(-1)
        log_p = log_likelihoods(model, z, wanted, batch, weighted=True)
        divergence = q.kl_to_prior() + self.alpha * q.kl(single).sum(0)
        return torch.where(complete, beta * divergence - log_p, 0.0).mean()
