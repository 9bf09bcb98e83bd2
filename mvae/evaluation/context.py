"""The context of an evaluation: a model, and the data and settings with which it is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from mvae.batch import Batch
from mvae.checkpoint import ModelConfig
from mvae.evaluation.classifier import Classifier
from mvae.evaluation.conditioning_sets import ConditioningSet, conditioning_sets
from mvae.images.tiling import tiles
from mvae.modality import Modality
from mvae.models.base import DRAWS, LatentModel, MultimodalModel

__all__ = ["EvaluationContext", "is_costly"]

#: Number of samples in a part, which takes a few seconds of importance weighting with K = 1,000;
#: and that number if draws are costly and there are many conditioning sets.
ROWS, FEW_ROWS = 250, 50
#: Largest number of conditioning sets for which all are scored on equally many samples.
MAX_FULLY_SCORED = 4
#: Number of test samples for figures that take many draws of each.
GENERATED_SAMPLES = 1000
#: Number of draws of the hidden variables of a model with a Gibbs sampler, each from its own chain.
CHAINS = 8


def is_costly(modalities: Iterable[Modality]) -> bool:
    """Whether draws are slow to decode, as those of convolutions and texts are."""
    return any(m.convolutions or m.is_text for m in modalities)


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
        return 50 if self.model.uses_gibbs_chains else 1

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

    def sets_with_posterior(self) -> list[ConditioningSet]:
        """List the non-empty conditioning sets for which the model has a posterior."""
        return [s for s in self.conditioning_sets if s.key and self.has_posterior(s)]

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
