"""Sentences: what a posterior says, in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from mvae.analysis.inference import Inference, conflict_percentile
from mvae.distributions.disagreement import UNUSUAL
from mvae.modality import Modality
from pages.parts.kinds.base import probabilities, some_of
from pages.parts.kinds.registry import VIEWS
from pages.parts.plain import plain

__all__ = [
    "NATS",
    "about_conflict",
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

#: So many modalities are named in a headline; of more it is said how many they are.
NAMED = 7
#: What a number of nats says, of the two that stand beside each other.
NATS = (
    "Two figures here are in nats. **Sharper than the prior** is the *entropy reduction* "
    "H(p(z)) − H(q(z|x)), over all dimensions: it depends on the posterior’s widths alone. Beside "
    "a single dimension stands its *KL to the prior*, KL(q ‖ p), to which its mean adds too."
)


def decided(modalities: Iterable[Modality]) -> list[Modality]:
    """List the labels of two categories, if there are several: they are seen at once."""
    found = [m for m in modalities if m.is_category and m.shape[0] == 2]
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
    return VIEWS[m.kind].described(m)


def nats(value: float) -> str:
    """Write a number of nats with one decimal, and a true minus sign.

    Example:
        >>> nats(35.27), nats(-0.04)
        ('35.3', '0.0')
    """
    return f"{round(value, 1) + 0.0:.1f}".replace("-", "−")


def with_error(mean: float, error: float) -> str:
    """Write a measured mean and its standard error, of which two digits count.

    Example:
        >>> with_error(-816.83, 32.74), with_error(0.96112, 0.0019)
        ('−817 ± 33', '0.961 ± 0.002')
    """
    digits = min(max(1 - math.floor(math.log10(error)), 0), 3) if 0 < error < math.inf else 3
    return f"{mean:.{digits}f} ± {error:.{digits}f}".replace("-", "−")


@torch.no_grad()
def inferred(inference: Inference) -> str:
    """Name the likeliest of what is inferred: a category, what is present, or a text.

    Of several named modalities those that were not supplied come first; empty where there is none.
    """
    modalities = [m for m in inference.model.modalities if m.is_annotation]
    left = [m for m in modalities if m.name not in inference.evidence] or modalities
    together = decided(left)
    if together:
        told_of = [(m, probabilities(m, inference)) for m in together]
        present = sorted(((p[1].item(), m.name) for m, p in told_of if p[1] > 0.5), reverse=True)
        return some_of([name for _, name in present], f"none of the {len(together)} labels")
    for m in left[:1]:
        return VIEWS[m.kind].inferred(m, inference, several=len(modalities) > 1)
    return ""


def headline(inference: Inference) -> str:
    """Return what is inferred, how sharp the posterior is, and what the last modality changed."""
    if not inference.evidence:
        return "Given nothing, the posterior is the prior: anything the model knows may follow."
    total = inference.sharpness[-1]
    reads = inferred(inference)
    sentence = f"Given {told(inference.evidence)}" + (
        f" it reads {reads}. The" if reads else ", the"
    )
    sentence += f" posterior is **{nats(total)} nats** sharper than the prior"
    if len(inference.evidence) > 1:
        brought = total - inference.sharpness[-2]
        last = plain(inference.evidence[-1])
        sentence += f"; **{last}**, supplied last, brought **{nats(brought)}** of them"
    return sentence + "."


def agreement(inference: Inference, test: Mapping[str, Any]) -> str:
    """Return whether supplied modalities are unusually in conflict, and what that is worth.

    Args:
        inference: whose evidence it is.
        test: measured figures of its model; "disagreement" of matched samples, and how many
            mismatched ones that "detects".
    """
    names = [m.name for m in inference.model.modalities]
    percentile = conflict_percentile(inference, test.get("disagreement", {}), names)
    if percentile is None:
        return ""
    two = len(inference.evidence) == 2
    these, real = ("These two", "real pairs") if two else ("These", "real examples")
    if percentile > UNUSUAL:
        shown = "all" if percentile >= 100 else f"{min(percentile, 99.9):.1f} %"
        return (
            f"{these} conflict more than {shown} of {real} do, and the posterior got no wider: its "
            "width depends on the experts’ precisions alone, not on where they stand. It may be "
            "sharp and wrong."
        )
    usual = f"{these} are no more in conflict than usual."
    detects = test.get("detects", {}).get("+".join(n for n in names if n in inference.evidence), {})
    noticed = [f"a wrong {plain(name)} in {100 * x['mean']:.0f} %" for name, x in detects.items()]
    if not noticed:
        return usual
    return f"{usual} This model’s gauge would notice {listing(noticed)} of test examples."


def about_conflict(inference: Inference) -> str:
    """Return both terms of the conflict, and what each of them means."""
    return (
        "How far the factors of the product stand apart, in squared standard deviations: "
        f"**{inference.disagreement:.1f}** between the modalities, which is what is compared with "
        f"test examples; **{inference.conflict - inference.disagreement:.1f}** between all of them "
        "and the prior, which is large wherever evidence says much, whether it agrees or not."
    )


def what_changed(before: tuple[str, ...], after: tuple[str, ...], gain: float) -> str:
    """Return what throwing one switch did to the posterior; empty for any other change.

    Example:
        >>> what_changed(("image", "label"), ("image",), -2.13)
        'Dropping the label widened the posterior by 2.1 nats.'
    """
    dropped = [name for name in before if name not in after]
    supplied = [name for name in after if name not in before]
    if len(dropped) == 1 and not supplied:
        return f"Dropping the {dropped[0]} widened the posterior by {nats(-gain)} nats."
    if len(supplied) == 1 and not dropped:
        return f"Supplying the {supplied[0]} sharpened the posterior by {nats(gain)} nats."
    return ""


def neighbourhood(evidence: Sequence[str], label: Modality, nearest: Sequence[int]) -> str:
    """Say of which categories the examples nearest to a posterior are, the commonest first.

    Example:
        >>> digit = Modality(name="label", kind="label", shape=(10,), likelihood="categorical")
        >>> neighbourhood([], digit, [3, 5, 3])
        'Of the 3 examples nearest to the posterior given nothing, 2 have label **3** and 1 has 5.'
    """
    counts = sorted({(-nearest.count(c), c) for c in nearest})
    (most, first), *others = [(-n, plain(label.category(c))) for n, c in counts]
    whose = f"{len(nearest)} examples nearest to the posterior given {told(evidence)}"
    if not others:
        return f"All {whose} have {label.name} **{first}**."
    commonest = f"{most} {'has' if most == 1 else 'have'} {label.name} **{first}**"
    rest = [f"{n} {'has' if n == 1 else 'have'} {name}" for n, name in others]
    return f"Of the {whose}, {listing([commonest, *rest])}."
