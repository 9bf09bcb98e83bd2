"""Importance-weighted log-likelihood of any subset of modalities."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from mvae.baselines.annealing import annealed_log_weights
from mvae.baselines.boltzmann_model import BoltzmannModel
from mvae.baselines.cvae import CVAE
from mvae.evaluation.adaptive import FEW_LATENTS, adaptive_log_weights
from mvae.gaussian import Gaussian
from mvae.mixture import Mixture
from mvae.modality import Batch
from mvae.model import DecodingModel, LatentModel, MultimodalModel

__all__ = [
    "LogLikelihood",
    "conditional_log_likelihood",
    "direction_log_likelihood",
    "log_likelihood",
]

#: Latents decoded at once: enough to fill the matrix units, small enough for the cache.
CHUNK = 1024
#: Share of the draws that come from the prior; see `log_likelihood`.
ALPHA = 0.02
#: Temperatures from independent units to a whole Boltzmann machine.
TEMPERATURES = 10_000
#: Nats within which the largest weights are much the same.
FLAT = 1.0
#: Draws below which the tail of the weights has too few points.
FEWEST = 25


@dataclass(frozen=True)
class LogLikelihood:
    """Estimates for B samples, in nats.

    Args:
        value: log p(x_S), ``(B,)``; on average an underestimate.
        se: its standard error by the delta method, ``(B,)``; with few latents an upper estimate,
            as it takes draws for independent that are spread evenly.
        k_hat: Pareto shape of the weights, ``(B,)``; above 0.7 an estimate is not to be trusted.
        variance: of log p(x_S, z) − log q(z) under q, ``(B,)``, 0 for the exact posterior; None
            for a difference and for what is annealed.
    """

    value: Tensor
    se: Tensor
    k_hat: Tensor
    variance: Tensor | None = None


@torch.no_grad()
def log_likelihood(
    model: MultimodalModel, batch: Batch, k: int, generator: torch.Generator | None = None
) -> LogLikelihood:
    r"""Estimate log p(x_S) of the modalities present, with λ = 1.

    .. math:: \log \frac1K \sum_{k=1}^K \frac{p(z_k)\prod_{i\in S}p(x_i|z_k)}{r(z_k)},
              \qquad r(z) = (1-\alpha)\,q(z|X_S) + \alpha\,p(z)

    The proposal r is a *defensive mixture*: an over-confident q alone would give weights of
    infinite variance. αK of the draws come from the prior, the rest from q (stratified). A mixture
    q enters by its full density. With up to four latents draws are dense enough to learn from: they
    gather where the weights are heavy, see :mod:`mvae.evaluation.adaptive`.
    Burda et al. 2016, https://arxiv.org/abs/1509.00519; Hesterberg 1995; k̂ as in Vehtari et al.
    2024, https://arxiv.org/abs/1507.02646.

    Of a Boltzmann machine log p is known but for log Z, a deep one's by a mean-field bound; missing
    labels are summed out, and labels alone are held while everything else is annealed. All samples
    share the estimate of log Z, its standard error and its k̂; it tends to be too low, and log p
    too high.

    Args:
        model: decodes.
        batch: B samples, each with the modalities to be scored.
        k: draws a sample, at least 25; a tenth as many annealed runs, of 10,000 temperatures.
        generator: the source of randomness.

    Raises:
        ValueError: for fewer draws, of which no tail could be fitted, for a model that has no
            log-likelihood, with its sentence, or where a Boltzmann machine misses some images.
    """
    batch = batch.align(model.modalities)
    if isinstance(model, BoltzmannModel):
        return _by_annealing(model, batch, max(k // 10, FEWEST), generator)
    if not isinstance(model, LatentModel):
        raise ValueError(model.no_likelihood)
    q = model.proposal(batch)
    prior = Gaussian.standard(tuple(q.shape), q.mean.dtype)

    def log_p(z: Tensor, rows: slice) -> Tensor:
        return evidence_given(model, z, batch[rows])

    found = average(*_log_weights(q, prior, log_p, k, generator))
    nothing = ~batch.present.any(-1)  # whose log p is 0, and needs no estimate
    value, se = (x.masked_fill(nothing, 0.0) for x in (found.value, found.se))
    return LogLikelihood(value, se, found.k_hat, found.variance)


@torch.no_grad()
def direction_log_likelihood(
    model: CVAE, batch: Batch, wanted: str, k: int, generator: torch.Generator | None = None
) -> LogLikelihood:
    r"""Estimate log p(x_j|x_-j) of a conditional model, with λ = 1.

    .. math:: \log \frac1K \sum_{k=1}^K \frac{p(z_k|x_{-j})\,p(x_j|z_k,x_{-j})}{r(z_k)},
              \qquad r(z) = (1-\alpha)\,q(z|x_j,x_{-j}) + \alpha\,p(z|x_{-j})

    Args:
        model: has a network for each direction.
        batch: B complete samples.
        wanted: j.
        k: draws a sample, at least 25.
        generator: the source of randomness.

    Raises:
        ValueError: for fewer draws, of which no tail could be fitted.
    """
    direction, batch = model.direction(wanted), batch.align(model.modalities)
    prior, told = direction.prior(batch)

    def log_p(z: Tensor, rows: slice) -> Tensor:
        return direction.decode(z, told[rows]).log_prob(batch.values[wanted][rows])

    return average(*_log_weights(direction.posterior(batch), prior, log_p, k, generator))


def conditional_log_likelihood(
    model: MultimodalModel,
    batch: Batch,
    wanted: Collection[str],
    given: Collection[str],
    k: int,
    generator: torch.Generator | None = None,
) -> LogLikelihood:
    r"""Estimate log p(x_A|x_B) of disjoint sets of modalities, with λ = 1.

    .. math:: \log p(x_A|x_B) = \log p(x_A, x_B) - \log p(x_B)

    Each of the two is on average an underestimate, so their difference is neither a lower bound
    nor an upper one. They have draws of their own: its standard error is √(se² + se²). k̂ is the
    larger of the two.

    Args:
        model: decodes.
        batch: B samples that have all these modalities.
        wanted: A, names of at least one modality.
        given: B, names of others; none gives log p(x_A).
        k: draws a sample for each of the two.
        generator: the source of randomness.

    Raises:
        ValueError: if A is empty or shares a modality with B, and as `log_likelihood`.
    """
    if not wanted or set(wanted) & set(given):
        raise ValueError(
            f"a conditional is of some modalities given others, not of {sorted(wanted)} "
            f"given {sorted(given)}"
        )
    batch = batch.align(model.modalities)
    joint = log_likelihood(model, batch.supply([*wanted, *given]), k, generator)
    if not given:
        return joint
    evidence = log_likelihood(model, batch.supply(given), k, generator)
    return LogLikelihood(
        joint.value - evidence.value,
        torch.hypot(joint.se, evidence.se),
        torch.maximum(joint.k_hat, evidence.k_hat),
    )


def average(
    log_weights: Tensor, counts: Sequence[int] = (), plain: Tensor | None = None
) -> LogLikelihood:
    r"""Estimate the logarithm of the mean of weights, ``(K, B)``, with its diagnostics.

    .. math:: \hat m = \frac1K\sum_k w_k, \qquad
              \mathrm{se}^2 = \frac{1}{\hat m^2 K^2} \sum_r K_r \mathrm{Var}_r(w)

    How many draws come from which proposal is fixed, so how far the proposals' means lie apart is
    no error.

    Args:
        log_weights: of draws, one proposal after the other.
        counts: K_r, the draws of each proposal, at least two; none if all are of one.
        plain: logarithms of plain importance weights, of q alone, whose variance is given.
    """
    k = len(log_weights)
    value = log_weights.logsumexp(0) - math.log(k)
    weights = (log_weights - value).exp()  # mean 1
    strata = weights.split(list(counts) or [k])
    se = torch.stack([len(w) * w.var(0) for w in strata]).sum(0).sqrt() / k
    k_hat = pareto_k(log_weights).to(value.dtype)
    return LogLikelihood(value, se, k_hat, None if plain is None else plain.var(0))


def pareto_k(log_weights: Tensor) -> Tensor:
    """Estimate the Pareto shape of each sample's weights, ``(K, B)`` to ``(B,)``.

    −∞ where the largest weights, as many as its tail has, are much the same: a defensive mixture
    bounds them, many draws may lie at the bound, and the few above it by little tell no shape.
    """
    # Imported here: it takes a second, and only an evaluation needs it.
    from arviz_stats.base.array import array_stats

    tail = min(len(log_weights) // 5, round(3 * len(log_weights) ** 0.5))
    top = log_weights.topk(tail + 1, 0).values
    bounded = top[0] - top[-1] < FLAT
    shapes = []
    for weights in log_weights.double().T.numpy():
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            try:
                shapes.append(float(array_stats.psislw(weights, r_eff=1.0)[1]))
            except ValueError:
                shapes.append(-math.inf)
    return torch.tensor(shapes).masked_fill(bounded, -math.inf)


def _by_annealing(
    model: BoltzmannModel, batch: Batch, runs: int, generator: torch.Generator | None
) -> LogLikelihood:
    """Estimate log p(x_S) where nothing but labels is supplied, or nothing but labels is missing.

    A quarter as many runs for each distinct value of the labels alone.
    """
    log_z = average(annealed_log_weights(model.machine, runs, TEMPERATURES, generator)[:, None])
    size = len(batch)
    labels = [i for i, m in enumerate(model.modalities) if m.kind == "label"]
    images = [i for i in range(len(model.modalities)) if i not in labels]
    if not (images and not batch.present[:, images].any() and batch.present[:, labels].all()):
        value = model.bound(batch) - log_z.value
        return LogLikelihood(value, log_z.se.expand(size), log_z.k_hat.expand(size))
    told = torch.stack([batch.values[batch.names[i]] for i in labels], -1)
    kinds, again = told.unique(dim=0, return_inverse=True)
    few = max(runs // 4, FEWEST)
    rows = torch.stack([(again == i).nonzero()[0, 0] for i in range(len(kinds))])
    visible = model.visible(batch[rows])
    held = {
        name: visible[name].repeat_interleave(few, 0)
        for name in (f"v {batch.names[i]}" for i in labels)
    }
    log_w = annealed_log_weights(
        model.machine, few * len(kinds), TEMPERATURES, generator, held
    ).unflatten(0, (len(kinds), few))
    each = average(log_w.T)
    return LogLikelihood(
        (each.value - log_z.value)[again],
        torch.hypot(each.se, log_z.se)[again],
        torch.maximum(each.k_hat, log_z.k_hat)[again],
    )


def evidence_given(model: DecodingModel, z: Tensor, batch: Batch) -> Tensor:
    """Sum log p(x_i|z) over the modalities present, ``(K, B, D)`` to ``(K, B)``."""
    total = z.new_zeros(z.shape[:-1])
    batch = batch.align(model.modalities)
    for name in batch.names:
        there = batch.there(name)
        if there.any():
            # No copy of the data for each draw, as indices would make: they are broadcast.
            whole = bool(there.all())
            p = model.decode(z if whole else z[:, there], name)
            total[:, there] += p.log_prob(batch.values[name][there])
    return total


def _log_weights(
    q: Gaussian | Mixture,
    prior: Gaussian,
    log_p: Callable[..., Tensor],
    k: int,
    generator: torch.Generator | None,
) -> tuple[Tensor, list[int], Tensor]:
    """Log weights ``(K, B)``, the draws of each proposal, and the weights of q's own draws."""
    if k < FEWEST:
        raise ValueError(f"an estimate and its diagnostics need at least {FEWEST} draws, not {k}")
    weigh = adaptive_log_weights if q.shape[-1] <= FEW_LATENTS else defensive_log_weights
    rows = max(1, CHUNK // k)
    parts = [slice(i, i + rows) for i in range(0, q.shape[0], rows)]
    found = [weigh(q[part], prior[part], partial(log_p, rows=part), k, generator) for part in parts]
    log_weights, counts, plain = zip(*found, strict=True)
    return torch.cat(log_weights, 1), counts[0], torch.cat(plain, 1)


def defensive_log_weights(
    q: Gaussian | Mixture,
    prior: Gaussian,
    log_p: Callable[[Tensor], Tensor],
    k: int,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, list[int], Tensor]:
    """Give log weights of the defensive mixture of q and the prior, as `adaptive_log_weights`."""
    from_prior = max(2, round(ALPHA * k))
    alpha, own = from_prior / k, k - from_prior
    z = torch.cat((q.sample(own, generator), prior.sample(from_prior, generator)))
    log_prior, log_q = prior.log_prob(z), q.log_prob(z)  # (K, B)
    log_r = torch.logaddexp(math.log1p(-alpha) + log_q, math.log(alpha) + log_prior)
    log_joint = log_p(z) + log_prior
    return log_joint - log_r, [own, from_prior], (log_joint - log_q)[:own]
