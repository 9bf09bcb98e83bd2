"""MoPoE: a mixture of the products of experts over all subsets."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.distributions.gaussian import product_of_experts
from mvae.distributions.mixture import Mixture
from mvae.models.mmvae import MMVAE
from mvae.models.objectives import Objective, log_likelihoods

__all__ = ["MoPoE", "MoPoEObjective", "all_subsets"]


def all_subsets(n: int) -> Tensor:
    """List the non-empty subsets of n modalities as masks, bool ``(2^n − 1, n)``.

    Example:
        >>> all_subsets(2).int().tolist()
        [[1, 0], [0, 1], [1, 1]]
    """
    numbers = torch.arange(1, 2**n).unsqueeze(-1)
    return (numbers >> torch.arange(n)) % 2 == 1


class MoPoE(MMVAE):
    r"""Mixture-of-products-of-experts variational autoencoder.

    .. math:: q(z|X_S) = \frac1{2^{|S|}-1} \sum_{\emptyset \ne A \subseteq S} q_A(z), \qquad
              q_A(z) \propto p(z) \prod_{i \in A} \tilde q(z|x_i)

    The products include the prior expert, as in the MVAE. Sutter, Daunhawer & Vogt, *Generalized
    Multimodal ELBO*, ICLR 2021, https://arxiv.org/abs/2105.02470.

    Args:
        modalities: the modalities it models; the number of components doubles with each.
        latents: D.
    """

    title = "Mixture of products of experts"
    reference = "Sutter et al. 2021, https://arxiv.org/abs/2105.02470"
    no_experts = (
        "It multiplies the experts of every subset, but its posterior is the mixture of all these "
        "products, not a single product."
    )

    def posterior(self, batch: Batch) -> Mixture:
        """Mix the products of all subsets of the modalities present."""
        batch = batch.align(self.modalities)
        subsets = all_subsets(len(self.modalities)).to(batch.present.device).unsqueeze(1)
        subsets = subsets.expand(-1, len(batch), -1)  # (2^M − 1, B, M)
        products = product_of_experts(self.encode(batch), subsets).posterior
        is_subset = (subsets & ~batch.present).any(-1).logical_not()  # A ⊆ S, (2^M − 1, B)
        return Mixture(products, is_subset.T)


class MoPoEObjective(Objective):
    r"""Minus a lower bound on the ELBO of the mixture, with one draw of z from the mixture.

    .. math:: E_{q(z|X)}\Big[\sum_i \lambda_i \log p(x_i|z)\Big]
              - \frac{\beta}{2^N-1} \sum_A KL(q_A\,\|\,p)

    By convexity the mean divergence of the components is at least that of their mixture.
    """

    network = MoPoE

    name: Literal["mopoe"] = "mopoe"

    def __call__(
        self,
        model: MoPoE,
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
        used = q.present.T  # (2^M − 1, B)
        divergence = torch.where(used, q.components.kl_to_prior(), 0.0).sum(0)
        return (beta * divergence / used.sum(0).clamp(min=1) - log_p).mean()
