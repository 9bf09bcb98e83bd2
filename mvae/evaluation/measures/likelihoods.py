"""Log-likelihoods of every subset of modalities, and of some modalities given the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from mvae.evaluation.adaptive import FEW_LATENTS
from mvae.evaluation.boltzmann_likelihood import ANNEALED
from mvae.evaluation.boltzmann_steps import (
    ANNEALING,
    annealing_steps,
    conditional_protocol,
    log_partition,
    normalised,
)
from mvae.evaluation.conditioning_sets import MAX_FOR_ALL_SUBSETS, ConditioningSet
from mvae.evaluation.context import EvaluationContext
from mvae.evaluation.importance import MAX_K_HAT, OVER_MAX_K_HAT, LogLikelihood
from mvae.evaluation.keys import FigureKey, joined
from mvae.evaluation.log_likelihood import (
    ESTIMATOR,
    direction_log_likelihood,
    log_likelihood,
    subset_log_likelihoods,
)
from mvae.evaluation.matching_proposals import matching_posteriors
from mvae.evaluation.measures.base import Measure
from mvae.evaluation.scored_figure import figure
from mvae.evaluation.step_cache import Step, StepCache
from mvae.models.base import LatentModel
from mvae.models.boltzmann.model import BoltzmannModel
from mvae.models.cvae import CVAE
from mvae.models.objectives import elbo

__all__ = ["Likelihoods", "estimates"]

#: Number of samples in a step, and the name of the steps that score all sets together.
ROWS, ALL_SETS = 25, "log p"
#: Number of draws for each distinct value of the labels. It is large because all samples share a
#: few values, and with them their errors.
LABEL_DRAWS = 20_000


class Likelihoods(Measure):
    """log p(x_S), log p(x_A|x_B), the ELBO, and differences from a reference on the same samples.

    Args:
        reference: name of the reference model, and its estimates for as many samples.
    """

    name = "likelihoods"
    kinds = ("loglik", "variance_of_log_weights", "elbo", "log_partition", "loglik_above")

    def __init__(
        self, reference: tuple[str, Mapping[str, Mapping[str, Tensor]]] | None = None
    ) -> None:
        self.reference = reference

    def steps(self, context: EvaluationContext) -> Iterator[Step]:
        """Yield steps that score the first n samples in parts."""
        if isinstance(context.model, BoltzmannModel):
            yield from annealing_steps(context, scored_sets(context))
            return
        possible = scored_sets(context)
        for conditioning_set in possible:
            if only_labels(context, conditioning_set):
                for part, rows in enumerate(context.parts(context.n_scored(conditioning_set))):
                    run = partial(score_labels, context, conditioning_set, rows)
                    yield Step(f"log p {conditioning_set.key}", part, 1, run)
            if context.has_posterior(conditioning_set):
                yield Step(
                    f"elbo {conditioning_set.key}",
                    0,
                    10,
                    partial(measure_elbo, context, conditioning_set),
                )
        for part, rows in enumerate(context.parts(context.n, ROWS) if possible else ()):
            several = [s for s in possible if context.n_scored(s) > rows.start]
            size = len(several) * ROWS * context.k // 500 + 1
            yield Step(ALL_SETS, part, size, partial(score_sets, context, several, rows))
        if isinstance(context.model, CVAE):
            for _, key in conditional_splits(context):
                if len(key.asked) == 1:
                    for part, rows in enumerate(context.parts(context.n, ROWS)):
                        run = partial(score_direction, context, key.asked[0], rows)
                        size = ROWS * context.k // 500 + 1
                        yield Step(f"log p {key}", part, size, run)

    def figures(self, context: EvaluationContext, cache: StepCache) -> dict[str, Any]:
        """Return log-likelihoods, ELBOs, variances of log weights, and differences."""
        found = estimates(context, cache)
        result: dict[str, Any] = {}
        if found:
            result["loglik"] = {
                key: figure_with_k_hat(x["value"], x["k_hat"]) for key, x in found.items()
            }
        bounds = {
            s.key: cache.results(f"elbo {s.key}").get("value") for s in context.conditioning_sets
        }
        variances = {key: x.get("variance") for key, x in found.items()}
        for kind, each in (("variance_of_log_weights", variances), ("elbo", bounds)):
            if known := {key: figure(x) for key, x in each.items() if x is not None}:
                result[kind] = known
        result |= log_partition(cache)
        if self.reference:
            name, theirs = self.reference
            above = {key: difference(x, theirs[key]) for key, x in found.items() if key in theirs}
            if above:
                result["loglik_above"] = {name: above}
        return result

    def protocol(self, context: EvaluationContext) -> dict[str, str | int | float]:
        """Return how log p is estimated."""
        model = context.model
        facts: dict[str, str | int | float] = {
            "estimator": ANNEALED if isinstance(model, BoltzmannModel) else ESTIMATOR,
            "n_loglik": context.n,
            "K": context.k,
        }
        if isinstance(model, BoltzmannModel):
            conditional = conditional_protocol(model)
            return {**facts, "proposal": ANNEALING, "conditional": conditional}
        if not isinstance(model, LatentModel | CVAE):
            return {"proposal": model.no_likelihood}
        proposal = (
            "q(z|X_S), refined for each sample to a Gaussian with full covariance in three widths, "
            "q itself, p(z), and given labels, tags or texts alone posteriors of validation "
            "examples that have the same; shares by the weights of a fifth of the draws"
        )
        if model.latents <= FEW_LATENTS:
            proposal = "q(z|X_S), p(z) and Gaussians around the heaviest draws, round by round"
        return {
            **facts,
            "proposal": f"{proposal}; {model.proposal_description}",
            "K_labels": LABEL_DRAWS,
            "conditional": "log p(x_A|x_B) is the ratio of two means over the same 2K draws, K of "
            "them made for p(z|x_A, x_B) and K for p(z|x_B); not a bound",
        }


def estimates(context: EvaluationContext, cache: StepCache) -> dict[str, dict[str, Tensor]]:
    """Return values and k̂ of the scored samples, by subset and conditional."""
    found: dict[str, dict[str, Tensor]] = {}
    all_sets = cache.results(ALL_SETS)
    keys = [s.key for s in context.conditioning_sets]
    for key in [*keys, *(str(conditional) for _, conditional in conditional_splits(context))]:
        own = {name: all_sets.get(f"{key} {name}") for name in ("value", "k_hat", "variance")}
        # If only labels are supplied, the steps with more draws for each value take precedence.
        each = cache.results(f"log p {key}") or {n: x for n, x in own.items() if x is not None}
        if each:
            found[key] = {name: x[: context.n] for name, x in each.items()}
    if not isinstance(context.model, BoltzmannModel):
        return found
    differences = {
        str(key): {
            "value": found[both]["value"] - found[given]["value"],
            "k_hat": torch.maximum(found[both]["k_hat"], found[given]["k_hat"]),
        }
        for both, key in conditional_splits(context)
        if both in found and (given := joined(key.given)) in found
    }  # log Z cancels in each difference
    return normalised(found, cache) | differences


def figure_with_k_hat(values: Tensor, k_hat: Tensor) -> dict[str, Any]:
    """Return a figure, with the number of its points whose Pareto shape exceeds 0.7."""
    return figure(values) | {OVER_MAX_K_HAT: int((k_hat > MAX_K_HAT).sum())}


def difference(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the mean difference over samples that both models score, with the larger k̂."""
    rows = min(len(ours["value"]), len(theirs["value"]))
    worse = torch.maximum(ours["k_hat"][:rows], theirs["k_hat"][:rows])
    return figure_with_k_hat(ours["value"][:rows] - theirs["value"][:rows], worse)


