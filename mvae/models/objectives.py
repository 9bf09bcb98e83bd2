"""Training objectives: their base class, and those that train an MVAE."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from mvae.batch import Batch
from mvae.distributions.gaussian import Gaussian
from mvae.models.base import DecodingModel, ExpertModel, LatentModel, MultimodalModel
from mvae.models.mvae import MVAE

__all__ = [
    "Covering",
    "Denoising",
    "ElboTerms",
    "Joint",
    "Objective",
    "Singles",
    "SubSampled",
    "draw_subsets",
    "elbo",
    "log_likelihoods",
]


def log_likelihoods(
    model: DecodingModel, z: Tensor, wanted: Tensor, batch: Batch, weighted: bool
) -> Tensor:
    """Sum λ_i log p(x_i|z) over the wanted modalities; no others are decoded.

    Args:
        model: the model that decodes.
        z: latents ``(..., B, D)``.
        wanted: the modalities to reconstruct, bool ``(..., B, M)``, in the order of the model.
        batch: the data x_i, ``(B, ...)``.
        weighted: whether to apply each modality's λ; otherwise λ = 1.

    Returns:
        Tensor: ``(..., B)`` in nats.

    Raises:
        ValueError: if ``wanted`` is not a mask of this shape, or a sample lacks a wanted modality.
    """
    batch = batch.align(model.modalities)
    if wanted.dtype != torch.bool or wanted.shape != (*z.shape[:-1], len(model.modalities)):
        raise ValueError(
            f"wanted must be bool of shape {(*z.shape[:-1], len(model.modalities))}, not "
            f"{wanted.dtype} of shape {tuple(wanted.shape)}"
        )
    if (wanted & ~batch.present).any():
        raise ValueError("a sample lacks a modality whose log-likelihood is wanted")
    total = z.new_zeros(z.shape[:-1])
    for i, m in enumerate(model.modalities):
        index = wanted[..., i].nonzero(as_tuple=True)
        samples = index[-1]
        if len(samples):
            log_p = model.decode(z[index], m.name).log_prob(batch.values[m.name][samples])
            weight = m.weight if weighted else 1.0
            total = total.index_put(index, weight * log_p, accumulate=True)
    return total


def elbo(model: LatentModel, batch: Batch, generator: torch.Generator | None = None) -> Tensor:
    r"""Estimate the evidence lower bound of the modalities present, with λ = 1 and β = 1.

    .. math:: E_{q(z|X_S)}\Big[\sum_{i\in S}\log p(x_i|z)\Big] - KL(q(z|X_S)\,\|\,p(z))
              \le \log p(X_S)

    The expectation is estimated from one draw of z per sample. Returns ``(B,)`` in nats.
    """
    batch = batch.align(model.modalities)
    q = model.posterior(batch)
    z = q.sample(generator=generator)
    log_p = log_likelihoods(model, z, batch.present, batch, weighted=False)
    if isinstance(q, Gaussian):
        return log_p - q.kl_to_prior()
    # A mixture's divergence has no closed form; it is estimated from the same draw.
    return log_p - q.log_prob(z) + Gaussian.standard(tuple(z.shape), z.dtype).log_prob(z)


def draw_subsets(present: Tensor, k: int, generator: torch.Generator | None = None) -> Tensor:
    """Draw k subsets of 2 to n − 1 of the n modalities of each sample, uniformly.

    Independent fair coins give every subset the same probability, and subsets of the wrong size are
    redrawn. A sample with fewer than three modalities has no such subset and gets empty ones.

    Args:
        present: bool ``(B, M)``.
        k: the number of subsets per sample.
        generator: the source of randomness.

    Returns:
        Tensor: bool ``(k, B, M)``.

    Raises:
        ValueError: if the mask is not boolean ``(B, M)``, or k is negative.

    Example:
        >>> draw_subsets(torch.ones(1, 3, dtype=torch.bool), k=4).sum(-1).flatten().tolist()
        [2, 2, 2, 2]
    """
    if present.dtype != torch.bool or present.ndim != 2 or k < 0:
        raise ValueError(
            f"k ≥ 0 subsets are drawn from a bool mask of shape (B, M); got k = {k} and "
            f"{present.dtype} of shape {tuple(present.shape)}"
        )
    subsets = torch.zeros(k, *present.shape, dtype=torch.bool, device=present.device)
    count = present.sum(-1)
    remaining = (count > 2).expand(k, -1)
    while remaining.any():
        coins = torch.rand(subsets.shape, generator=generator, device=present.device) < 0.5
        draw = coins & present
        accepted = remaining & (draw.sum(-1) >= 2) & (draw.sum(-1) < count)
        subsets = torch.where(accepted.unsqueeze(-1), draw, subsets)
        remaining = remaining & ~accepted
    return subsets


def singletons(present: Tensor) -> Tensor:
    """Return the subsets of one modality each, bool ``(B, M)`` to ``(M, B, M)``."""
    single = torch.eye(present.shape[-1], dtype=torch.bool, device=present.device)
    return single.unsqueeze(1) & present


def distinct_terms(subsets: Tensor) -> Tensor:
    """Mark the terms to count: those whose subset is not empty and not that of an earlier term.

    Bool ``(S, B, M)`` to ``(S, B)``.
    """
    same = (subsets.unsqueeze(0) == subsets.unsqueeze(1)).all(-1)  # (S, S, B)
    earlier = torch.ones(same.shape[:2], dtype=torch.bool, device=same.device).tril(-1)
    return subsets.any(-1) & ~(same & earlier.unsqueeze(-1)).any(1)


class Objective(BaseModel):
    """What training minimises, as settings that JSON can hold; it also determines the model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: The name by which config.json chooses it: a literal of each subclass, and its default.
    name: str
    #: The class of model that it trains.
    network: ClassVar[type[MultimodalModel]]
    #: The fraction of training before which no epoch is kept, however high its score.
    keep_after: ClassVar[float] = 0.0

    def __call__(
        self,
        model: Any,
        batch: Batch,
        beta: float = 1.0,
        generator: torch.Generator | None = None,
        progress: float = 1.0,
    ) -> Tensor:
        """Compute the loss, a scalar, in nats per sample.

        Args:
            model: the model to train, an instance of `network`.
            batch: samples, of which any modality may be missing.
            beta: the annealed weight of the KL term, from 0 to 1 over the first part of training.
            generator: the source of randomness.
            progress: the completed fraction of training, from 0 to 1.
        """
        raise NotImplementedError

    def score(self, model: Any, batch: Batch, generator: torch.Generator | None = None) -> Tensor:
        """Score samples of the validation split, ``(B,)``; the epoch with the best mean is kept.

        Usually the ELBO of all modalities present, with λ = 1 and β = 1.
        """
        return elbo(model, batch, generator)


