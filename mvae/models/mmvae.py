"""MMVAE: a mixture of experts instead of a product."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.distributions.gaussian import Gaussian
from mvae.distributions.mixture import Mixture
from mvae.models.base import LatentModel
from mvae.models.objectives import Objective, log_likelihoods

__all__ = ["MMVAE", "MMVAEObjective"]


class MMVAE(LatentModel):
    r"""Mixture-of-experts multimodal variational autoencoder, with Gaussian latents.

    .. math:: q(z|X_S) = \frac1{|S|} \sum_{i \in S} q(z|x_i)

    A mixture averages where a product multiplies, so further evidence does not sharpen it. The
    original has Laplace latents. Shi, Siddharth, Paige & Torr, *Variational Mixture-of-Experts
    Autoencoders for Multi-Modal Deep Generative Models*, NeurIPS 2019,
    https://arxiv.org/abs/1911.03393.

    Args:
        modalities: the modalities it models.
        latents: D.
    """

    title = "Mixture-of-experts VAE"
    reference = "Shi et al. 2019, https://arxiv.org/abs/1911.03393"
    no_experts = (
        "Its experts are averaged, not multiplied: its posterior is their mixture, which further "
        "evidence does not sharpen."
    )

    def posterior(self, batch: Batch) -> Mixture:
        """Mix the posteriors of the modalities present."""
        batch = batch.align(self.modalities)
        return Mixture(self.encode(batch), batch.present)


class MMVAEObjective(Objective):
    r"""Minus the ELBO of the mixture, with one draw from each component (stratified).

    .. math:: \frac1N \sum_i E_{q(z|x_i)}\Big[\sum_j \lambda_j \log p(x_j|z)
              - \beta \log\frac{q(z|X)}{p(z)}\Big]

    The original trains a tighter, importance-weighted bound with doubly reparametrised gradients,
    at many times the cost per step; this is the looser of its two bounds.
    """

    network = MMVAE

    name: Literal["mmvae"] = "mmvae"

    def __call__(
        self,
        model: MMVAE,
        batch: Batch,
        beta: float = 1.0,
        generator: torch.Generator | None = None,
        progress: float = 1.0,
    ) -> Tensor:
        """Compute the loss, a scalar, in nats per sample."""
        batch = batch.align(model.modalities)
        q = model.posterior(batch)
        z = q.components.sample(generator=generator)  # (M, B, D)
        present = batch.present.T  # (M, B)
        wanted = batch.present & present.unsqueeze(-1)
        log_p = log_likelihoods(model, z, wanted, batch, weighted=True)
        log_ratio = q.log_prob(z) - Gaussian.standard(tuple(z.shape), z.dtype).log_prob(z)
        bounds = torch.where(present, log_p - beta * log_ratio, 0.0)
        return -(bounds.sum(0) / present.sum(0).clamp(min=1)).mean()
