"""Sentences that describe a posterior and its evidence."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from mvae.analysis.inference import Inference, conflict_percentile
from mvae.distributions.conflict import UNUSUAL_PERCENTILE
from mvae.evaluation.keys import joined
from mvae.modality import Modality
from pages.parts.kinds.base import MAX_NAMED, probabilities, some_of
from pages.parts.kinds.registry import VIEWS
from pages.parts.plain import plain

__all__ = [
    "MAX_NAMED",
    "NATS",
    "about_conflict",
    "agreement",
    "decided",
    "described",
    "headline",
    "listing",
    "name_modalities",
    "neighbourhood",
    "what_changed",
    "with_error",
]

#: Largest number of modalities that a headline names; if there are more, it gives their number.
MAX_IN_HEADLINE = 7
#: The meaning of the two figures in nats on the Experts page.
NATS = (
    "Two figures here are in nats. **Sharper than the prior** is the *entropy reduction* "
    "H(p(z)) − H(q(z|x)) over all dimensions, which depends on the posterior’s widths alone. The "
    "figure beside a single dimension is its *KL to the prior*, KL(q ‖ p), which depends on the "
    "mean too."
)


def decided(modalities: Iterable[Modality]) -> list[Modality]:
    """Return the labels of two categories if there are several, which are shown together."""
    found = [m for m in modalities if m.is_category and m.shape[0] == 2]
    return found if len(found) > 1 else []


def listing(names: Sequence[str]) -> str:
    """Join names with commas and "and".

    Example:
        >>> listing(["top left", "top right", "label"])
        'top left, top right and label'
    """
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def name_modalities(names: Sequence[str]) -> str:
    """Return the names of modalities in words, or their number if they are many.

    Example:
        >>> name_modalities([]), name_modalities(["image", "label"]), name_modalities(["x"] * 19)
        ('nothing', '**image** and **label**', '**19 modalities**')
    """
    if not names:
        return "nothing"
    few = len(names) <= MAX_IN_HEADLINE
    return listing([f"**{plain(n)}**" for n in names]) if few else f"**{len(names)} modalities**"


def described(m: Modality) -> str:
    """Describe the kind of a modality's data.

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
    """Write a measured mean and its standard error, rounded to two digits of the error.

    Example:
        >>> with_error(-816.83, 32.74), with_error(0.96112, 0.0019)
        ('−817 ± 33', '0.961 ± 0.002')
    """
    digits = min(max(1 - math.floor(math.log10(error)), 0), 3) if 0 < error < math.inf else 3
    return f"{mean:.{digits}f} ± {error:.{digits}f}".replace("-", "−")


@torch.no_grad()
def inferred(inference: Inference) -> str:
    """Return the likeliest inferred category, tags or text; empty if the model has none of these.

    Modalities that were not supplied take precedence.
    """
    modalities = [m for m in inference.model.modalities if m.is_annotation]
    left = [m for m in modalities if m.name not in inference.evidence] or modalities
    together = decided(left)
    if together:
        found = [(m, probabilities(m, inference)) for m in together]
        present = sorted(((p[1].item(), m.name) for m, p in found if p[1] > 0.5), reverse=True)
        return some_of([name for _, name in present], f"none of the {len(together)} labels")
    for m in left[:1]:
        return VIEWS[m.kind].inferred(m, inference, several=len(modalities) > 1)
    return ""


def headline(inference: Inference) -> str:
    """Describe what is inferred, how sharp the posterior is, and what the last modality added."""
    if not inference.evidence:
        return "Given nothing, the posterior is the prior: the model may generate anything."
    total = float(inference.sharpness[-1])
    reads = inferred(inference)
    sentence = f"Given {name_modalities(inference.evidence)}" + (
        f", the model predicts {reads}. The" if reads else ", the"
    )
    sentence += f" posterior is **{nats(total)} nats** sharper than the prior"
    if len(inference.evidence) > 1:
        brought = total - float(inference.sharpness[-2])
        last = plain(inference.evidence[-1])
        sentence += f"; **{last}**, supplied last, contributed **{nats(brought)}** of them"
    return sentence + "."


def agreement(inference: Inference, test: Mapping[str, Any]) -> str:
    """Describe whether the supplied modalities conflict unusually, and how reliable that is.

    Args:
        inference: the posterior and its evidence.
        test: measured figures of the model: the "disagreement" of matched samples, and the share
            of mismatched ones that it "detects".
    """
    names = [m.name for m in inference.model.modalities]
    percentile = conflict_percentile(inference, test.get("disagreement", {}), names)
    if percentile is None:
        return ""
    two = len(inference.evidence) == 2
    these, real = ("These two", "real pairs") if two else ("These", "real examples")
    if percentile > UNUSUAL_PERCENTILE:
        shown = "all" if percentile >= 100 else f"{min(percentile, 99.9):.1f} %"
        return (
            f"{these} conflict more than {shown} of {real} do, yet the posterior did not widen: "
            "its width depends on the experts’ precisions alone, not on their means. It may be "
            "sharp but wrong."
        )
    usual = f"{these} are no more in conflict than usual."
    detects = test.get("detects", {}).get(joined(n for n in names if n in inference.evidence), {})
    noticed = [f"a wrong {plain(name)} in {100 * x['mean']:.0f} %" for name, x in detects.items()]
    if not noticed:
        return usual
    return f"{usual} This model’s gauge detects {listing(noticed)} of test examples."


def about_conflict(inference: Inference) -> str:
    """Explain the two terms of the conflict, with their values."""
    return (
        "How far apart the factors of the product are, in squared standard deviations: "
        f"**{inference.disagreement:.1f}** between the modalities, which is compared with test "
        f"examples, and **{inference.conflict - inference.disagreement:.1f}** between all of them "
        "and the prior, which is large wherever the evidence is informative, in agreement or not."
    )


def what_changed(before: tuple[str, ...], after: tuple[str, ...], gain: float) -> str:
    """Describe how supplying or dropping one modality changed the posterior; otherwise empty.

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
    """Describe the categories of the examples nearest to a posterior, most frequent first.

    Example:
        >>> digit = Modality(name="label", kind="label", shape=(10,), likelihood="categorical")
        >>> neighbourhood([], digit, [3, 5, 3])
        'Of the 3 examples nearest to the posterior given nothing, 2 have label **3** and 1 has 5.'
    """
    counts = sorted({(-nearest.count(c), c) for c in nearest})
    (most, first), *others = [(-n, plain(label.category(c))) for n, c in counts]
    whose = f"{len(nearest)} examples nearest to the posterior given {name_modalities(evidence)}"
    if not others:
        return f"All {whose} have {label.name} **{first}**."
    commonest = f"{most} {'has' if most == 1 else 'have'} {label.name} **{first}**"
    rest = [f"{n} {'has' if n == 1 else 'have'} {name}" for n, name in others]
    return f"Of the {whose}, {listing([commonest, *rest])}."
