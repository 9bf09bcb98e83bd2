"""A figure of metrics.json: a mean with its standard error, and the values of its samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

__all__ = ["ScoredFigure", "figure"]


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