def conditional_splits(context: EvaluationContext) -> list[tuple[str, FigureKey]]:
    """List the conditionals to be scored, each after the name of its joint set.

    These are all splits of the modalities into two sets; with many modalities, the next modality
    given those before it.
    """
    sets = context.conditioning_sets
    if len(context.test.names) > MAX_FOR_ALL_SUBSETS:
        return [
            (after.key, FigureKey("loglik", before.given, ("the next",)))
            for before, after in pairwise(sets[1:])
        ]
    names = context.test.names
    return [
        (sets[-1].key, FigureKey("loglik", s.given, tuple(n for n in names if n not in s.given)))
        for s in sets[1:-1]
    ]


def scored_sets(context: EvaluationContext) -> list[ConditioningSet]:
    """List the conditioning sets for which log p(x_S) can be estimated, tried with one sample."""
    if context.model.no_likelihood:
        return []
    one = slice(0, 1)

    def possible(conditioning_set: ConditioningSet) -> bool:
        batch = conditioning_set[one].restrict(context.test[one])
        try:
            if isinstance(context.model, LatentModel):
                context.model.proposal(batch)
            elif isinstance(context.model, BoltzmannModel) and not only_labels(
                context, conditioning_set
            ):
                context.model.bound(batch)
        except ValueError:
            return False
        return True

    return [s for s in context.conditioning_sets if s.key and possible(s)]


