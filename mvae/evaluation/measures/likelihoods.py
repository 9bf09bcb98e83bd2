"""Log-likelihoods of every subset of modalities, and of some of them given the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from mvae.evaluation.adaptive import FEW_LATENTS
from mvae.evaluation.importance import LogLikelihood
from mvae.evaluation.log_likelihood import (
    ESTIMATOR,
    direction_log_likelihood,
    log_likelihood,
    subset_log_likelihoods,
)
from mvae.evaluation.measures.annealed_likelihoods import (
    ANNEALING,
    annealed,
    conditional_protocol,
    log_partition,
    normalised,
)
from mvae.evaluation.measures.base import FEW, ConditioningSet, EvaluationContext, Measure, figure
from mvae.evaluation.measures.matching_proposals import posteriors_alike
from mvae.evaluation.step_cache import Step, StepCache
from mvae.models.base import LatentModel
from mvae.models.boltzmann.model import BoltzmannModel
from mvae.models.cvae import CVAE
from mvae.models.objectives import elbo

__all__ = ["Likelihoods", "estimates"]

#: Above this Pareto shape an estimate is not to be trusted.
RELIABLE = 0.7
#: Samples of a step, and the name of the steps that score all conditioning sets of these together.
ROWS, TOGETHER = 25, "log p"
#: Draws for each distinct value of labels: few values are shared by all samples, and so would
#: their error be.
CATEGORIES = 20_000


class Likelihoods(Measure):
    """log p(x_S), log p(x_A|x_B), the ELBO, and differences to another model on the same samples.

    Args:
        reference: another model's name, and its estimates of as many samples.
    """

    name = "likelihoods"
    kinds = ("loglik", "variance_of_log_weights", "elbo", "log_partition", "loglik_above")

    def __init__(
        self, reference: tuple[str, Mapping[str, Mapping[str, Tensor]]] | None = None
    ) -> None:
        self.reference = reference

    def steps(self, context: EvaluationContext) -> Iterator[Step]:
        """Score the first n samples in parts, each subset by itself."""
        if isinstance(context.model, BoltzmannModel):
            yield from annealed(context, scored(context))
            return
        possible = scored(context)
        for conditioning_set in possible:
            if labels_alone(context, conditioning_set):
                for part, rows in enumerate(context.parts(context.scored(conditioning_set))):
                    run = partial(score_labels, context, conditioning_set, rows)
                    yield Step(f"log p {conditioning_set.key}", part, 1, run)
            if context.has_posterior(conditioning_set):
                yield Step(
                    f"elbo {conditioning_set.key}", 0, 10, partial(bound, context, conditioning_set)
                )
        for part, rows in enumerate(context.parts(context.n, ROWS) if possible else ()):
            several = [s for s in possible if context.scored(s) > rows.start]
            size = len(several) * ROWS * context.k // 500 + 1
            yield Step(TOGETHER, part, size, partial(score, context, several, rows))
        if isinstance(context.model, CVAE):
            for _, wanted, evidence in conditionals(context):
                if "+" not in wanted:
                    for part, rows in enumerate(context.parts(context.n, ROWS)):
                        run = partial(score_direction, context, wanted, rows)
                        size = ROWS * context.k // 500 + 1
                        yield Step(f"log p {wanted}|{evidence}", part, size, run)

    def figures(self, context: EvaluationContext, cache: StepCache) -> dict[str, Any]:
        """Give loglik, elbo, the variance of the log weights, and loglik_above the reference."""
        found = estimates(context, cache)
        result: dict[str, Any] = {}
        if found:
            result["loglik"] = {key: judged(x["value"], x["k_hat"]) for key, x in found.items()}
        bounds = {s.key: cache.of(f"elbo {s.key}").get("value") for s in context.conditioning_sets}
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
        """Say how log p was estimated."""
        model = context.model
        facts: dict[str, str | int | float] = {
            "estimator": ESTIMATOR,
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
            "proposal": f"{proposal}; {model.proposes}",
            "K_labels": CATEGORIES,
            "conditional": "log p(x_A|x_B) is the ratio of two means over the same 2K draws, K of "
            "them made for p(z|x_A, x_B) and K for p(z|x_B); not a bound",
        }


def estimates(context: EvaluationContext, cache: StepCache) -> dict[str, dict[str, Tensor]]:
    """Give value and k̂ of the scored samples, for each subset and each conditional."""
    found: dict[str, dict[str, Tensor]] = {}
    together = cache.of(TOGETHER)
    for key in [s.key for s in context.conditioning_sets] + [
        f"{wanted}|{given}" for _, wanted, given in conditionals(context)
    ]:
        apart = {name: together.get(f"{key} {name}") for name in ("value", "k_hat", "variance")}
        # Where labels are all there is, there are more draws for each of their values.
        each = cache.of(f"log p {key}") or {n: x for n, x in apart.items() if x is not None}
        if each:
            found[key] = {name: x[: context.n] for name, x in each.items()}
    if not isinstance(context.model, BoltzmannModel):
        return found
    differences = {
        f"{wanted}|{given}": {
            "value": found[both]["value"] - found[given]["value"],
            "k_hat": torch.maximum(found[both]["k_hat"], found[given]["k_hat"]),
        }
        for both, wanted, given in conditionals(context)
        if both in found and given in found
    }  # in which log Z cancels out
    return normalised(found, cache) | differences


def judged(values: Tensor, k_hat: Tensor) -> dict[str, Any]:
    """Return a figure, and of how many of its points the Pareto shape is above 0.7."""
    return figure(values) | {f"k_hat_over_{RELIABLE}": int((k_hat > RELIABLE).sum())}


def difference(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the mean difference over the samples that both have scored; the worse k̂ counts."""
    rows = min(len(ours["value"]), len(theirs["value"]))
    worse = torch.maximum(ours["k_hat"][:rows], theirs["k_hat"][:rows])
    return judged(ours["value"][:rows] - theirs["value"][:rows], worse)


