"""MVTCAE: the network of the MVAE, trained on a bound on the total correlation."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from mvae.batch import Batch
from mvae.models.mvae import MVAE
from mvae.models.objectives import Objective, log_likelihoods, singletons

__all__ = ["MVTCAE", "MVTCAEObjective"]


class MVTCAE(MVAE):
    r"""Multi-view total correlation autoencoder: a product of experts, as in the MVAE.

    .. math:: q(z|X_S) \propto p(z)\prod_{i\in S}\tilde q(z|x_i)

    Here the product includes the prior expert, so that without evidence the posterior is the prior.
    Hwang, Kim, Hong & Kim, *Multi-View Representation Learning via Total Correlation Objective*,
    NeurIPS 2021, https://openreview.net/forum?id=Q0iKbEpmOUX.
    """

    title = "Total correlation autoencoder"
    reference = "Hwang et al. 2021, https://openreview.net/forum?id=Q0iKbEpmOUX"


class MVTCAEObjective(Objective):
    r"""Minus a bound that trades reconstruction off against agreement of the single posteriors.

    .. math:: \frac{N-\alpha}{N} E_{q(z|X)}\Big[\sum_i \lambda_i \log p(x_i|z)\Big]
              - \beta\Big[(1-\alpha)\,KL(q(z|X)\,\|\,p(z))
              + \frac{\alpha}{N}\sum_i KL(q(z|X)\,\|\,q(z|x_i))\Big]

    N is the number of modalities present. With α = 0 this is the joint ELBO.

    Args:
        alpha: α, from 0 to 1.
    """

    network = MVTCAE

    name: Literal["mvtcae"] = "mvtcae"
    alpha: float = Field(default=0.9, ge=0, le=1)

    def __call__(
        self,
        model: MVTCAE,
        batch: Batch,
        beta: float = 1.0,
        generator: torch.Generator | None = None,
        progress: float = 1.0,
    ) -> Tensor:
        """Compute the loss, a scalar, in nats per sample."""
        batch = batch.align(model.modalities)
        subsets = torch.cat((batch.present.unsqueeze(0), singletons(batch.present)))
        q = model.product(model.experts(batch), subsets).posterior  # (1 + M, B, D)
        joint, single = q[0], q[1:]
        z = joint.sample(generator=generator)
        log_p = log_likelihoods(model, z, batch.present, batch, weighted=True)
        count = batch.present.sum(-1).clamp(min=1)
        kl_to_singles = torch.where(batch.present.T, joint.kl(single), 0.0).sum(0)
        divergence = (1 - self.alpha) * joint.kl_to_prior() + self.alpha * kl_to_singles / count
        return (beta * divergence - (count - self.alpha) / count * log_p).mean()
