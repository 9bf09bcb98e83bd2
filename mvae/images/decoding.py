"""Uploads: files from visitors, read as greys or as colours; nothing in them is trusted.

A small file may hold a large picture. How much memory its decoder takes follows from the header
and is bounded before a pixel is decoded; the decoded picture is averaged down strip by strip.
:mod:`mvae.images.preprocessing` reads one file at a time, so that a server's memory grows by 50 MB
at most.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from mvae.errors import InputError

__all__ = ["CONTRAST", "Grey", "border", "colours", "greys"]

#: One channel, (h, w), or several, (C, h, w).
Grey = NDArray[np.float32]

#: What is opened at all; Pillow's rarer decoders stay closed to visitors.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
MAX_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 25_000_000
#: Bytes that a decoder may take for its pixels: 4K in colour as a PNG, 12 megapixels as a JPEG.
MAX_DECODED = 40_000_000
#: What Pillow takes for a pixel of modes other than its usual four bytes.
BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2}
#: libwebp keeps two canvases and Pillow two copies, of four bytes each.
WEBP_BYTES = 16
#: Pixels of a strip, of which there are a few copies at a time.
STRIP = 500_000
#: Longest side, in pixels, at which a picture is worked on: averaging down to it removes noise.
WORKING = 512
#: Least contrast between ink and background, of the range from black to white.
CONTRAST = 0.06


def greys(data: bytes) -> Grey:
    """Read a file's greys, (h, w) in [0, 1], flattened, at most :data:`WORKING` a side.

    Raises:
        InputError: if the file is too large, not a picture or damaged.
    """
    return _decode(data, _tone)


def colours(data: bytes) -> Grey:
    """Read a file's red, green and blue, (3, h, w) in [0, 1], at most :data:`WORKING` a side.

    What is transparent shows white.

    Raises:
        InputError: if the file is too large, not a picture or damaged.
    """
    return _decode(data, _colours)


# A megabyte of compressed remarks may unpack to sixty-four.
PngImagePlugin.MAX_TEXT_CHUNK = 2**18
PngImagePlugin.MAX_TEXT_MEMORY = 2**20


def _decode(data: bytes, read: Callable[[Image.Image], Grey]) -> Grey:
    """Read a file: its header is judged before a single pixel is decoded."""
    if not data:
        raise InputError("This file is empty. Choose a picture.")
    if len(data) > MAX_BYTES:
        raise InputError("This file is larger than 10 MB. Choose a smaller picture.")
    large = InputError(
        "This picture has more pixels than can be read here. Make it smaller, or save it as a JPEG "
        "of up to 25 million pixels, not progressive."
    )
    broken = InputError("This picture is damaged or not complete. Save it again, or take another.")
    try:
        if _pixels_of_webp(data) * WEBP_BYTES > MAX_DECODED:  # Pillow would make room at once
            raise large
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
        if picture.width * picture.height > MAX_PIXELS:
            raise large
        if _decoded(picture) > MAX_DECODED:
            raise large
        picture.load()
        return read(picture)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise large from None
    except UnidentifiedImageError:
        raise InputError(
            "This file is not a picture that can be read here. Choose a PNG, JPEG, WebP, GIF or "
            "BMP; save other pictures as one of these first."
        ) from None
    except InputError:
        raise
    except Exception:  # Pillow's readers raise errors of many kinds on damaged headers and pixels
        raise broken from None


def _pixels_of_webp(data: bytes) -> int:
    """Return how many pixels the canvas of a WebP file has by its header; 0 for other files.

    Reference: RFC 9649, sections 2.5 to 2.7, https://www.rfc-editor.org/rfc/rfc9649
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return 0
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(data[i : i + 3], "little") for i in (24, 27))
    elif kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    else:
        width, height = (int.from_bytes(data[i : i + 2], "little") & 0x3FFF for i in (26, 28))
    return width * height


