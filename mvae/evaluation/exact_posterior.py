"""The exact posterior p(z|X_S) of a model with two latents, by quadrature."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Distribution, Independent
from torch.nn import functional

from mvae.batch import Batch
from mvae.distributions.gaussian import Gaussian
from mvae.evaluation.quadrature import CELLS, HALF_WIDTH, Partition, expectation, lattice
from mvae.modality import Modality
from mvae.models.base import ExpertModel

__all__ = ["ExactInference", "ExactPosterior", "possible"]

#: Points decoded, or converted from float16, at once: what fits the processor's cache.
CHUNK = 512


def possible(model: ExpertModel) -> bool:
    """Whether a model has two latents, and Bernoulli and categorical likelihoods only.

    Example:
        >>> from mvae.checkpoint import load_model
        >>> [possible(load_model("mnist", name)[0]) for name in ("mvae-2d", "mvae")]
        [True, False]
    """
    return model.latents == 2 and all(m.likelihood != "gaussian" for m in model.modalities)


def log_prior(z: Tensor) -> Tensor:
    """Log p(z) of the prior N(0, I), ``(..., 2)`` to ``(...)``, in float64."""
    return Gaussian.standard((2,), torch.float64).log_prob(z.double())


@dataclass(frozen=True)
class ExactPosterior:
    r"""The exact posterior of one input, and how far a Gaussian is from it.

    .. math:: p(z|x_S) = \frac{p(z)\prod_{i\in S}p(x_i|z)}{p(x_S)}

    Args:
        q: the model's own posterior q(z|X_S), ``(2,)``.
        log_joint: log p(x_S, z), ``(N,)`` at points ``(N, 2)``, decoded.
        partition: cells over the plane, and log p(x_S, z) in each.
        log_evidence: log p(x_S) in nats; with grey values that are scored by cross-entropy a
            score, not the log of a density: the posterior is then that of the scores.
    """

    q: Gaussian
    log_joint: Callable[[Tensor], Tensor]
    partition: Partition
    log_evidence: float

    @cached_property
    def modes(self) -> Tensor:
        """Places of the local maxima within 8 nats of the highest, ``(n, 2)``, highest first."""
        return self.partition.modes()

    @property
    def coarse(self) -> Tensor:
        """Log density on the coarse grid, from float16, ``(CELLS, CELLS)``: rows as in `heat`."""
        return self.partition.coarse - self.log_evidence

    @torch.no_grad()
    def log_density(self, z: Tensor) -> Tensor:
        """Log p(z|x_S) in nats at any points, ``(..., 2)`` to ``(...)``, in float64."""
        return self.log_joint(z.reshape(-1, 2)).reshape(z.shape[:-1]) - self.log_evidence

    @torch.no_grad()
    def heat(self, low: tuple[float, float], high: tuple[float, float], size: int) -> Tensor:
        """Log density at the centres of ``size`` × ``size`` pixels, for a heat map.

        Where the density comes within 12 nats of the highest it is decoded; elsewhere it is
        interpolated between points of the coarse grid, 0.095 apart. A lobe narrower than a pixel
        may fall between the centres: lay a second, closer picture over it.

        Args:
            low: first and second latent at the picture's lower left corner.
            high: the same at its upper right corner.
            size: pixels along each side.

        Returns:
            Tensor: ``(size, size)`` in nats; the second latent ascends with the rows.
        """
        z = lattice(low, high, size).reshape(-1, 2)
        points = z.reshape(1, size, size, 2) / HALF_WIDTH
        kinds = ("bilinear", self.partition.coarse), ("nearest", self.partition.matters.double())
        log_p, matters = (
            functional.grid_sample(
                x[None, None], points, kind, padding_mode="border", align_corners=False
            ).flatten()
            for kind, x in kinds
        )
        decoded = matters > 0
        log_p[decoded] = self.log_joint(z[decoded])
        return log_p.reshape(size, size) - self.log_evidence

    @torch.no_grad()
    def kl_from(self, q: Gaussian) -> float:
        r"""KL(q‖p) in nats, the gap between the evidence and the bound of q.

        .. math:: KL(q\,\|\,p) = E_q[\log q(z) - \log p(x_S, z)] + \log p(x_S)

        The expectation is taken under q: cells over the modes of p would miss where q errs.

        Args:
            q: ``(2,)``.
        """
        return self.log_evidence - q.entropy().item() - expectation(self.log_joint, q)

    def kl_to(self, q: Gaussian) -> float:
        """KL(p‖q) in nats, summed over the cells: large where q leaves out a lobe of p."""
        p = self.partition
        log_ratio = p.log_f - self.log_evidence - q.log_prob(p.points)
        return (p.masses @ log_ratio).item()

    def entropy(self) -> float:
        """Differential entropy in nats, −E_p[log p], summed over the cells."""
        p = self.partition
        return self.log_evidence - (p.masses @ p.log_f).item()

    def moments(self) -> Gaussian:
        """Mean and variances: of all diagonal Gaussians the one with the least KL(p‖·)."""
        p = self.partition
        mean = p.masses @ p.points
        return Gaussian(mean, (p.masses @ (p.points - mean).square()).log())


def _natural(p: Distribution) -> Tensor:
    """Natural parameters η of a decoded distribution, ``(N, outputs)``."""
    base = p.base_dist if isinstance(p, Independent) else p
    assert isinstance(base, Bernoulli | Categorical)
    return base.logits.flatten(1)


def _log_normaliser(m: Modality, eta: Tensor) -> Tensor:
    """Log-normaliser A of natural parameters, ``(N, outputs)`` to ``(N,)``."""
    if m.likelihood == "categorical":  # its logits are log-probabilities already
        return eta.new_zeros(len(eta))
    return functional.softplus(eta).sum(-1)


def _statistic(m: Modality, x: Tensor) -> Tensor:
    """Sufficient statistic T(x) of one datum: its pixels, or a one-hot vector."""
    return functional.one_hot(x, m.shape[0]) if m.likelihood == "categorical" else x.flatten()


@dataclass(frozen=True)
class _Table:
    r"""One modality's likelihood on the coarse grid, in its exponential form.

    .. math:: \log p(x|z) = T(x)^\top \eta(z) - A(\eta(z))

    Args:
        eta: η, logits or log-probabilities, float16 ``(N, outputs)``.
        normaliser: A of the *rounded* η, ``(N,)``: rounding then makes another Bernoulli of almost
            the same mean, normalised like the first, and its errors nearly cancel.
    """

    eta: Tensor
    normaliser: Tensor

    @staticmethod
    def of(model: ExpertModel, m: Modality, grid: Tensor) -> _Table:
        """Decode one modality on a grid ``(N, 2)``."""
        rows = [_natural(model.decode(z, m.name)).half() for z in grid.split(CHUNK)]
        return _Table(torch.cat(rows), torch.cat([_log_normaliser(m, r.float()) for r in rows]))

    def log_prob(self, statistic: Tensor) -> Tensor:
        """Give log p(x|z) at every point of the grid, for T(x) ``(outputs,)``."""
        # Converted in a buffer that stays in the cache: five times as fast as all at once.
        buffer = torch.empty(CHUNK, self.eta.shape[1], dtype=torch.float32)
        statistic = statistic.float()
        products = [buffer[: len(c)].copy_(c) @ statistic for c in self.eta.split(CHUNK)]
        return torch.cat(products) - self.normaliser


class ExactInference:
    r"""Infers the exact posterior given any subset of modalities, by quadrature over the plane.

    .. math:: p(x_S) = \int p(z) \prod_{i\in S} p(x_i|z)\, dz

    The decoders are run once on a coarse grid, 126 × 126 points over ±6, and what they give is
    kept as float16: for an input the log-likelihood at all these points is then one
    matrix-vector product. Where it turns out to be sharp, and around q, finer points are decoded;
    see :class:`mvae.evaluation.quadrature.Partition`. λ plays no part. Made once for a model (half
    a second), it holds 31,752 bytes for every output of the decoders: 25 MB for 794.

    Args:
        model: with two latents.

    Raises:
        ValueError: if the model has not two latents, or a modality with a Gaussian likelihood.

    Example:
        >>> from mvae.checkpoint import load_model, load_samples
        >>> model, _ = load_model("mnist", "mvae-2d")
        >>> sample = load_samples("mnist", model.modalities)[slice(3, 4)]
        >>> exact = ExactInference(model)
        >>> label = exact(sample, ["label"])
        >>> round(label.log_evidence, 1)  # nats; about log 1/10
        -2.3
        >>> label.kl_from(label.q) > 0  # of which the evidence lower bound falls short
        True
    """

    @torch.no_grad()
    def __init__(self, model: ExpertModel) -> None:
        if not possible(model):
            raise ValueError(
                "the exact posterior needs a model with two latents, and Bernoulli or categorical "
                f"likelihoods; this one has {model.latents} latents and the likelihoods "
                + ", ".join(m.likelihood for m in model.modalities)
            )
        self.model = model
        self.dtype = next(model.parameters()).dtype
        self.grid = lattice((-HALF_WIDTH, -HALF_WIDTH), (HALF_WIDTH, HALF_WIDTH), CELLS)
        points = self.grid.reshape(-1, 2).to(self.dtype)
        self.tables = {m.name: _Table.of(model, m, points) for m in model.modalities}

    @torch.no_grad()
    def __call__(self, sample: Batch, evidence: Sequence[str]) -> ExactPosterior:
        """Infer the latents of one sample from some of its modalities.

        Args:
            sample: a batch of one.
            evidence: names of the supplied modalities; without any the posterior is the prior.

        Raises:
            ValueError: if the batch is not of one sample, or evidence is unknown or missing.
        """
        if len(sample) != 1:
            raise ValueError(f"an exact posterior is of one sample, not of {len(sample)}")
        batch = sample.align(self.model.modalities).supply(evidence)
        supplied = [m for m in self.model.modalities if batch.there(m.name)]
        if missing := set(evidence) - {m.name for m in supplied}:
            raise ValueError(f"the sample has no {min(missing)}")
        coarse = log_prior(self.grid)
        statistics = {m: _statistic(m, batch.values[m.name][0]) for m in supplied}
        for m, statistic in statistics.items():
            coarse = coarse + self.tables[m.name].log_prob(statistic).reshape(coarse.shape)

        def log_joint(z: Tensor) -> Tensor:
            return torch.cat([self._log_joint(chunk, statistics) for chunk in z.split(CHUNK)])

        q = self.model.posterior(batch)[0]
        partition = Partition.of(log_joint, coarse, q if supplied else None)
        # Without evidence nothing is to be integrated: no rounding makes 0 a little less.
        log_evidence = partition.log_integral if supplied else 0.0
        return ExactPosterior(q, log_joint, partition, log_evidence)

    def _log_joint(self, z: Tensor, statistics: Mapping[Modality, Tensor]) -> Tensor:
        """Log p(x_S, z) at a few points, in float64."""
        total = log_prior(z)
        for m, statistic in statistics.items():
            eta = _natural(self.model.decode(z.to(self.dtype), m.name))
            total += eta @ statistic.to(eta.dtype) - _log_normaliser(m, eta)
        return total
