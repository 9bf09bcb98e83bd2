"""The comparison as files: a picture for slides, and a table for further work."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping

import pandas as pd
from PIL import Image, ImageDraw

from mvae.analysis.comparison import Answer, differences
from mvae.images.tiling import pictures
from mvae.modality import Modality
from pages.parts.comparison.column import (
    COLUMN,
    DRAW,
    GREY,
    MARGIN,
    MEAN,
    PLAIN,
    Column,
    font,
    on_paper,
)
from pages.parts.comparison.generated import strip
from pages.parts.comparison.shared import number
from pages.parts.kinds.registry import VIEWS
from pages.parts.pictures import visible
from pages.parts.sentences import decided

__all__ = ["picture", "table"]


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
        brush.text((MARGIN, MARGIN + 24 * i), line, GREY, font(17))
    for i, block in enumerate(blocks):
        sheet.paste(block, (MARGIN + i * (COLUMN + MARGIN), top))
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def _column(
    name: str, found: Answer, modalities: tuple[Modality, ...], reference: Answer | None
) -> Image.Image:
    """Draw one model's column."""
    column = Column()
    column.write(name if reference else f"{name} (reference)", 24)
    if found.spread is None:
        column.write(found.no_spread, 14, GREY)
    else:
        column.spread(found.spread)
    _generated(column, found, modalities)
    for text in dict.fromkeys(found.cannot.values()):
        column.write(text, 14, GREY)
    above = differences(found, reference) if reference else {}
    for title, value in found.numbers.items():
        shown = "—" if value is None else number(value)
        more = f" ({number(above[title], signed=True)})" if title in above else ""
        column.write(f"{title}: {shown}{more}")
    return column.cut()


def _generated(column: Column, found: Answer, modalities: tuple[Modality, ...]) -> None:
    """Show what a model generates: pictures, and of the rest what is likeliest."""
    groups = pictures(modalities)
    if found.picture is not None and found.drawn is not None:
        first = groups[0][0]
        column.paste(on_paper(visible(found.picture, first, modalities), MEAN))
        column.paste(on_paper(strip(visible(found.drawn, first, modalities)), DRAW))
    further = [m for group in groups[1:] for m in group if m.name in found.expected]
    if further:
        column.write(", ".join(m.name for m in further))
        whole = [visible(found.expected[m.name], m, modalities) for m in further]
        column.paste(*(on_paper(each, DRAW) for each in whole))
    made = [m for m in modalities if not m.is_image and m.name in found.expected]
    together = [m for m in decided(modalities) if m in made]
    if together:
        likely = [m for m in together if found.expected[m.name].argmax() == 1]
        names = (f"{m.name} {m.category(1)} ({found.expected[m.name][1]:.0%})" for m in likely)
        column.write(f"Likelier than not: {', '.join(names) or 'none'}")
    for m in made:
        if m in together:
            continue
        VIEWS[m.kind].export(column, m, found)
