"""Pictures for the page, in colour or as ink in the text's colour, which suits both themes."""

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
    """Return the colour of ink in the visitor's theme, as red, green and blue."""
    return (236, 238, 242) if st.context.theme.type == "dark" else (17, 19, 24)


def inked(image: Modality, modalities: Iterable[Modality]) -> bool:
    """Whether an image is shown as ink, where brighter pixels mean more ink.

    Colour images are shown unchanged, and so are grey-scale ones beside them, such as photographs,
    whose negatives would be hard to recognise.

    Example:
        >>> m = Modality(name="image", kind="image", shape=(1, 9, 9), likelihood="bernoulli")
        >>> inked(m, [m])
        True
    """
    colours = any(m.is_image and m.shape[0] == 3 for m in modalities)
    return image.shape[0] == 1 and (image.distribution.binary or not colours)


def visible(picture: Tensor, image: Modality, modalities: Iterable[Modality]) -> Tensor:
    """Return a picture ``(..., C, H, W)`` with three channels, or unchanged if it is ink."""
    return picture if inked(image, modalities) else picture.expand(*picture.shape[:-3], 3, -1, -1)


def framed(pictures: Tensor, room: tuple[int, int, int, int]) -> Tensor:
    """Return pictures with transparent margins.

    Args:
        pictures: ink ``(..., 1, H, W)``, or colours ``(..., 3, H, W)``, which get a fourth
            channel, the opacity.
        room: width of the margins in pixels: left, right, top, bottom.
    """
    if pictures.shape[-3] == 3:
        pictures = torch.cat((pictures, torch.ones_like(pictures[..., :1, :, :])), -3)
    return torch.nn.functional.pad(pictures, room)


def as_image(picture: Tensor, width: int) -> Image.Image:
    """Return a picture in [0, 1] enlarged by a whole factor, so that its pixels stay square.

    Args:
        picture: ink ``(1, H, W)``, colours ``(3, H, W)``, or colours and opacity ``(4, H, W)``.
        width: greatest width in pixels.
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
