"""What is evaluated, on which samples and in which conditioning sets; and what every measure is."""

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
from mvae.evaluation.step_cache import Step, StepCache
from mvae.images.tiling import tiles
from mvae.modality import Modality
from mvae.models.base import LatentModel, MultimodalModel

__all__ = [
    "ConditioningSet",
    "EvaluationContext",
    "Measure",
    "Scored",
    "conditioning_sets",
    "costly",
    "figure",
    "subsets_of",
]

#: Samples of a part: a few seconds of importance weighting with K = 1,000; and of a part where
#: draws cost much and conditioning sets are many.
ROWS, FEW_ROWS = 250, 50
#: With more modalities than this, how many are supplied stands for which.
FEW = 5
#: With more conditioning sets than this, log p of some of the modalities uses fewer samples.
WHOLE = 4
#: Test samples of what takes many draws of each.
SOME = 1000
#: Draws of what is hidden; and chains, where each takes a Gibbs sampler to run.
DRAWS, CHAINS = 64, 8


def subsets_of(names: tuple[str, ...], smallest: int = 0) -> list[tuple[str, ...]]:
    """List all subsets of the modalities, small ones first, in the order of the model.

    Example:
        >>> subsets_of(("image", "label"), smallest=1)
        [('image',), ('label',), ('image', 'label')]
    """
    return [s for n in range(smallest, len(names) + 1) for s in combinations(names, n)]


def costly(modalities: Iterable[Modality]) -> bool:
    """Whether a draw takes long to decode: convolutions and texts do."""
    return any(m.convolutions or m.is_text for m in modalities)


class Scored(dict[str, Any]):
    """A figure as it is written, and beside it the values of its samples, ``(N,)``."""

    def __init__(self, figure: Mapping[str, Any], each: Tensor) -> None:
        super().__init__(figure)
        self.each = each

    def __or__(self, more: Mapping[str, Any]) -> Scored:  # type: ignore[override]
        """Add entries; the values stay."""
        return Scored({**self, **more}, self.each)


def figure(values: Tensor) -> Scored:
    """Return the mean over samples, its standard error and their number; NaN is no sample."""
    each = values.double().flatten()
    flat = each[~each.isnan()]
    se = flat.std().item() / len(flat) ** 0.5
    return Scored({"mean": round(flat.mean().item(), 4), "se": round(se, 4), "n": len(flat)}, each)


@dataclass(frozen=True)
class ConditioningSet:
    """What is supplied.

    Args:
        key: the names, joined by "+", or how many of how many; empty for nothing.
        supplied: bool ``(B, M)``.
    """

    key: str
    supplied: Tensor

    def of(self, batch: Batch) -> Batch:
        """Keep of a batch what is supplied."""
        return Batch(batch.values, batch.present & self.supplied)

    def __getitem__(self, rows: slice) -> ConditioningSet:
        """Take some of the samples."""
        return ConditioningSet(self.key, self.supplied[rows])


def conditioning_sets(batch: Batch, seed: int = 0) -> list[ConditioningSet]:
    """List what may be supplied of M modalities: each subset, or with many how many of them.

    With more than five there are too many subsets. Each sample then gets its modalities in a random
    order of its own, and a conditioning set is the first m of them.

    Example:
        >>> digit = Modality(name="label", kind="label", shape=(10,), likelihood="categorical")
        >>> [s.key for s in conditioning_sets(Batch.empty([digit]))]
        ['', 'label']
    """
    names = batch.names
    if len(names) <= FEW:
        return [ConditioningSet("+".join(s), batch.mask([s])[0]) for s in subsets_of(names)]
    order = torch.rand(batch.present.shape, generator=torch.Generator().manual_seed(seed))
    place = order.argsort(-1).argsort(-1)
    several = [
        ConditioningSet(f"{m} of {len(names)}", batch.present & (place < m))
        for m in range(1, len(names) + 1)
    ]
    return [ConditioningSet("", torch.zeros_like(batch.present)), *several]


