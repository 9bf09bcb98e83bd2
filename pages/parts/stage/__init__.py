"""The stage component: posterior, latent plane and generated data, computed in the browser."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st
from torch import Tensor

from mvae.analysis.inference import Inference
from mvae.distributions.gaussian import Gaussian
from mvae.images.tiling import SPAN, picture_shape, pictures, tiles
from mvae.modality import Modality
from mvae.models.base import DRAWS, ExpertModel, noise
from pages.parts.colours import PRIOR, colours_of
from pages.parts.lesson import DraggableExperts
from pages.parts.pictures import inked
from pages.parts.server.js_bundle import files_of

__all__ = ["Plane", "describe", "describe_experts", "show_stage"]

#: Panels that the stage can show of a posterior, in order.
PANELS = ("curves", "plane", "growth", "shares")
#: Number of generated samples that are shown.
SAMPLES = 6

_component = st.components.v2.component("mvae_stage", **files_of(__file__, "stage"))


@dataclass(frozen=True)
class Plane:
    """A plane through latent space, and the examples on it.

    Args:
        axes: two orthonormal directions, ``(2, D)``.
        names: names of the two coordinates.
        oblique: whether the axes are combinations of several latent dimensions.
        reach: the second coordinate is shown from −reach to reach.
        means: posterior means of the examples, ``(N, D)``.
        categories: the category of each example, which colours it, ``(N,)``.
        titles: names of the categories.
    """

    axes: Tensor
    names: tuple[str, str]
    oblique: bool
    reach: float
    means: Tensor
    categories: Tensor
    titles: tuple[str, ...]

    def describe(self) -> dict[str, Any]:
        """Return the plane as plain data."""
        return {
            "axes": [pack(axis) for axis in self.axes],
            "names": list(self.names),
            "oblique": self.oblique,
            "reach": self.reach,
            "points": {
                "coordinates": pack(self.means @ self.axes.T),
                "categories": self.categories.tolist(),
                "titles": list(self.titles),
            },
        }


def pack(x: Tensor) -> str:
    """Return numbers as little-endian float32 in base64."""
    return base64.b64encode(x.float().contiguous().numpy().astype("<f4").tobytes()).decode()


def describe(
    inference: Inference,
    model: ExpertModel,
    decoders: str,
    seed: int = 0,
    chosen: Sequence[int] = (),
    plane: Plane | None = None,
    at: tuple[float, float] | None = None,
    panels: Sequence[str] = PANELS,
    exact: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a posterior as plain data for the stage, which computes the rest.

    Args:
        inference: the posterior, with the experts of all modalities, supplied or not.
        model: the model.
        decoders: path of the decoders below the server's root.
        seed: seed of the draws.
        chosen: dimensions whose densities are drawn; empty for the most informative ones.
        plane: a plane through latent space, or None.
        at: the latent held, in coordinates of the plane.
        panels: the panels to show.
        exact: the exact posterior for the same evidence; see
            :func:`pages.parts.exact_posterior.exact_of`.
    """
    colours = colours_of(model.modalities)

    def gaussian(q: Gaussian) -> dict[str, str]:
        return {"mean": pack(q.mean), "logvar": pack(q.logvar)}

    return {
        "scene": "posterior",
        "decoders": decoders,
        "latents": model.latents,
        "prior": PRIOR,
        "modalities": [
            {
                "name": m.name,
                "kind": m.kind,
                "colour": colours[m.name],
                "likelihood": m.likelihood,
                "shape": list(m.shape),
                "categories": [m.category(c) for c in range(m.shape[0])]
                if m.is_category
                else list(m.categories),
                "available": m.name in inference.experts,
            }
            for m in model.modalities
        ],
        "experts": {name: gaussian(q) for name, q in inference.experts.items()},
        "evidence": list(inference.evidence),
        "chosen": list(chosen),
        "noise": pack(noise(DRAWS, 1, model.latents, seed)),
        "draws": DRAWS,
        "samples": SAMPLES,
        "pictures": [
            *(_picture(group, model.modalities, colours) for group in pictures(model.modalities)),
            *(_grid(i, m, colours) for i, m in enumerate(model.modalities) if m.grid),
        ],
        "plane": plane and plane.describe(),
        "at": list(at) if at and plane else None,
        "panels": list(panels),
        "exact": exact,
    }


def describe_experts(scene: DraggableExperts, colours: Sequence[str]) -> dict[str, Any]:
    """Return draggable Gaussians as plain data for the stage."""
    return {
        "scene": "experts",
        "dims": len(scene.experts[0].mean),
        "prior": scene.prior,
        "mixture": scene.mixture,
        "experts": [
            {
                "name": expert.name,
                "colour": colour,
                "mean": list(expert.mean),
                "std": list(expert.std),
                "on": expert.on,
            }
            for expert, colour in zip(scene.experts, colours, strict=False)
        ],
    }


def _picture(
    group: tuple[Modality, ...], modalities: tuple[Modality, ...], colours: Mapping[str, str]
) -> dict[str, Any]:
    """Return how a picture is assembled: a box for each image modality, and frames for tiles."""
    shape = picture_shape(group)
    assert shape is not None
    boxes = [
        (modalities.index(m), [left, top, m.shape[2], m.shape[1]]) for m, top, left in tiles(group)
    ]
    single = group[0].name if len(group) == 1 else None
    return {
        "name": single or "picture",
        "colour": colours[single] if single else None,
        "channels": shape[0],
        "height": shape[1],
        "width": shape[2],
        "inked": inked(group[0], modalities),
        "boxes": boxes,
        "frames": [
            {"name": modalities[i].name, "colour": colours[modalities[i].name], "box": box}
            for i, box in boxes
            if not single
        ],
    }


def _grid(index: int, m: Modality, colours: Mapping[str, str]) -> dict[str, Any]:
    """Return how a vector's numbers are arranged as a picture."""
    assert m.grid is not None
    height, width = m.grid
    return {
        "name": m.name,
        "colour": colours[m.name],
        "channels": 1,
        "height": height,
        "width": width,
        "inked": True,
        "span": SPAN,
        "boxes": [(index, [0, 0, width, height])],
        "frames": [],
    }


def show_stage(
    key: str, data: dict[str, Any], on_event: Callable[[Mapping[str, Any]], None]
) -> None:
    """Show the stage, and call ``on_event`` once for each event on it.

    Args:
        key: name of the stage.
        data: what :func:`describe` returns.
        on_event: called with the event, which comes from a browser and must be validated.
    """

    def forward_event() -> None:
        event = st.session_state[key].get("event")
        if isinstance(event, Mapping):
            on_event(event)

    event = (st.session_state.get(key) or {}).get("event")
    number = event.get("n") if isinstance(event, Mapping) else None
    data = data | {"answered": number if isinstance(number, int) else 0}
    _component(key=key, data=data, on_event_change=forward_event)
