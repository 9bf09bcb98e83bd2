"""The bimodal deep autoencoder of Ngiam et al. (2011), for any number of modalities."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from mvae.batch import Batch
from mvae.kinds.networks import Decoder
from mvae.modality import Modality
from mvae.models.base import DecodingModel
from mvae.models.joint_encoder import JointEncoder
from mvae.models.objectives import Objective, log_likelihoods, singletons

__all__ = ["DAE", "DAEObjective"]


class DAE(DecodingModel):
    r"""Deep autoencoder with a pathway for each modality and a shared code.

    .. math:: c = f(x_1,\dots,x_N), \qquad p(x_i|c)

    Missing modalities are set to zero. The original is pre-trained layer by layer with sparse RBMs;
    this one is trained end to end. Ngiam et al., *Multimodal Deep Learning*, ICML 2011,
    https://icml.cc/2011/papers/399_icmlpaper.pdf.

    Args:
        modalities: the modalities it models.
        latents: the dimension of the code.
    """

    title = "Bimodal deep autoencoder"
    reference = "Ngiam et al. 2011, https://icml.cc/2011/papers/399_icmlpaper.pdf"
    no_experts = "One network reads all modalities together: there are no experts to multiply."
    no_posterior = "Its code is a point, not a distribution: it cannot say how sure it is."
    no_likelihood = "It has no distribution over codes, so log p is not defined."

    def __init__(self, modalities: Iterable[Modality], latents: int) -> None:
        super().__init__(modalities, latents)
        self.encoder = JointEncoder(self.modalities, latents)
        self.decoders = nn.ModuleList(Decoder(m, latents) for m in self.modalities)

    def cannot(self, given: Collection[str], wanted: str) -> str:
        """Return why it cannot, unless some modality is given."""
        if given:
            return ""
        return "Without evidence it has nothing to encode, and no prior to draw a code from."

    def code(self, batch: Batch) -> Tensor:
        """Compute the code of the modalities present, ``(B, D)``."""
        code: Tensor = self.encoder(batch.align(self.modalities))
        return code

    def _generate(
        self, batch: Batch, draws: int, seed: int, names: list[str]
    ) -> dict[str, Distribution]:
        """Decode the code; the draws are all the same, since the code is deterministic."""
        z = self.code(batch).expand(draws, -1, -1)
        return {name: self.decode(z, name) for name in names}


class DAEObjective(Objective):
    r"""Reconstruct everything from a random subset: all modalities or one, all equally likely.

    .. math:: -\sum_i \lambda_i \log p(x_i|c(X_S)), \qquad S \in \{X, \{x_1\}, \dots, \{x_N\}\}

    The modalities outside the subset are set to zero and must be filled in: denoising.
    """

    network = DAE

    name: Literal["dae"] = "dae"

    def __call__(
        self,
        model: DAE,
        batch: Batch,
        beta: float = 1.0,
        generator: torch.Generator | None = None,
        progress: float = 1.0,
    ) -> Tensor:
        """Compute the loss, a scalar, in nats per sample; β is not used."""
        batch = batch.align(model.modalities)
        subsets = self.subsets(batch.present)
        index = torch.randint(len(subsets), (len(batch),), generator=generator)
        given = subsets[index, torch.arange(len(batch))]  # (B, M)
        return -self.fit(model, batch, given, weighted=True).mean()

    def score(self, model: DAE, batch: Batch, generator: torch.Generator | None = None) -> Tensor:
        """Compute Σ log p(x_i|c) with λ = 1, averaged over the subsets, ``(B,)``."""
        batch = batch.align(model.modalities)
        subsets = self.subsets(batch.present)
        return torch.stack([self.fit(model, batch, s, weighted=False) for s in subsets]).mean(0)

    def subsets(self, present: Tensor) -> Tensor:
        """Return all modalities, then each alone, or all if it is missing, ``(1 + M, B, M)``."""
        subsets = torch.cat((present.unsqueeze(0), singletons(present)))
        return torch.where(subsets.any(-1, keepdim=True), subsets, present)

    def fit(self, model: DAE, batch: Batch, given: Tensor, weighted: bool) -> Tensor:
        """Compute Σ λ_i log p(x_i|c) of everything present, with the code c of ``given``."""
        batch = batch.align(model.modalities)
        code = model.code(Batch(batch.values, given))
        return log_likelihoods(model, code, batch.present, batch, weighted)