def conditionals(context: EvaluationContext) -> list[tuple[str, str, str]]:
    """List joint, wanted and given: every split of all modalities in two; with many, one more."""
    keys = [s.key for s in context.conditioning_sets]
    if len(context.test.names) > FEW:
        return [(after, "the next", before) for before, after in pairwise(keys[1:])]
    return [
        (keys[-1], "+".join(n for n in context.test.names if n not in given.split("+")), given)
        for given in keys[1:-1]
    ]


def scored(context: EvaluationContext) -> list[ConditioningSet]:
    """List the conditioning sets in which log p(x_S) is estimated, as a sample tells."""
    if context.model.no_likelihood:
        return []
    one = slice(0, 1)

    def possible(conditioning_set: ConditioningSet) -> bool:
        batch = conditioning_set[one].of(context.test[one])
        try:
            if isinstance(context.model, LatentModel):
                context.model.proposal(batch)
            elif isinstance(context.model, BoltzmannModel) and not labels_alone(
                context, conditioning_set
            ):
                context.model.bound(batch)
        except ValueError:
            return False
        return True

    return [s for s in context.conditioning_sets if s.key and possible(s)]


def labels_alone(context: EvaluationContext, conditioning_set: ConditioningSet) -> bool:
    """Say whether nothing but labels is supplied, to any sample."""
    kinds = torch.tensor([m.is_category for m in context.config.modalities])
    return not (conditioning_set.supplied & ~kinds).any()


def score(
    context: EvaluationContext, several: list[ConditioningSet], rows: slice, _: torch.Generator
) -> dict[str, Tensor]:
    """Estimate log p(x_S) and log p(x_A|x_B) of some samples for several sets at once."""
    assert isinstance(context.model, LatentModel)
    test = context.test[rows]
    evidence = {s.key: s[rows].of(test) for s in several}
    alike = {key: x for key, e in evidence.items() if (x := posteriors_alike(context, e))}
    pairs = {
        (both, given): f"{wanted}|{given}"
        for both, wanted, given in conditionals(context)
        if both in evidence and given in evidence
    }
    found = subset_log_likelihoods(context.model, evidence, pairs, context.k, context.seed, alike)
    every = torch.arange(len(test))
    return {
        f"{pairs[key] if isinstance(key, tuple) else key} {name}": x
        for key, estimate in found.items()
        for name, x in _kept(estimate, every).items()
    }


def score_labels(
    context: EvaluationContext, conditioning_set: ConditioningSet, rows: slice, _: torch.Generator
) -> dict[str, Tensor]:
    """Estimate log p of labels alone, of each combination once, by many draws."""
    batch = conditioning_set[rows].of(context.test[rows])
    labels = [m.name for m in context.config.modalities if m.is_category]
    values = torch.stack([batch.filled(name) for name in labels], -1)
    kinds, again = torch.cat((values, batch.present), -1).unique(dim=0, return_inverse=True)
    first = [int((again == i).nonzero()[0]) for i in range(len(kinds))]
    batch = batch[torch.tensor(first)]
    alike = posteriors_alike(context, batch)
    return _kept(log_likelihood(context.model, batch, CATEGORIES, context.seed, alike), again)


def score_direction(
    context: EvaluationContext, wanted: str, rows: slice, _: torch.Generator
) -> dict[str, Tensor]:
    """Estimate log p(x_j|x_-j) of a conditional model."""
    assert isinstance(context.model, CVAE)
    batch = context.test[rows]
    estimate = direction_log_likelihood(context.model, batch, wanted, context.k, context.seed)
    return _kept(estimate, torch.arange(len(batch)))


def _kept(estimate: LogLikelihood, rows: Tensor) -> dict[str, Tensor]:
    kept = {"value": estimate.value, "k_hat": estimate.k_hat, "variance": estimate.variance}
    return {name: x[rows] for name, x in kept.items() if x is not None}


def bound(
    context: EvaluationContext, conditioning_set: ConditioningSet, generator: torch.Generator
) -> dict[str, Tensor]:
    """Estimate the ELBO of all test samples."""
    assert isinstance(context.model, LatentModel)
    batch = conditioning_set.of(context.test)
    with torch.no_grad():
        parts = [elbo(context.model, batch[rows], generator) for rows in context.parts(len(batch))]
    return {"value": torch.cat(parts)}
