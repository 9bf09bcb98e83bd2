"""Sentences beside the curves: what the numbers of one noise level mean."""

from __future__ import annotations

import math

__all__ = ["MIXTURES", "announce", "nearness", "number", "precision", "widening"]

MIXTURES = (
    "A mixture of experts is ½q₁ + ½q₂: no prior is divided out, and it is never sharper than its "
    "sharpest part. A mixture of products has the product as a third part."
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
    """Say a noise level and what it does, for those who hear the page.

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
    """Say what supplying x₂ did to the entropy of the true posterior, here and on average."""
    verb = "widened" if both > alone else "narrowed"
    return (
        f"Supplying x₂ {verb} the true posterior: its entropy went from {number(alone)} to "
        f"{number(both)} nats. Averaged over every x₂ that may follow this x₁ it is "
        f"{number(average)}: on average, and only so, evidence narrows."
    )


def nearness(direction: str, tied: bool, left: float, right: float, best: float) -> str:
    """Say how far the product is from the joint posterior, beside the best Gaussian."""
    with_left, with_right, least = number(left), number(right), number(best)
    if tied:
        return (
            f"Two Gaussians are equally good for p(z|x₁), and x₁ cannot tell which to take. With "
            f"the left one the product is {with_left} nats off by {direction}, with the right "
            f"one {with_right}; the best Gaussian is {least} off."
        )
    if with_left == least:
        return (
            f"To three decimals the product is as near as the best Gaussian: {least} nats off by "
            f"{direction}."
        )
    return f"The product is {with_left} nats off by {direction}, the best Gaussian only {least}."


def precision(t1: float, t2: float) -> str:
    """Say what dividing p(z) out leaves of two precisions."""
    left = t1 + t2 - 1
    named = (("₁", t1), ("₂", t2))
    wide = [f"q{i}/p: {number(t - 1)}" for i, t in named if t < 1]
    if not wide:
        return (
            f"With p(z) divided out the experts have precisions {number(t1 - 1)} and "
            f"{number(t2 - 1)}."
        )
    whole = (
        f"Only the product as a whole, of precision {number(left)}, is one."
        if left > 0
        else f"Nor is the product, of precision {number(left)}: it is not drawn."
    )
    return (
        f"Where q is wider than the prior, q/p would need negative precision "
        f"({', '.join(wide)}) and is no Gaussian: no expert of an MVAE can be it. {whole}"
    )
