"""CVAE: a conditional model for each direction, with no joint model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from mvae.batch import Batch
from mvae.distributions.gaussian import Gaussian
from mvae.kinds.networks import Decoder
from mvae.modality import Modality
from mvae.models.base import noise
from mvae.models.conditional_model import ConditionalModel
from mvae.models.joint_encoder import JointEncoder
from mvae.models.objectives import Objective

__all__ = ["CVAE", "CVAEObjective", "Direction"]


#: Log-variances stay between ±6. p(z|others) and q are constrained only by each other, and
#: KL(q ‖ p) has the ratio of their variances as a term; without bounds training diverged on MNIST.
MAX_LOGVAR = 6.0


def gaussian(output: Tensor) -> Gaussian:
    """Split a network's output ``(B, 2D)`` into a mean and a bounded log-variance."""
    mean, raw = output.chunk(2, -1)
    return Gaussian(mean, MAX_LOGVAR * (raw / MAX_LOGVAR).tanh())


class Direction(nn.Module):
    """The networks that generate one modality from all the others.

    Args:
        modalities: all modalities.
        target: the modality that is generated.
        latents: D.
    """

    def __init__(self, modalities: tuple[Modality, ...], target: Modality, latents: int) -> None:
        super().__init__()
        others = [m for m in modalities if m is not target]
        self.latents = latents
        self.context = JointEncoder(others, 3 * latents)
        self.recognition = JointEncoder(modalities, 2 * latents)
        self.decoder = Decoder(target, 2 * latents)

    def prior(self, batch: Batch) -> tuple[Gaussian, Tensor]:
        """Compute p(z|others) and the features of the others for the decoder, ``(B, D)`` each."""
        output = self.context(batch)
        return gaussian(output[:, : 2 * self.latents]), output[:, 2 * self.latents :]

    def posterior(self, batch: Batch) -> Gaussian:
        """Compute q(z|target, others), ``(B, D)``; meaningless where a modality is missing."""
        return gaussian(self.recognition(batch))

    def decode(self, z: Tensor, features: Tensor) -> Distribution:
        """Return p(target|z, others) for latents ``(..., B, D)`` and features of the others."""
        distribution: Distribution = self.decoder(torch.cat((z, features.expand_as(z)), -1))
        return distribution


class CVAE(ConditionalModel):
    r"""Conditional variational autoencoders, one for each modality given all the others.

    .. math:: p(x_j|x_{-j}) = \int p(z|x_{-j})\,p(x_j|z,x_{-j})\,dz

    with a recognition network q(z|x_j, x_{-j}) for training. Sohn, Lee & Yan, *Learning Structured
    Output Representation using Deep Conditional Generative Models*, NeurIPS 2015,
    https://papers.nips.cc/paper/5775.

    Args:
        modalities: at least two.
        latents: D, for each direction.

    Raises:
        ValueError: for fewer than two modalities.
    """

    title = "Conditional VAE"
    reference = "Sohn et al. 2015, https://papers.nips.cc/paper/5775"
    no_posterior = (
        "Each direction has latents of its own, conditioned on the evidence; there is no posterior "
        "that the modalities share."
    )

    #: The proposal of importance weighting, in words.
    proposal_description: ClassVar[str] = "q its recognition network and p(z|x_-j) in place of p(z)"

    def __init__(self, modalities: Iterable[Modality], latents: int) -> None:
        super().__init__(modalities, latents)
        self.directions = nn.ModuleList(
            Direction(self.modalities, m, latents) for m in self.modalities
        )

    def direction(self, name: str) -> Direction:
        """Return the networks that generate a modality.

        Raises:
            ValueError: if there is none of that name.
        """
        networks = self.directions[self.modalities.index(self.modality(name))]
        assert isinstance(networks, Direction)
        return networks

    def _generate(
        self, batch: Batch, draws: int, seed: int, names: list[str]
    ) -> dict[str, Distribution]:
        """Decode draws of p(z|evidence)."""
        result = {}
        for name in names:
            direction = self.direction(name)
            prior, features = direction.prior(batch)
            z = prior.from_noise(noise(draws, len(batch), self.latents, seed))
            result[name] = direction.decode(z, features)
        return result


class CVAEObjective(Objective):
    r"""Minus the sum over directions of the conditional ELBO, for complete samples.

    .. math:: \sum_j E_{q(z|x_j,x_{-j})}[\lambda_j \log p(x_j|z,x_{-j})]
              - \beta\,KL(q(z|x_j,x_{-j})\,\|\,p(z|x_{-j}))
    """

    network = CVAE

    name: Literal["cvae"] = "cvae"

    def __call__(
        self,
        model: CVAE,
        batch: Batch,
        beta: float = 1.0,
        generator: torch.Generator | None = None,
        progress: float = 1.0,
    ) -> Tensor:
        """Compute the loss, a scalar, in nats per sample."""
        return -self.bounds(model, batch, beta, generator, weighted=True).mean()

    def score(self, model: CVAE, batch: Batch, generator: torch.Generator | None = None) -> Tensor:
        """Compute the sum of the conditional ELBOs with λ = 1 and β = 1, ``(B,)``."""
        return self.bounds(model, batch, 1.0, generator, weighted=False)

    def bounds(
        self,
        model: CVAE,
        batch: Batch,
        beta: float,
        generator: torch.Generator | None,
        weighted: bool,
    ) -> Tensor:
        """Sum the directions' bounds, ``(B,)``; 0 for a sample that lacks a modality."""
        batch = batch.align(model.modalities)
        total = torch.zeros(len(batch), device=batch.present.device)
        for m in model.modalities:
            direction = model.direction(m.name)
            prior, features = direction.prior(batch)
            q = direction.posterior(batch)
            z = q.sample(generator=generator)
            log_p = direction.decode(z, features).log_prob(batch.filled(m.name))
            total = total + (m.weight if weighted else 1.0) * log_p - beta * q.kl(prior)
        return torch.where(batch.present.all(-1), total, 0.0)
