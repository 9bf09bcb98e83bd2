"""The exact posterior, for models that allow it, as the stage draws it."""

from __future__ import annotations

from typing import Any

from mvae.inference import Belief
from mvae.modality import Batch

__all__ = ["exact_of"]


def exact_of(data: str, name: str, sample: Batch, belief: Belief) -> dict[str, Any] | None:
    """Describe the exact posterior for the evidence of a belief."""
    return None
