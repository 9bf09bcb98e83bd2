"""Curves of sequences of numbers, as SVG."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["curves_of"]

#: Width and height of a curve, and its distance from the edges, in units of the drawing.
WIDTH, HEIGHT, EDGE = 240, 48, 4
#: Largest length of a sequence whose points are marked by dots.
MAX_DOTS = 12


def curves_of(rows: Sequence[Sequence[float]], ink: tuple[int, int, int]) -> str:
    """Draw rows of numbers as curves, one below the other, each with its own vertical scale.

    Args:
        rows: sequences of equal length.
        ink: the colour, as red, green and blue.

    Returns:
        str: an SVG.

    Example:
        >>> curves_of([[0.0, 1.0], [3.0, 2.0]], (0, 0, 0)).count("<polyline")
        2
    """
    colour = "#{:02x}{:02x}{:02x}".format(*ink)
    curves = "".join(_curve(row, i * HEIGHT, colour) for i, row in enumerate(rows))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {len(rows) * HEIGHT}" '
        f'fill="{colour}">{curves}</svg>'
    )


def _curve(numbers: Sequence[float], top: int, colour: str) -> str:
    low, high = min(numbers), max(numbers)
    scale = (HEIGHT - 2 * EDGE) / ((high - low) or 1)
    step = (WIDTH - 2 * EDGE) / max(len(numbers) - 1, 1)
    places = [
        (EDGE + i * step, top + HEIGHT - EDGE - (x - low) * scale) for i, x in enumerate(numbers)
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    few = places if len(numbers) <= MAX_DOTS else []
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in few)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>{dots}'
