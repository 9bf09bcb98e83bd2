"""What all cards have in common, and the format of their numbers."""

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
        modalities: the models' modalities.
        sample: the known values, a batch of one.
        evidence: names of the supplied modalities.
        colours: the modalities' colours.
        latents: number of latents on the axis of standard deviations.
        ink: colour of ink in the visitor's theme.
        pinned: name of the model that the others are compared with.
        reference: the pinned model's answer, once it is ready.
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
        """Return the sample's own value of a modality, or None."""
        index = self.sample.names.index(m.name)
        return self.sample.values[m.name][0] if self.sample.present[0, index] else None


def number(value: float, signed: bool = False) -> str:
    """Write a number with two decimals, or one from 10 on.

    Example:
        >>> number(-103.72), number(0.9531), number(0.123, signed=True), number(-0.001)
        ('−103.7', '0.95', '+0.12', '0.00')
    """
    digits = 1 if abs(value) >= 10 else 2
    rounded = round(value, digits) + 0.0  # no minus before a zero
    return f"{rounded:{'+' if signed and rounded else ''}.{digits}f}".replace("-", "−")


def likeliest(m: Modality, p: Tensor, count: int = 2) -> str:
    """Return the likeliest categories or tags of probability 1 % or more, and at least one."""
    best = zip(*(x.tolist() for x in p.topk(min(count, len(p)))), strict=True)
    return ", ".join(
        f"{m.category(int(c))} ({value:.0%})"
        for i, (value, c) in enumerate(best)
        if i == 0 or value >= 0.01
    )
