"""Pictures for the page: ink in the colour of the text, on nothing, so that both themes fit."""

from __future__ import annotations

import base64

import numpy as np
import streamlit as st
from PIL import Image
from torch import Tensor

__all__ = ["as_bytes", "as_image", "ink"]


def ink() -> tuple[int, int, int]:
    """Give the colour of ink in the visitor's theme, as red, green and blue."""
    return (236, 238, 242) if st.context.theme.type == "dark" else (17, 19, 24)


def as_image(picture: Tensor, width: int) -> Image.Image:
    """Enlarge a picture ``(1, H, W)`` in [0, 1] so that its pixels stay squares."""
    alpha = (picture[0].clamp(0, 1) * 255).round().byte().numpy()
    rgba = np.empty((*alpha.shape, 4), np.uint8)
    rgba[..., :3] = ink()
    rgba[..., 3] = alpha
    scale = max(1, width // alpha.shape[1])
    size = (alpha.shape[1] * scale, alpha.shape[0] * scale)
    return Image.fromarray(rgba, "RGBA").resize(size, Image.Resampling.NEAREST)


def as_bytes(pictures: Tensor) -> str:
    """Pack pictures ``(..., 1, H, W)`` in [0, 1] as base64 bytes for a component."""
    return base64.b64encode((pictures.clamp(0, 1) * 255).round().byte().numpy().tobytes()).decode()
