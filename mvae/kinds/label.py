"""Labels: one of several categories, stored as an index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from mvae.kinds.base import Annotation, Grouping

if TYPE_CHECKING:
    from mvae.modality import Modality

__all__ = ["Label"]

#: Number of categories listed in a terminal, the most probable first.
N_DESCRIBED = 3


class Label(Annotation):
    """One of ``shape[0]`` categories; a datum is an index, of shape ``()``."""

    name = "label"
    likelihoods = ("categorical",)
    settings = frozenset({"categories"})
    value_type = int
    is_index = True
    is_category = True

    def event_shape(self, m: Modality) -> tuple[int, ...]:
        """Return the shape of an index."""
        return ()

    def encode(self, m: Modality, value: Any) -> Tensor:
        """Convert the name or the index of a category to an index."""
        if isinstance(value, str):
            return torch.tensor(self.index_of(m, value))
        return super().encode(m, value)

    def decode(self, m: Modality, x: Tensor) -> int:
        """Convert a tensor to an index."""
        return int(x)

    def required(self, m: Modality) -> str:
        """Return the range of the index."""
        return f"an index from 0 to {self.outputs(m) - 1}"

    def remedy(self, m: Modality, known: Tensor) -> str:
        """Return advice on how to number the categories."""
        return remedy_of_index(known, self.outputs(m))

    def first_layer(self, m: Modality, width: int) -> nn.Module:
        """Return a table of a row for each category: a linear layer on a one-hot vector."""
        return nn.Embedding(m.shape[0], width)

    def agreement(self, first: Tensor, second: Tensor) -> Tensor:
        """Return 1 where two categories are the same, else 0."""
        return (first == second).float()

    def groupings(self, m: Modality, x: Tensor) -> dict[str, Grouping]:
        """Group samples by the label itself."""
        return {m.name: (tuple(m.category(c) for c in range(m.shape[0])), x)}

    def grouped_by(self, m: Modality) -> tuple[str, ...]:
        """Return the name of the label."""
        return (m.name,)

    def describe(self, m: Modality, samples: Tensor) -> list[str]:
        """Return the most probable categories with their probabilities."""
        return [most_probable_of(m, samples.mean(0), N_DESCRIBED)]


def remedy_of_index(known: Tensor, count: int) -> str:
    """Return advice on values that should be indices from 0 to ``count`` − 1."""
    if (known != known.round()).any():
        return "an index is a whole number"
    low, high = known.min().item(), known.max().item()
    return "subtract 1" if (low, high) == (1, count) else "check how they are numbered"


def most_probable_of(m: Modality, p: Tensor, count: int) -> str:
    """Name the most probable categories, given probabilities ``(n,)``, at most ``count``."""
    order = p.argsort(descending=True)[:count]
    return ", ".join(f"{m.category(int(c))} {p[c]:.1%}" for c in order)
