"""Vectors on pages: a line, bars, or a picture if the modality has a grid."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

import streamlit as st
import torch
from torch import Tensor

from mvae.analysis.comparison import Prediction
from mvae.images.tiling import vector_as_image
from mvae.modality import Modality
from pages.parts.comparison.export_column import DRAW, Column, on_paper
from pages.parts.comparison.html import framed_picture
from pages.parts.comparison.shared import Shared, number
from pages.parts.kinds.base import KindView
from pages.parts.kinds.curves import curves_of
from pages.parts.kinds.image import show_picture
from pages.parts.manual_values import Entry
from pages.parts.pictures import ink
from pages.parts.view import View

__all__ = ["VectorView"]

#: Largest length of a vector whose numbers are also written out.
MAX_WRITTEN = 6


class VectorView(KindView):
    """A vector, with or without a grid."""

    name = "vector"
    legend = "**Vectors**: bars show the mean of the draws, the line the example’s own values. "

    def described(self, m: Modality) -> str:
        """Describe the number of elements."""
        return f"{m.shape[0]} numbers"

    def show_input(
        self, m: Modality, view: View, value: Tensor | None, own: Entry | None, small: bool
    ) -> None:
        """Show a picture if there is a grid, otherwise the numbers as a line."""
        if value is None:
            return
        if m.grid:
            show_picture(m, vector_as_image(m, value), small)
            return
        numbers = value.flatten().tolist()
        words = f"{len(numbers)} numbers from {min(numbers):.2g} to {max(numbers):.2g}"
        st.image(curves_of([numbers], ink()), width="stretch", alt=f"{m.name}: {words}")

    def generated(self, m: Modality, answer: Prediction, shared: Shared) -> str:
        """Return the mean as bars and the sample itself as a line, or a picture of the mean."""
        mean = answer.expected[m.name]
        return (
            framed_picture(m, vector_as_image(m, mean), shared)
            if m.grid
            else _bars(m, mean, shared)
        )

    def export(self, column: Column, m: Modality, answer: Prediction) -> None:
        """Draw the mean as bars, or as a picture if there is a grid."""
        mean = answer.expected[m.name]
        column.write(m.name)
        if m.grid:
            column.paste(on_paper(vector_as_image(m, mean), DRAW))
        else:
            column.vector(mean.flatten())

    def curves(self, m: Modality, path: Tensor) -> dict[str, Tensor]:
        """Return a line of the numbers for each step."""
        return {m.name: path.flatten(1)}


def _bars(m: Modality, mean: Tensor, shared: Shared) -> str:
    """Draw a vector as bars and the sample itself as a line; write short vectors out."""
    own, values = shared.own(m), mean.flatten()
    every = values if own is None else torch.cat((values, own.flatten()))
    low, high = min(every.min().item(), 0.0), max(every.max().item(), 1e-6)

    def y(value: float) -> str:
        return f"{100 * (high - value) / (high - low):.1f}"

    bars = "".join(f"M{i + 0.5} {y(0)}V{y(x)}" for i, x in enumerate(values.tolist()))
    points = [] if own is None else own.flatten().tolist()
    line = "L".join(f"{i + 0.5} {y(x)}" for i, x in enumerate(points))
    dark = f"rgb{shared.ink}".replace(" ", "")
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {len(values)} 100" '
        f'preserveAspectRatio="none"><path d="{bars}" stroke="{shared.colours[m.name]}" '
        f'stroke-width=".8"/><path d="{line and "M" + line}" fill="none" stroke="{dark}" '
        'stroke-opacity=".7" vector-effect="non-scaling-stroke"/></svg>'
    )
    words = f"{len(values)} numbers, from {number(values.min().item())} to " + number(
        values.max().item()
    )
    written = ", ".join(map(number, values.tolist())) if len(values) <= MAX_WRITTEN else ""
    return (
        f'<img class="vector" alt="{escape(m.name)}: {words}" '
        f'src="data:image/svg+xml,{quote(svg)}">' + (written and f"<p>{written}</p>")
    )
