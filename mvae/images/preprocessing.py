"""Intake: pictures from visitors, made alike to the data, and short texts for links.

MNIST's digits were made in three steps: the ink's bounding box is fitted into a box of 20 × 20
pixels, shrunk with anti-aliasing, and moved by whole pixels until its centre of mass lies within
half a pixel of pixel (14, 14) of 28 × 28. :func:`normalise_ink` does exactly that; the drawing
pad does the same in the browser. Other data are framed otherwise, see
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
from mvae.images.decoding import CONTRAST, Grey, border, colours, greys
from mvae.images.tiling import Framing

__all__ = ["normalise_ink", "pack_bits", "picture_from_upload", "unpack_bits"]

Shape = tuple[int, int, int]

#: Strokes thinner than this, in pixels of the result, are drawn on to :data:`STROKE`; 99 % of
#: MNIST's test digits are thicker, and what is much thinner breaks when it becomes binary.
THIN, STROKE = 1.45, 1.8

#: Files that are read at once would each take their memory.
_ONE_AT_A_TIME = threading.Lock()

BLANK = "There is no ink to be seen in this picture. Choose one with a darker or larger drawing."


def picture_from_upload(data: bytes, shape: Shape, framing: Framing = "centred") -> Tensor:
    """Make a picture as the models know them from an uploaded file.

    With one channel it is light ink on black: what is written, cleaned of its background, or, if
    it is to fill the frame, what is shown, with its greys. A picture in colour stays as it is, its
    middle cut out to the frame's proportions and averaged down.

    Args:
        data: the file, of one of :data:`mvae.images.decoding.FORMATS`, in any size, mode and
            orientation.
        shape: (C, H, W) of the result, C = 1 or 3.
        framing: of pictures with one channel.

    Returns:
        A float tensor (C, H, W) in [0, 1].

    Raises:
        InputError: if the file is too large, not a picture, damaged, or, for one channel, blank.
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
        return _in_colour(data, shape) if shape[0] == 3 else _in_ink(data, shape, framing)


def _in_colour(data: bytes, shape: Shape) -> Tensor:
    picture = colours(data)
    size = picture.shape[1:]
    scale = max(shape[1] / size[0], shape[2] / size[1])
    return torch.from_numpy(_placed(picture, shape, scale)).clamp(0, 1)


def _in_ink(data: bytes, shape: Shape, framing: Framing) -> Tensor:
    _one_channel(shape)
    tone = greys(data)
    ink = _shown(tone) if framing == "filled" else _thicken(_written(tone), shape, framing)
    return normalise_ink(torch.from_numpy(ink), shape, framing)


def normalise_ink(ink: Tensor, shape: Shape, framing: Framing = "centred") -> Tensor:
    """Fit ink into the frame, as the data are framed, by averaging areas.

    Args:
        ink: (h, w) in [0, 1], light ink on black.
        shape: (C, H, W) of the result, C = 1.
        framing: "centred" fits the ink into 20/28 of the frame and puts its centre of mass at the
            centre, as MNIST does; "filled" fits it into the frame and centres its bounding box;
            "free" fits the whole picture into the frame, and what is on it stays where it is.

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
    _one_channel(shape)
    _, height, width = shape
    grey = np.nan_to_num(ink.detach().cpu().numpy().astype(np.float32))
    top, bottom, left, right = _bounds(grey, framing)
    crop = grey[top:bottom, left:right]
    scale = _scale(crop.shape, shape, framing)
    if framing == "centred":
        tall, wide = crop.shape[0] * scale, crop.shape[1] * scale
        # whole pixels from the box's corner, so that its edges stay as sharp as they came
        small = _shares(math.ceil(tall - 1e-6), crop.shape[0], scale) @ crop
        small = small @ _shares(math.ceil(wide - 1e-6), crop.shape[1], scale).T
        picture = np.zeros((height, width), dtype=np.float32)
        row = _start(small.sum(1), height)
        column = _start(small.sum(0), width)
        picture[row : row + small.shape[0], column : column + small.shape[1]] = small
    else:
        picture = _placed(crop, shape, scale)
    return torch.from_numpy(picture / picture.max()).clamp(0, 1).to(torch.float32)[None]


def pack_bits(picture: Tensor) -> str:
    """Write a binary picture as text for a link: 131 characters for 28 × 28.

    A grey picture is cut at 0.5, so its shades are lost: send those by a link to the example
    they came from.

    Args:
        picture: any shape; row-major, its most significant bit first, base64url, no padding.

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
    """Read a binary picture from the text of :func:`pack_bits`.

    Args:
        text: what the link holds.
        shape: (C, H, W) of the picture.

    Raises:
        InputError: if the text is not that of a picture of this shape.

    Example:
        >>> picture = (torch.rand(1, 28, 28) > 0.5).float()
        >>> torch.equal(unpack_bits(pack_bits(picture), (1, 28, 28)), picture)
        True
    """
    size = math.prod(shape)
    whole = math.ceil(size / 8)
    if len(text) != math.ceil(whole * 4 / 3):
        raise InputError(
            "The drawing in this link is not complete. Copy the whole link, or draw anew."
        )
    damaged = InputError("The drawing in this link is damaged. Copy the link again, or draw anew.")
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text, re.ASCII):
        raise damaged
    try:
        content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise damaged from None
    bits = np.unpackbits(np.frombuffer(content, dtype=np.uint8))
    # the bits that only fill up the last byte and the last character are always 0
    picture = torch.from_numpy(bits[:size].astype(np.float32)).reshape(shape)
    if pack_bits(picture) != text:
        raise damaged
    return picture


