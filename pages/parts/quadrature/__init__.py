"""A pair of modalities solved at every noise level, shown by a component with a slider."""

from __future__ import annotations

from typing import Any

import streamlit as st
import torch
from torch import Tensor

from mvae.analysis.theory import (
    GRID,
    NOISE,
    PAIRS,
    Divergence,
    average_entropy,
    entropy,
    kl,
    mixture,
    moments,
    solve,
)
from mvae.distributions.gaussian import Gaussian
from pages.parts.colours import LABELS, OTHERS, PRIOR
from pages.parts.quadrature.captions import (
    MIXTURES,
    announce,
    nearness,
    number,
    precision,
    widening,
)
from pages.parts.server.js_bundle import files_of
from pages.parts.view import change

__all__ = ["describe", "show_quadrature"]

#: Part of GRID that is drawn, 151 points from −3 to 3; heights are in 1/250, a third of a pixel.
SHOWN = slice(1800, 3001, 8)
UNIT = 250
FIRST, SECOND, PRODUCT, EXPERTS, PRODUCTS = OTHERS[0], LABELS[0], OTHERS[1], OTHERS[2], LABELS[1]

_component = st.components.v2.component("mvae_quadrature", **files_of(__file__, "quadrature"))


def _row(
    name: str, log_density: Tensor, columns: list[Tensor], colour: str | None, **extra: Any
) -> dict[str, Any]:
    """Return a row of plain data: a curve ``(L, n)`` and the numbers ``(L,)`` beside it."""
    heights = (log_density[:, SHOWN].exp().nan_to_num() * UNIT).round().int()
    return {
        "name": name,
        "colour": colour,
        "curve": heights.tolist(),
        "values": [[number(x) for x in column.tolist()] for column in columns],
    } | extra


def _on_grid(q: Gaussian) -> Tensor:
    """Return the log density of Gaussians ``(..., L, 1)`` on GRID, ``(..., L, n)``."""
    return Gaussian(q.mean.unsqueeze(-2), q.logvar.unsqueeze(-2)).log_prob(GRID.unsqueeze(-1))


@st.cache_data(show_spinner="Solving by quadrature …")
def describe(pair: str, best: Divergence) -> dict[str, Any]:
    """Solve a pair at every noise level and return plain data for the component."""
    solution = solve(PAIRS[pair], best)
    prior, first, second, truth = solution.posteriors
    q1, q2 = (_on_grid(q) for q in solution.singles)
    product, joint = _on_grid(solution.product), _on_grid(solution.joint)
    sides = ["left", "right"] if solution.tied.any() else [None]

    def measures(log_q: Tensor, log_p: Tensor) -> list[Tensor]:
        sd = moments(log_q)[1].sqrt()
        return [sd, kl(log_q, log_p), kl(log_p, log_q)]

    def rows(name: str, log_q: Tensor, target: Tensor, colour: str, **extra: Any) -> list[Any]:
        """Return one row, or two if two optima are tied."""
        return [
            _row(name, log_q[i], measures(log_q[i], target), colour, side=side, **extra)
            for i, side in enumerate(sides)
        ]

    def true(name: str, log_p: Tensor, colour: str | None, **extra: Any) -> dict[str, Any]:
        return _row(name, log_p, [moments(log_p)[1].sqrt(), entropy(log_p)], colour, **extra)

    # its curve is the last one of the first panel
    target: dict[str, Any] = {
        "name": "p(z|x₁,x₂)",
        "colour": None,
        "values": [],
        "fill": True,
        "mute": True,
    }
    experts = mixture(q1, q2[0])
    products = mixture(q1, q2[0], product)
    to_joint = ["sd", "KL(q‖p)", "KL(p‖q)"]
    panels: list[dict[str, Any]] = [
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
            "title": "The best Gaussians, and the product of the best single ones",
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
    chosen = 1 if best == "reverse" else 2
    off = [measures(x, truth)[chosen].tolist() for x in (*product, joint)]
    distances = list(zip(solution.tied.tolist(), *off, strict=True))
    precisions = [(-q.logvar[0, :, 0]).exp().tolist() for q in solution.singles]
    entropies = [entropy(first), entropy(truth), average_entropy(PAIRS[pair])]
    panels[0]["notes"] = [widening(*h) for h in torch.stack(entropies, 1).tolist()]
    panels[1]["notes"] = [
        f"{nearness(to_joint[chosen], *each)} {precision(t1, t2)}"
        for each, t1, t2 in zip(distances, *precisions, strict=True)
    ]
    panels[2]["notes"] = [MIXTURES] * len(NOISE)
    return {
        "key": f"{pair} {best}",
        "top": UNIT * 2.4,  # six times the height of the prior
        "levels": [f"{x:.2f}" for x in NOISE.tolist()],
        "tied": solution.tied.tolist(),
        "words": [announce(x, *each) for x, each in zip(NOISE.tolist(), distances, strict=True)],
        "panels": panels,
    }


def show_quadrature(pair: str, best: Divergence, noise: int) -> None:
    """Show a pair; a new noise level is stored when the slider is released."""
    _component(
        key="quadrature",
        data=describe(pair, best) | {"noise": noise},
        default={"noise": noise},
        on_noise_change=_released,
    )


def _released() -> None:
    """Store a noise level after checking it, since it comes from a browser."""
    noise = st.session_state["quadrature"]["noise"]
    if type(noise) is int and 0 <= noise < len(NOISE):
        change(noise=noise)
