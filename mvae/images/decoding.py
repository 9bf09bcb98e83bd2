"""Uploads: files from visitors, read as grey or colour pictures; their contents are not trusted.

A small file may contain a large picture. The memory that its decoder needs follows from the header
and is bounded before any pixel is decoded; the decoded picture is averaged down strip by strip.
:mod:`mvae.images.preprocessing` reads one file at a time, so that a server's memory grows by at
most 50 MB.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from mvae.errors import InputError

__all__ = ["CONTRAST", "Pixels", "border", "read_colour", "read_grey"]

#: The pixels of a picture with one channel, (h, w), or several, (C, h, w).
Pixels = NDArray[np.float32]

#: The formats that are accepted; visitors cannot reach Pillow's rarer decoders.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
MAX_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 25_000_000
#: The largest number of bytes a decoder may need: 4K in colour as PNG, or 12 megapixels as JPEG.
MAX_DECODED = 40_000_000
#: The bytes that Pillow needs per pixel, for modes that do not need the usual four.
BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2}
#: libwebp keeps two canvases and Pillow two copies, of four bytes each.
WEBP_BYTES = 16
#: The number of pixels of a strip, of which there are a few copies at a time.
STRIP = 500_000
#: The longest side, in pixels, of a picture while it is processed: averaging removes noise.
WORKING = 512
#: The least contrast between ink and background, as a fraction of that of black and white.
CONTRAST = 0.06


def read_grey(data: bytes) -> Pixels:
    """Read a file as grey values, (h, w) in [0, 1], with sides of at most :data:`WORKING` pixels.

    Transparent pixels are filled with the background.

    Raises:
        InputError: if the file is too large, not a picture or damaged.
    """
    return _decode(data, _to_grey)


def read_colour(data: bytes) -> Pixels:
    """Read a file as RGB values, (3, h, w) in [0, 1], with sides of at most :data:`WORKING` pixels.

    Transparent pixels become white.

    Raises:
        InputError: if the file is too large, not a picture or damaged.
    """
    return _decode(data, _to_rgb)


# A megabyte of compressed comments may decompress to 64 megabytes.
PngImagePlugin.MAX_TEXT_CHUNK = 2**18
PngImagePlugin.MAX_TEXT_MEMORY = 2**20


def _decode(data: bytes, read: Callable[[Image.Image], Pixels]) -> Pixels:
    """Read a file, checking its header before any pixel is decoded."""
    if not data:
        raise InputError("This file is empty. Choose a picture.")
    if len(data) > MAX_BYTES:
        raise InputError("This file is larger than 10 MB. Choose a smaller picture.")
    large = InputError(
        "This picture has more pixels than can be read here. Make it smaller, or save it as a JPEG "
        "of up to 25 million pixels, not progressive."
    )
    broken = InputError("This picture is damaged or incomplete. Save it again, or choose another.")
    try:
        if _pixels_of_webp(data) * WEBP_BYTES > MAX_DECODED:  # Pillow would allocate it on opening
            raise large
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
        if picture.width * picture.height > MAX_PIXELS:
            raise large
        if _prepare_decoding(picture) > MAX_DECODED:
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
    """Return the number of pixels in a WebP file's canvas, from its header; 0 for other files.

    See RFC 9649, sections 2.5 to 2.7, https://www.rfc-editor.org/rfc/rfc9649.
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


def _prepare_decoding(picture: Image.Image) -> int:
    """Prepare an opened picture for decoding, and return the bytes that its decoder will need."""
    n_pixels = picture.width * picture.height
    if picture.format not in ("JPEG", "MPO"):
        per_pixel = WEBP_BYTES if picture.format == "WEBP" else BYTES.get(picture.mode, 4)
        return n_pixels * per_pixel
    # A JPEG can be decoded at a fraction of its size, in a fraction of the time.
    progressive = bool(picture.info.get("progressive"))
    side = WORKING if progressive else 2 * WORKING
    picture.draft("RGB", (side, side))
    pixels = picture.width * picture.height * BYTES.get(picture.mode, 4)
    if not progressive:
        return pixels
    # All coefficients of the whole picture, two bytes each, are kept until its last scan.
    # Each layer is a tuple of an id, its horizontal and its vertical sampling factor, and more.
    layers: list[tuple[int, ...]] = picture.layer  # type: ignore[attr-defined]
    largest = max(layer[1] for layer in layers) * max(layer[2] for layer in layers)
    return pixels + 2 * n_pixels * sum(layer[1] * layer[2] for layer in layers) // largest


def _to_grey(picture: Image.Image) -> Pixels:
    """Convert a picture to grey; transparent pixels get the colour of its border, or white."""
    small = _shrink_upright(picture, "L")
    if small.mode != "RGBA":
        return np.asarray(small, dtype=np.float32) / np.float32(255 if small.mode == "L" else 1)
    grey, alpha = (
        np.asarray(layer, dtype=np.float32) / np.float32(255)
        for layer in (small.convert("RGB").convert("L"), small.getchannel("A"))
    )
    opaque = border(alpha) > 0.5
    background = 1.0
    if opaque.mean() > 0.5:  # an opaque picture with transparent corners: fill them like its border
        background = float(np.median(border(grey)[opaque]))
    flat: Pixels = grey * alpha + background * (1 - alpha)
    # White ink on a transparent background would vanish on white.
    return flat if np.ptp(flat) > CONTRAST else grey * alpha


def _to_rgb(picture: Image.Image) -> Pixels:
    """Convert a picture to RGB; a grey one has three equal channels."""
    small = _shrink_upright(picture, "RGB")
    if small.mode == "F":
        return np.repeat(np.asarray(small)[None], 3, axis=0)
    if small.mode == "RGBA":
        small = Image.alpha_composite(Image.new("RGBA", small.size, "white"), small).convert("RGB")
    return np.moveaxis(np.asarray(small, dtype=np.float32) / np.float32(255), -1, 0)


def _shrink_upright(picture: Image.Image, mode: str) -> Image.Image:
    """Average a picture down to sides of :data:`WORKING` pixels and turn it upright.

    Args:
        picture: the decoded picture.
        mode: the mode of the result, except for a picture with transparency, which becomes RGBA,
            and one with 16 bits, which becomes F, from 0 to 1.
    """
    deep, transparent = picture.mode.startswith("I"), picture.has_transparency_data
    small = _reduce_by_whole_factor(picture, "F" if deep else "RGBA" if transparent else mode)
    small.getexif()[ExifTags.Base.Orientation] = picture.getexif().get(ExifTags.Base.Orientation, 1)
    return ImageOps.exif_transpose(_shrink_to_working_size(small))


def _reduce_by_whole_factor(picture: Image.Image, mode: str) -> Image.Image:
    """Average a picture down by the largest integer factor that keeps it above :data:`WORKING`.

    This is done strip by strip, so that there is never a second copy of the whole picture.
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


def _shrink_to_working_size(picture: Image.Image) -> Image.Image:
    """Average a picture down to sides of :data:`WORKING` pixels, unless it is smaller."""
    scale = WORKING / max(picture.size)
    if scale >= 1:
        return picture
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.BOX)


def border(grey: Pixels) -> Pixels:
    """Return the pixels within 5 % of the height or width of a picture's edges, in one row."""
    height, width = grey.shape
    rows, columns = math.ceil(0.05 * height), math.ceil(0.05 * width)
    outer = np.ones(grey.shape, dtype=bool)
    outer[rows : height - rows, columns : width - columns] = False
    ring: Pixels = grey[outer]
    return ring