def _one_channel(shape: Shape) -> None:
    """Refuse what is no picture of ink."""
    if shape[0] != 1:
        raise ValueError(f"a picture of ink has one channel, not {shape[0]}")


def _written(tone: Grey) -> Grey:
    """Separate the ink of something written from its paper: dark or light, evenly lit or not."""
    paper = _background(tone)
    difference = tone - paper
    if (difference * np.abs(difference)).sum() < 0:
        difference = -difference / np.maximum(paper, 0.1)  # dark ink: the share of light it takes
    noise = 1.4826 * float(np.median(np.abs(difference - np.median(difference))))
    near = 3 if min(tone.shape) > 100 else 1  # where there are pixels to spare, one may be a speck
    peak = float(avg_pool2d(torch.from_numpy(difference)[None], near, stride=1).max())
    if peak < max(CONTRAST, 5 * noise):
        raise InputError(BLANK)
    # nothing below the noise, and where there is noise (a photograph) nothing below a quarter of
    # the strongest ink either, which is where shadows lie; JPEG's ripples are below a tenth
    floor, full = min(max(5 * noise / peak, 0.25), 0.5) if noise > 1e-3 else 0.1, 0.85
    if max(tone.shape) < 64 and noise < 1e-3:
        floor, full = 0.0, 1.0  # so few pixels are edges for the most part: they keep their greys
    ink: Grey = np.clip((difference / peak - floor) / (full - floor), 0, 1).astype(np.float32)
    return ink * _large_parts(ink)


def _shown(tone: Grey) -> Grey:
    """Make a shown thing light on black, its greys kept."""
    ground = float(np.median(border(tone)))
    difference = tone - ground
    if (difference * np.abs(difference)).sum() < 0:
        difference = -difference
    peak = float(difference.max())
    if peak < CONTRAST:
        raise InputError(BLANK)
    shown: Grey = np.clip(difference / peak, 0, 1)
    return shown


