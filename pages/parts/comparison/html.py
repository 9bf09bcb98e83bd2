"""Pieces of HTML that cards are made of."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from html import escape

from torch import Tensor

from mvae.modality import Modality
from pages.parts.comparison.shared import Shared
from pages.parts.pictures import as_image

__all__ = ["framed_picture", "made", "part", "png", "rows_of", "sentence", "state"]


def part(title: str, note: str = "") -> str:
    """Return a heading with an optional note."""
    return f'<p class="part"><b>{escape(title)}</b> {escape(note)}</p>'


def sentence(text: str) -> str:
    """Return a sentence that explains why a part is missing."""
    return f'<p class="cannot">{escape(text)}</p>'


def state(name: str, shared: Shared) -> str:
    """Return whether a modality is supplied, in a word."""
    return "supplied" if name in shared.evidence else "missing"


def made(name: str, shared: Shared) -> str:
    """Return what a model makes of a modality: a reconstruction if it was supplied."""
    return "reconstructed" if name in shared.evidence else "generated"


def png(picture: Tensor) -> str:
    """Return a picture ``(C, H, W)`` as the source of an image."""
    file = io.BytesIO()
    as_image(picture, picture.shape[-1]).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def framed_picture(m: Modality, picture: Tensor, shared: Shared) -> str:
    """Return a picture in a frame of its modality's colour, solid if it was supplied."""
    line = "solid" if m.name in shared.evidence else "dashed"
    return (
        f'<img class="framed" alt="mean generated {escape(m.name)}, '
        f'{state(m.name, shared)}" '
        f'style="border:2px {line} {shared.colours[m.name]}" src="{png(picture)}">'
    )


def rows_of(rows: Iterable[tuple[str, float, str, bool]], words: str) -> str:
    """Return probability bars of rows ``(name, probability, colour, is the sample's own)``."""
    cells = "".join(
        f"<span{' class=own' if own else ''}>{escape(name)}</span>"
        f'<i><i style="width:{100 * p:.0f}%;background:{colour}"></i></i><span>{p:.0%}</span>'
        for name, p, colour, own in rows
    )
    return f'<div class="rows" role="img" aria-label="{escape(words)}">{cells}</div>'
