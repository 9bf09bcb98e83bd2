"""Importance-weighted log-likelihood of any subset of modalities, and of some given others."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.distributions.gaussian import Gaussian
from mvae.distributions.mixture import Mixture
from mvae.evaluation.adaptive import FEW_LATENTS, adaptive_draws
from mvae.evaluation.boltzmann_likelihood import boltzmann_log_likelihood
from mvae.evaluation.importance import FEWEST, Draws, LogLikelihood, average, ratio
from mvae.evaluation.population import population_draws
from mvae.evaluation.refinement import refine
from mvae.models.base import DecodingModel, LatentModel, MultimodalModel
from mvae.models.boltzmann.model import BoltzmannModel
from mvae.models.cvae import CVAE

__all__ = [
    "ESTIMATOR",
    "conditional_log_likelihood",
    "direction_log_likelihood",
    "log_likelihood",
    "subset_log_likelihoods",
]

#: Name of the estimator; figures of another one cannot stand beside its own.
ESTIMATOR = "refined-2"
#: Latents decoded at once: enough to fill the matrix units, small enough for the cache.
CHUNK = 1024
#: Widths of the refined posterior, in its own standard deviations: wide ones reach the tails.
SCALES = (1.0, 1.2, 1.5)
#: Name of the prior's density among those of the modalities, none of which can be called so.
PRIOR = ""


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
    if not isinstance(model, LatentModel | BoltzmannModel):
        raise ValueError(model.no_likelihood)
    if isinstance(model, BoltzmannModel):
        source = torch.Generator().manual_seed(seed)
        return boltzmann_log_likelihood(model, batch, max(k // 10, FEWEST), source)
    extra = {} if proposals is None else {"all": proposals}
    found = subset_log_likelihoods(model, {"all": batch}, (), k, seed, extra)["all"]
    nothing = ~batch.present.any(-1)  # whose log p is 0, and needs no estimate
    value, se = (x.masked_fill(nothing, 0.0) for x in (found.value, found.se))
    return LogLikelihood(value, se, found.k_hat, found.variance)


@torch.no_grad()
def subset_log_likelihoods(
    model: LatentModel,
    evidence: Mapping[str, Batch],
    pairs: Collection[tuple[str, str]],
    k: int,
    seed: int = 0,
    proposals: Mapping[str, Mixture] | None = None,
) -> dict[str | tuple[str, str], LogLikelihood]:
    r"""Estimate log p(x_S) of several sets S, and of what one has beyond another, all at once.

    .. math:: \log p(x_A|x_B) = \log \frac{\sum_k w_k\,p(x_A|z_k)}{\sum_k w_k}, \qquad
              w_k = \frac{p(z_k)\,p(x_B|z_k)}{r(z_k)}

    The draws for p(z|x_A, x_B) and those for p(z|x_B) are pooled and weighed by the mixture r of
    all their proposals. As numerator and denominator share them, log p of discrete data never
    comes out above 0. From draws for p(z|x_B) alone the numerator would rest on a few of them.

    Args:
        model: has posteriors.
        evidence: the same B samples with the modalities of each S, by a name for S.
        pairs: names of a set and of a subset of it.
        k: draws a sample for each set.
        seed: of all draws.
        proposals: further Gaussians to draw latents from, ``(B, D)``, by the names of some sets.

    Returns:
        Of each name log p(x_S), of each pair log p of what the first set has beyond the second.

    Raises:
        ValueError: for fewer than 25 draws, where the model has no posterior given S, and if of a
            pair the second is not a part of the first.
    """
    supplied = {key: batch.align(model.modalities) for key, batch in evidence.items()}
    scored = dict(supplied)
    for both, subset in pairs:
        if (supplied[subset].present & ~supplied[both].present).any():
            raise ValueError(f"some samples of {subset!r} have a modality that {both!r} lacks")
        present = scored[subset].present | supplied[both].present
        scored[subset] = Batch(supplied[both].values, present)
    q = {key: model.proposal(part) for key, part in supplied.items()}
    drawn = []
    for key, part in supplied.items():
        prior = Gaussian.standard(tuple(q[key].shape), q[key].mean.dtype)
        terms = partial(_terms, model, prior, scored[key])
        joint = partial(_log_joint, model, prior, part)
        sources, extra = _sources(part, seed), (proposals or {}).get(key)
        drawn.append(_draws_of(q[key], prior, joint, terms, _targets(part), sources, k, extra))
    targets = {key: _targets(part) for key, part in supplied.items()}
    found: dict[str | tuple[str, str], list[LogLikelihood]] = {}
    for b, each in enumerate(zip(*drawn, strict=True)):
        draws = dict(zip(supplied, each, strict=True))
        for key, own in draws.items():
            estimate = _of_own(own, targets[key][b], q[key][b : b + 1])
            found.setdefault(key, []).append(estimate)
        for both, subset in pairs:
            pooled = draws[both].and_of(draws[subset])
            log_r = pooled.log_mixture()
            above, below = (pooled.log_target(targets[x][b]) - log_r for x in (both, subset))
            found.setdefault((both, subset), []).append(ratio(above, below, pooled.counts))
    return {key: _joined(each) for key, each in found.items()}


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

    def terms(z: Tensor, rows: slice) -> dict[str, Tensor]:
        own = direction.decode(z, context[rows]).log_prob(batch.values[wanted][rows])
        return {PRIOR: prior[rows].log_prob(z), wanted: own}

    def log_joint(z: Tensor, rows: slice) -> Tensor:
        return torch.stack(list(terms(z, rows).values())).sum(0)

    targets = [[PRIOR, wanted]] * len(batch)
    drawn = _draws_of(q, prior, log_joint, terms, targets, _sources(batch, seed), k)
    return _joined([_of_own(d, targets[b], q[b : b + 1]) for b, d in enumerate(drawn)])


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

    As `subset_log_likelihoods`; it is neither a lower bound nor an upper one. Of a Boltzmann
    machine it is the difference of two estimates, in which log Z cancels out but for its error.

    Args:
        model: decodes.
        batch: B samples that have all these modalities.
        wanted: A, names of at least one modality.
        given: B, names of others; none gives log p(x_A).
        k: draws a sample for p(z|x_A, x_B), and as many for p(z|x_B).
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
    batch = batch.align(model.modalities)
    both, evidence = batch.supply([*wanted, *given]), batch.supply(given)
    if not given:
        return log_likelihood(model, both, k, seed, proposals)
    if not isinstance(model, LatentModel):
        joint, known = (log_likelihood(model, part, k, seed) for part in (both, evidence))
        k_hat = torch.maximum(joint.k_hat, known.k_hat)
        return LogLikelihood(joint.value - known.value, torch.hypot(joint.se, known.se), k_hat)
    pair = ("both", "given")
    extra = {} if proposals is None else {"given": proposals}
    return subset_log_likelihoods(model, {"both": both, "given": evidence}, [pair], k, seed, extra)[
        pair
    ]


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


def _log_joint(
    model: DecodingModel, prior: Gaussian, batch: Batch, z: Tensor, rows: slice
) -> Tensor:
    """Compute log p(x_S, z) of some samples, ``(N, B, D)`` to ``(N, B)``."""
    return prior[rows].log_prob(z) + evidence_given(model, z, batch[rows])


def _terms(
    model: DecodingModel, prior: Gaussian, batch: Batch, z: Tensor, rows: slice
) -> dict[str, Tensor]:
    """Compute log p(z) and each log p(x_i|z) of one sample, ``(N, 1)`` each."""
    return {PRIOR: prior[rows].log_prob(z)} | {
        name: model.decode(z, name).log_prob(batch.values[name][rows])
        for name in batch.names
        if batch.there(name)[rows].all()
    }


def _targets(batch: Batch) -> list[list[str]]:
    """List, for each sample, the terms whose sum is log p(x_S, z)."""
    return [
        [PRIOR, *(name for name, there in zip(batch.names, row, strict=True) if there)]
        for row in batch.present.tolist()
    ]


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


def _draws_of(
    q: Gaussian | Mixture,
    prior: Gaussian,
    log_joint: Callable[[Tensor, slice], Tensor],
    terms: Callable[[Tensor, slice], Mapping[str, Tensor]],
    targets: Sequence[Collection[str]],
    sources: Sequence[torch.Generator],
    k: int,
    proposals: Mixture | None = None,
) -> Iterator[Draws]:
    """Draw for a prior times a likelihood, sample by sample; the posterior q comes first."""
    if k < FEWEST:
        raise ValueError(f"an estimate and its diagnostics need at least {FEWEST} draws, not {k}")
    size, latents = q.shape

    def of_one(b: int, z: Tensor) -> dict[str, Tensor]:
        each = [terms(part, slice(b, b + 1)) for part in z.split(CHUNK)]
        return {name: torch.cat([x[name] for x in each]) for name in each[0]}

    def of_several(z: Tensor, rows: slice) -> Tensor:
        return log_joint(z, rows)

    few = latents <= FEW_LATENTS
    step = 1 if few else max(1, CHUNK // (2 * latents))
    for begin in range(0, size, step):
        rows = slice(begin, min(begin + step, size))
        refined = None if few else refine(q[rows], partial(of_several, rows=rows), sources[rows])
        for b in range(rows.start, rows.stop):
            own, score = slice(b, b + 1), partial(of_one, b)
            if refined is None:
                yield adaptive_draws(q[own], prior[own], score, targets[b], k, sources[b])
                continue
            sharp = refined[b - begin : b - begin + 1]
            extra = [] if proposals is None else [proposals[own]]
            each = [q[own], prior[own], *map(sharp.wider, SCALES), *extra]
            yield population_draws(each, score, targets[b], k, latents, sources[b])


def _of_own(draws: Draws, target: Collection[str], q: Gaussian | Mixture) -> LogLikelihood:
    """Estimate log p from the draws made for it, and from those of q how far q is from it."""
    own = slice(0, draws.counts[0])
    plain = draws.log_target(target)[own] - q.log_prob(draws.z[own])
    return average(draws.log_weights(target), draws.counts, plain)


def _joined(each: Sequence[LogLikelihood]) -> LogLikelihood:
    """Put the estimates of single samples together."""
    value, se, k_hat = (
        torch.cat([getattr(x, name) for x in each]) for name in ("value", "se", "k_hat")
    )
    variances = [x.variance for x in each if x.variance is not None]
    return LogLikelihood(value, se, k_hat, torch.cat(variances) if variances else None)
