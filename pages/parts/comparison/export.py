"""The comparison as files: a picture for slides, and a table for further analysis."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping
from functools import cache

import pandas as pd
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from mvae.analysis.comparison import Prediction, differences
from mvae.images.tiling import pictures, vector_as_image
from mvae.modality import Modality
from pages.parts.comparison.card import AXIS, height_of
from pages.parts.comparison.generated import TAGS, TEXTS, strip
from pages.parts.comparison.shared import likeliest, number
from pages.parts.pictures import visible
from pages.parts.sentences import decided

__all__ = ["picture", "table"]

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


def table(answers: Mapping[str, Prediction], pinned: str, records: pd.DataFrame) -> bytes:
    """Return a CSV with a row for each model: its numbers, differences and recorded figures.

    Args:
        answers: by model, in their order.
        pinned: the model that the others are compared with.
        records: the same models' sizes and measured figures.
    """
    rows = {}
    for name, found in answers.items():
        above = differences(found, answers[pinned])
        rows[name] = {
            **found.scores,
            **{f"{title} − {pinned}": above.get(title) for title in found.scores},
        }
    numbers = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    return numbers.join(records).to_csv().encode()


def picture(
    answers: Mapping[str, Prediction], modalities: tuple[Modality, ...], pinned: str, title: str
) -> bytes:
    """Return a PNG of the models side by side, black on white.

    Args:
        answers: by model, in their order.
        modalities: the models' modalities.
        pinned: the model that the others are compared with.
        title: the evidence and the protocol.
    """
    blocks = [
        _column(name, found, modalities, answers[pinned] if name != pinned else None)
        for name, found in answers.items()
    ]
    width = MARGIN + len(blocks) * (COLUMN + MARGIN)
    head = textwrap.wrap(title.translate(PLAIN), width // 9)
    top = MARGIN + 24 * len(head) + MARGIN
    sheet = Image.new("RGB", (width, top + max(block.height for block in blocks)), "white")
    brush = ImageDraw.Draw(sheet)
    for i, line in enumerate(head):
        brush.text((MARGIN, MARGIN + 24 * i), line, GREY, _font(17))
    for i, block in enumerate(blocks):
        sheet.paste(block, (MARGIN + i * (COLUMN + MARGIN), top))
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


class _Column:
    """A column of the picture, written from the top down."""

    def __init__(self) -> None:
        self.sheet = Image.new("RGB", (COLUMN, LONGEST), "white")
        self.brush, self.y = ImageDraw.Draw(self.sheet), 0

    def write(self, text: str, size: int = 16, colour: tuple[int, int, int] = BLACK) -> None:
        for line in textwrap.wrap(text.translate(PLAIN), COLUMN * 17 // (10 * size)) or [""]:
            self.brush.text((0, self.y), line, colour, _font(size))
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

    def cut(self) -> Image.Image:
        return self.sheet.crop((0, 0, COLUMN, self.y + MARGIN))


def _column(
    name: str, found: Prediction, modalities: tuple[Modality, ...], reference: Prediction | None
) -> Image.Image:
    """Return one model's column."""
    column = _Column()
    column.write(name if reference else f"{name} (reference)", 24)
    if found.posterior_std is None:
        column.write(found.no_posterior, 14, GREY)
    else:
        column.spread(found.posterior_std)
    _generated(column, found, modalities)
    for text in dict.fromkeys(found.not_generated.values()):
        column.write(text, 14, GREY)
    above = differences(found, reference) if reference else {}
    for title, value in found.scores.items():
        shown = "—" if value is None else number(value)
        more = f" ({number(above[title], signed=True)})" if title in above else ""
        column.write(f"{title}: {shown}{more}")
    return column.cut()


def _generated(column: _Column, found: Prediction, modalities: tuple[Modality, ...]) -> None:
    """Draw what a model generates: pictures, and the likeliest values of other modalities."""
    groups = pictures(modalities)
    if found.picture is not None and found.picture_draws is not None:
        first = groups[0][0]
        column.paste(_picture(visible(found.picture, first, modalities), MEAN))
        column.paste(_picture(strip(visible(found.picture_draws, first, modalities)), DRAW))
    further = [m for group in groups[1:] for m in group if m.name in found.expected]
    if further:
        column.write(", ".join(m.name for m in further))
        whole = [visible(found.expected[m.name], m, modalities) for m in further]
        column.paste(*(_picture(each, DRAW) for each in whole))
    made = [m for m in modalities if m.kind != "image" and m.name in found.expected]
    together = [m for m in decided(modalities) if m in made]
    if together:
        likely = [m for m in together if found.expected[m.name].argmax() == 1]
        names = (f"{m.name} {m.category(1)} ({found.expected[m.name][1]:.0%})" for m in likely)
        column.write(f"Likelier than not: {', '.join(names) or 'none'}")
    for m in made:
        if m in together:
            continue
        mean = found.expected[m.name]
        if m.grid:
            column.write(m.name)
            column.paste(_picture(vector_as_image(m, mean), DRAW))
        elif m.kind == "vector":
            column.write(m.name)
            column.vector(mean)
        elif m.kind == "text":
            column.write(f"{m.name}:")
            for text, share in found.texts[m.name][:TEXTS]:
                column.write(f"“{text}” ({share:.0%})")
        else:
            column.write(f"{m.name}: {likeliest(m, mean, TAGS if m.kind == 'tags' else 2)}")


def _picture(pixels: Tensor, height: int) -> Image.Image:
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
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    try:
        return ImageFont.truetype(FONT, size)
    except OSError:
        return ImageFont.load_default(size)
