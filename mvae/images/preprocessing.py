"""Preprocessing: visitors' pictures are made similar to the data, or encoded as text for links.

MNIST's digits were made in three steps: the ink's bounding box is fitted into a box of 20 × 20
pixels, shrunk with anti-aliasing, and moved by whole pixels until its centre of mass lies within
half a pixel of pixel (14, 14) of 28 × 28. :func:`normalise_ink` does exactly that; the drawing
pad does the same in the browser. Other data are framed differently, see
:data:`mvae.images.tiling.Framing`.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import threading

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

from mvae.errors import InputError
from mvae.images.decoding import CONTRAST, Pixels, border, read_colour, read_grey
from mvae.images.tiling import Framing

__all__ = ["normalise_ink", "pack_bits", "picture_from_upload", "unpack_bits"]

Shape = tuple[int, int, int]

#: Strokes thinner than this, in pixels of the result, are thickened to :data:`STROKE`; 99 % of
#: MNIST's test digits are thicker, and much thinner strokes break when they become binary.
THIN, STROKE = 1.45, 1.8

#: Files are read one at a time to limit the memory in use.
_ONE_AT_A_TIME = threading.Lock()

BLANK = "This picture seems to contain no ink. Choose one with a darker or larger drawing."


def picture_from_upload(data: bytes, shape: Shape, framing: Framing = "centred") -> Tensor:
    """Convert an uploaded file to a picture like those that the models were trained on.

    With one channel, the result is light ink on black: the writing without its background, or, if
    the subject fills the frame, the subject with its grey values. A colour picture is cropped to
    the proportions of the frame and averaged down.

    Args:
        data: the content of a file in one of :data:`mvae.images.decoding.FORMATS`, of any size,
            mode and orientation.
        shape: (C, H, W) of the result, with C = 1 or 3.
        framing: how the subject lies in the frame of a picture with one channel.

    Returns:
        A float tensor (C, H, W) in [0, 1].

    Raises:
        InputError: if the file is too large, not a picture or damaged, or, for one channel, blank.
        ValueError: if the shape has another number of channels.

    Example:
        >>> import io
        >>> from PIL import Image, ImageDraw
        >>> paper = Image.new("RGB", (300, 200), "white")
        >>> ImageDraw.Draw(paper).ellipse((60, 40, 120, 150), outline="navy", width=12)
        >>> file = io.BytesIO()
        >>> paper.save(file, "PNG")
        >>> picture_from_upload(file.getvalue(), (1, 28, 28)).shape
        torch.Size([1, 28, 28])
    """
    with _ONE_AT_A_TIME:
        return _colour_picture(data, shape) if shape[0] == 3 else _ink_picture(data, shape, framing)


def _colour_picture(data: bytes, shape: Shape) -> Tensor:
    picture = read_colour(data)
    size = picture.shape[1:]
    scale = max(shape[1] / size[0], shape[2] / size[1])
    return torch.from_numpy(_place_in_centre(picture, shape, scale)).clamp(0, 1)


def _ink_picture(data: bytes, shape: Shape, framing: Framing) -> Tensor:
    _require_one_channel(shape)
    grey = read_grey(data)
    if framing == "filled":
        ink = _light_on_black(grey)
    else:
        ink = _thicken(_extract_ink(grey), shape, framing)
    return normalise_ink(torch.from_numpy(ink), shape, framing)


def normalise_ink(ink: Tensor, shape: Shape, framing: Framing = "centred") -> Tensor:
    """Fit ink into the frame in the same way as in the data, by averaging over areas.

    Args:
        ink: (h, w) in [0, 1], light ink on black.
        shape: (C, H, W) of the result, with C = 1.
        framing: "centred" fits the ink into 20/28 of the frame and puts its centre of mass at the
            centre, as in MNIST; "filled" fits it into the frame and centres its bounding box;
            "free" fits the whole picture into the frame and leaves its contents in place.

    Returns:
        A float tensor (C, H, W) in [0, 1] whose lightest value is 1.

    Raises:
        InputError: if there is no ink.
        ValueError: if the shape has more than one channel.

    Example:
        >>> ink = torch.zeros(100, 60)
        >>> ink[10:50, 20:24] = 1  # a bar of 40 × 4: it becomes one of 20 × 2
        >>> rows, columns = normalise_ink(ink, (1, 28, 28))[0].nonzero().T
        >>> rows.min().item(), rows.max().item(), columns.unique().tolist()
        (4, 23, [13, 14])
    """
    _require_one_channel(shape)
    _, height, width = shape
    grey = np.nan_to_num(ink.detach().cpu().numpy().astype(np.float32))
    top, bottom, left, right = _bounds(grey, framing)
    crop = grey[top:bottom, left:right]
    scale = _scale(crop.shape, shape, framing)
    if framing == "centred":
        tall, wide = crop.shape[0] * scale, crop.shape[1] * scale
        # Pixels start at the corner of the box, so that its edges stay sharp.
        small = _area_weights(math.ceil(tall - 1e-6), crop.shape[0], scale) @ crop
        small = small @ _area_weights(math.ceil(wide - 1e-6), crop.shape[1], scale).T
        picture = np.zeros((height, width), dtype=np.float32)
        row = _offset(small.sum(1), height)
        column = _offset(small.sum(0), width)
        picture[row : row + small.shape[0], column : column + small.shape[1]] = small
    else:
        picture = _place_in_centre(crop, shape, scale)
    return torch.from_numpy(picture / picture.max()).clamp(0, 1).to(torch.float32)[None]


def pack_bits(picture: Tensor) -> str:
    """Encode a binary picture as text for a link: 131 characters for 28 × 28 pixels.

    The bits are in row-major order, the most significant first, as base64url without padding. A
    grey picture is thresholded at 0.5 and so loses its shades: link to its example instead.

    Args:
        picture: a picture of any shape.

    Example:
        >>> picture = torch.zeros(1, 28, 28)
        >>> picture[0, 0, 0] = 1
        >>> text = pack_bits(picture)
        >>> len(text), text[:4]
        (131, 'gAAA')
    """
    bits = (picture.detach().cpu() > 0.5).flatten().numpy()
    return base64.urlsafe_b64encode(np.packbits(bits).tobytes()).decode().rstrip("=")


def unpack_bits(text: str, shape: Shape) -> Tensor:
    """Decode a binary picture from the text made by :func:`pack_bits`.

    Args:
        text: the text in the link.
        shape: (C, H, W) of the picture.

    Raises:
        InputError: if the text does not encode a picture of this shape.

    Example:
        >>> picture = (torch.rand(1, 28, 28) > 0.5).float()
        >>> torch.equal(unpack_bits(pack_bits(picture), (1, 28, 28)), picture)
        True
    """
    size = math.prod(shape)
    n_bytes = math.ceil(size / 8)
    if len(text) != math.ceil(n_bytes * 4 / 3):
        raise InputError(
            "The drawing in this link is not complete. Copy the whole link, or draw it again."
        )
    damaged = InputError(
        "The drawing in this link is damaged. Copy the link again, or draw it again."
    )
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text, re.ASCII):
        raise damaged
    try:
        content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise damaged from None
    bits = np.unpackbits(np.frombuffer(content, dtype=np.uint8))
    # The bits that pad the last byte and the last character are always 0.
    picture = torch.from_numpy(bits[:size].astype(np.float32)).reshape(shape)
    if pack_bits(picture) != text:
        raise damaged
    return picture


def _require_one_channel(shape: Shape) -> None:
    """Raise a ValueError unless the shape has one channel."""
    if shape[0] != 1:
        raise ValueError(f"a picture of ink has one channel, not {shape[0]}")


def _extract_ink(grey: Pixels) -> Pixels:
    """Separate writing, dark or light, from its paper, evenly lit or not."""
    paper = _background(grey)
    difference = grey - paper
    if (difference * np.abs(difference)).sum() < 0:
        difference = -difference / np.maximum(paper, 0.1)  # dark ink: the share of light absorbed
    noise = 1.4826 * float(np.median(np.abs(difference - np.median(difference))))
    window = 3 if min(grey.shape) > 100 else 1  # in a large picture a single pixel may be a speck
    peak = float(avg_pool2d(torch.from_numpy(difference)[None], window, stride=1).max())
    if peak < max(CONTRAST, 5 * noise):
        raise InputError(BLANK)
    # Remove everything below the noise level. If there is noise (a photograph), also remove what
    # is below a quarter of the strongest ink, such as shadows; JPEG artefacts are below a tenth.
    floor, full = min(max(5 * noise / peak, 0.25), 0.5) if noise > 1e-3 else 0.1, 0.85
    if max(grey.shape) < 64 and noise < 1e-3:
        floor, full = 0.0, 1.0  # in a small picture most pixels are edges: keep their grey values
    ink: Pixels = np.clip((difference / peak - floor) / (full - floor), 0, 1).astype(np.float32)
    return ink * _large_parts(ink)


def _light_on_black(grey: Pixels) -> Pixels:
    """Make a subject light on black, keeping its grey values."""
    background = float(np.median(border(grey)))
    difference = grey - background
    if (difference * np.abs(difference)).sum() < 0:
        difference = -difference
    peak = float(difference.max())
    if peak < CONTRAST:
        raise InputError(BLANK)
    subject: Pixels = np.clip(difference / peak, 0, 1)
    return subject


def _background(grey: Pixels) -> Pixels:
    """Estimate the paper under the ink as a quadratic surface, which allows for uneven light.

    It is fitted to the border, where ink is rare, by least absolute deviations (reweighted least
    squares), so that ink at the border has little influence.
    """
    height, width = grey.shape
    if min(height, width) < 16:
        return np.full_like(grey, np.median(border(grey)))
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    rows = np.stack([border(terms[..., i]) for i in range(6)], axis=-1)
    target = border(grey).astype(np.float64)
    step = max(1, len(target) // 4000)
    rows, target = rows[::step], target[::step]
    weights = np.ones(len(target))
    for _ in range(20):
        weighted = rows.T * weights
        surface, *_ = np.linalg.lstsq(weighted @ rows, weighted @ target, rcond=None)
        weights = 1 / np.maximum(np.abs(rows @ surface - target), 1e-3)
    fitted: Pixels = np.clip(terms @ surface, grey.min(), grey.max()).astype(np.float32)
    return fitted


def _large_parts(ink: Pixels) -> Pixels:
    """Return a mask of the connected parts with at least 1/30 of the largest part's ink: no dust.

    Parts are found on a coarse grid, where labels spread to all neighbours until nothing changes.
    """
    block = math.ceil(max(ink.shape) / 64)
    height, width = (math.ceil(side / block) for side in ink.shape)
    padded = np.zeros((height * block, width * block), dtype=np.float32)
    padded[: ink.shape[0], : ink.shape[1]] = ink
    blocks = padded.reshape(height, block, width, block)
    has_ink = torch.from_numpy(blocks.max((1, 3)) > 0.5).float()[None]
    labels = torch.arange(1.0, height * width + 1).reshape(1, height, width) * has_ink
    while True:
        spread = max_pool2d(labels, 3, stride=1, padding=1) * has_ink
        if torch.equal(spread, labels):
            break
        labels = spread
    index = labels[0].long().numpy()
    mass = np.bincount(index.ravel(), weights=blocks.sum((1, 3)).ravel())
    mass[0] = 0
    # A soft edge may extend into the next block.
    large = torch.from_numpy((mass >= mass.max() / 30)[index]).float()[None] * has_ink
    kept = max_pool2d(large, 3, stride=1, padding=1)[0].numpy()
    mask: Pixels = kept.repeat(block, 0).repeat(block, 1)[: ink.shape[0], : ink.shape[1]]
    return mask


def _thicken(ink: Pixels, shape: Shape, framing: Framing) -> Pixels:
    """Thicken thin strokes until they are as thick as those in the data."""
    top, bottom, left, right = _bounds(ink, framing)
    scale = _scale((bottom - top, right - left), shape, framing)
    padded = np.pad(ink, 1)
    edges = np.hypot(np.diff(padded, axis=0)[:, :-1], np.diff(padded, axis=1)[:-1]).sum()
    stroke = 2 * float(ink.sum()) / float(edges) * scale
    radius = round((STROKE - stroke) / scale / 2)
    if stroke >= THIN or radius < 1:
        return ink
    wide = torch.from_numpy(np.pad(ink, radius))[None]
    grown: Pixels = max_pool2d(wide, 2 * radius + 1, stride=1, padding=radius)[0].numpy()
    return grown


def _bounds(grey: Pixels, framing: Framing) -> tuple[int, int, int, int]:
    """Return top, bottom, left and right of the ink; of the whole picture if it stays in place."""
    is_ink = grey > 0.02 * max(float(grey.max(initial=0)), 0)
    if not is_ink.any():
        raise InputError(BLANK)
    if framing == "free":
        return 0, grey.shape[0], 0, grey.shape[1]
    rows, columns = np.flatnonzero(is_ink.any(1)), np.flatnonzero(is_ink.any(0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _scale(size: tuple[int, ...], shape: Shape, framing: Framing) -> float:
    """Return the factor that fits a bounding box of the given size into the frame."""
    fraction = 20 / 28 if framing == "centred" else 1
    return min(round(shape[1] * fraction) / size[0], round(shape[2] * fraction) / size[1])


def _place_in_centre(picture: Pixels, shape: Shape, scale: float) -> Pixels:
    """Scale pictures ``(..., h, w)`` by a factor and put them at the centre of the frame."""
    _, height, width = shape
    tall, wide = picture.shape[-2:]
    rows = _area_weights(height, tall, scale, (height - tall * scale) / 2)
    columns = _area_weights(width, wide, scale, (width - wide * scale) / 2)
    return (rows @ picture @ columns.T).astype(np.float32)


def _area_weights(count: int, length: int, scale: float, start: float = 0.0) -> Pixels:
    """Compute the overlap of ``length`` scaled pixels with ``count`` pixels, ``(count, length)``.

    Pixel j becomes the interval from start + j · scale to start + (j + 1) · scale. Multiplying a
    picture by such matrices from both sides averages over areas, exactly for every factor.
    """
    edges = np.arange(count)[:, None]
    pieces = start + np.arange(length)[None, :] * scale
    overlap: Pixels = np.minimum(edges + 1, pieces + scale) - np.maximum(edges, pieces)
    return overlap.clip(0).astype(np.float32)


def _offset(mass: Pixels, length: int) -> int:
    """Return the offset that puts the centre of mass within half a pixel of the frame's middle.

    The middle is pixel length / 2, as in MNIST, whose digits are centred between 13.5 and 14.5 of
    0 to 27.
    """
    centre = float((mass * np.arange(len(mass))).sum() / mass.sum())
    return min(max(math.ceil(length // 2 - 0.5 - centre), 0), length - len(mass))
