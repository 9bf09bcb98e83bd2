"""Series on pages: a curve for each channel, one below the other."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

import streamlit as st
import torch
from torch import Tensor

from mvae.analysis.comparison import Prediction
from mvae.modality import Modality
from pages.parts.comparison.export_column import Column
from pages.parts.comparison.shared import Shared, number
from pages.parts.kinds.base import KindView
from pages.parts.kinds.curves import curves_of
from pages.parts.manual_values import Entry
from pages.parts.pictures import ink
from pages.parts.view import View

__all__ = ["SeriesView"]

#: Height of a channel on a card, and the part of it that is a gap, in units of the drawing.
HEIGHT, GAP = 100, 10


class SeriesView(KindView):
    """A series, which can be supplied from examples only."""

    name = "series"
    legend = (
        "**Series**: the coloured curve is the mean of the draws, the thin one the example’s own. "
    )

    def described(self, m: Modality) -> str:
        """Describe the length and the number of channels."""
        channels, length = m.shape
        suffix = f", {channels} channels" if channels > 1 else ""
        return f"a series of {length} numbers{suffix}"

    def show_input(
        self, m: Modality, view: View, value: Tensor | None, own: Entry | None, small: bool
    ) -> None:
        """Show the curves."""
        if value is not None:
            words = f"{m.name}, {self.described(m)}, {_range(value)}"
            st.image(curves_of(value.tolist(), ink()), width="stretch", alt=words)

    def generated(self, m: Modality, answer: Prediction, shared: Shared) -> str:
        """Return the curves of the mean, together with those of the sample itself."""
        mean, own = answer.expected[m.name], shared.own(m)
        dark = f"rgb{shared.ink}".replace(" ", "")
        paths = []
        for c, channel in enumerate(mean):
            lines = [(channel, shared.colours[m.name], 2)]
            lines += [] if own is None else [(own[c], dark, 1)]
            every = torch.cat([x for x, _, _ in lines])
            low, high = every.min().item(), every.max().item()
            scale = (HEIGHT - GAP) / ((high - low) or 1)
            for x, colour, width in lines:
                points = "L".join(
                    f"{i} {c * HEIGHT + (high - value) * scale:.1f}"
                    for i, value in enumerate(x.tolist())
                )
                paths.append(
                    f'<path d="M{points}" fill="none" stroke="{colour}" stroke-width="{width}" '
                    'vector-effect="non-scaling-stroke"/>'
                )
        channels, length = m.shape
        svg = (
            '<svg xmlns="http://www.w3.org/2000/svg" '
            f'viewBox="0 0 {max(length - 1, 1)} {channels * HEIGHT}" preserveAspectRatio="none">'
            f"{''.join(paths)}</svg>"
        )
        words = f"{escape(m.name)}: {self.described(m)}, {_range(mean)}"
        return (
            f'<img class="vector" style="height:{3.2 * channels:.1f}rem" alt="{words}" '
            f'src="data:image/svg+xml,{quote(svg)}">'
        )

    def export(self, column: Column, m: Modality, answer: Prediction) -> None:
        """Draw the curves of the mean."""
        column.write(m.name)
        for channel in answer.expected[m.name]:
            column.curve(channel)

    def words(self, m: Modality, p: Tensor) -> str:
        """Return the range of the numbers."""
        return _range(p)

    def curves(self, m: Modality, path: Tensor) -> dict[str, Tensor]:
        """Return a curve of each channel for each step."""
        if m.shape[0] == 1:
            return {m.name: path[:, 0]}
        return {f"{m.name} {c}": channel for c, channel in enumerate(path.unbind(1))}


def _range(x: Tensor) -> str:
    return f"from {number(x.min().item())} to {number(x.max().item())}"
