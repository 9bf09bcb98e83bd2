"""MMVAE: a mixture of experts instead of a product."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.distributions.gaussian import Gaussian
from mvae.distributions.mixture import Mixture
from mvae.models.base import LatentModel
from mvae.models.objectives import Objective, each_alone, log_likelihoods

__all__ = ["MMVAE", "MMVAEObjective"]


class MMVAE(LatentModel):
    r"""Mixture-of-experts multimodal variational autoencoder, with Gaussian latents.

    .. math:: q(z|X_S) = \frac1{|S|} \sum_{i \in S} q(z|x_i)

    A mixture takes a vote where a product multiplies: further evidence does not sharpen it. The
    original has Laplace latents. Shi, Siddharth, Paige & Torr, *Variational Mixture-of-Experts
    Autoencoders for Multi-Modal Deep Generative Models*, NeurIPS 2019,
    https://arxiv.org/abs/1911.03393.

    Args:
        modalities: what it is a model of.
        latents: D.
    """

    title = "Mixture-of-experts VAE"
    reference = "Shi et al. 2019, https://arxiv.org/abs/1911.03393"
    no_experts = (
        "Its experts take turns instead of being multiplied: its posterior is their mixture, "
        "which further evidence does not sharpen."
    )

    def posterior(self, batch: Batch) -> Mixture:
        """Mix the posteriors of the modalities present."""
        batch = batch.align(self.modalities)
        return Mixture(self.encode(batch), batch.present)


class MMVAEObjective(Objective):
    r"""Minus the ELBO of the mixture, one draw from each component (stratified).

    .. math:: \frac1N \sum_i E_{q(z|x_i)}\Big[\sum_j \lambda_j \log p(x_j|z)
              - \beta \log\frac{q(z|X)}{p(z)}\Big]

    The original trains the tighter importance-weighted bound with doubly reparametrised gradients,
    at many times the cost of a step; this is its looser one.
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
        """Give the loss, a scalar, in nats a sample."""
        batch = batch.align(model.modalities)
        q = model.posterior(batch)
        z = q.components.sample(generator=generator)  # (M, B, D)
        there = each_alone(batch.present).any(-1)  # (M, B)
        wanted = batch.present & there.unsqueeze(-1)
        log_p = log_likelihoods(model, z, wanted, batch, weighted=True)
        log_ratio = q.log_prob(z) - Gaussian.standard(tuple(z.shape), z.dtype).log_prob(z)
        bounds = torch.where(there, log_p - beta * log_ratio, 0.0)
        return -(bounds.sum(0) / there.sum(0).clamp(min=1)).mean()
