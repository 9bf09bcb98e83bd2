"""The context of an evaluation, its conditioning sets, and the interface of a measure."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any, ClassVar

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.checkpoint import ModelConfig
from mvae.evaluation.classifier import Classifier
from mvae.evaluation.keys import joined
from mvae.evaluation.step_cache import Step, StepCache
from mvae.images.tiling import tiles
from mvae.modality import Modality
from mvae.models.base import DRAWS, LatentModel, MultimodalModel

__all__ = [
    "ConditioningSet",
    "EvaluationContext",
    "Measure",
    "ScoredFigure",
    "conditioning_sets",
    "figure",
    "is_costly",
    "subsets_of",
]

#: Number of samples in a part, which takes a few seconds of importance weighting with K = 1,000;
#: and that number if draws are costly and there are many conditioning sets.
ROWS, FEW_ROWS = 250, 50
#: Largest number of modalities for which all subsets are evaluated; with more, a conditioning set
#: is described by how many modalities are supplied.
MAX_FOR_ALL_SUBSETS = 5
#: Largest number of conditioning sets for which all are scored on equally many samples.
MAX_FULLY_SCORED = 4
#: Number of test samples for figures that take many draws of each.
GENERATED_SAMPLES = 1000
#: Number of draws of the hidden variables of a model with a Gibbs sampler, each from its own chain.
CHAINS = 8


def subsets_of(names: tuple[str, ...], smallest: int = 0) -> list[tuple[str, ...]]:
    """List all subsets of the modalities, the smallest first, in the order of the model.

    Example:
        >>> subsets_of(("image", "label"), smallest=1)
        [('image',), ('label',), ('image', 'label')]
    """
    return [s for n in range(smallest, len(names) + 1) for s in combinations(names, n)]


def is_costly(modalities: Iterable[Modality]) -> bool:
    """Whether draws are slow to decode, as those of convolutions and texts are."""
    return any(m.convolutions or m.is_text for m in modalities)


class ScoredFigure(dict[str, Any]):
    """A figure as stored in metrics.json, with the values of its samples, ``(N,)``."""

    def __init__(self, figure: Mapping[str, Any], each: Tensor) -> None:
        super().__init__(figure)
        self.per_sample = each

    def __or__(self, more: Mapping[str, Any]) -> ScoredFigure:  # type: ignore[override]
        """Return the figure with further entries, and the same values."""
        return ScoredFigure({**self, **more}, self.per_sample)


def figure(values: Tensor) -> ScoredFigure:
    """Return the mean, its standard error and the number of samples, leaving out NaN."""
    each = values.double().flatten()
    flat = each[~each.isnan()]
    se = flat.std().item() / len(flat) ** 0.5
    return ScoredFigure(
        {"mean": round(flat.mean().item(), 4), "se": round(se, 4), "n": len(flat)}, each
    )


@dataclass(frozen=True)
class ConditioningSet:
    """A set of supplied modalities, which may differ between samples.

    Args:
        given: the names, or their number as "m of M"; empty for nothing.
        supplied: mask of the supplied modalities, bool ``(B, M)``.
    """

    given: tuple[str, ...]
    supplied: Tensor

    @property
    def key(self) -> str:
        """Return what is given as one name, by which steps and figures are called."""
        return joined(self.given)

    def restrict(self, batch: Batch) -> Batch:
        """Return a batch with only the supplied modalities."""
        return Batch(batch.values, batch.present & self.supplied)

    def __getitem__(self, rows: slice) -> ConditioningSet:
        """Select some of the samples."""
        return ConditioningSet(self.given, self.supplied[rows])


def conditioning_sets(batch: Batch, seed: int = 0) -> list[ConditioningSet]:
    """List the conditioning sets of a batch: all subsets of up to five modalities.

    With more modalities there are too many subsets. The modalities of each sample are then put in a
    random order of its own, and a conditioning set holds the first m of them.

    Example:
        >>> digit = Modality(name="label", kind="label", shape=(10,), likelihood="categorical")
        >>> [s.given for s in conditioning_sets(Batch.empty([digit]))]
        [(), ('label',)]
    """
    names = batch.names
    if len(names) <= MAX_FOR_ALL_SUBSETS:
        return [ConditioningSet(s, batch.mask([s])[0]) for s in subsets_of(names)]
    order = torch.rand(batch.present.shape, generator=torch.Generator().manual_seed(seed))
    rank = order.argsort(-1).argsort(-1)
    several = [
        ConditioningSet((f"{m} of {len(names)}",), batch.present & (rank < m))
        for m in range(1, len(names) + 1)
    ]
    return [ConditioningSet((), torch.zeros_like(batch.present)), *several]


@dataclass(frozen=True)
class EvaluationContext:
    """A model, and the data and settings with which it is evaluated.

    Args:
        model: the model, in evaluation mode.
        config: its configuration.
        test: the test split, in the order of the evaluation; the first samples are scored.
        train: loads the training split, which probes are fitted on.
        valid: loads the validation split, whose posteriors serve as proposals.
        classifier: predicts annotations from pictures; None if the data set has no classifier.
        n: number of test samples whose log-likelihood is estimated.
        k: number of importance draws per sample.
        seed: seed of all draws.
    """

    model: MultimodalModel
    config: ModelConfig
    test: Batch
    train: Callable[[], Batch]
    valid: Callable[[], Batch]
    classifier: Classifier | None
    n: int
    k: int
    seed: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "test", self.test.align(self.config.modalities))

    @property
    def label(self) -> Modality | None:
        """The label, if there is exactly one."""
        labels = [m for m in self.config.modalities if m.is_category]
        return labels[0] if len(labels) == 1 else None

    @property
    def annotations(self) -> tuple[Modality, ...]:
        """The labels, tags and texts."""
        return tuple(m for m in self.config.modalities if m.is_annotation)

    @property
    def images(self) -> tuple[str, ...]:
        """Names of the tiles that make up the picture."""
        return tuple(m.name for m, _, _ in tiles(self.config.modalities))

    @property
    def n_generated(self) -> int:
        """Number of test samples for figures that take many draws; fewer if draws are costly."""
        return min(ROWS if is_costly(self.config.modalities) else GENERATED_SAMPLES, len(self.test))

    @property
    def draws(self) -> int:
        """Number of draws of the hidden variables; fewer if each is a chain of many steps."""
        return CHAINS if self.model.uses_gibbs_chains else DRAWS

    @property
    def steps_per_draw(self) -> int:
        """Approximate number of network evaluations that a draw takes."""
        return 200 if self.model.uses_gibbs_chains else 1

    @cached_property
    def conditioning_sets(self) -> list[ConditioningSet]:
        """The conditioning sets of the test samples."""
        return conditioning_sets(self.test, self.seed)

    @property
    def rows_per_part(self) -> int:
        """Number of samples in a part whose log-likelihood is estimated."""
        many = len(self.conditioning_sets) > MAX_FULLY_SCORED
        return FEW_ROWS if many and is_costly(self.config.modalities) else ROWS

    def n_scored(self, conditioning_set: ConditioningSet) -> int:
        """Return the number of test samples for which log p is estimated.

        It is n for all modalities together. If there are many conditioning sets, the others are
        scored on one part at most.
        """
        whole = conditioning_set.key == self.conditioning_sets[-1].key
        return (
            self.n
            if whole or len(self.conditioning_sets) <= MAX_FULLY_SCORED
            else min(self.n, self.rows_per_part)
        )

    def has_posterior(self, conditioning_set: ConditioningSet) -> bool:
        """Whether the model has a posterior given a conditioning set, tried with one sample."""
        one = slice(0, 1)
        if not isinstance(self.model, LatentModel):
            return False
        try:
            self.model.posterior(conditioning_set[one].restrict(self.test[one]))
        except ValueError:
            return False
        return True

    def predictable(
        self, wanted: Callable[[Modality], bool]
    ) -> Iterator[tuple[Modality, ConditioningSet]]:
        """Yield the modalities that are wanted, with each set that can predict them."""
        for i, m in enumerate(self.config.modalities):
            for conditioning_set in self.conditioning_sets if wanted(m) else ():
                given = bool(conditioning_set.key) and not conditioning_set.supplied[:, i].any()
                if given and self.model.possible_targets(
                    conditioning_set.restrict(self.test), [m.name]
                ):
                    yield m, conditioning_set

    def parts(self, n: int, rows: int = ROWS) -> list[slice]:
        """Divide the first n test samples into parts; the last one may extend beyond n."""
        return [slice(i, i + rows) for i in range(0, min(n, len(self.test)), rows)]


class Measure(abc.ABC):
    """A measure: the steps that compute it, and how its figures follow from their results."""

    #: Name of the measure on the command line, ``evaluate --only``.
    name: ClassVar[str]
    #: All kinds of figures that it may compute, the keys of :meth:`figures`.
    kinds: ClassVar[tuple[str, ...]]

    @abc.abstractmethod
    def steps(self, context: EvaluationContext) -> Iterator[Step]:
        """Yield the steps; none if the model has no such figures."""

    @abc.abstractmethod
    def figures(self, context: EvaluationContext, cache: StepCache) -> dict[str, Any]:
        """Return the figures by kind and key, once all steps have been run."""

    @abc.abstractmethod
    def protocol(self, context: EvaluationContext) -> dict[str, str | int | float]:
        """Return the part of the protocol that describes how the figures are measured."""
