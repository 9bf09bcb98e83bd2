"""Sentences beside the curves: what the numbers of one noise level mean."""

from __future__ import annotations

import math

__all__ = ["MIXTURES", "announce", "nearness", "number", "precision", "widening"]

MIXTURES = (
    "The mixture of experts is ½q₁ + ½q₂: it is not divided by the prior, and it is never sharper "
    "than its sharpest component. The mixture of products has the product as a third component."
)


def number(value: float) -> str:
    """Write a number with three decimals, fewer where it is large.

    Example:
        >>> number(-1e-12), number(0.05249), number(418.9), number(float("nan"))
        ('0.000', '0.052', '419', '–')
    """
    if math.isnan(value):
        return "–"
    digits = 3 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:.{digits}f}".replace("-", "−") if abs(value) >= 5e-4 else "0.000"


def announce(noise: float, tied: bool, left: float, right: float, best: float) -> str:
    """Describe a noise level and its effect, for screen readers.

    Example:
        >>> announce(0.36, False, 0.5, 0.5, 0.25)
        'noise 0.36; the product is 0.500 nats from the joint posterior, the best Gaussian 0.250'
    """
    product = f"{number(left)} or {number(right)}" if tied else number(left)
    return (
        f"noise {noise:.2f}; the product is {product} nats from the joint posterior, "
        f"the best Gaussian {number(best)}"
    )


def widening(alone: float, both: float, average: float) -> str:
    """Describe how supplying x₂ changes the true posterior's entropy, here and on average."""
    verb = "widened" if both > alone else "narrowed"
    return (
        f"Supplying x₂ {verb} the true posterior: its entropy changed from {number(alone)} to "
        f"{number(both)} nats. Averaged over x₂ given this x₁, it is {number(average)} nats: only "
        "on average does evidence narrow the true posterior."
    )


def nearness(direction: str, tied: bool, left: float, right: float, best: float) -> str:
    """Describe how far the product and the best Gaussian are from the joint posterior."""
    with_left, with_right, least = number(left), number(right), number(best)
    if tied:
        return (
            f"Two Gaussians are equally good for p(z|x₁), and x₁ does not determine which one to "
            f"use. By {direction}, the product with the left one is {with_left} nats off and the "
            f"product with the right one {with_right}; the best Gaussian is {least} nats off."
        )
    if with_left == least:
        return (
            f"To three decimals, the product is as close as the best Gaussian: by {direction}, "
            f"both are {least} nats off."
        )
    return f"By {direction}, the product is {with_left} nats off, the best Gaussian only {least}."


def precision(t1: float, t2: float) -> str:
    """Describe the precisions that remain after dividing two Gaussians by p(z)."""
    left = t1 + t2 - 1
    named = (("₁", t1), ("₂", t2))
    wide = [f"q{i}/p: {number(t - 1)}" for i, t in named if t < 1]
    if not wide:
        return (
            f"After division by p(z) the experts have precisions {number(t1 - 1)} and "
            f"{number(t2 - 1)}."
        )
    whole = (
        f"Only the product as a whole is a Gaussian, of precision {number(left)}."
        if left > 0
        else f"Nor is the product, of precision {number(left)}, so it is not drawn."
    )
    return (
        f"Where q is wider than the prior, q/p has negative precision ({', '.join(wide)}) and is "
        f"not a Gaussian, so no expert of an MVAE can represent it. {whole}"
    )
