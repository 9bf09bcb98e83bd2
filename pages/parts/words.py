"""Sentences: what a belief says, in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from mvae.inference import Belief
from mvae.modality import Modality
from pages.parts.entries import is_attribute
from pages.parts.plain import plain

__all__ = [
    "agreement",
    "decided",
    "described",
    "headline",
    "listing",
    "neighbourhood",
    "told",
    "what_changed",
    "with_error",
]

#: From this percentile on, evidence is said to disagree.
DISAGREE = 95.0
#: So many modalities are named in a headline; of more it is said how many they are.
NAMED = 7


def decided(modalities: Iterable[Modality]) -> list[Modality]:
    """List the labels of two categories, if there are several: they are seen at once."""
    found = [m for m in modalities if m.kind == "label" and m.shape[0] == 2]
    return found if len(found) > 1 else []


def listing(names: Sequence[str]) -> str:
    """Join names as a person would.

    Example:
        >>> listing(["top left", "top right", "label"])
        'top left, top right and label'
    """
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def told(names: Sequence[str]) -> str:
    """Name what is given; where that is much, say how much.

    Example:
        >>> told([]), told(["image", "label"]), told(["x"] * 19)
        ('nothing', '**image** and **label**', '**19 modalities**')
    """
    if not names:
        return "nothing"
    few = len(names) <= NAMED
    return listing([f"**{plain(n)}**" for n in names]) if few else f"**{len(names)} modalities**"


def described(m: Modality) -> str:
    """Say what kind of data a modality is.

    Example:
        >>> described(Modality(name="view", kind="vector", shape=(76,), likelihood="gaussian"))
        '76 numbers'
    """
    size, *rest = m.shape
    if m.kind == "image":
        grey = "black and white" if m.distribution.binary else "grey"
        return f"a picture of {rest[1]} × {rest[0]}, {grey if size == 1 else 'in colour'}"
    if m.kind == "label":
        return "no or yes" if is_attribute(m) else f"one of {size} categories"
    if m.kind == "tags":
        return f"any of {size} tags"
    if m.kind == "text":
        return f"a text of up to {size - 1} tokens out of {len(m.categories) - 1:,}"
    return f"{size} numbers"


def nats(value: float) -> str:
    """Write a number of nats with as many digits as matter."""
    return f"{value:.0f}" if abs(value) >= 20 else f"{value:.1f}"


def with_error(figure: Mapping[str, float]) -> str:
    """Write a measured mean and its standard error, of which two digits count.

    Example:
        >>> with_error({"mean": -816.83, "se": 32.74}), with_error({"mean": 0.96112, "se": 0.0019})
        ('−817 ± 33', '0.961 ± 0.002')
    """
    error = figure["se"]
    digits = min(max(1 - math.floor(math.log10(error)), 0), 3) if 0 < error < math.inf else 3
    return f"{figure['mean']:.{digits}f} ± {error:.{digits}f}".replace("-", "−")


def headline(belief: Belief) -> str:
    """Say in one sentence how sharp the belief is, and what the last modality brought."""
    if not belief.evidence:
        return "Given nothing, the belief is the prior: anything the model knows may be generated."
    total = belief.sharpness[-1]
    given = told(belief.evidence)
    sentence = f"Given {given}, the belief is **{nats(total)} nats** sharper than the prior"
    if len(belief.evidence) > 1:
        brought = total - belief.sharpness[-2]
        sentence += (
            f"; **{belief.evidence[-1]}**, supplied last, brought **{nats(brought)}** of them"
        )
    return sentence + "."


def agreement(percentile: float | None, count: int) -> str:
    """Say whether the supplied modalities agree, by the percentile of their conflict."""
    if percentile is None:
        return ""
    these, real = ("These two", "real pairs") if count == 2 else ("These", "real test examples")
    if percentile >= DISAGREE:
        shown = "all" if percentile >= 100 else f"{min(percentile, 99.9):.1f} %"
        return f"{these} disagree more than {shown} of {real} do."
    return f"{these} agree: {100 - percentile:.0f} % of {real} disagree more."


def what_changed(before: tuple[str, ...], after: tuple[str, ...], gain: float) -> str:
    """Say what throwing one switch did to the belief; empty for any other change.

    Example:
        >>> what_changed(("image", "label"), ("image",), -2.13)
        'Dropping the label widened the belief by 2.1 nats.'
    """
    dropped = [name for name in before if name not in after]
    supplied = [name for name in after if name not in before]
    if len(dropped) == 1 and not supplied:
        return f"Dropping the {dropped[0]} widened the belief by {nats(-gain)} nats."
    if len(supplied) == 1 and not dropped:
        return f"Supplying the {supplied[0]} sharpened the belief by {nats(gain)} nats."
    return ""


def neighbourhood(evidence: Sequence[str], label: Modality, nearest: Sequence[int]) -> str:
    """Say of which categories the examples nearest to a belief are, the commonest first.

    Example:
        >>> digit = Modality(name="label", kind="label", shape=(10,), likelihood="categorical")
        >>> neighbourhood([], digit, [3, 5, 3])
        'Of the 3 examples nearest to the belief given nothing, 2 have label **3** and 1 has 5.'
    """
    counts = sorted({(-nearest.count(c), c) for c in nearest})
    (most, first), *others = [(-n, plain(label.category(c))) for n, c in counts]
    whose = f"{len(nearest)} examples nearest to the belief given {told(evidence)}"
    if not others:
        return f"All {whose} have {label.name} **{first}**."
    commonest = f"{most} {'has' if most == 1 else 'have'} {label.name} **{first}**"
    rest = [f"{n} {'has' if n == 1 else 'have'} {name}" for n, name in others]
    return f"Of the {whose}, {listing([commonest, *rest])}."
