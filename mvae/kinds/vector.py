"""Vectors: unordered numbers, or the values of a small picture on a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvae.kinds.base import Kind

if TYPE_CHECKING:
    from mvae.modality import Modality

__all__ = ["Vector"]


class Vector(Kind):
    """Real numbers of any shape."""

    name = "vector"
    likelihoods = ("gaussian", "bernoulli", "bernoulli-cross-entropy")
    settings = frozenset({"grid"})

    def check(self, m: Modality) -> None:
        """Check that the numbers fill the grid, if there is one."""
        super().check(m)
        if m.grid and m.shape != (m.grid[0] * m.grid[1],):
            raise ValueError(f"{m.shape} numbers of a {self.name} do not fill a grid {m.grid}")
