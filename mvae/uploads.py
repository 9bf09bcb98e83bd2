"""Uploads: files from visitors, read as greys or as colours; nothing in them is trusted."""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

__all__ = ["CONTRAST", "Grey", "IntakeError", "border", "colours", "greys"]

#: One channel, (h, w), or several, (C, h, w).
Grey = NDArray[np.float32]

#: What is opened at all; Pillow's rarer decoders stay closed to visitors.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF")
MAX_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 25_000_000
#: Longest side, in pixels, at which a picture is worked on: averaging down to it removes noise.
WORKING = 512
#: Least contrast between ink and background, of the range from black to white.
CONTRAST = 0.06


class IntakeError(Exception):
    """What a visitor gave cannot be used; the message says what was wrong and what to do."""


def greys(data: bytes) -> Grey:
    """Read a file's greys, (h, w) in [0, 1], flattened, at most :data:`WORKING` a side.

    Raises:
        IntakeError: if the file is too large, not a picture or damaged.
    """
    return _decode(data, _tone)


def colours(data: bytes) -> Grey:
    """Read a file's red, green and blue, (3, h, w) in [0, 1], at most :data:`WORKING` a side.

    What is transparent shows white.

    Raises:
        IntakeError: if the file is too large, not a picture or damaged.
    """
    return _decode(data, _colours)


def _decode(data: bytes, read: Callable[[Image.Image], Grey]) -> Grey:
    """Read a file: its header is judged before a single pixel is decoded."""
    if not data:
        raise IntakeError("This file is empty. Choose a picture.")
    if len(data) > MAX_BYTES:
        raise IntakeError("This file is larger than 10 MB. Choose a smaller picture.")
    large = IntakeError("This picture has more than 25 million pixels. Make it smaller first.")
    broken = IntakeError("This picture is damaged or not complete. Save it again, or take another.")
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise large from None
    except UnidentifiedImageError:
        raise IntakeError(
            "This file is not a picture that can be read here. Choose a PNG, JPEG, GIF, BMP, "
            "WebP or TIFF."
        ) from None
    except Exception:  # Pillow's readers raise errors of many kinds on damaged headers
        raise broken from None
    if picture.width * picture.height > MAX_PIXELS:
        raise large
    try:
        # JPEG can be decoded at a fraction of its size, in a fraction of the time
        picture.draft("RGB", (2 * WORKING, 2 * WORKING))
        picture.load()
        return read(ImageOps.exif_transpose(picture))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise large from None
    except Exception:  # and on damaged pixels
        raise broken from None


def _tone(picture: Image.Image) -> Grey:
    """Give a picture's greys; what is seen through is filled as it ends, or white."""
    if picture.mode.startswith(("I", "F")):  # 16 or 32 bits, integers or floats
        deep = np.nan_to_num(np.asarray(picture, dtype=np.float64), posinf=0.0, neginf=0.0)
        least, most = float(deep.min()), float(deep.max())
        if picture.mode != "F" and 0 <= least <= most <= 65535:
            least, most = 0.0, 65535.0
        scaled = (deep - least) / max(most - least, 1e-12)
        return _shrink(Image.fromarray(scaled.astype(np.float32)))
    if picture.mode == "LAB":  # Pillow needs colour profiles for the rest
        picture = picture.getchannel("L")
    if not picture.has_transparency_data:
        return _shrink(picture.convert("L"))
    layers = picture.convert("RGBA")
    grey, alpha = _shrink(layers.convert("RGB").convert("L")), _shrink(layers.getchannel("A"))
    around = border(alpha) > 0.5
    ground = 1.0
    if around.mean() > 0.5:  # corners cut out of an opaque picture: fill them as it ends
        ground = float(np.median(border(grey)[around]))
    flat: Grey = grey * alpha + ground * (1 - alpha)
    # white ink on nothing would vanish on white paper
    return flat if np.ptp(flat) > CONTRAST else grey * alpha


def _colours(picture: Image.Image) -> Grey:
    """Give a picture's colours; where it has greys only, these."""
    if picture.mode.startswith(("I", "F")) or picture.mode == "LAB":
        return np.repeat(_tone(picture)[None], 3, axis=0)
    if picture.has_transparency_data:
        layers = _smaller(picture.convert("RGBA"))
        picture = Image.alpha_composite(Image.new("RGBA", layers.size, "white"), layers)
    rgb = np.asarray(_smaller(picture.convert("RGB")), dtype=np.float32) / np.float32(255)
    return np.moveaxis(rgb, -1, 0)


def _shrink(picture: Image.Image) -> Grey:
    """Average an L or F picture down to :data:`WORKING` pixels a side, as floats in [0, 1]."""
    picture = _smaller(picture)
    range_ = np.float32(255 if picture.mode == "L" else 1)
    return np.asarray(picture, dtype=np.float32) / range_


def _smaller(picture: Image.Image) -> Image.Image:
    """Average a picture down to :data:`WORKING` pixels a side, unless it is small."""
    scale = WORKING / max(picture.size)
    if scale >= 1:
        return picture
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.BOX)


def border(grey: Grey) -> Grey:
    """Values of the outermost tenth of a picture on every side, in a row."""
    height, width = grey.shape
    deep, wide = math.ceil(0.05 * height), math.ceil(0.05 * width)
    outer = np.ones(grey.shape, dtype=bool)
    outer[deep : height - deep, wide : width - wide] = False
    ring: Grey = grey[outer]
    return ring
