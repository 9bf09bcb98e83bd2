"""What all cards have in common, and how numbers are written on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from mvae.analysis.comparison import Prediction
from mvae.batch import Batch
from mvae.modality import Modality

__all__ = ["Shared", "likeliest", "number"]


@dataclass(frozen=True)
class Shared:
    """What all cards have in common.

    Args:
        modalities: of the models.
        sample: what is known, a batch of one.
        evidence: what of it is supplied.
        colours: of the modalities.
        latents: how many the axis of the spreads holds.
        ink: colour of ink in the visitor's theme.
        pinned: name of the model that the others are compared with.
        reference: its answer, once it is there.
    """

    modalities: tuple[Modality, ...]
    sample: Batch
    evidence: tuple[str, ...]
    colours: Mapping[str, str]
    latents: int
    ink: tuple[int, int, int]
    pinned: str
    reference: Prediction | None = None

    def own(self, m: Modality) -> Tensor | None:
        """Give the sample's own value of a modality, if it has one."""
        place = self.sample.names.index(m.name)
        return self.sample.values[m.name][0] if self.sample.present[0, place] else None


def number(value: float, signed: bool = False) -> str:
    """Write a number with as many digits as matter.

    Example:
        >>> number(-103.72), number(0.9531), number(0.123, signed=True), number(-0.001)
        ('−103.7', '0.95', '+0.12', '0.00')
    """
    digits = 1 if abs(value) >= 10 else 2
    rounded = round(value, digits) + 0.0  # no minus before a zero
    return f"{rounded:{'+' if signed and rounded else ''}.{digits}f}".replace("-", "−")


def likeliest(m: Modality, p: Tensor, count: int = 2) -> str:
    """Name the likeliest categories or tags with their probabilities, those of at least 1 %."""
    best = zip(*(x.tolist() for x in p.topk(min(count, len(p)))), strict=True)
    return ", ".join(
        f"{m.category(int(c))} ({value:.0%})"
        for i, (value, c) in enumerate(best)
        if i == 0 or value >= 0.01
    )
