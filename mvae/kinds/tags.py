"""Tags: any of some categories, each present or absent."""

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

#: Tags that are named in a terminal, the most probable first.
N_DESCRIBED = 5


class Tags(Annotation):
    """Which of ``shape[0]`` tags are present: 1 for each that is, else 0."""

    name = "tags"
    likelihoods = ("bernoulli",)
    settings = frozenset({"categories"})
    value_type = tuple
    is_set = True

    def check(self, m: Modality) -> None:
        """Check that the tags have names."""
        super().check(m)
        if not m.categories:
            raise ValueError(f"the categories of a {self.name} modality need names")

    def encode(self, m: Modality, value: Any) -> Tensor:
        """Return a 1 for each tag that is present, given by their names or as numbers."""
        names = isinstance(value, list | tuple | set | frozenset)
        if names and all(isinstance(tag, str) for tag in value):
            indices = torch.tensor([self.index_of(m, tag) for tag in value], dtype=torch.long)
            return torch.zeros(m.shape).index_fill(0, indices, 1)
        return super().encode(m, value)

    def decode(self, m: Modality, x: Tensor) -> tuple[str, ...]:
        """Return the names of the tags that are present, in their order."""
        return tuple(tag for tag, on in zip(m.categories, x > 0.5, strict=True) if on)

    def remedy(self, m: Modality, known: Tensor) -> str:
        """Return what a tag is."""
        return "a tag is there, 1, or not, 0"

    def store(self, x: Tensor) -> Tensor:
        """Return tags as bytes."""
        return x.round().to(torch.uint8)

    def most_probable(self, expected: Tensor) -> Tensor:
        """Return the tags that are more probably present than absent."""
        return (expected > 0.5).to(expected.dtype)

    def most_probable_by_logits(self, logits: Tensor) -> Tensor:
        """Return the tags that are more probably present than absent."""
        return self.most_probable(logits.sigmoid())

    def classification_loss(self, logits: Tensor, known: Tensor) -> Tensor:
        """Return the mean over the tags."""
        return binary_cross_entropy_with_logits(logits, known)

    def agreement(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the share of the tags that are the same in both."""
        return ((first > 0.5) == (second > 0.5)).float().mean(-1)

    def groupings(self, m: Modality, x: Tensor) -> dict[str, Grouping]:
        """Group samples by each tag."""
        each = zip(m.categories, x.long().unbind(1), strict=True)
        return {tag: (("no", "yes"), present) for tag, present in each}

    def grouped_by(self, m: Modality) -> tuple[str, ...]:
        """Return the tags."""
        return m.categories

    def describe(self, m: Modality, samples: Tensor) -> list[str]:
        """Return the most probable tags with their probabilities."""
        return [most_probable_of(m, samples.mean(0), N_DESCRIBED)]
