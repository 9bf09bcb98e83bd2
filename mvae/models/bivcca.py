"""Bi-VCCA: a posterior for each single modality, and none for several together."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.distributions.gaussian import Gaussian
from mvae.distributions.mixture import Mixture
from mvae.models.base import LatentModel
from mvae.models.objectives import Objective, log_likelihoods

__all__ = ["BiVCCA", "BiVCCAObjective"]


class BiVCCA(LatentModel):
    r"""Deep variational canonical correlation analysis with an encoder for each modality.

    .. math:: p(x_1,\dots,x_N,z) = p(z)\prod_i p(x_i|z), \qquad q(z|x_i) = N(\mu_i, \sigma_i^2)

    The single posteriors are never combined. Wang, Yan, Lee & Livescu, *Deep Variational Canonical
    Correlation Analysis*, 2016, https://arxiv.org/abs/1610.03454.

    Args:
        modalities: the modalities it models.
        latents: D.
    """

    title = "Bimodal variational CCA"
    reference = "Wang et al. 2016, https://arxiv.org/abs/1610.03454"
    no_experts = (
        "It has one posterior for each modality and no rule for combining them: "
        "there is no product."
    )

    def cannot(self, given: Collection[str], wanted: str) -> str:
        """Return why it cannot, unless at most one modality is given."""
        if len(given) < 2:
            return ""
        return "It has a posterior for each single modality, and none for several together."

    def posterior(self, batch: Batch) -> Gaussian:
        """Compute the posterior given the one modality present; without evidence, the prior."""
        batch = batch.align(self.modalities)
        if (batch.present.sum(-1) > 1).any():
            raise ValueError(self.cannot(batch.names, ""))
        q = self.encode(batch)  # (M, B, D)
        present = batch.present.T.unsqueeze(-1)
        return Gaussian(*(torch.where(present, x, 0.0).sum(0) for x in (q.mean, q.logvar)))

    proposal_description = (
        "q the mixture of its posteriors given each single modality, by its full density"
    )

    def proposal(self, batch: Batch) -> Mixture:
        """Return the mixture of the single posteriors: importance weights allow any proposal."""
        batch = batch.align(self.modalities)
        return Mixture(self.encode(batch), batch.present)


class BiVCCAObjective(Objective):
    r"""Minus the interpolated bound: each single posterior reconstructs everything.

    .. math:: \frac1N \sum_i \Big( E_{q(z|x_i)}\Big[\sum_j \lambda_j \log p(x_j|z)\Big]
              - \beta\,KL(q(z|x_i)\,\|\,p(z)) \Big)

    For two modalities this is μ L_x + (1 − μ) L_y with μ = ½. N is the number of modalities
    present.
    """

    network = BiVCCA

    name: Literal["bivcca"] = "bivcca"

    def __call__(
        self,
        model: BiVCCA,
        batch: Batch,
        beta: float = 1.0,
        generator: torch.Generator | None = None,
        progress: float = 1.0,
    ) -> Tensor:
        """Compute the loss, a scalar, in nats per sample."""
        return -self.bound(model, batch, beta, generator, weighted=True).mean()

    def score(
        self, model: BiVCCA, batch: Batch, generator: torch.Generator | None = None
    ) -> Tensor:
        """Compute the interpolated bound with λ = 1 and β = 1, ``(B,)``."""
        return self.bound(model, batch, 1.0, generator, weighted=False)

    def bound(
        self,
        model: BiVCCA,
        batch: Batch,
        beta: float,
        generator: torch.Generator | None,
        weighted: bool,
    ) -> Tensor:
        """Compute the interpolated bound, ``(B,)``."""
        batch = batch.align(model.modalities)
        q = model.encode(batch)  # (M, B, D)
        z = q.sample(generator=generator)
        present = batch.present.T  # (M, B)
        wanted = batch.present & present.unsqueeze(-1)
        log_p = log_likelihoods(model, z, wanted, batch, weighted)
        bounds = torch.where(present, log_p - beta * q.kl_to_prior(), 0.0)
        return bounds.sum(0) / present.sum(0).clamp(min=1)