@dataclass(frozen=True)
class EvaluationContext:
    """A model, and what it is measured on.

    Args:
        model: ready to infer with.
        config: its description.
        test: the test split, in the order of the evaluation: the first ones are scored.
        train: gives the training split, if something has to be learned from it.
        valid: gives the validation split, for proposals of what test samples are scored by.
        classifier: names pictures, if there are labels to name them by.
        n: test samples whose log-likelihood is estimated.
        k: importance draws a sample.
        seed: of all draws.
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
        """The modality that is a label, if there is just one."""
        labels = [m for m in self.config.modalities if m.is_category]
        return labels[0] if len(labels) == 1 else None

    @property
    def annotations(self) -> tuple[Modality, ...]:
        """Labels, tags and texts."""
        return tuple(m for m in self.config.modalities if m.is_annotation)

    @property
    def images(self) -> tuple[str, ...]:
        """Names of the tiles of the picture."""
        return tuple(m.name for m, _, _ in tiles(self.config.modalities))

    @property
    def some(self) -> int:
        """Test samples of what takes many draws of each: fewer where draws cost much."""
        return min(ROWS if costly(self.config.modalities) else SOME, len(self.test))

    @property
    def draws(self) -> int:
        """How many draws of what is hidden: a chain takes hundreds of steps, a network one."""
        return CHAINS if self.model.sampler else DRAWS

    @property
    def steps(self) -> int:
        """How many steps of a network a draw takes, about."""
        return 200 if self.model.sampler else 1

    @cached_property
    def conditioning_sets(self) -> list[ConditioningSet]:
        """What may be supplied of the test samples."""
        return conditioning_sets(self.test, self.seed)

    @property
    def rows(self) -> int:
        """Samples of a part that is scored by log p."""
        many = len(self.conditioning_sets) > WHOLE
        return FEW_ROWS if many and costly(self.config.modalities) else ROWS

    def scored(self, conditioning_set: ConditioningSet) -> int:
        """How many test samples are scored by log p: of many subsets only the whole by n."""
        whole = conditioning_set.key == self.conditioning_sets[-1].key
        return self.n if whole or len(self.conditioning_sets) <= WHOLE else min(self.n, self.rows)

    def has_posterior(self, conditioning_set: ConditioningSet) -> bool:
        """Say whether the model has a posterior in a conditioning set, as a sample tells."""
        one = slice(0, 1)
        if not isinstance(self.model, LatentModel):
            return False
        try:
            self.model.posterior(conditioning_set[one].of(self.test[one]))
        except ValueError:
            return False
        return True

    def told(
        self, wanted: Callable[[Modality], bool]
    ) -> Iterator[tuple[Modality, ConditioningSet]]:
        """List modalities of a kind, and the conditioning sets from which the model tells them."""
        for i, m in enumerate(self.config.modalities):
            for conditioning_set in self.conditioning_sets if wanted(m) else ():
                given = bool(conditioning_set.key) and not conditioning_set.supplied[:, i].any()
                if given and self.model.possible(conditioning_set.of(self.test), [m.name]):
                    yield m, conditioning_set

    def parts(self, n: int, rows: int = ROWS) -> list[slice]:
        """Cut the first n test samples, and the rest of the last part, into parts."""
        return [slice(i, i + rows) for i in range(0, min(n, len(self.test)), rows)]


class Measure(abc.ABC):
    """A measure: which steps compute it, and how its figures follow from their results."""

    #: Its name on the command line, ``evaluate --only``.
    name: ClassVar[str]
    #: Every kind of figure that it may have, the keys of :meth:`figures`.
    kinds: ClassVar[tuple[str, ...]]

    @abc.abstractmethod
    def steps(self, context: EvaluationContext) -> Iterator[Step]:
        """List the steps, none where the model has no such figures."""

    @abc.abstractmethod
    def figures(self, context: EvaluationContext, cache: StepCache) -> dict[str, Any]:
        """Give the figures once all steps are done, by kind and by what is given and asked."""

    @abc.abstractmethod
    def protocol(self, context: EvaluationContext) -> dict[str, str | int | float]:
        """Say how they come about."""