def _background(tone: Grey) -> Grey:
    """Estimate the paper under the ink: a quadratic surface, so that light may fall off.

    Fitted to the border, where ink is rare, by least absolute deviations (reweighted least
    squares), so that what ink there is does not bend it.
    """
    height, width = tone.shape
    if min(height, width) < 16:
        return np.full_like(tone, np.median(border(tone)))
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    rows = np.stack([border(terms[..., i]) for i in range(6)], axis=-1)
    target = border(tone).astype(np.float64)
    step = max(1, len(target) // 4000)
    rows, target = rows[::step], target[::step]
    weights = np.ones(len(target))
    for _ in range(20):
        weighted = rows.T * weights
        surface, *_ = np.linalg.lstsq(weighted @ rows, weighted @ target, rcond=None)
        weights = 1 / np.maximum(np.abs(rows @ surface - target), 1e-3)
    fitted: Grey = np.clip(terms @ surface, tone.min(), tone.max()).astype(np.float32)
    return fitted


def _large_parts(ink: Grey) -> Grey:
    """Mask the connected parts with at least a thirtieth of the ink of the largest one: no dust.

    Parts are found on a coarse grid, where labels spread to all neighbours until nothing changes.
    """
    block = math.ceil(max(ink.shape) / 64)
    height, width = (math.ceil(side / block) for side in ink.shape)
    padded = np.zeros((height * block, width * block), dtype=np.float32)
    padded[: ink.shape[0], : ink.shape[1]] = ink
    blocks = padded.reshape(height, block, width, block)
    there = torch.from_numpy(blocks.max((1, 3)) > 0.5).float()[None]
    labels = torch.arange(1.0, height * width + 1).reshape(1, height, width) * there
    while True:
        spread = max_pool2d(labels, 3, stride=1, padding=1) * there
        if torch.equal(spread, labels):
            break
        labels = spread
    index = labels[0].long().numpy()
    mass = np.bincount(index.ravel(), weights=blocks.sum((1, 3)).ravel())
    mass[0] = 0
    # a soft edge may reach into the next block
    large = torch.from_numpy((mass >= mass.max() / 30)[index]).float()[None] * there
    kept = max_pool2d(large, 3, stride=1, padding=1)[0].numpy()
    mask: Grey = kept.repeat(block, 0).repeat(block, 1)[: ink.shape[0], : ink.shape[1]]
    return mask


def _thicken(ink: Grey, shape: Shape, framing: Framing) -> Grey:
    """Draw thin strokes on until they are as thick as a pen's in the data."""
    top, bottom, left, right = _bounds(ink, framing)
    scale = _scale((bottom - top, right - left), shape, framing)
    around = np.pad(ink, 1)
    edges = np.hypot(np.diff(around, axis=0)[:, :-1], np.diff(around, axis=1)[:-1]).sum()
    stroke = 2 * float(ink.sum()) / float(edges) * scale
    radius = round((STROKE - stroke) / scale / 2)
    if stroke >= THIN or radius < 1:
        return ink
    wide = torch.from_numpy(np.pad(ink, radius))[None]
    grown: Grey = max_pool2d(wide, 2 * radius + 1, stride=1, padding=radius)[0].numpy()
    return grown


def _bounds(grey: Grey, framing: Framing) -> tuple[int, int, int, int]:
    """Give top, bottom, left and right of the ink, or of all where it is to stay in its place."""
    there = grey > 0.02 * max(float(grey.max(initial=0)), 0)
    if not there.any():
        raise InputError(BLANK)
    if framing == "free":
        return 0, grey.shape[0], 0, grey.shape[1]
    rows, columns = np.flatnonzero(there.any(1)), np.flatnonzero(there.any(0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _scale(size: tuple[int, ...], shape: Shape, framing: Framing) -> float:
    """How many pixels of the result one pixel of the ink's bounding box becomes."""
    part = 20 / 28 if framing == "centred" else 1
    return min(round(shape[1] * part) / size[0], round(shape[2] * part) / size[1])


def _placed(picture: Grey, shape: Shape, scale: float) -> Grey:
    """Enlarge pictures ``(..., h, w)`` by a factor and put them in the middle of the frame."""
    _, height, width = shape
    tall, wide = picture.shape[-2:]
    rows = _shares(height, tall, scale, (height - tall * scale) / 2)
    columns = _shares(width, wide, scale, (width - wide * scale) / 2)
    return (rows @ picture @ columns.T).astype(np.float32)


def _shares(count: int, length: int, scale: float, start: float = 0.0) -> Grey:
    """Which share of each of ``length`` pixels falls into each of ``count``, ``(count, length)``.

    Pixel j becomes the interval from start + j · scale to start + (j + 1) · scale. Multiplied
    from both sides this is averaging over areas, exact for every factor.
    """
    edges = np.arange(count)[:, None]
    pieces = start + np.arange(length)[None, :] * scale
    overlap: Grey = np.minimum(edges + 1, pieces + scale) - np.maximum(edges, pieces)
    return overlap.clip(0).astype(np.float32)


def _start(mass: Grey, length: int) -> int:
    """First pixel of the box in the frame, for a centre of mass within half a pixel of its middle.

    The middle is pixel length / 2, as in MNIST, whose digits lie from 13.5 to 14.5 of 0 to 27.
    """
    centre = float((mass * np.arange(len(mass))).sum() / mass.sum())
    return min(max(math.ceil(length // 2 - 0.5 - centre), 0), length - len(mass))