class ElboTerms(Objective):
    """Minus a sum of ELBOs, each of some subset of the modalities present.

    If several terms have the same subset for a sample, it counts once. The loss is summed over
    terms and averaged over samples, and each modality is encoded once.
    """

    network = MVAE

    def subsets(self, present: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the subset of each term, bool ``(S, B, M)``."""
        raise NotImplementedError

    def wanted(self, subsets: Tensor, present: Tensor) -> Tensor:
        """Return what each term reconstructs, bool ``(S, B, M)``: usually its own modalities."""
        return subsets

    def __call__(
        self,
        model: ExpertModel,
        batch: Batch,
        beta: float = 1.0,
        generator: torch.Generator | None = None,
        progress: float = 1.0,
    ) -> Tensor:
        """Compute the loss, a scalar, in nats per sample."""
        batch = batch.align(model.modalities)
        experts = model.experts(batch)
        subsets = self.subsets(batch.present, generator)  # (S, B, M)
        q = model.product(experts, subsets).posterior  # (S, B, D)
        z = q.sample(generator=generator)
        counts = distinct_terms(subsets)  # (S, B)
        wanted = self.wanted(subsets, batch.present) & counts.unsqueeze(-1)
        log_p = log_likelihoods(model, z, wanted, batch, weighted=True)
        bound = torch.where(counts, log_p - beta * q.kl_to_prior(), 0.0)
        return -bound.sum(0).mean() + beta * self.regulariser(
            q, z, model, batch, generator, progress
        )

    def regulariser(
        self,
        q: Gaussian,
        z: Tensor,
        model: ExpertModel,
        batch: Batch,
        generator: torch.Generator | None = None,
        progress: float = 1.0,
    ) -> Tensor:
        """Compute an additional term of the loss: 0, as in the paper."""
        return q.mean.new_zeros(())


class Joint(ElboTerms):
    """Minus ELBO(X) alone: no single modality's posterior is ever trained on its own."""

    name: Literal["joint"] = "joint"

    def subsets(self, present: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return all modalities present, ``(1, B, M)``."""
        return present.unsqueeze(0)


class Singles(ElboTerms):
    """Minus Σ_i ELBO(x_i): no posterior is ever trained on two modalities together."""

    name: Literal["singles"] = "singles"

    def subsets(self, present: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return each modality alone, ``(M, B, M)``."""
        return singletons(present)


class SubSampled(ElboTerms):
    r"""Minus the sub-sampled ELBO: all modalities, each alone, and k random subsets in between.

    .. math:: \mathrm{ELBO}(X) + \sum_i \mathrm{ELBO}(x_i) + \sum_{j=1}^k \mathrm{ELBO}(X_{S_j})

    Every term reconstructs its own modalities only. Wu & Goodman (2018), eq. 4,
    https://arxiv.org/abs/1802.05335.

    Args:
        k: how many subsets of 2 … N − 1 modalities to draw at every step (none exist for N = 2).
    """

    name: Literal["sub-sampled"] = "sub-sampled"
    k: int = Field(default=1, ge=0)

    def subsets(self, present: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the subsets, bool ``(S, B, M)``: all, then each alone, then the drawn ones."""
        drawn = draw_subsets(present, self.k, generator)
        return torch.cat((present.unsqueeze(0), singletons(present), drawn))


class Denoising(SubSampled):
    r"""The sub-sampled terms, but every subset's posterior must reconstruct all modalities.

    .. math:: \sum_S B(X_S), \qquad B(X_S) = E_{q(z|X_S)}\Big[\sum_{i=1}^N \lambda_i
              \log p(x_i|z)\Big] - \beta\, KL(q(z|X_S)\,\|\,p(z))

    With all λ = 1 and β = 1, a term is a lower bound on the evidence of all modalities,
    B(X_S) ≤ log p(X), because q may be any density; it is not a bound on log p(X_S), and for λ ≠ 1
    it generally bounds neither. The missing modalities are the noise to be removed, as in the
    bimodal deep autoencoder.
    """

    name: Literal["denoising"] = "denoising"  # type: ignore[assignment]

    def wanted(self, subsets: Tensor, present: Tensor) -> Tensor:
        """Reconstruct everything that is present."""
        return present.expand_as(subsets)


class Covering(SubSampled):
    r"""The sub-sampled ELBO, with each single-modality posterior trained to cover the joint one.

    For each modality i of a complete sample, the loss gains

    .. math:: \gamma\, KL(\bar q(z|X)\,\|\,q(z|x_i)) +
              \kappa \sum_{j \ne i} E_{q(z|x_i)}[-\log p(x_j|z)]

    where the joint posterior q̄ is held fixed and j runs over the annotations (labels, tags, texts),
    whose decoders are cheap. The first term is that of JMVAE (Suzuki et al. 2016,
    https://arxiv.org/abs/1611.01891) applied to a product of experts; compare MVTCAE (Hwang et al.
    2021). For one annotation j, drawn at every step where there are several, it also gains

    .. math:: \rho\, E_{q(z|x_j)}\,E_{q(z'|\hat x(z))}[-\log p(x_j|z')],
              \qquad \hat x_i(z) = E[x_i|z],\; i \text{ not an annotation}

    What the model generates from a label alone is *read back* by the model itself, of which only
    the generating decoders are trained by this term. No Gaussian fits the true posterior given a
    label: between its modes are latents to which no training image is encoded, and this term trains
    the decoders there. All three terms are annealed with β, which at full weight would spoil
    training while β is small. Reading back may begin later, as it lowers the likelihood meanwhile.

    Args:
        gamma: γ, the weight of covering.
        kappa: κ, the weight of predicting the annotations from another modality's posterior.
        rho: ρ, the weight of reading back.
        reading: the fraction of training after which reading back begins.
    """

    name: Literal["covering"] = "covering"  # type: ignore[assignment]
    gamma: float = Field(default=0.5, ge=0)
    kappa: float = Field(default=10.0, ge=0)
    rho: float = Field(default=0.0, ge=0)
    reading: float = Field(default=0.0, ge=0, le=1)

    def regulariser(
        self,
        q: Gaussian,
        z: Tensor,
        model: ExpertModel,
        batch: Batch,
        generator: torch.Generator | None = None,
        progress: float = 1.0,
    ) -> Tensor:
        """Compute γ KL + κ cross-reconstruction + ρ reading back, averaged over the samples."""
        batch, n = batch.align(model.modalities), len(model.modalities)
        joint, single = q[0], q[1 : n + 1]  # the order of `subsets`
        complete = batch.present.all(-1)  # (B,)
        fixed = Gaussian(joint.mean.detach(), joint.logvar.detach())
        loss = self.gamma * torch.where(complete, fixed.kl(single), 0.0).sum(0)

        annotations = torch.tensor([m.is_annotation for m in model.modalities])
        others = annotations & ~torch.eye(n, dtype=torch.bool)  # (M, M): from i to j ≠ i
        wanted = others.to(complete.device).unsqueeze(1) & complete.unsqueeze(-1)  # (M, B, M)
        log_p = log_likelihoods(model, z[1 : n + 1], wanted, batch, weighted=False)
        loss = (loss - self.kappa * log_p.sum(0)).mean()
        # There must be an annotation to read, and something else to generate.
        readable = bool(annotations.any()) and not annotations.all()
        if self.rho and progress >= self.reading and complete.any() and readable:
            fraction_complete = complete.double().mean().to(loss.dtype)
            indices = annotations.nonzero().flatten()
            j = int(indices[0])
            if len(indices) > 1:
                j = int(indices[torch.randint(len(indices), (), generator=generator)])
            name = model.modalities[j].name
            truth = batch.values[name][complete]
            log_p = read_back(model, z[1 + j][complete], name, truth, generator)
            loss = loss - self.rho * fraction_complete * log_p.mean()
        return loss


def read_back(
    model: ExpertModel, z: Tensor, name: str, x: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """Compute log p(x_j|z′) with z′ ~ q(z|x̂(z)), ``(B,)``; only the decoders of x̂ are trained.

    Args:
        model: the model that both generates and reads.
        z: latents drawn from the posterior given x_j alone, ``(B, D)``.
        name: the name of modality j, an annotation.
        x: x_j, the value that should be read, ``(B, *event shape)``.
        generator: the source of randomness.
    """
    z = z.detach()
    generated = {
        m.name: m.distribution.expected(model.decode(z, m.name))
        for m in model.modalities
        if not m.is_annotation
    }
    # These are means, not data: they may be grey where data are black or white.
    evidence = Batch(generated, torch.ones(len(z), len(generated), dtype=torch.bool))
    with frozen_weights(model):
        z_read = model.posterior(evidence).sample(generator=generator)
        return model.decode(z_read, name).log_prob(x)


@contextmanager
def frozen_weights(model: ExpertModel) -> Iterator[None]:
    """Keep gradients of what is computed in this context from reaching the model's weights."""
    weights = [w for w in model.parameters() if w.requires_grad]
    for w in weights:
        w.requires_grad_(False)
    try:
        yield
    finally:
        for w in weights:
            w.requires_grad_(True)
