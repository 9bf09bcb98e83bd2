"""The colours of the modalities, the same on every page."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle

from mvae.modality import Modality

__all__ = ["LABELS", "OTHERS", "PRIOR", "colours_of"]

# The palette of Okabe & Ito, safe for colour-blind readers: https://jfly.uni-koeln.de/color/
LABELS = ("#d55e00", "#e69f00")
OTHERS = ("#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#f0e442")
#: Colours used once those run out. Each is the one farthest in OKLab from all before it, also as
#: seen without red or green cones, among the colours that contrast with both themes' background.
MORE = (
    *("#784b4b", "#8778ff", "#b42d87", "#b40f00", "#2d4bc3", "#f05a69", "#5a87d2"),
    *("#a55a4b", "#695ae1", "#006978", "#f0783c", "#00a5c3", "#00690f", "#a56996"),
)
#: The prior is grey; the product has the text's colour.
PRIOR = "#8b919c"


def colours_of(modalities: Iterable[Modality]) -> dict[str, str]:
    """Return each modality's colour: warm for labels, tags and texts while warm ones last.

    Example:
        >>> digit = Modality(name="digit", kind="label", shape=(10,), likelihood="categorical")
        >>> colours_of([digit])
        {'digit': '#d55e00'}
    """
    names: dict[bool, list[str]] = {True: [], False: []}
    order = []
    for m in modalities:
        names[m.is_annotation].append(m.name)
        order.append(m.name)
    colours = dict(zip(names[True], LABELS, strict=False))
    colours |= dict(zip(names[False], OTHERS, strict=False))
    left = [c for c in (*OTHERS, *LABELS, *MORE) if c not in colours.values()]
    # If there are more modalities than colours, some share one.
    rest = cycle(left)
    return {name: colours.get(name) or next(rest) for name in order}
