"""Pictures, vectors and training curves, as pure functions that return Plotly figures."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from torch import Tensor

from pages.parts.pictures import as_image, framed
from pages.parts.plain import chart_text

__all__ = ["curves", "mosaic", "vectors"]

#: Colours and dashes of lines, distinguishable with any colour vision and on either theme.
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8b919c", "#e69f00")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
#: Space between two pictures, relative to a picture's width.
GAP = 0.08
#: Space for the notes below the pictures of a grid, and for each line of a note below a strip.
ROOM, LINE = 0.35, 0.19
#: Colours from the first step of a path to its last, distinguishable on either theme.
FIRST, MIDDLE, LAST = (0, 114, 178), (139, 145, 156), (213, 94, 0)


def mosaic(
    pictures: Tensor,
    across: Sequence[str],
    down: Sequence[str],
    notes: Sequence[Sequence[str]],
    titles: tuple[str, str],
    mark: tuple[float, float] | None = None,
) -> go.Figure:
    """Lay out pictures in rows and columns, each with a note below it.

    Args:
        pictures: in [0, 1], ink ``(R, C, 1, H, W)`` or colours ``(R, C, 3, H, W)``.
        across: tick labels of the C columns.
        down: tick labels of the R rows; one empty label for a strip.
        notes: R rows of C notes; in a strip they may have several lines.
        titles: of the two axes.
        mark: an interval to mark above the pictures, in units of columns.
    """
    rows, columns, _, height, width = pictures.shape
    side, foot = round(width * GAP), round(height * (GAP if rows == 1 else ROOM))
    tiles = framed(pictures, (side, side, round(height * GAP), foot))
    whole = tiles.permute(2, 0, 3, 1, 4).flatten(3, 4).flatten(1, 2)  # (K, R·h, C·w)
    lines = max(note.count("<br>") for row in notes for note in row)
    png = io.BytesIO()
    as_image(whole, 2 * whole.shape[-1]).save(png, "PNG")
    source = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
    points = [(c, r) for r in range(rows) for c in range(columns)]
    data: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "text",
            "x": [c for c, _ in points],
            "y": [r + 0.5 for _, r in points],
            "text": [notes[r][c] for c, r in points],
            "textposition": "bottom center" if rows == 1 else "top center",
            "textfont": {"size": 11},
            "hoverinfo": "skip",
            "cliponaxis": False,
        }
    ]
    shapes: list[dict[str, Any]] = []
    if mark is not None:
        low, high = (min(max(edge, -0.5), columns - 0.5) for edge in mark)
        shapes.append(
            {
                "type": "rect",
                "x0": low,
                "x1": max(high, low + 0.03),
                "y0": -0.5,
                "y1": -0.46,
                "fillcolor": "#8b919c",
                "line": {"width": 0},
            }
        )
    axis = {"showgrid": False, "zeroline": False, "fixedrange": True}
    layout = {
        "images": [
            {
                "source": source,
                "xref": "x",
                "yref": "y",
                "x": -0.5,
                "y": -0.5,
                "sizex": columns,
                "sizey": rows,
                "sizing": "stretch",
                "layer": "below",
            }
        ],
        "xaxis": axis
        | {
            "tickvals": list(range(columns)),
            "ticktext": list(across),
            "range": [-0.5, columns - 0.5],
            "title": {"text": titles[0]},
        },
        "yaxis": axis
        | {
            "tickvals": list(range(rows)),
            "ticktext": list(down),
            "range": [rows - 0.5 + (0.25 + LINE * lines if rows == 1 else 0.05), -0.5],
            "title": {"text": titles[1]},
            "visible": rows > 1,
            "scaleanchor": "x",
            "scaleratio": tiles.shape[-2] / tiles.shape[-1],
            "constrain": "domain",
            # Where the page is narrow, the figure is too tall: the gap is then below it.
            "constraintoward": "top",
        },
        "shapes": shapes,
        "showlegend": False,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "height": 235 + 15 * lines if rows == 1 else 760,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
    }
    return go.Figure({"data": data, "layout": layout}, skip_invalid=False)


def curves(histories: Mapping[str, Mapping[str, Sequence[float]]]) -> go.Figure:
    """Draw training curves, the validation score above the loss.

    Args:
        histories: by model, the columns "epoch", "validation_score" and "loss".
    """
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "marker": {"size": 4},
            "name": chart_text(name),
            "legendgroup": name,
            "showlegend": axis == "y",
            "x": list(columns["epoch"]),
            "y": list(columns[column]),
            "yaxis": axis,
            "line": {"color": LINES[i % len(LINES)], "dash": DASHES[i % len(DASHES)]},
        }
        for i, (name, columns) in enumerate(histories.items())
        for axis, column in (("y", "validation_score"), ("y2", "loss"))
    ]
    layout = {
        "xaxis": {"title": {"text": "epoch"}, "anchor": "y2"},
        "yaxis": {"title": {"text": "validation score"}, "domain": [0.54, 1]},
        "yaxis2": {"title": {"text": "loss"}, "domain": [0, 0.46]},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "height": 480,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
    }
    return go.Figure({"data": data, "layout": layout}, skip_invalid=False)


def vectors(paths: Mapping[str, Tensor], steps: Sequence[str]) -> go.Figure:
    """Draw how vectors change along a path: one panel each, with a line for each step.

    Args:
        paths: by modality, its vector at every step, ``(S, n)``.
        steps: names of the S steps.
    """
    columns = min(3, len(paths))
    rows = -(-len(paths) // columns)
    data: list[dict[str, Any]] = []
    layout: dict[str, Any] = {
        "annotations": [],
        "legend": {"orientation": "h", "y": -0.08, "yanchor": "top"},
        "margin": {"l": 8, "r": 8, "t": 24, "b": 8},
        "height": 190 * rows + 60,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
    }
    for i, (name, path) in enumerate(paths.items()):
        row, column = divmod(i, columns)
        here = str(i + 1) if i else ""
        right, top = (column + 1) / columns, 1 - row / rows
        layout[f"xaxis{here}"] = {
            "domain": [column / columns, right - 0.04],
            "anchor": f"y{here}",
            "showgrid": False,
            "fixedrange": True,
        }
        layout[f"yaxis{here}"] = {
            "domain": [1 - (row + 1) / rows + 0.11, top - 0.05],
            "anchor": f"x{here}",
            "fixedrange": True,
        }
        layout["annotations"].append(
            {
                "text": f"<b>{chart_text(name)}</b>",
                "x": column / columns,
                "y": top,
                "xref": "paper",
                "yref": "paper",
                "xanchor": "left",
                "yanchor": "middle",
                "showarrow": False,
            }
        )
        data += [
            {
                "type": "scatter",
                "mode": "lines",
                "y": values,
                "xaxis": f"x{here}",
                "yaxis": f"y{here}",
                "name": step,
                "legendgroup": step,
                "showlegend": not i,
                "line": {"width": 1.5, "color": _between(s / (len(steps) - 1))},
            }
            for s, (step, values) in enumerate(zip(steps, path.tolist(), strict=True))
        ]
    return go.Figure({"data": data, "layout": layout}, skip_invalid=False)


def _between(part: float) -> str:
    """Return the colour of a step at a fraction of the path."""
    low, high = (FIRST, MIDDLE) if part < 0.5 else (MIDDLE, LAST)
    within = 2 * part if part < 0.5 else 2 * part - 1
    mixed = (round(a + within * (b - a)) for a, b in zip(low, high, strict=True))
    return f"rgb({', '.join(map(str, mixed))})"
