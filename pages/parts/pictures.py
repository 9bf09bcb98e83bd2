"""Pictures for the page: colours, or ink in the colour of the text, so that both themes fit."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import streamlit as st
import torch
from PIL import Image
from torch import Tensor

from mvae.modality import Modality

__all__ = ["as_image", "framed", "ink", "inked", "visible"]


def ink() -> tuple[int, int, int]:
    """Give the colour of ink in the visitor's theme, as red, green and blue."""
    return (236, 238, 242) if st.context.theme.type == "dark" else (17, 19, 24)


def inked(image: Modality, modalities: Iterable[Modality]) -> bool:
    """Whether an image is shown as ink, the brighter the more of it, and not as it is.

    One of colours is shown as it is; so is a grey one beside it, whose negative nobody would
    recognise.

    Example:
        >>> m = Modality(name="image", kind="image", shape=(1, 9, 9), likelihood="bernoulli")
        >>> inked(m, [m])
        True
    """
    colours = any(m.is_image and m.shape[0] == 3 for m in modalities)
    return image.shape[0] == 1 and (image.distribution.binary or not colours)


def visible(picture: Tensor, image: Modality, modalities: Iterable[Modality]) -> Tensor:
    """Give a picture ``(..., C, H, W)`` of an image three channels, unless it is ink."""
    return picture if inked(image, modalities) else picture.expand(*picture.shape[:-3], 3, -1, -1)


def framed(pictures: Tensor, room: tuple[int, int, int, int]) -> Tensor:
    """Leave empty room around pictures.

    Args:
        pictures: ink ``(..., 1, H, W)``, or colours ``(..., 3, H, W)``, which get a fourth
            channel, how opaque they are.
        room: pixels left, right, above and below.
    """
    if pictures.shape[-3] == 3:
        pictures = torch.cat((pictures, torch.ones_like(pictures[..., :1, :, :])), -3)
    return torch.nn.functional.pad(pictures, room)


def as_image(picture: Tensor, width: int) -> Image.Image:
    """Enlarge a picture in [0, 1] so that its pixels stay squares.

    Args:
        picture: ink ``(1, H, W)``, or colours ``(3, H, W)``, or with a fourth channel, how
            opaque they are.
        width: in pixels, or a little less.
    """
    values = (picture.clamp(0, 1) * 255).round().byte().numpy()
    _, height, across = values.shape
    rgba = np.full((height, across, 4), 255, np.uint8)
    if len(values) == 1:
        rgba[..., :3] = ink()
        rgba[..., 3] = values[0]
    else:
        rgba[..., : len(values)] = values.transpose(1, 2, 0)
    scale = max(1, width // across)
    size = (across * scale, height * scale)
    return Image.fromarray(rgba, "RGBA").resize(size, Image.Resampling.NEAREST)
