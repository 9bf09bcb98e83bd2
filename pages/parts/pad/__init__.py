"""The drawing pad, which turns strokes into a picture like those of the data set."""

from __future__ import annotations

import streamlit as st

from mvae.images.tiling import Framing
from pages.parts.server.js_bundle import files_of

__all__ = ["pad"]


_mount = st.components.v2.component("mvae_pad", **files_of(__file__, "pad"))


def pad(
    key: str,
    height: int = 28,
    width: int = 28,
    framing: Framing = "centred",
    value: str | None = None,
) -> str | None:
    """Show a drawing pad and return the drawing as text, which changes when the pen is lifted.

    The drawing is framed as by :func:`mvae.images.preprocessing.normalise_ink` and thresholded at
    0.5.

    Args:
        key: name of the pad; its drawing stays while a pad of this name is shown.
        height: height of the picture in pixels.
        width: width of the picture in pixels.
        framing: how the drawing is positioned in the picture.
        value: an initial drawing, from a link or an earlier visit, shown as pixels; later changes
            of this argument have no effect unless the key changes too.

    Returns:
        Text for :func:`mvae.images.preprocessing.unpack_bits`, which comes from a browser and must
        be validated; None while nothing is drawn.
    """
    # a browser that reloaded within the session begins with the last drawing
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
    drawing = result.get("drawing")  # absent outside a server
    return drawing if isinstance(drawing, str) and drawing else None
