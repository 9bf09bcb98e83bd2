"""Training objectives: the ways to train an MVAE, and what every objective is."""

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
    """Sum λ_i log p(x_i|z) over the wanted modalities, decoding nothing that is not wanted.

    Args:
        model: decodes.
        z: latents ``(S, B, D)``.
        wanted: what to reconstruct, bool ``(S, B, M)``, in the order of the model.
        batch: the data x_i, ``(B, ...)``.
        weighted: whether to apply each modality's λ; without, λ = 1.

    Returns:
        Tensor: ``(S, B)`` in nats.

    Raises:
        ValueError: if what is wanted is no mask of this shape, or a sample lacks it.
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
        terms, samples = wanted[..., i].nonzero(as_tuple=True)
        if len(samples):
            p = model.decode(z[terms, samples], m.name)
            log_p = p.log_prob(batch.values[m.name][samples])
            total = total.index_put(
                (terms, samples), (m.weight if weighted else 1.0) * log_p, accumulate=True
            )
    return total


def elbo(model: LatentModel, batch: Batch, generator: torch.Generator | None = None) -> Tensor:
    r"""Estimate the evidence lower bound of the modalities present, with λ = 1 and β = 1.

    .. math:: E_{q(z|X_S)}\Big[\sum_{i\in S}\log p(x_i|z)\Big] - KL(q(z|X_S)\,\|\,p(z))
              \le \log p(X_S)

    One draw of z a sample. Returns ``(B,)`` in nats.
    """
    batch = batch.align(model.modalities)
    q = model.posterior(batch)
    z = q.sample(generator=generator)
    log_p = log_likelihoods(model, z[None], batch.present[None], batch, weighted=False)[0]
    if isinstance(q, Gaussian):
        return log_p - q.kl_to_prior()
    # A mixture's divergence has no closed form; this is its estimate from the same draw.
    return log_p - q.log_prob(z) + Gaussian.standard(tuple(z.shape), z.dtype).log_prob(z)


def draw_subsets(present: Tensor, k: int, generator: torch.Generator | None = None) -> Tensor:
    """Draw k subsets of 2 to n − 1 of the n modalities that each sample has, uniformly.

    Fair coins give every subset the same probability; those of a wrong size are tossed again. A
    sample with fewer than three modalities has no such subset and gets empty ones.

    Args:
        present: bool ``(B, M)``.
        k: how many subsets a sample.
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
            f"subsets are drawn of a bool mask (B, M), at least 0 of them, not {k} of "
            f"{present.dtype} of shape {tuple(present.shape)}"
        )
    subsets = torch.zeros(k, *present.shape, dtype=torch.bool, device=present.device)
    count = present.sum(-1)
    left = (count > 2).expand(k, -1)
    while left.any():
        coins = torch.rand(subsets.shape, generator=generator, device=present.device) < 0.5
        draw = coins & present
        fits = left & (draw.sum(-1) >= 2) & (draw.sum(-1) < count)
        subsets = torch.where(fits.unsqueeze(-1), draw, subsets)
        left = left & ~fits
    return subsets


def each_alone(present: Tensor) -> Tensor:
    """Give the subsets of one modality each, bool ``(B, M)`` to ``(M, B, M)``."""
    single = torch.eye(present.shape[-1], dtype=torch.bool, device=present.device)
    return single.unsqueeze(1) & present


def first_of_its_kind(subsets: Tensor) -> Tensor:
    """Mark the terms that count: not empty, and not the same subset as an earlier term.

    Bool ``(S, B, M)`` to ``(S, B)``.
    """
    same = (subsets.unsqueeze(0) == subsets.unsqueeze(1)).all(-1)  # (S, S, B)
    earlier = torch.ones(same.shape[:2], dtype=torch.bool, device=same.device).tril(-1)
    return subsets.any(-1) & ~(same & earlier.unsqueeze(-1)).any(1)


