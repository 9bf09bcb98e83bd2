"""The drawing pad: strokes become a picture as the data have them, in the browser."""

from __future__ import annotations

import streamlit as st

from mvae.images.tiling import Framing
from pages.parts.js_bundle import files_of

__all__ = ["pad"]


_mount = st.components.v2.component("mvae_pad", **files_of(__file__, "pad"))


def pad(
    key: str,
    height: int = 28,
    width: int = 28,
    framing: Framing = "centred",
    value: str | None = None,
) -> str | None:
    """Show a pad to draw on and give the drawing as text, anew whenever the pen is lifted.

    Strokes are framed as :func:`mvae.images.preprocessing.normalise_ink` does, and cut at 0.5.

    Args:
        key: names the pad; its drawing stays while this name is shown.
        height: of the picture, in pixels.
        width: of the picture, in pixels.
        framing: how the drawing comes to lie in it.
        value: a drawing to begin with, from a link or an earlier visit, shown as pixels; later
            changes of it are not looked at: use another key.

    Returns:
        Text for :func:`mvae.images.preprocessing.unpack_bits`, which is not to be trusted, as
        nothing that a browser sends is; None while nothing is drawn.
    """
    # a browser that lost the strokes, but not the session, begins with the last drawing
    known = st.session_state.get(key)
    result = _mount(
        key=key,
        data={
            "height": height,
            "width": width,
            "framing": framing,
            "value": known["drawing"] if known and "drawing" in known else value,
        },
        default={"drawing": value},
        on_drawing_change=lambda: None,
    )
    drawing = result.get("drawing")  # there is none outside of a server
    return drawing if isinstance(drawing, str) and drawing else None
