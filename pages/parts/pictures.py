"""Pictures for the page: colours, or ink in the colour of the text, so that both themes fit."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import streamlit as st
from PIL import Image
from torch import Tensor

from mvae.modality import Modality

__all__ = ["as_image", "ink", "inked"]


def ink() -> tuple[int, int, int]:
    """Give the colour of ink in the visitor's theme, as red, green and blue."""
    return (236, 238, 242) if st.context.theme.type == "dark" else (17, 19, 24)


def inked(image: Modality, modalities: Iterable[Modality]) -> bool:
    """Whether an image is shown as ink, the brighter the more of it, and not as it is.

    One of colours is shown as it is; so is a grey one beside it, whose negative nobody would
    recognise.

    Example:
        >>> from mvae.data import DATASETS
        >>> [inked(m, DATASETS["mnist"].modalities) for m in DATASETS["mnist"].modalities[:1]]
        [True]
    """
    colours = any(m.kind == "image" and m.shape[0] == 3 for m in modalities)
    return image.shape[0] == 1 and (image.distribution.binary or not colours)


def as_image(picture: Tensor, width: int) -> Image.Image:
    """Enlarge a picture in [0, 1] so that its pixels stay squares.

    Args:
        picture: ink ``(1, H, W)``, or colours ``(3, H, W)``.
        width: in pixels, or a little less.
    """
    values = (picture.clamp(0, 1) * 255).round().byte().numpy()
    _, height, across = values.shape
    rgba = np.full((height, across, 4), 255, np.uint8)
    if len(values) == 1:
        rgba[..., :3] = ink()
        rgba[..., 3] = values[0]
    else:
        rgba[..., :3] = values.transpose(1, 2, 0)
    scale = max(1, width // across)
    size = (across * scale, height * scale)
    return Image.fromarray(rgba, "RGBA").resize(size, Image.Resampling.NEAREST)