class Objective(BaseModel):
    """What is minimised: a description that JSON can hold, and with it the kind of model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: The kind of model that it trains.
    network: ClassVar[type[MultimodalModel]]
    #: The fraction of training before which no epoch is kept, however high its score.
    settled: ClassVar[float] = 0.0

    def __call__(
        self,
        model: Any,
        batch: Batch,
        beta: float = 1.0,
        generator: torch.Generator | None = None,
        progress: float = 1.0,
    ) -> Tensor:
        """Give the loss, a scalar, in nats a sample.

        Args:
            model: whose loss it is, of the kind `network`.
            batch: may miss any modality of any sample.
            beta: the annealed weight of the KL term, from 0 to 1 over the first part of training.
            generator: the source of randomness.
            progress: the fraction of training that is done, from 0 to 1.
        """
        raise NotImplementedError

    def score(self, model: Any, batch: Batch, generator: torch.Generator | None = None) -> Tensor:
        """Score samples of the validation split, ``(B,)``; the best mean chooses the epoch.

        Usually the ELBO of all modalities present, with λ = 1 and β = 1.
        """
        return elbo(model, batch, generator)


class ElboTerms(Objective):
    """Minus a sum of ELBOs, each of some subset of the modalities present.

    A term that coincides with an earlier one of the same sample counts once. Terms are summed,
    samples averaged, and each modality is encoded once.
    """

    network = MVAE

    def subsets(self, present: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Give the subset of each term, bool ``(S, B, M)``."""
        raise NotImplementedError

    def wanted(self, subsets: Tensor, present: Tensor) -> Tensor:
        """Say what each term reconstructs, bool ``(S, B, M)``: usually its own modalities."""
        return subsets

    def __call__(
        self,
        model: ExpertModel,
        batch: Batch,
        beta: float = 1.0,
        generator: torch.Generator | None = None,
        progress: float = 1.0,
    ) -> Tensor:
        """Give the loss, a scalar, in nats a sample."""
        batch = batch.align(model.modalities)
        experts = model.experts(batch)
        subsets = self.subsets(batch.present, generator)  # (S, B, M)
        q = model.product(experts, subsets).posterior  # (S, B, D)
        z = q.sample(generator=generator)
        counts = first_of_its_kind(subsets)  # (S, B)
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
        """Give what is added to the loss; the paper adds nothing."""
        return q.mean.new_zeros(())


