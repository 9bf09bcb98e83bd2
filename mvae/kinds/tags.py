"""Tags: a subset of several categories, each present or absent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from mvae.kinds.base import Annotation, Grouping
from mvae.kinds.label import most_probable_of

if TYPE_CHECKING:
    from mvae.modality import Modality

__all__ = ["Tags"]

#: Number of tags listed in a terminal, the most probable first.
N_DESCRIBED = 5


class Tags(Annotation):
    """A subset of ``shape[0]`` tags; a datum has a 1 for each tag present, else 0."""

    name = "tags"
    likelihoods = ("bernoulli",)
    settings = frozenset({"categories"})
    value_type = tuple
    needs_names = True
    is_set = True

    def encode(self, m: Modality, value: Any) -> Tensor:
        """Convert the names of the tags present, or a 0 or 1 for each tag, to a tensor."""
        names = isinstance(value, list | tuple | set | frozenset)
        if names and all(isinstance(tag, str) for tag in value):
            indices = torch.tensor([self.index_of(m, tag) for tag in value], dtype=torch.long)
            return torch.zeros(m.shape).index_fill(0, indices, 1)
        return super().encode(m, value)

    def decode(self, m: Modality, x: Tensor) -> tuple[str, ...]:
        """Return the names of the tags present, in the order of the modality."""
        return tuple(tag for tag, on in zip(m.categories, x > 0.5, strict=True) if on)

    def remedy(self, m: Modality, known: Tensor) -> str:
        """Return what the values mean."""
        return "use 1 for a tag that is present and 0 for one that is absent"

    def store(self, x: Tensor) -> Tensor:
        """Convert tags to bytes."""
        return x.round().to(torch.uint8)

    def most_probable(self, expected: Tensor) -> Tensor:
        """Return the tags that are more probably present than absent."""
        return (expected > 0.5).to(expected.dtype)

    def most_probable_by_logits(self, logits: Tensor) -> Tensor:
        """Return the tags that are more probably present than absent."""
        return self.most_probable(logits.sigmoid())

    def classification_loss(self, logits: Tensor, known: Tensor) -> Tensor:
        """Return the mean binary cross-entropy of the tags."""
        return binary_cross_entropy_with_logits(logits, known)

    def agreement(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the fraction of the tags that are equal in both."""
        return ((first > 0.5) == (second > 0.5)).float().mean(-1)

    def groupings(self, m: Modality, x: Tensor) -> dict[str, Grouping]:
        """Group samples by each tag."""
        each = zip(m.categories, x.long().unbind(1), strict=True)
        return {tag: (("no", "yes"), present) for tag, present in each}

    def grouped_by(self, m: Modality) -> tuple[str, ...]:
        """Return the names of the tags."""
        return m.categories

    def describe(self, m: Modality, samples: Tensor) -> list[str]:
        """Return the most probable tags with their probabilities."""
        return [most_probable_of(m, samples.mean(0), N_DESCRIBED)]
