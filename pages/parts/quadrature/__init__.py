"""A pair of modalities solved at every noise level, shown by one component that is dragged."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import streamlit as st
from torch import Tensor

from mvae.gaussian import Gaussian
from mvae.theory import (
    GRID,
    NOISE,
    PAIRS,
    Best,
    average_entropy,
    entropy,
    kl,
    mixture,
    moments,
    solve,
)
from pages.parts.colours import LABELS, OTHERS, PRIOR
from pages.parts.view import change

__all__ = ["describe", "show_quadrature"]

#: What is drawn of GRID: z from −3 to 3, 151 points; heights in units of 1/250, a third of a pixel.
SHOWN = slice(1800, 3001, 8)
UNIT = 250
FIRST, SECOND, PRODUCT, EXPERTS, PRODUCTS = OTHERS[0], LABELS[0], OTHERS[1], OTHERS[2], LABELS[1]

_here = Path(__file__).parent
_component = st.components.v2.component(
    "quadrature",
    html=(_here / "quadrature.html").read_text("utf-8"),
    css=(_here / "quadrature.css").read_text("utf-8"),
    js=(_here / "quadrature.js").read_text("utf-8"),
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


def _row(
    name: str, log_density: Tensor, columns: list[Tensor], colour: str | None, **extra: Any
) -> dict[str, Any]:
    """Describe a curve ``(L, n)`` and the numbers ``(L,)`` beside it."""
    heights = (log_density[:, SHOWN].exp().nan_to_num() * UNIT).round().int()
    return {
        "name": name,
        "colour": colour,
        "curve": heights.tolist(),
        "values": [[number(x) for x in column.tolist()] for column in columns],
    } | extra


def _on_grid(q: Gaussian) -> Tensor:
    """Log density of Gaussians ``(..., L, 1)`` on GRID, ``(..., L, n)``."""
    return Gaussian(q.mean.unsqueeze(-2), q.logvar.unsqueeze(-2)).log_prob(GRID.unsqueeze(-1))


@st.cache_data(show_spinner="Solving by quadrature …")
def describe(pair: str, best: Best) -> dict[str, Any]:
    """Solve a pair at every noise level and put all that is shown into plain data."""
    solution = solve(PAIRS[pair], best)
    prior, first, second, truth = solution.truth
    q1, q2 = (_on_grid(q) for q in solution.singles)
    product, joint = _on_grid(solution.product), _on_grid(solution.joint)
    sides = ["left", "right"] if solution.tied.any() else [None]

    def measures(log_q: Tensor, log_p: Tensor) -> list[Tensor]:
        sd = moments(log_q)[1].sqrt()
        return [sd, kl(log_q, log_p), kl(log_p, log_q)]

    def rows(name: str, log_q: Tensor, target: Tensor, colour: str, **extra: Any) -> list[Any]:
        """Give one row, or one for each of two tied optima."""
        return [
            _row(name, log_q[i], measures(log_q[i], target), colour, side=side, **extra)
            for i, side in enumerate(sides)
        ]

    def true(name: str, log_p: Tensor, colour: str | None, **extra: Any) -> dict[str, Any]:
        return _row(name, log_p, [moments(log_p)[1].sqrt(), entropy(log_p)], colour, **extra)

    # its curve is that of the first panel's last row
    target = {"name": "p(z|x₁,x₂)", "colour": None, "values": [], "fill": True, "mute": True}
    experts = mixture(q1, q2[0])
    products = mixture(q1, q2[0], product)
    to_joint = ["sd", "KL(q‖p)", "KL(p‖q)"]
    panels = [
        {
            "title": "The true posteriors",
            "columns": ["sd", "entropy"],
            "rows": [
                true("prior p(z)", prior, PRIOR, dash=True),
                true("p(z|x₁)", first, FIRST),
                true("p(z|x₂)", second, SECOND),
                true("p(z|x₁,x₂)", truth, None, fill=True),
            ],
        },
        {
            "title": "The best Gaussians, and the product of the single ones",
            "columns": to_joint,
            "rows": [
                target,
                *rows("q₁, best for p(z|x₁)", q1, first, FIRST),
                _row("q₂, best for p(z|x₂)", q2[0], measures(q2[0], second), SECOND),
                *rows("product q₁q₂/p", product, truth, PRODUCT),
                _row("q₁₂, best for p(z|x₁,x₂)", joint, measures(joint, truth), None),
            ],
        },
        {
            "title": "Mixtures of the same experts",
            "columns": to_joint,
            "rows": [
                target,
                *rows("mixture of experts", experts, truth, EXPERTS),
                *rows("mixture of products", products, truth, PRODUCTS),
            ],
        },
    ]
    direction = "KL(q‖p)" if best == "reverse" else "KL(p‖q)"
    order = (1, 2) if best == "reverse" else (2, 1)
    off = [measures(x, truth)[order[0]] for x in (product[0], product[1], joint)]
    apart = [[number(v) for v in x.tolist()] for x in off]
    precisions = [(-q.logvar[0, :, 0]).exp() for q in solution.singles]
    h = [entropy(x) for x in (first, truth)] + [average_entropy(PAIRS[pair])]
    for panel in panels:
        panel["notes"] = []
    for i in range(len(NOISE)):
        panels[0]["notes"].append(_widening(*(x[i].item() for x in h)))
        tied = bool(solution.tied[i])
        t1, t2 = (t[i].item() for t in precisions)
        panels[1]["notes"].append(
            _nearness(direction, tied, *(x[i] for x in apart)) + " " + _precision(t1, t2)
        )
        panels[2]["notes"].append(
            "A mixture of experts is ½q₁ + ½q₂: no prior is divided out, and it is never sharper "
            "than its sharpest part. A mixture of products has the product as a third part."
        )
    return {
        "key": f"{pair} {best}",
        "top": UNIT * 2.4,  # six times the height of the prior
        "levels": [f"{x:.2f}" for x in NOISE.tolist()],
        "tied": solution.tied.tolist(),
        "words": [
            f"noise {x:.2f}; the product is {apart[int(solution.tied[i])][i]} nats from the joint "
            f"posterior, the best Gaussian {apart[2][i]}"
            for i, x in enumerate(NOISE.tolist())
        ],
        "panels": panels,
    }


def _widening(alone: float, both: float, average: float) -> str:
    verb = "widened" if both > alone else "narrowed"
    return (
        f"Supplying x₂ {verb} the true posterior: its entropy went from {number(alone)} to "
        f"{number(both)} nats. Averaged over every x₂ that may follow this x₁ it is "
        f"{number(average)}: on average, and only so, evidence narrows."
    )


def _nearness(direction: str, tied: bool, left: str, right: str, best: str) -> str:
    if tied:
        return (
            f"Two Gaussians are equally good for p(z|x₁), and x₁ cannot tell which to take. With "
            f"the left one the product is {left} nats off by {direction}, with the right one "
            f"{right}; the best Gaussian is {best} off."
        )
    if left == best:
        return f"The product is as near as the best Gaussian: {left} nats off by {direction}."
    return f"The product is {left} nats off by {direction}, the best Gaussian only {best}."


def _precision(t1: float, t2: float) -> str:
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


def show_quadrature(pair: str, best: Best, noise: int) -> None:
    """Show a pair; a new noise level is kept when the hand lets go of it."""
    _component(
        key="quadrature",
        data=describe(pair, best) | {"noise": noise},
        default={"noise": noise},
        on_noise_change=_released,
    )


def _released() -> None:
    """Take over a noise level, which as anything that a browser sends is not to be trusted."""
    noise = st.session_state["quadrature"]["noise"]
    if type(noise) is int and 0 <= noise < len(NOISE):
        change(noise=noise)
