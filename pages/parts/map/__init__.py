"""The map component: examples' posteriors as dots on two layouts, and the current posterior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st
import torch
from torch import Tensor

from mvae.analysis.embedding import LatentMap
from mvae.batch import Batch
from mvae.images.tiling import picture_shape, pictures
from mvae.kinds.registry import KINDS
from mvae.modality import Modality
from pages.parts.pictures import inked
from pages.parts.server.assets import pictures_path
from pages.parts.server.js_bundle import files_of
from pages.parts.view import View

__all__ = ["Shade", "describe", "nearest_samples", "shades", "show_map"]


_mount = st.components.v2.component("mvae_map", **files_of(__file__, "map"))


@dataclass(frozen=True)
class Shade:
    """Categories by which a map can colour its examples.

    Args:
        name: name of a label or of a tag.
        categories: names of the categories.
        values: the category of each example, ``(N,)``.
    """

    name: str
    categories: tuple[str, ...]
    values: Tensor


def shades(modalities: tuple[Modality, ...], samples: Batch) -> dict[str, Shade]:
    """Return the categories that can colour the examples: each label, and each tag's presence."""
    found: dict[str, Shade] = {}
    for m in modalities:
        groupings = KINDS[m.kind].groupings(m, samples.values[m.name])
        found |= {name: Shade(name, *grouping) for name, grouping in groupings.items()}
    return found


def nearest_samples(chart: LatentMap, mean: Tensor, count: int, but: int | None) -> Tensor:
    """Return the samples whose posterior means, given all modalities, are nearest to ``(D,)``."""
    known = chart.pool.posteriors.mean[chart.pool.rows[-1]]
    distances: Tensor = (known - mean).norm(dim=-1)
    if but is not None:
        distances[but] = torch.inf  # an example is not its own neighbour
    return distances.argsort(stable=True)[:count]


def describe(
    view: View,
    modalities: tuple[Modality, ...],
    samples: Batch,
    chart: LatentMap,
    mean: Tensor,
    words: tuple[str, str],
    shade: Shade | None,
) -> dict[str, Any]:
    """Return a map as plain data for the component.

    Args:
        view: the current view.
        modalities: the model's modalities.
        samples: the bundled examples.
        chart: the layouts of the examples.
        mean: mean of the current posterior, ``(D,)``.
        words: the evidence of the dots' posteriors, and that of the current one.
        shade: categories that can colour the dots.
    """
    subsets = chart.pool.subsets
    rows = chart.pool.rows[subsets.index((view.given,)) if view.given else -1]
    shown, dot_of = rows.unique(return_inverse=True)
    empty = torch.zeros(len(shown), dtype=torch.long)
    numbers = torch.arange(len(samples))
    dots: dict[str, Any] = {
        "sample": empty.scatter_reduce(0, dot_of, numbers, "amin", include_self=False).tolist(),
        "count": dot_of.bincount().tolist(),
        "entropy": [round(e, 2) for e in chart.pool.posteriors.entropy()[shown].tolist()],
    }
    if shade is not None:
        least, most = (
            empty.scatter_reduce(0, dot_of, shade.values, way, include_self=False)
            for way in ("amin", "amax")
        )
        # Examples of several categories may have equal evidence, such as a blank tile.
        dots["label"] = least.where(least == most, -1).tolist()
    share = (chart.pca.var(0).sum() / chart.pool.posteriors.mean.var(0).sum()).item()
    titles = {
        "UMAP": "preserves neighbourhoods",
        "PCA": f"the two directions of largest variance, {share:.0%} of the total",
    }
    layouts = zip(titles, (chart.umap, chart.pca), chart.place(mean[None]), strict=True)
    shape = picture_shape(modalities)
    return {
        "words": words[0],
        "dots": dots,
        "dotOf": dot_of.tolist(),
        # Large dots that each stand for a category are labelled with its name.
        "named": shade is not None and view.given == shade.name,
        "label": shade and {"name": shade.name, "categories": list(shade.categories)},
        "colour": view.colour if shade is not None else "entropy",
        "mark": words[1],
        "layouts": [
            {
                "name": name,
                "note": titles[name],
                "points": _rounded(whole[shown]),
                "mark": _rounded(mark)[0],
                # Bounds of all posteriors, so that the axes stay when others are shown.
                "bounds": [*_rounded(torch.stack((whole.amin(0), whole.amax(0))))],
            }
            for name, whole, mark in layouts
        ],
        "picture": shape
        and {
            "path": pictures_path(view.data, view.model),
            "channels": shape[0],
            "height": shape[1],
            "width": shape[2],
            "inked": inked(pictures(modalities)[0][0], modalities),
        },
    }


def _rounded(points: Tensor) -> list[list[float]]:
    return [[round(x, 3) for x in point] for point in points.tolist()]


def show_map(view: View, data: dict[str, Any]) -> int | None:
    """Draw the map; return the number of an example when a visitor opens it, otherwise None."""
    result = _mount(key=f"map {view.data} {view.model}", data=data, on_open_change=lambda: None)
    # A browser's message is not trusted: it must be the number of a dot.
    numbers: list[int] = data["dots"]["sample"]
    return next((number for number in numbers if number == result.get("open")), None)