def only_labels(context: EvaluationContext, conditioning_set: ConditioningSet) -> bool:
    """Whether only labels are supplied, for all samples."""
    is_label = torch.tensor([m.is_category for m in context.config.modalities])
    return not (conditioning_set.supplied & ~is_label).any()


def score_sets(
    context: EvaluationContext, several: list[ConditioningSet], rows: slice, _: torch.Generator
) -> dict[str, Tensor]:
    """Estimate log p(x_S) and log p(x_A|x_B) of some samples, for several sets at once."""
    assert isinstance(context.model, LatentModel)
    test = context.test[rows]
    evidence = {s.key: s[rows].restrict(test) for s in several}
    proposals = {key: x for key, e in evidence.items() if (x := matching_posteriors(context, e))}
    pairs = {
        (both, given): str(key)
        for both, key in conditional_splits(context)
        if both in evidence and (given := joined(key.given)) in evidence
    }
    found = subset_log_likelihoods(
        context.model, evidence, pairs, context.k, context.seed, proposals
    )
    every = torch.arange(len(test))
    return {
        f"{pairs[key] if isinstance(key, tuple) else key} {name}": x
        for key, estimate in found.items()
        for name, x in _as_tensors(estimate, every).items()
    }


def score_labels(
    context: EvaluationContext, conditioning_set: ConditioningSet, rows: slice, _: torch.Generator
) -> dict[str, Tensor]:
    """Estimate log p of labels alone, once for each combination, with many draws."""
    batch = conditioning_set[rows].restrict(context.test[rows])
    labels = [m.name for m in context.config.modalities if m.is_category]
    values = torch.stack([batch.filled(name) for name in labels], -1)
    combinations, inverse = torch.cat((values, batch.present), -1).unique(
        dim=0, return_inverse=True
    )
    first = [int((inverse == i).nonzero()[0]) for i in range(len(combinations))]
    batch = batch[torch.tensor(first)]
    proposals = matching_posteriors(context, batch)
    return _as_tensors(
        log_likelihood(context.model, batch, LABEL_DRAWS, context.seed, proposals), inverse
    )


def score_direction(
    context: EvaluationContext, target: str, rows: slice, _: torch.Generator
) -> dict[str, Tensor]:
    """Estimate log p(x_j|x_-j) under a conditional model."""
    assert isinstance(context.model, CVAE)
    batch = context.test[rows]
    estimate = direction_log_likelihood(context.model, batch, target, context.k, context.seed)
    return _as_tensors(estimate, torch.arange(len(batch)))


def _as_tensors(estimate: LogLikelihood, rows: Tensor) -> dict[str, Tensor]:
    tensors = {"value": estimate.value, "k_hat": estimate.k_hat, "variance": estimate.variance}
    return {name: x[rows] for name, x in tensors.items() if x is not None}


def measure_elbo(
    context: EvaluationContext, conditioning_set: ConditioningSet, generator: torch.Generator
) -> dict[str, Tensor]:
    """Estimate the ELBO of all test samples."""
    assert isinstance(context.model, LatentModel)
    batch = conditioning_set.restrict(context.test)
    with torch.no_grad():
        parts = [elbo(context.model, batch[rows], generator) for rows in context.parts(len(batch))]
    return {"value": torch.cat(parts)}