class Joint(ElboTerms):
    """Minus ELBO(X) alone: no single modality's posterior is ever trained by itself."""

    name: Literal["joint"] = "joint"

    def subsets(self, present: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Give all modalities present, ``(1, B, M)``."""
        return present.unsqueeze(0)


class Singles(ElboTerms):
    """Minus Σ_i ELBO(x_i): no two modalities are ever seen together."""

    name: Literal["singles"] = "singles"

    def subsets(self, present: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Give each modality alone, ``(M, B, M)``."""
        return each_alone(present)


class SubSampled(ElboTerms):
    r"""Minus the sub-sampled ELBO: all modalities, each alone, and k subsets between.

    .. math:: \mathrm{ELBO}(X) + \sum_i \mathrm{ELBO}(x_i) + \sum_{j=1}^k \mathrm{ELBO}(X_{S_j})

    Every term reconstructs its own modalities only. Wu & Goodman (2018), eq. 4,
    https://arxiv.org/abs/1802.05335.

    Args:
        k: how many subsets of 2 … N − 1 modalities to draw every step (none exist for N = 2).
    """

    name: Literal["sub-sampled"] = "sub-sampled"
    k: int = Field(default=1, ge=0)

    def subsets(self, present: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Give the subset of each term, bool ``(S, B, M)``: joint, singles, then drawn ones."""
        drawn = draw_subsets(present, self.k, generator)
        return torch.cat((present.unsqueeze(0), each_alone(present), drawn))


class Denoising(SubSampled):
    r"""The sub-sampled terms, but every subset's posterior must reconstruct all modalities.

    .. math:: \sum_S B(X_S), \qquad B(X_S) = E_{q(z|X_S)}\Big[\sum_{i=1}^N \lambda_i
              \log p(x_i|z)\Big] - \beta\, KL(q(z|X_S)\,\|\,p(z))

    With all λ = 1 and β = 1 a term bounds the evidence of all modalities, B(X_S) ≤ log p(X), since
    q may be any density; it is no bound of log p(X_S), and with λ ≠ 1 in general one of neither.
    What is not in the subset is the noise to be undone, as in the bimodal deep autoencoder.
    """

    name: Literal["denoising"] = "denoising"  # type: ignore[assignment]

    def wanted(self, subsets: Tensor, present: Tensor) -> Tensor:
        """Reconstruct everything that is present."""
        return present.expand_as(subsets)


class Covering(SubSampled):
    r"""The sub-sampled ELBO, and each single posterior asked to cover the joint one.

    For each modality i of a complete sample the loss gains

    .. math:: \gamma\, KL(\bar q(z|X)\,\|\,q(z|x_i)) +
              \kappa \sum_{j \ne i} E_{q(z|x_i)}[-\log p(x_j|z)]

    with the joint posterior q̄ held fixed, and j among what says in words what a sample is (labels,
    tags, texts), whose decoders cost little. The first term is JMVAE's (Suzuki et al. 2016,
    https://arxiv.org/abs/1611.01891) applied to a product of experts; compare MVTCAE (Hwang et al.
    2021). For one such j a step, drawn anew where there are several, it gains, too,

    .. math:: \rho\, E_{q(z|x_j)}\,E_{q(z'|\hat x(z))}[-\log p(x_j|z')],
              \qquad \hat x_i(z) = E[x_i|z],\; i \text{ not in words}

    What a label alone generates is *read back* by the model itself, which is held fixed meanwhile,
    all but the decoders that generated. No Gaussian fits a label's true posterior; between its
    lobes lie latents that no training picture ever reached, and this is what teaches the decoders
    there. All three terms are annealed with β: at full weight while β is small they spoil the
    start of training for good. Reading back can begin later, when the learning rate drops: it costs
    likelihood as long as it lasts.

    Args:
        gamma: γ, the weight of covering.
        kappa: κ, the weight of naming the label from one other modality's posterior.
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
        """Give γ KL + κ cross-reconstruction + ρ reading back, averaged over the samples."""
        batch, n = batch.align(model.modalities), len(model.modalities)
        joint, single = q[0], q[1 : n + 1]  # the order of `subsets`
        complete = batch.present.all(-1)  # (B,)
        held = Gaussian(joint.mean.detach(), joint.logvar.detach())
        loss = self.gamma * torch.where(complete, held.kl(single), 0.0).sum(0)

        cheap = torch.tensor([m.is_annotation for m in model.modalities])
        others = cheap & ~torch.eye(n, dtype=torch.bool)  # (M, M): from i to j ≠ i
        wanted = others.to(complete.device).unsqueeze(1) & complete.unsqueeze(-1)  # (M, B, M)
        log_p = log_likelihoods(model, z[1 : n + 1], wanted, batch, weighted=False)
        loss = (loss - self.kappa * log_p.sum(0)).mean()
        both = bool(cheap.any()) and not cheap.all()  # somebody generates, and something is read
        if self.rho and progress >= self.reading and complete.any() and both:
            share = complete.double().mean().to(loss.dtype)
            named = cheap.nonzero().flatten()
            j = int(named[0])
            if len(named) > 1:
                j = int(named[torch.randint(len(named), (), generator=generator)])
            name = model.modalities[j].name
            known = batch.values[name][complete]
            read = read_back(model, z[1 + j][complete], name, known, generator)
            loss = loss - self.rho * share * read.mean()
        return loss


def read_back(
    model: ExpertModel,
    z: Tensor,
    name: str,
    known: Tensor,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Give log p(x_j|z′) for z′ ~ q(z|x̂(z)), ``(B,)``; only the decoders of x̂ get a gradient.

    Args:
        model: generates, and reads.
        z: latents drawn from the posterior given x_j alone, ``(B, D)``.
        name: of modality j, a label, tags or a text.
        known: x_j, what should be read, ``(B, *event shape)``.
        generator: the source of randomness.
    """
    z = z.detach()
    generated = {
        m.name: m.distribution.expected(model.decode(z, m.name))
        for m in model.modalities
        if not m.is_annotation
    }
    # Means, and not data: between black and white, where data are either.
    evidence = Batch(generated, torch.ones(len(z), len(generated), dtype=torch.bool))
    with held_fixed(model):
        again = model.posterior(evidence).sample(generator=generator)
        return model.decode(again, name).log_prob(known)


@contextmanager
def held_fixed(model: ExpertModel) -> Iterator[None]:
    """Let no gradient reach the model's weights from what is computed meanwhile."""
    weights = [w for w in model.parameters() if w.requires_grad]
    for w in weights:
        w.requires_grad_(False)
    try:
        yield
    finally:
        for w in weights:
            w.requires_grad_(True)
