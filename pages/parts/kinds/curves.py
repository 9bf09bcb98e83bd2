"""Numbers as curves."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["curves_of"]

#: Width and height of a curve, in its own units; and how far it stays from the edges.
WIDTH, HEIGHT, EDGE = 240, 48, 4
#: Curves of at most so many numbers have a dot for each.
DOTTED = 12


def curves_of(rows: Sequence[Sequence[float]], ink: tuple[int, int, int]) -> str:
    """Draw rows of numbers below each other as an SVG, each on a scale of its own.

    Args:
        rows: equally many numbers each.
        ink: colour as red, green and blue.

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
    few = places if len(numbers) <= DOTTED else []
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in few)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>{dots}'
