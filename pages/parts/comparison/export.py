"""The comparison as files: a picture for slides, and a table for further analysis."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping

import pandas as pd
from PIL import Image, ImageDraw

from mvae.analysis.comparison import Prediction, differences
from mvae.images.tiling import pictures
from mvae.modality import Modality
from pages.parts.comparison.export_column import (
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
        brush.text((MARGIN, MARGIN + 24 * i), line, GREY, font(17))
    for i, block in enumerate(blocks):
        sheet.paste(block, (MARGIN + i * (COLUMN + MARGIN), top))
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def _column(
    name: str, found: Prediction, modalities: tuple[Modality, ...], reference: Prediction | None
) -> Image.Image:
    """Return one model's column."""
    column = Column()
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


def _generated(column: Column, found: Prediction, modalities: tuple[Modality, ...]) -> None:
    """Draw what a model generates: pictures, and the likeliest values of other modalities."""
    groups = pictures(modalities)
    if found.picture is not None and found.picture_draws is not None:
        first = groups[0][0]
        column.paste(on_paper(visible(found.picture, first, modalities), MEAN))
        column.paste(on_paper(strip(visible(found.picture_draws, first, modalities)), DRAW))
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