def _decoded(picture: Image.Image) -> int:
    """Prepare an opened picture to be decoded, and return how many bytes its decoder will take."""
    whole = picture.width * picture.height
    if picture.format not in ("JPEG", "MPO"):
        each = WEBP_BYTES if picture.format == "WEBP" else BYTES.get(picture.mode, 4)
        return whole * each
    # JPEG can be decoded at a fraction of its size, in a fraction of the time
    progressive = bool(picture.info.get("progressive"))
    side = WORKING if progressive else 2 * WORKING
    picture.draft("RGB", (side, side))
    pixels = picture.width * picture.height * BYTES.get(picture.mode, 4)
    if not progressive:
        return pixels
    # All coefficients of the whole picture, of two bytes, are kept until its last scan.
    # Of each layer: an id, its horizontal and its vertical sampling.
    layers: list[tuple[int, ...]] = picture.layer  # type: ignore[attr-defined]
    most = max(layer[1] for layer in layers) * max(layer[2] for layer in layers)
    return pixels + 2 * whole * sum(layer[1] * layer[2] for layer in layers) // most


def _tone(picture: Image.Image) -> Grey:
    """Give a picture's greys; what is seen through is filled as it ends, or white."""
    small = _shrunk(picture, "L")
    if small.mode != "RGBA":
        return np.asarray(small, dtype=np.float32) / np.float32(255 if small.mode == "L" else 1)
    grey, alpha = (
        np.asarray(layer, dtype=np.float32) / np.float32(255)
        for layer in (small.convert("RGB").convert("L"), small.getchannel("A"))
    )
    around = border(alpha) > 0.5
    ground = 1.0
    if around.mean() > 0.5:  # corners cut out of an opaque picture: fill them as it ends
        ground = float(np.median(border(grey)[around]))
    flat: Grey = grey * alpha + ground * (1 - alpha)
    # white ink on nothing would vanish on white paper
    return flat if np.ptp(flat) > CONTRAST else grey * alpha


def _colours(picture: Image.Image) -> Grey:
    """Give a picture's colours; where it has greys only, these."""
    small = _shrunk(picture, "RGB")
    if small.mode == "F":
        return np.repeat(np.asarray(small)[None], 3, axis=0)
    if small.mode == "RGBA":
        small = Image.alpha_composite(Image.new("RGBA", small.size, "white"), small).convert("RGB")
    return np.moveaxis(np.asarray(small, dtype=np.float32) / np.float32(255), -1, 0)


def _shrunk(picture: Image.Image, mode: str) -> Image.Image:
    """Average a picture down to :data:`WORKING` pixels a side and turn it upright.

    Args:
        picture: decoded.
        mode: of the result, unless the picture is seen through, which stays RGBA, or has 16 bits,
            which become F, from 0 to 1.
    """
    deep, clear = picture.mode.startswith("I"), picture.has_transparency_data
    whole = _reduced(picture, "F" if deep else "RGBA" if clear else mode)
    whole.getexif()[ExifTags.Base.Orientation] = picture.getexif().get(ExifTags.Base.Orientation, 1)
    return ImageOps.exif_transpose(_smaller(whole))


def _reduced(picture: Image.Image, mode: str) -> Image.Image:
    """Average a picture down by a whole number, so far as it stays above :data:`WORKING`.

    Strip by strip: of the whole there is never a second copy, in another mode or as floats.
    """
    width, height = picture.size
    factor = max(1, max(picture.size) // WORKING)
    rows = factor * max(1, STRIP // (width * factor))
    small = Image.new(mode, (-(-width // factor), -(-height // factor)))
    for top in range(0, height, rows):
        strip = picture.crop((0, top, width, min(top + rows, height)))
        if mode == "F":
            values = np.asarray(strip, dtype=np.float32) / np.float32(65535)
            strip = Image.fromarray(values)
        small.paste(strip.convert(mode).reduce(factor), (0, top // factor))
    return small


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
