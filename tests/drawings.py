"""A 5 as a visitor might draw it, and pictures as files."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw

__all__ = ["FIVE", "FRAME", "file_of", "five"]

FRAME = (1, 28, 28)
FIVE = [(0.85, 0.0), (0.2, 0.0), (0.15, 0.45), (0.5, 0.38), (0.8, 0.65), (0.6, 0.98), (0.1, 0.92)]


def five(side: int = 400, size: float = 0.6, at: tuple[float, float] = (0.2, 0.2)) -> Image.Image:
    """Draw a 5, dark on light, anti-aliased."""
    paper = Image.new("L", (side * 3, side * 3), 255)
    points = [((at[0] + x * size * 0.7) * side * 3, (at[1] + y * size) * side * 3) for x, y in FIVE]
    ImageDraw.Draw(paper).line(points, fill=0, width=int(0.1 * size * side * 3), joint="curve")
    return paper.resize((side, side), Image.Resampling.BOX)


def file_of(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()
