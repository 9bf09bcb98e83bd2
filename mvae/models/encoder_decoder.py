"""A plain encoder–decoder for each direction: the reference without latent variables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from mvae.batch import Batch
from mvae.kinds.networks import Decoder
from mvae.modality import Modality
from mvae.models.conditional_model import ConditionalModel
from mvae.models.joint_encoder import JointEncoder
from mvae.models.objectives import Objective

__all__ = ["EncoderDecoder", "EncoderDecoderObjective"]


class EncoderDecoder(ConditionalModel):
    r"""Networks from all other modalities to one, through a deterministic code.

    .. math:: p(x_j|x_{-j}) = p(x_j|c_j), \qquad c_j = f_j(x_{-j})

    For two texts this is sequence-to-sequence learning with a code of fixed size: Cho et al. 2014,
    https://arxiv.org/abs/1406.1078.

    Args:
        modalities: at least two.
        latents: the dimension of each code.

    Raises:
        ValueError: for fewer than two modalities.
    """

    title = "Encoder–decoder"
    reference = "Cho et al. 2014, https://arxiv.org/abs/1406.1078"
    no_posterior = "Its codes are points, not distributions: it cannot say how sure it is."

    def __init__(self, modalities: Iterable[Modality], latents: int) -> None:
        super().__init__(modalities, latents)
        self.encoders = nn.ModuleList(
            JointEncoder([m for m in self.modalities if m is not target], latents)
            for target in self.modalities
        )
        self.decoders = nn.ModuleList(Decoder(m, latents) for m in self.modalities)

    def direction(self, batch: Batch, wanted: str, draws: tuple[int, ...] = ()) -> Distribution:
        """Return p(x_j|x_-j) of a modality, of batch shape ``(*draws, B)``.

        Raises:
            ValueError: if the wanted modality or one in the batch is unknown.
        """
        index = self.modalities.index(self.modality(wanted))
        code = self.encoders[index](batch.align(self.modalities))
        distribution: Distribution = self.decoders[index](code.expand(*draws, *code.shape))
        return distribution

    def _generate(
        self, batch: Batch, draws: int, seed: int, names: list[str]
    ) -> dict[str, Distribution]:
        """Decode the codes; the draws are all the same, since the codes are deterministic."""
        return {name: self.direction(batch, name, (draws,)) for name in names}


class EncoderDecoderObjective(Objective):
    r"""Minus the sum over directions of the log-likelihood, for complete samples.

    .. math:: \sum_j \log p(x_j|c_j(x_{-j}))
    """

    network = EncoderDecoder

    name: Literal["encoder-decoder"] = "encoder-decoder"

    def __call__(
        self,
        model: EncoderDecoder,
        batch: Batch,
        beta: float = 1.0,
        generator: torch.Generator | None = None,
        progress: float = 1.0,
    ) -> Tensor:
        """Compute the loss, a scalar, in nats per sample; β is not used."""
        return -self.score(model, batch).mean()

    def score(
        self, model: EncoderDecoder, batch: Batch, generator: torch.Generator | None = None
    ) -> Tensor:
        """Sum the directions' log-likelihoods, ``(B,)``; 0 for a sample that lacks a modality."""
        batch = batch.align(model.modalities)
        log_p = [model.direction(batch, name).log_prob(batch.filled(name)) for name in batch.names]
        return torch.where(batch.present.all(-1), torch.stack(log_p).sum(0), 0.0)
