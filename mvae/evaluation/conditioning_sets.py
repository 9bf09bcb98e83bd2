"""Conditioning sets: the sets of modalities that a model is given in an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.evaluation.keys import joined

__all__ = ["ConditioningSet", "conditioning_sets", "subsets_of"]

#: Largest number of modalities for which all subsets are evaluated; with more, a conditioning set
#: is described by how many modalities are supplied.
MAX_FOR_ALL_SUBSETS = 5


def subsets_of(names: tuple[str, ...], smallest: int = 0) -> list[tuple[str, ...]]:
    """List all subsets of the modalities, the smallest first, in the order of the model.

    Example:
        >>> subsets_of(("image", "label"), smallest=1)
        [('image',), ('label',), ('image', 'label')]
    """
    return [s for n in range(smallest, len(names) + 1) for s in combinations(names, n)]


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
        >>> from mvae.modality import Modality
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
