"""Importance-weighted log-likelihood of any subset of modalities, and of some given others."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from mvae.baselines.boltzmann_model import BoltzmannModel
from mvae.baselines.cvae import CVAE
from mvae.evaluation.adaptive import FEW_LATENTS, adaptive_draws
from mvae.evaluation.boltzmann_likelihood import boltzmann_log_likelihood
from mvae.evaluation.importance import FEWEST, Draws, LogLikelihood, average, ratio
from mvae.evaluation.population import population_draws
from mvae.evaluation.refinement import refine
from mvae.gaussian import Gaussian
from mvae.mixture import Mixture
from mvae.modality import Batch
from mvae.model import DecodingModel, LatentModel, MultimodalModel

__all__ = [
    "ESTIMATOR",
    "conditional_log_likelihood",
    "direction_log_likelihood",
    "log_likelihood",
    "log_likelihood_given",
]

#: Name of the estimator; figures of another one cannot stand beside its own.
ESTIMATOR = "refined-1"
#: Latents decoded at once: enough to fill the matrix units, small enough for the cache.
CHUNK = 1024
#: Widths of the refined posterior, in its own standard deviations: wide ones reach the tails.
SCALES = (1.0, 1.2, 1.5)


@torch.no_grad()
def log_likelihood(
    model: MultimodalModel,
    batch: Batch,
    k: int,
    seed: int = 0,
    proposals: Mixture | None = None,
) -> LogLikelihood:
    r"""Estimate log p(x_S) of the modalities present, with λ = 1.

    .. math:: \log \frac1K \sum_{k=1}^K \frac{p(z_k)\prod_{i\in S}p(x_i|z_k)}{r(z_k)}

    The proposal r is a mixture: the posterior *refined* for each sample to a Gaussian with full
    covariance (:mod:`mvae.evaluation.refinement`) in three widths, the model's own posterior, the
    prior, and whatever is passed; their shares follow the weights of a first fifth of the draws
    (:mod:`mvae.evaluation.population`). With up to four latents draws are dense enough to learn
    from: they gather where the weights are heavy, see :mod:`mvae.evaluation.adaptive`.
    Burda et al. 2016, https://arxiv.org/abs/1509.00519; k̂ as in Vehtari et al. 2024,
    https://arxiv.org/abs/1507.02646.

    Random numbers belong to a sample's evidence, not to its place: scored with others, elsewhere or
    again, it gets the same draws. Of a Boltzmann machine log p is known but for log Z, see
    :mod:`mvae.evaluation.boltzmann_likelihood`.

    Args:
        model: decodes.
        batch: B samples, each with the modalities to be scored.
        k: draws a sample, at least 25; of a Boltzmann machine a tenth as many annealed runs.
        seed: of all draws.
        proposals: further Gaussians to draw from, ``(B, D)``, such as posteriors of other samples
            with the same label, where the posterior has lobes that no single Gaussian reaches.

    Returns:
        LogLikelihood: ``(B,)`` in nats; 0 for a sample without evidence.

    Raises:
        ValueError: for fewer draws, of which no tail could be fitted, for a model that has no
            log-likelihood, with its sentence, or where a Boltzmann machine misses some images.
    """
    batch = batch.align(model.modalities)
    if isinstance(model, BoltzmannModel):
        source = torch.Generator().manual_seed(seed)
        return boltzmann_log_likelihood(model, batch, max(k // 10, FEWEST), source)
    if not isinstance(model, LatentModel):
        raise ValueError(model.no_likelihood)
    q = model.proposal(batch)
    found = _joined(
        [
            average(draws.log_weights, draws.counts, _plain(draws, q[part]))
            for part, draws in _drawn(model, batch, k, seed, proposals)
        ]
    )
    nothing = ~batch.present.any(-1)  # whose log p is 0, and needs no estimate
    value, se = (x.masked_fill(nothing, 0.0) for x in (found.value, found.se))
    return LogLikelihood(value, se, found.k_hat, found.variance)


@torch.no_grad()
def direction_log_likelihood(
    model: CVAE, batch: Batch, wanted: str, k: int, seed: int = 0
) -> LogLikelihood:
    r"""Estimate log p(x_j|x_-j) of a conditional model, with λ = 1.

    .. math:: \log \frac1K \sum_{k=1}^K \frac{p(z_k|x_{-j})\,p(x_j|z_k,x_{-j})}{r(z_k)}

    The proposal r is that of `log_likelihood`, of q(z|x_j, x_-j) and p(z|x_-j).

    Args:
        model: has a network for each direction.
        batch: B complete samples.
        wanted: j.
        k: draws a sample, at least 25.
        seed: of all draws.

    Raises:
        ValueError: for fewer draws, of which no tail could be fitted, or if a modality is missing.
    """
    batch = batch.align(model.modalities)
    batch.require(batch.names)
    direction = model.direction(wanted)
    prior, context = direction.prior(batch)
    q = direction.posterior(batch)

    def log_p(z: Tensor, rows: slice) -> Tensor:
        return direction.decode(z, context[rows]).log_prob(batch.values[wanted][rows])

    return _joined(
        [
            average(draws.log_weights, draws.counts, _plain(draws, q[part]))
            for part, draws in _draws_of(q, prior, log_p, _sources(batch, seed), k)
        ]
    )


@torch.no_grad()
def conditional_log_likelihood(
    model: MultimodalModel,
    batch: Batch,
    wanted: Collection[str],
    given: Collection[str],
    k: int,
    seed: int = 0,
    proposals: Mixture | None = None,
) -> LogLikelihood:
    r"""Estimate log p(x_A|x_B) of disjoint sets of modalities, with λ = 1.

    .. math:: \log p(x_A|x_B) = \log \frac{\sum_k w_k\,p(x_A|z_k)}{\sum_k w_k}, \qquad
              w_k = \frac{p(z_k)\,p(x_B|z_k)}{r(z_k)}

    Half of the draws are made for p(z|x_A, x_B) and half for p(z|x_B), as in `log_likelihood`, and
    all are weighed by the mixture r of both. As numerator and denominator share them, log p of
    discrete data never comes out above 0. From draws for p(z|x_B) alone the numerator would rest on
    a few draws by chance. It is neither a lower bound nor an upper one.

    Args:
        model: decodes.
        batch: B samples that have all these modalities.
        wanted: A, names of at least one modality.
        given: B, names of others; none gives log p(x_A).
        k: draws a sample in all.
        seed: of all draws.
        proposals: further Gaussians to draw from for p(z|x_B), ``(B, D)``.

    Raises:
        ValueError: if A is empty or shares a modality with B, if a sample lacks one of them, and
            as `log_likelihood`.
    """
    if not wanted or set(wanted) & set(given):
        raise ValueError(
            f"a conditional is of some modalities given others, not of {sorted(wanted)} "
            f"given {sorted(given)}"
        )
    batch.require([*wanted, *given])
    both = batch.supply([*wanted, *given])
    return log_likelihood_given(model, both, batch.supply(given), k, seed, proposals)


@torch.no_grad()
def log_likelihood_given(
    model: MultimodalModel,
    batch: Batch,
    given: Batch,
    k: int,
    seed: int = 0,
    proposals: Mixture | None = None,
) -> LogLikelihood:
    """Estimate log p of what samples have beyond evidence, as `conditional_log_likelihood`.

    Which modalities that is may differ from sample to sample.

    Args:
        model: decodes.
        batch: B samples, each with the modalities of the evidence and those to be scored.
        given: the same samples with their evidence alone.
        k: draws a sample in all.
        seed: of all draws.
        proposals: further Gaussians to draw from for the evidence, ``(B, D)``.

    Raises:
        ValueError: if a sample lacks some of its evidence, and as `log_likelihood`.
    """
    batch, given = (x.align(model.modalities) for x in (batch, given))
    if (given.present & ~batch.present).any():
        raise ValueError("the samples lack some of the evidence that they are to be scored given")
    if not isinstance(model, LatentModel):
        joint, known = (log_likelihood(model, part, k, seed) for part in (batch, given))
        k_hat = torch.maximum(joint.k_hat, known.k_hat)
        return LogLikelihood(joint.value - known.value, torch.hypot(joint.se, known.se), k_hat)
    rest = Batch(batch.values, batch.present & ~given.present)
    halves = (
        _drawn(model, part, k // 2, seed, extra)
        for part, extra in ((batch, None), (given, proposals))
    )
    found = []
    for (part, first), (_, second) in zip(*halves, strict=True):
        draws = first.and_of(second, partial(_log_joint, model, given[part]))
        below = draws.log_weights
        found.append(ratio(below + _in_chunks(model, draws.z, rest[part]), below, draws.counts))
    return _joined(found)


def evidence_given(model: DecodingModel, z: Tensor, batch: Batch) -> Tensor:
    """Sum log p(x_i|z) over the modalities present, ``(K, B, D)`` to ``(K, B)``."""
    total = z.new_zeros(z.shape[:-1])
    batch = batch.align(model.modalities)
    for name in batch.names:
        there = batch.there(name)
        if there.all():
            # No copy of the data for each draw, as indices would make: they are broadcast.
            total = total + model.decode(z, name).log_prob(batch.values[name])
        elif there.any():
            some = model.decode(z[:, there], name).log_prob(batch.values[name][there])
            total = total.index_add(1, there.nonzero().flatten(), some)
    return total


def _in_chunks(model: DecodingModel, z: Tensor, batch: Batch) -> Tensor:
    """Compute `evidence_given` a part of the draws at a time."""
    return torch.cat([evidence_given(model, part, batch) for part in z.split(CHUNK)])


def _log_joint(model: DecodingModel, batch: Batch, z: Tensor) -> Tensor:
    """Compute log p(z) + log p(x_S|z)."""
    prior = Gaussian.standard(tuple(z.shape[1:]), z.dtype)
    return _in_chunks(model, z, batch) + prior.log_prob(z)


def _sources(batch: Batch, seed: int) -> list[torch.Generator]:
    """Make a source of randomness for each sample, which depends on its evidence alone."""
    present = batch.present.tolist()
    sources = []
    for row in range(len(batch)):
        digest = hashlib.sha256(str(seed).encode())
        for name, there in sorted(zip(batch.names, present[row], strict=True)):
            if there:
                digest.update(name.encode() + batch.values[name][row].cpu().numpy().tobytes())
        own = int.from_bytes(digest.digest()[:7], "big")
        sources.append(torch.Generator().manual_seed(own))
    return sources


def _drawn(
    model: LatentModel, batch: Batch, k: int, seed: int, proposals: Mixture | None
) -> Iterator[tuple[slice, Draws]]:
    """Draw for p(z|x_S) of each sample, under the standard prior."""
    q = model.proposal(batch)
    prior = Gaussian.standard(tuple(q.shape), q.mean.dtype)

    def log_p(z: Tensor, rows: slice) -> Tensor:
        return evidence_given(model, z, batch[rows])

    return _draws_of(q, prior, log_p, _sources(batch, seed), k, proposals)


def _draws_of(
    q: Gaussian | Mixture,
    prior: Gaussian,
    log_p: Callable[[Tensor, slice], Tensor],
    sources: Sequence[torch.Generator],
    k: int,
    proposals: Mixture | None = None,
) -> Iterator[tuple[slice, Draws]]:
    """Draw for a prior times a likelihood, sample by sample; the posterior q comes first."""
    if k < FEWEST:
        raise ValueError(f"an estimate and its diagnostics need at least {FEWEST} draws, not {k}")
    size, latents = q.shape

    def log_joint(z: Tensor, rows: slice) -> Tensor:
        return log_p(z, rows) + prior[rows].log_prob(z)

    def score(z: Tensor, rows: slice) -> Tensor:
        return torch.cat([log_joint(part, rows) for part in z.split(CHUNK)])

    def of_few_latents(b: int) -> Draws:
        one = slice(b, b + 1)
        return adaptive_draws(q[one], prior[one], partial(score, rows=one), k, sources[b])

    if latents <= FEW_LATENTS:
        yield from ((slice(b, b + 1), of_few_latents(b)) for b in range(size))
        return
    step = max(1, CHUNK // (2 * latents))
    for begin in range(0, size, step):
        several = slice(begin, min(begin + step, size))
        refined = refine(q[several], partial(log_joint, rows=several), sources[several])
        for b in range(several.start, several.stop):
            one, sharp = slice(b, b + 1), refined[b - begin : b - begin + 1]
            extra = [] if proposals is None else [proposals[one]]
            each = [q[one], prior[one], *map(sharp.wider, SCALES), *extra]
            yield one, population_draws(each, partial(score, rows=one), k, latents, sources[b])


def _plain(draws: Draws, q: Gaussian | Mixture) -> Tensor:
    """Log importance weights of the draws of q itself, which come first."""
    own = slice(0, draws.counts[0])
    return draws.log_target[own] - q.log_prob(draws.z[own])


def _joined(each: Sequence[LogLikelihood]) -> LogLikelihood:
    """Put the estimates of single samples together."""
    value, se, k_hat = (
        torch.cat([getattr(x, name) for x in each]) for name in ("value", "se", "k_hat")
    )
    variances = [x.variance for x in each if x.variance is not None]
    return LogLikelihood(value, se, k_hat, torch.cat(variances) if variances else None)
