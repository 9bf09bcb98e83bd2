"""Images on pages; the stage and the cards assemble them into pictures."""

from __future__ import annotations

import streamlit as st
from torch import Tensor

from mvae.analysis.comparison import Prediction
from mvae.modality import Modality
from pages.parts.comparison.html import framed_picture
from pages.parts.comparison.shared import Shared
from pages.parts.kinds.base import KindView
from pages.parts.manual_values import Entry
from pages.parts.pictures import as_image, visible
from pages.parts.view import View

__all__ = ["ImageView", "show_picture"]

#: Width of the picture on a card, on a small card, and of a tile, in pixels.
WHOLE, SMALL, TILE = 140, 100, 70


class ImageView(KindView):
    """An image, shown on its card, and drawn or uploaded above it."""

    name = "image"
    legend = (
        "**Pictures**: the mean of the draws, and the first few draws; a solid frame marks "
        "what was supplied, a dashed one what is missing and generated. "
    )

    def described(self, m: Modality) -> str:
        """Describe the size and the colours."""
        channels, height, width = m.shape
        grey = "black and white" if m.distribution.binary else "grey"
        return f"a picture of {width} × {height}, {grey if channels == 1 else 'in colour'}"

    def show_input(
        self, m: Modality, view: View, value: Tensor | None, own: Entry | None, small: bool
    ) -> None:
        """Show the picture."""
        if value is not None:
            show_picture(m, value, small)

    def generated(self, m: Modality, answer: Prediction, shared: Shared) -> str:
        """Return the mean of a picture other than the first."""
        return framed_picture(m, visible(answer.expected[m.name], m, shared.modalities), shared)


def show_picture(m: Modality, picture: Tensor, small: bool) -> None:
    """Show a picture ``(C, H, W)`` on the card of its modality."""
    width = TILE if m.tile is not None else SMALL if small else WHOLE
    alt = f"value of {m.name}"
    st.image(as_image(picture, width), output_format="PNG", alt=alt)
