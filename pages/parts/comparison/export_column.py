"""A column of the picture that a comparison is exported as."""

from __future__ import annotations

import textwrap
from functools import cache

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from pages.parts.comparison.spread import AXIS, height_of

__all__ = ["COLUMN", "DRAW", "GREY", "MARGIN", "MEAN", "PLAIN", "Column", "font", "on_paper"]

#: Pixels: the width of a column and of its margin, and the height of a mean and of a draw.
COLUMN, MARGIN, MEAN, DRAW = 300, 32, 168, 52
#: Pixels: a dimension's width in the chart of a posterior, its height, and that of a vector's.
STEP, TALL, FLAT = 8, 70, 44
#: Height in pixels of a column before it is cropped to its contents; no comparison needs more.
LONGEST = 8000
BLACK, GREY = (17, 19, 24), (90, 96, 112)
#: A common font with all Latin letters; Pillow's own lacks those with accents.
FONT = "DejaVuSans.ttf"
#: Replacements for characters that Pillow's own font lacks.
PLAIN = str.maketrans({"−": "-", "—": "-", "→": ">", "·": "|"})


class Column:
    """A column of the picture, written from the top down."""

    def __init__(self) -> None:
        self.sheet = Image.new("RGB", (COLUMN, LONGEST), "white")
        self.brush, self.y = ImageDraw.Draw(self.sheet), 0

    def write(self, text: str, size: int = 16, colour: tuple[int, int, int] = BLACK) -> None:
        """Write lines of text as wide as the column."""
        for line in textwrap.wrap(text.translate(PLAIN), COLUMN * 17 // (10 * size)) or [""]:
            self.brush.text((0, self.y), line, colour, font(size))
            self.y += size + 7

    def paste(self, *made: Image.Image) -> None:
        """Paste pictures side by side."""
        x = 0
        for each in made:
            self.sheet.paste(each, (x, self.y))
            x += each.width + 8
        self.y += max(each.height for each in made) + 8

    def spread(self, stds: Tensor) -> None:
        """Draw a posterior's standard deviations as bars that start at the prior's."""

        def y(std: float) -> float:
            return self.y + TALL * height_of(std) / 100

        for i, std in enumerate(stds[:AXIS].tolist()):
            low, high = sorted((y(1.0), y(std)))
            self.brush.rectangle((i * STEP, low, (i + 1) * STEP - 2, high), GREY)
        self.brush.line((0, y(1.0), AXIS * STEP, y(1.0)), BLACK)
        self.y += TALL + 8

    def vector(self, values: Tensor) -> None:
        """Draw numbers as bars that start at zero."""
        low, high = min(values.min().item(), 0.0), max(values.max().item(), 1e-6)
        step = COLUMN / len(values)

        def y(value: float) -> float:
            return self.y + FLAT * (high - value) / (high - low)

        for i, value in enumerate(values.tolist()):
            first, last = sorted((y(0.0), y(value)))
            self.brush.rectangle((i * step, first, (i + 0.8) * step, last), GREY)
        self.y += FLAT + 8

    def curve(self, values: Tensor) -> None:
        """Draw numbers as a curve."""
        low, high = values.min().item(), values.max().item()
        step, scale = COLUMN / max(len(values) - 1, 1), FLAT / ((high - low) or 1)
        points = [
            (i * step, self.y + (high - value) * scale) for i, value in enumerate(values.tolist())
        ]
        self.brush.line(points, GREY, 2)
        self.y += FLAT + 8

    def cut(self) -> Image.Image:
        """Crop the column to its contents."""
        return self.sheet.crop((0, 0, COLUMN, self.y + MARGIN))


def on_paper(pixels: Tensor, height: int) -> Image.Image:
    """Return a picture in [0, 1] on white, as black ink or in colour, with square pixels."""
    pixels = pixels.clamp(0, 1)
    if len(pixels) == 3:
        flat = pixels
    else:
        ink = pixels[:3] if len(pixels) > 1 else torch.zeros_like(pixels)
        flat = 1 - pixels[-1:] * (1 - ink)
    values = (flat * 255).round().byte().expand(3, -1, -1).permute(1, 2, 0)
    made = Image.fromarray(values.numpy(), "RGB")
    size = (round(made.width * height / made.height), height)
    return made.resize(size, Image.Resampling.NEAREST)


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Load a font of a size in pixels."""
    try:
        return ImageFont.truetype(FONT, size)
    except OSError:
        return ImageFont.load_default(size)
