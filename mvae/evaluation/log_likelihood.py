"""Importance-weighted log-likelihoods of any subset of modalities, and of some given others."""

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
from mvae.evaluation.importance import MIN_DRAWS, Draws, LogLikelihood, log_mean, log_mean_ratio
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

#: Name of the estimator; its estimates cannot be compared with those of another estimator.
ESTIMATOR = "refined-2"
#: Number of latents decoded at once: enough to saturate the CPU, few enough to fit its cache.
CHUNK = 1024
#: Factors by which the refined posterior is widened; the wide copies cover the tails.
SCALES = (1.0, 1.2, 1.5)
#: Key of the prior's density beside those of the modalities, whose names are never empty.
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

    The proposal r is a mixture of the posterior *refined* for each sample to a Gaussian with full
    covariance (:mod:`mvae.evaluation.refinement`), in three widths; of the model's own posterior;
    of the prior; and of any further proposals. Their shares follow the weights of the first fifth
    of the draws (:mod:`mvae.evaluation.population`). With up to four latents, the draws are dense
    enough for the proposals to be adapted instead (:mod:`mvae.evaluation.adaptive`).
    Burda et al. 2016, https://arxiv.org/abs/1509.00519; k̂ as in Vehtari et al. 2024,
    https://arxiv.org/abs/1507.02646.

    Random numbers depend on the evidence of a sample, not on its position, so a sample gets the
    same draws whichever samples it is scored with. For a Boltzmann machine, log p is known up to
    log Z; see :mod:`mvae.evaluation.boltzmann_likelihood`.

    Args:
        model: a latent-variable model or a Boltzmann machine.
        batch: B samples, each with the modalities to be scored.
        k: K, the number of draws per sample, at least 25; a Boltzmann machine takes a tenth as many
            annealed runs.
        seed: seed of all draws.
        proposals: further Gaussians to draw from, ``(B, D)``, such as posteriors of other samples
            with the same label; they help if the posterior has modes that no single Gaussian
            covers.

    Returns:
        LogLikelihood: ``(B,)`` in nats; 0 for a sample without evidence.

    Raises:
        ValueError: if there are too few draws to fit the tail of the weights, if the model has no
            log-likelihood (the message is the model's), or if some images that a Boltzmann machine
            needs are missing.
    """
    batch = batch.align(model.modalities)
    if not isinstance(model, LatentModel | BoltzmannModel):
        raise ValueError(model.no_likelihood)
    if isinstance(model, BoltzmannModel):
        generator = torch.Generator().manual_seed(seed)
        return boltzmann_log_likelihood(model, batch, max(k // 10, MIN_DRAWS), generator)
    extra = {} if proposals is None else {"all": proposals}
    estimate = subset_log_likelihoods(model, {"all": batch}, (), k, seed, extra)["all"]
    empty = ~batch.present.any(-1)  # log p is 0, and needs no estimate
    value, se = (x.masked_fill(empty, 0.0) for x in (estimate.value, estimate.se))
    return LogLikelihood(value, se, estimate.k_hat, estimate.variance)


@torch.no_grad()
def subset_log_likelihoods(
    model: LatentModel,
    evidence: Mapping[str, Batch],
    pairs: Collection[tuple[str, str]],
    k: int,
    seed: int = 0,
    proposals: Mapping[str, Mixture] | None = None,
) -> dict[str | tuple[str, str], LogLikelihood]:
    r"""Estimate log p(x_S) for several sets S, and conditionals between them, all at once.

    .. math:: \log p(x_A|x_B) = \log \frac{\sum_k w_k\,p(x_A|z_k)}{\sum_k w_k}, \qquad
              w_k = \frac{p(z_k)\,p(x_B|z_k)}{r(z_k)}

    Draws made for p(z|x_A, x_B) and for p(z|x_B) are pooled and weighted by the mixture r of all
    their proposals. Since the numerator and the denominator share them, log p of discrete data is
    never estimated above 0. With draws for p(z|x_B) alone, a few of them would dominate the
    numerator.

    Args:
        model: a model with posteriors.
        evidence: the same B samples with the modalities of each set S, by a name for S.
        pairs: pairs of names: a set, and a subset of it.
        k: number of draws per sample for each set.
        seed: seed of all draws.
        proposals: further Gaussians to draw from, ``(B, D)``, by the name of a set.

    Returns:
        log p(x_S) by the name of S; and, by pair, log p of the modalities that only the first set
        has, given those of the second.

    Raises:
        ValueError: if there are fewer than 25 draws, if the model has no posterior given S, or if
            the second set of a pair is not a subset of the first.
    """
    supplied = {key: batch.align(model.modalities) for key, batch in evidence.items()}
    scored = dict(supplied)
    for both, subset in pairs:
        if (supplied[subset].present & ~supplied[both].present).any():
            raise ValueError(f"some samples of {subset!r} have a modality that {both!r} lacks")
        present = scored[subset].present | supplied[both].present
        scored[subset] = Batch(supplied[both].values, present)
    q = {key: model.proposal(part) for key, part in supplied.items()}
    draws_by_set = []
    for key, part in supplied.items():
        prior = Gaussian.standard(tuple(q[key].shape), q[key].mean.dtype)
        terms = partial(_terms, model, prior, scored[key])
        joint = partial(_log_joint, model, prior, part)
        generators, extra = _generators(part, seed), (proposals or {}).get(key)
        draws_by_set.append(
            _draw_per_sample(q[key], prior, joint, terms, _targets(part), generators, k, extra)
        )
    targets = {key: _targets(part) for key, part in supplied.items()}
    estimates: dict[str | tuple[str, str], list[LogLikelihood]] = {}
    for b, each in enumerate(zip(*draws_by_set, strict=True)):
        draws = dict(zip(supplied, each, strict=True))
        for key, own in draws.items():
            estimate = _estimate(own, targets[key][b], q[key][b : b + 1])
            estimates.setdefault(key, []).append(estimate)
        for both, subset in pairs:
            pooled = draws[both].pool_with(draws[subset])
            log_r = pooled.log_mixture()
            numerator, denominator = (
                pooled.log_target(targets[x][b]) - log_r for x in (both, subset)
            )
            estimates.setdefault((both, subset), []).append(
                log_mean_ratio(numerator, denominator, pooled.counts)
            )
    return {key: _concatenate(each) for key, each in estimates.items()}


@torch.no_grad()
def direction_log_likelihood(
    model: CVAE, batch: Batch, target: str, k: int, seed: int = 0
) -> LogLikelihood:
    r"""Estimate log p(x_j|x_-j) of a conditional model, with λ = 1.

    .. math:: \log \frac1K \sum_{k=1}^K \frac{p(z_k|x_{-j})\,p(x_j|z_k,x_{-j})}{r(z_k)}

    The proposal r is that of `log_likelihood`, with q(z|x_j, x_-j) as the model's own posterior and
    p(z|x_-j) as the prior.

    Args:
        model: a conditional model.
        batch: B complete samples.
        target: j, the name of the modality to be scored.
        k: K, the number of draws per sample, at least 25.
        seed: seed of all draws.

    Raises:
        ValueError: if there are too few draws to fit the tail of the weights, or if a modality is
            missing.
    """
    batch = batch.align(model.modalities)
    batch.require(batch.names)
    direction = model.direction(target)
    prior, context = direction.prior(batch)
    q = direction.posterior(batch)

    def terms(z: Tensor, rows: slice) -> dict[str, Tensor]:
        log_p = direction.decode(z, context[rows]).log_prob(batch.values[target][rows])
        return {PRIOR: prior[rows].log_prob(z), target: log_p}

    def log_joint(z: Tensor, rows: slice) -> Tensor:
        return torch.stack(list(terms(z, rows).values())).sum(0)

    targets = [[PRIOR, target]] * len(batch)
    draws = _draw_per_sample(q, prior, log_joint, terms, targets, _generators(batch, seed), k)
    return _concatenate([_estimate(d, targets[b], q[b : b + 1]) for b, d in enumerate(draws)])


@torch.no_grad()
def conditional_log_likelihood(
    model: MultimodalModel,
    batch: Batch,
    target: Collection[str],
    given: Collection[str],
    k: int,
    seed: int = 0,
    proposals: Mixture | None = None,
) -> LogLikelihood:
    r"""Estimate log p(x_A|x_B) of disjoint sets of modalities, with λ = 1.

    The estimator is that of `subset_log_likelihoods`; it is neither a lower nor an upper bound. For
    a Boltzmann machine it is the difference of two estimates, in which log Z cancels, although
    its standard error still counts.

    Args:
        model: a latent-variable model or a Boltzmann machine.
        batch: B samples that have all these modalities.
        target: A, names of at least one modality.
        given: B, names of other modalities; if there are none, the result is log p(x_A).
        k: number of draws per sample for p(z|x_A, x_B), and as many again for p(z|x_B).
        seed: seed of all draws.
        proposals: further Gaussians to draw from for p(z|x_B), ``(B, D)``.

    Raises:
        ValueError: if A is empty or shares a modality with B, if a sample lacks one of them, or
            for the reasons given at `log_likelihood`.
    """
    if not target or set(target) & set(given):
        raise ValueError(
            f"a conditional needs some modalities given others, not {sorted(target)} given "
            f"{sorted(given)}"
        )
    batch.require([*target, *given])
    batch = batch.align(model.modalities)
    both, evidence = batch.supply([*target, *given]), batch.supply(given)
    if not given:
        return log_likelihood(model, both, k, seed, proposals)
    if not isinstance(model, LatentModel):
        joint, marginal = (log_likelihood(model, part, k, seed) for part in (both, evidence))
        k_hat = torch.maximum(joint.k_hat, marginal.k_hat)
        return LogLikelihood(
            joint.value - marginal.value, torch.hypot(joint.se, marginal.se), k_hat
        )
    pair = ("both", "given")
    extra = {} if proposals is None else {"given": proposals}
    return subset_log_likelihoods(model, {"both": both, "given": evidence}, [pair], k, seed, extra)[
        pair
    ]


def log_p_given_latents(model: DecodingModel, z: Tensor, batch: Batch) -> Tensor:
    """Sum log p(x_i|z) over the modalities present, ``(K, B, D)`` to ``(K, B)``."""
    total = z.new_zeros(z.shape[:-1])
    batch = batch.align(model.modalities)
    for name in batch.names:
        present = batch.there(name)
        if present.all():
            # The data are broadcast over the draws, where indexing would copy them.
            total = total + model.decode(z, name).log_prob(batch.values[name])
        elif present.any():
            log_p = model.decode(z[:, present], name).log_prob(batch.values[name][present])
            total = total.index_add(1, present.nonzero().flatten(), log_p)
    return total


def _log_joint(
    model: DecodingModel, prior: Gaussian, batch: Batch, z: Tensor, rows: slice
) -> Tensor:
    """Compute log p(x_S, z) for some samples, ``(N, B, D)`` to ``(N, B)``."""
    return prior[rows].log_prob(z) + log_p_given_latents(model, z, batch[rows])


def _terms(
    model: DecodingModel, prior: Gaussian, batch: Batch, z: Tensor, rows: slice
) -> dict[str, Tensor]:
    """Compute log p(z) and each log p(x_i|z) for one sample, ``(N, 1)`` each."""
    return {PRIOR: prior[rows].log_prob(z)} | {
        name: model.decode(z, name).log_prob(batch.values[name][rows])
        for name in batch.names
        if batch.there(name)[rows].all()
    }


def _targets(batch: Batch) -> list[list[str]]:
    """List, for each sample, the terms whose sum is log p(x_S, z)."""
    return [
        [PRIOR, *(name for name, present in zip(batch.names, row, strict=True) if present)]
        for row in batch.present.tolist()
    ]


def _generators(batch: Batch, seed: int) -> list[torch.Generator]:
    """Return a random generator for each sample, seeded by its evidence alone."""
    present = batch.present.tolist()
    generators = []
    for row in range(len(batch)):
        digest = hashlib.sha256(str(seed).encode())
        for name, is_present in sorted(zip(batch.names, present[row], strict=True)):
            if is_present:
                digest.update(name.encode() + batch.values[name][row].cpu().numpy().tobytes())
        own_seed = int.from_bytes(digest.digest()[:7], "big")
        generators.append(torch.Generator().manual_seed(own_seed))
    return generators


def _draw_per_sample(
    q: Gaussian | Mixture,
    prior: Gaussian,
    log_joint: Callable[[Tensor, slice], Tensor],
    terms: Callable[[Tensor, slice], Mapping[str, Tensor]],
    targets: Sequence[Collection[str]],
    generators: Sequence[torch.Generator],
    k: int,
    proposals: Mixture | None = None,
) -> Iterator[Draws]:
    """Yield draws for each sample's unnormalised posterior, those from q first."""
    if k < MIN_DRAWS:
        raise ValueError(
            f"an estimate and its diagnostics need at least {MIN_DRAWS} draws, not {k}"
        )
    size, latents = q.shape

    def terms_of_sample(b: int, z: Tensor) -> dict[str, Tensor]:
        each = [terms(part, slice(b, b + 1)) for part in z.split(CHUNK)]
        return {name: torch.cat([x[name] for x in each]) for name in each[0]}

    def log_joint_of_samples(z: Tensor, rows: slice) -> Tensor:
        return log_joint(z, rows)

    adaptive = latents <= FEW_LATENTS
    group = 1 if adaptive else max(1, CHUNK // (2 * latents))
    for begin in range(0, size, group):
        rows = slice(begin, min(begin + group, size))
        refined = (
            None
            if adaptive
            else refine(q[rows], partial(log_joint_of_samples, rows=rows), generators[rows])
        )
        for b in range(rows.start, rows.stop):
            own, sample_terms = slice(b, b + 1), partial(terms_of_sample, b)
            if refined is None:
                yield adaptive_draws(q[own], prior[own], sample_terms, targets[b], k, generators[b])
                continue
            fitted = refined[b - begin : b - begin + 1]
            extra = [] if proposals is None else [proposals[own]]
            components = [q[own], prior[own], *map(fitted.widened, SCALES), *extra]
            yield population_draws(components, sample_terms, targets[b], k, latents, generators[b])


def _estimate(draws: Draws, target: Collection[str], q: Gaussian | Mixture) -> LogLikelihood:
    """Estimate log p of one sample, and the variance of the log weights of draws from q."""
    from_q = slice(0, draws.counts[0])
    q_log_weights = draws.log_target(target)[from_q] - q.log_prob(draws.z[from_q])
    return log_mean(draws.log_weights(target), draws.counts, q_log_weights)


def _concatenate(each: Sequence[LogLikelihood]) -> LogLikelihood:
    """Concatenate the estimates of single samples."""
    value, se, k_hat = (
        torch.cat([getattr(x, name) for x in each]) for name in ("value", "se", "k_hat")
    )
    variances = [x.variance for x in each if x.variance is not None]
    return LogLikelihood(value, se, k_hat, torch.cat(variances) if variances else None)
