"""CVAE: a conditional model for each direction, and no joint one."""

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
from mvae.models.conditional_model import DirectedModel
from mvae.models.joint_encoder import JointEncoder
from mvae.models.objectives import Objective

__all__ = ["CVAE", "CVAEObjective", "Direction"]


#: Log-variances stay between ±6. Nothing but each other holds p(z|others) and q in place, and
#: KL(q ‖ p) has the ratio of their variances as a term: unbounded, training diverged on MNIST.
BOUND = 6.0


def gaussian(numbers: Tensor) -> Gaussian:
    """Turn a network's numbers ``(B, 2D)`` into mean and bounded log-variance."""
    mean, raw = numbers.chunk(2, -1)
    return Gaussian(mean, BOUND * (raw / BOUND).tanh())


class Direction(nn.Module):
    """Everything for generating one modality from all the others.

    Args:
        modalities: all of them.
        target: the one that is generated.
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
        """Give p(z|others) and what the decoder is told of them, ``(B, D)`` each."""
        numbers = self.context(batch)
        return gaussian(numbers[:, : 2 * self.latents]), numbers[:, 2 * self.latents :]

    def posterior(self, batch: Batch) -> Gaussian:
        """Return q(z|target, others), ``(B, D)``; it means nothing where a modality is missing."""
        return gaussian(self.recognition(batch))

    def decode(self, z: Tensor, told: Tensor) -> Distribution:
        """Give p(target|z, others) for latents ``(..., B, D)``."""
        distribution: Distribution = self.decoder(torch.cat((z, told.expand_as(z)), -1))
        return distribution


class CVAE(DirectedModel):
    r"""Conditional variational autoencoders, one for each modality given all the others.

    .. math:: p(x_j|x_{-j}) = \int p(z|x_{-j})\,p(x_j|z,x_{-j})\,dz

    with a recognition network q(z|x_j, x_{-j}) for training. Sohn, Lee & Yan, *Learning Structured
    Output Representation using Deep Conditional Generative Models*, NeurIPS 2015,
    https://papers.nips.cc/paper/5775.

    Args:
        modalities: at least two.
        latents: D of each direction.

    Raises:
        ValueError: for fewer than two modalities.
    """

    reference = "Sohn et al. 2015, https://papers.nips.cc/paper/5775"
    no_posterior = (
        "Each direction has latents of its own, given the evidence; there is no posterior that the "
        "modalities share."
    )

    #: What importance weighting draws from.
    proposes: ClassVar[str] = "q its recognition network and p(z|x_-j) in place of p(z)"

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
        found = self.directions[self.modalities.index(self.modality(name))]
        assert isinstance(found, Direction)
        return found

    def _generate(
        self, batch: Batch, draws: int, seed: int, names: list[str]
    ) -> dict[str, Distribution]:
        """Decode draws of p(z|evidence)."""
        result = {}
        for name in names:
            direction = self.direction(name)
            prior, told = direction.prior(batch)
            z = prior.at(noise(draws, len(batch), self.latents, seed))
            result[name] = direction.decode(z, told)
        return result


class CVAEObjective(Objective):
    r"""Minus the conditional ELBO of every direction, of complete samples.

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
        """Give the loss, a scalar, in nats a sample."""
        return -self.bounds(model, batch, beta, generator, weighted=True).mean()

    def score(self, model: CVAE, batch: Batch, generator: torch.Generator | None = None) -> Tensor:
        """Give the sum of the conditional ELBOs with λ = 1 and β = 1, ``(B,)``."""
        return self.bounds(model, batch, 1.0, generator, weighted=False)

    def bounds(
        self,
        model: CVAE,
        batch: Batch,
        beta: float,
        generator: torch.Generator | None,
        weighted: bool,
    ) -> Tensor:
        """Sum the directions' bounds, ``(B,)``; 0 for a sample that misses a modality."""
        batch = batch.align(model.modalities)
        total = torch.zeros(len(batch), device=batch.present.device)
        for m in model.modalities:
            direction = model.direction(m.name)
            prior, told = direction.prior(batch)
            q = direction.posterior(batch)
            z = q.sample(generator=generator)
            log_p = direction.decode(z, told).log_prob(batch.filled(m.name))
            total = total + (m.weight if weighted else 1.0) * log_p - beta * q.kl(prior)
        return torch.where(batch.present.all(-1), total, 0.0)
