"""Colours: one for each modality, the same on every page."""

from __future__ import annotations

from collections.abc import Iterable

from mvae.modality import Modality

__all__ = ["PRIOR", "colours_of"]

# Okabe & Ito's palette, distinguishable with any colour vision: https://jfly.uni-koeln.de/color/
LABELS = ("#d55e00", "#e69f00")
OTHERS = ("#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#f0e442")
#: The prior is grey; the product has the colour of the text.
PRIOR = "#8b919c"


def colours_of(modalities: Iterable[Modality]) -> dict[str, str]:
    """Give each modality its colour.

    Example:
        >>> digit = Modality(name="digit", kind="label", shape=(10,), likelihood="categorical")
        >>> colours_of([digit])
        {'digit': '#d55e00'}
    """
    colours, labels, others = {}, 0, 0
    for m in modalities:
        if m.kind == "label":
            colours[m.name] = LABELS[labels % len(LABELS)]
            labels += 1
        else:
            colours[m.name] = OTHERS[others % len(OTHERS)]
            others += 1
    return colours
