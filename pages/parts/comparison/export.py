"""The comparison as files: a picture for slides, and a table for further work."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping

import pandas as pd
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from mvae.comparison import Answer, differences
from mvae.modality import Modality
from pages.parts.comparison.card import AXIS, height_of, likeliest, number, strip

__all__ = ["picture", "table"]

#: Pixels: of a column, of its margin, and of the sides of the mean and of a draw.
COLUMN, MARGIN, MEAN, DRAW = 300, 32, 168, 52
#: Pixels of a dimension's step on the belief's axis, and of that axis.
STEP, TALL = 8, 70
BLACK, GREY = (17, 19, 24), (90, 96, 112)
#: Signs that Pillow's own font lacks.
PLAIN = str.maketrans({"−": "-", "—": "-", "→": ">", "·": "|"})


def table(answers: Mapping[str, Answer], pinned: str, records: pd.DataFrame) -> bytes:
    """Write a CSV with a row for each model: its numbers, its differences, what is on record.

    Args:
        answers: by model, in their order.
        pinned: the model that the others are compared with.
        records: the same models' sizes and measured figures.
    """
    rows = {}
    for name, found in answers.items():
        above = differences(found, answers[pinned])
        rows[name] = {
            **found.numbers,
            **{f"{title} − {pinned}": above.get(title) for title in found.numbers},
        }
    numbers = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    return numbers.join(records).to_csv().encode()


def picture(
    answers: Mapping[str, Answer], modalities: tuple[Modality, ...], pinned: str, title: str
) -> bytes:
    """Draw the models side by side, black on white, as a PNG.

    Args:
        answers: by model, in their order.
        modalities: of the models.
        pinned: the model that the others are compared with.
        title: what all of them were given, and how.
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


def _column(
    name: str, found: Answer, modalities: tuple[Modality, ...], reference: Answer | None
) -> Image.Image:
    """Draw one model's column on a sheet that is long enough, and cut it off below."""
    sheet = Image.new("RGB", (COLUMN, 2000), "white")
    brush = ImageDraw.Draw(sheet)
    y = 0

    def write(text: str, size: int = 16, colour: tuple[int, int, int] = BLACK) -> None:
        nonlocal y
        for line in textwrap.wrap(text.translate(PLAIN), COLUMN * 2 // size) or [""]:
            brush.text((0, y), line, colour, _font(size))
            y += size + 7

    def paste(pixels: Tensor, height: int) -> None:
        nonlocal y
        made = _ink(pixels, height)
        sheet.paste(made, (0, y))
        y += made.height + 8

    write(name if reference else f"{name} (reference)", 24)
    if found.spread is None:
        write(found.no_spread, 14, GREY)
    else:
        _spread(brush, y, found.spread)
        y += TALL + 8
    if found.picture is not None and found.drawn is not None:
        paste(found.picture, MEAN)
        paste(strip(found.drawn), DRAW)
    for m in modalities:
        if m.kind == "label" and m.name in found.expected:
            write(f"{m.name}: {likeliest(m, found.expected[m.name])}")
    for text in dict.fromkeys(found.cannot.values()):
        write(text, 14, GREY)
    above = differences(found, reference) if reference else {}
    for title, value in found.numbers.items():
        shown = "—" if value is None else number(value)
        more = f" ({number(above[title], signed=True)})" if title in above else ""
        write(f"{title}: {shown}{more}")
    return sheet.crop((0, 0, COLUMN, y + MARGIN))


def _spread(brush: ImageDraw.ImageDraw, top: int, stds: Tensor) -> None:
    """Draw a belief's standard deviations as bars that hang from the prior's."""

    def y(std: float) -> float:
        return top + TALL * height_of(std) / 100

    for i, std in enumerate(stds[:AXIS].tolist()):
        low, high = sorted((y(1.0), y(std)))
        brush.rectangle((i * STEP, low, (i + 1) * STEP - 2, high), GREY)
    brush.line((0, y(1.0), AXIS * STEP, y(1.0)), BLACK)


def _ink(pixels: Tensor, height: int) -> Image.Image:
    """Turn ``(1, H, W)`` in [0, 1] into black ink on white, its pixels squares."""
    grey = (255 - pixels[0].clamp(0, 1) * 255).round().byte().numpy()
    made = Image.fromarray(grey, "L")
    size = (round(made.width * height / made.height), height)
    return made.resize(size, Image.Resampling.NEAREST)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
