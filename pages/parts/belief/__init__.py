"""The belief and what it generates, drawn in the browser by one component."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st
import torch

from mvae.inference import Belief
from mvae.model import MultimodalModel
from mvae.pictures import assemble, picture_shape
from pages.parts.colours import PRIOR
from pages.parts.pictures import as_bytes

__all__ = ["describe", "show_belief"]

#: Latent dimensions whose curves are shown, dimensions whose shares are, and generated samples.
CURVES, BARS, SAMPLES = 6, 10, 6

_here = Path(__file__).parent
_component = st.components.v2.component(
    "belief",
    html=(_here / "belief.html").read_text("utf-8"),
    css=(_here / "belief.css").read_text("utf-8"),
    js=(_here / "belief.js").read_text("utf-8"),
)


def describe(
    belief: Belief, model: MultimodalModel, colours: dict[str, str], chosen: Sequence[int] = ()
) -> dict[str, Any]:
    """Put a belief into plain data for the component.

    Args:
        belief: what is believed.
        model: whose belief it is.
        colours: of the modalities.
        chosen: dimensions whose curves are wanted; none are the most informative ones.
    """
    q, nats = belief.posterior, belief.posterior.information()
    factors = [{"name": "prior", "colour": PRIOR}] + [
        {"name": name, "colour": colours[name]} for name in belief.evidence
    ]

    def curve(mean: torch.Tensor, std: torch.Tensor, d: int) -> list[float]:
        return [round(mean[d].item(), 5), round(std[d].item(), 6)]

    def dimension(d: int) -> dict[str, Any]:
        return {
            "name": f"z{d}",
            "nats": round(nats[d].item(), 3),
            "product": curve(q.mean, q.std, d),
            "experts": [
                curve(belief.experts[name].mean, belief.experts[name].std, d)
                for name in belief.evidence
            ],
            "shares": [round(share[d].item(), 5) for share in belief.shares.values()],
        }

    return {
        "factors": factors,
        "curves": [dimension(d) for d in chosen or belief.informative(CURVES)],
        "chosen": bool(chosen),
        "dimensions": [dimension(d) for d in belief.informative(BARS)],
        "sharpness": [round(value, 3) for value in belief.sharpness],
        "picture": _picture(belief, model, colours),
        "labels": _labels(belief, model, colours),
    }


def _picture(
    belief: Belief, model: MultimodalModel, colours: dict[str, str]
) -> dict[str, Any] | None:
    """Give the mean picture and some samples; tiles are put together, supplied ones framed."""
    shape = picture_shape(model.modalities)
    if shape is None:
        return None
    images = [m for m in model.modalities if m.kind == "image"]
    mean = assemble(model.modalities, belief.expected)
    samples = assemble(model.modalities, {n: x[:SAMPLES] for n, x in belief.samples.items()})
    return {
        "name": images[0].name if len(images) == 1 else "picture",
        "height": shape[1],
        "width": shape[2],
        "mean": as_bytes(mean),
        "samples": as_bytes(samples),
        "count": len(samples),
        "colour": colours[images[0].name] if len(images) == 1 else None,
        "frames": [
            {
                "colour": colours[m.name],
                "box": [m.tile[1] * m.shape[2], m.tile[0] * m.shape[1], m.shape[2], m.shape[1]],
            }
            for m in images
            if m.tile is not None and m.name in belief.evidence
        ],
    }


def _labels(
    belief: Belief, model: MultimodalModel, colours: dict[str, str]
) -> list[dict[str, Any]]:
    """Give each label's distribution."""
    return [
        {
            "name": m.name,
            "colour": colours[m.name],
            "categories": [m.category(c) for c in range(m.shape[0])],
            "probabilities": [round(p, 5) for p in belief.expected[m.name].tolist()],
        }
        for m in model.modalities
        if m.kind == "label"
    ]


def show_belief(
    belief: Belief, model: MultimodalModel, colours: dict[str, str], chosen: Sequence[int] = ()
) -> None:
    """Draw the belief and what it generates."""
    _component(key="belief", data=describe(belief, model, colours, chosen))
