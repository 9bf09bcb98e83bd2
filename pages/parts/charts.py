"""Charts of measured figures, as pure functions that return Plotly figures."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import torch

from mvae.results.figures import Figure
from mvae.training.weak_supervision import METHODS, Point
from pages.parts.plain import chart_text
from pages.parts.plots import DASHES, LINES

__all__ = ["intervals", "rank_histograms", "supervision"]

#: Half the width of a 95 % interval, in standard errors.
WIDE = 1.96
CLEAR = {"paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)"}


def heading(text: str, left: float) -> dict[str, Any]:
    """Return a title above a panel whose left edge is at a fraction of the figure's width."""
    return {
        **{"text": f"<b>{chart_text(text)}</b>", "showarrow": False},
        **{"x": left, "xanchor": "left", "xref": "paper"},
        **{"y": 1, "yanchor": "bottom", "yref": "paper"},
    }


def _wrapped(text: str) -> str:
    return "<br>".join(map(chart_text, textwrap.wrap(text, 60)))


def intervals(found: Sequence[Figure], titles: Sequence[str], digits: int) -> go.Figure:
    """Draw figures with 95 % intervals: a row for each model, a panel for each title.

    Args:
        found: the figures.
        titles: the title of each figure's panel.
        digits: decimals shown on hover.
    """
    panels = list(dict.fromkeys(titles))
    models = list(dict.fromkeys(chart_text(f.model) for f in found))
    width, gap = 1 / len(panels), 0.03
    data: list[dict[str, Any]] = []
    layout: dict[str, Any] = {
        "yaxis": {"autorange": "reversed", "automargin": True, "categoryarray": models},
        "showlegend": False,
        "margin": {"l": 8, "r": 8, "t": 30, "b": 8},
        "height": 70 + 24 * len(models),
        "annotations": [],
        **CLEAR,
    }
    for i, panel in enumerate(panels):
        here = [f for f, title in zip(found, titles, strict=True) if title == panel]
        axis = "x" if i == 0 else f"x{i + 1}"
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [f.mean for f in here],
                "y": [chart_text(f.model) for f in here],
                "xaxis": axis,
                "error_x": {"array": [WIDE * f.se for f in here], "thickness": 1.5, "width": 4},
                "marker": {"size": 8, "color": LINES[0]},
                "customdata": [[f.mean, f.se, f.n, _wrapped(f.protocol)] for f in here],
                "hovertemplate": f"<b>%{{y}}</b>: %{{customdata[0]:.{digits}f}} ± "
                f"%{{customdata[1]:.{digits}f}}, n = %{{customdata[2]:,}}<br>%{{customdata[3]}}"
                "<extra></extra>",
            }
        )
        low, high = i * width + gap / 2, (i + 1) * width - gap / 2
        layout[axis.replace("x", "xaxis")] = {"domain": [low, high], "nticks": 4, "zeroline": False}
        layout["annotations"].append(heading(panel, low))
    return go.Figure({"data": data, "layout": layout}, skip_invalid=False)


def rank_histograms(
    histograms: Mapping[str, Sequence[Sequence[int]]], bands: Mapping[str, Sequence[float]]
) -> go.Figure:
    """Draw rank histograms pooled over dimensions, one panel each.

    Args:
        histograms: counts by title, ``(D, bins)``, or ``(1, bins)`` if already pooled.
        bands: by title, the lower and upper height between which bars of uniform ranks lie.
    """
    data: list[dict[str, Any]] = []
    layout: dict[str, Any] = {
        "showlegend": False,
        "bargap": 0.06,
        "margin": {"l": 8, "r": 8, "t": 30, "b": 8},
        "height": 240,
        "annotations": [],
        "shapes": [],
        **CLEAR,
    }
    width, gap = 1 / len(histograms), 0.04
    for i, (title, counts) in enumerate(histograms.items()):
        each = torch.tensor(counts, dtype=torch.float64)
        total, bins = each.sum(), each.shape[-1]
        share = (each.sum(0) / total * bins).tolist()  # 1 where ranks are uniform
        x, y = ("x", "y") if i == 0 else (f"x{i + 1}", f"y{i + 1}")
        data.append(
            {
                "type": "bar",
                "x": [(j + 0.5) / bins for j in range(bins)],
                "y": share,
                "xaxis": x,
                "yaxis": y,
                "marker": {"color": LINES[0]},
                "hovertemplate": "%{y:.2f} times the uniform height<extra></extra>",
            }
        )
        low, high = i * width + gap / 2, (i + 1) * width - gap / 2
        layout[x.replace("x", "xaxis")] = {"domain": [low, high], "anchor": y, "range": [0, 1]}
        layout[y.replace("y", "yaxis")] = {"anchor": x, "rangemode": "tozero", "nticks": 4}
        layout["shapes"] += [
            {
                "type": "rect",
                "xref": x,
                "yref": y,
                "x0": 0,
                "x1": 1,
                "y0": bands[title][0],
                "y1": bands[title][1],
                "fillcolor": "rgba(139,145,156,.25)",
                "line": {"width": 0},
                "layer": "below",
            },
            {
                "type": "line",
                "xref": x,
                "yref": y,
                "x0": 0,
                "x1": 1,
                "y0": 1,
                "y1": 1,
                "line": {"color": "#8b919c", "dash": "dash", "width": 1.5},
            },
        ]
        layout["annotations"].append(heading(f"given {title}", low))
    return go.Figure({"data": data, "layout": layout}, skip_invalid=False)


def supervision(points: Sequence[Point]) -> go.Figure:
    """Draw accuracy against the number of labelled images, with a line through method means."""
    data: list[dict[str, Any]] = []
    methods = [name for name in METHODS if any(p.method == name for p in points)]
    for i, method in enumerate(methods):
        mine = sorted((p for p in points if p.method == method), key=lambda p: p.labels)
        budgets = list(dict.fromkeys(p.labels for p in mine))
        means = [statistics.mean(p.accuracy for p in mine if p.labels == n) for n in budgets]
        colour = LINES[i % len(LINES)]
        data += [
            {
                "type": "scatter",
                "mode": "lines",
                "name": method,
                "x": budgets,
                "y": means,
                "line": {"color": colour, "dash": DASHES[i % len(DASHES)], "width": 2.5},
                "legendgroup": method,
                "hovertemplate": f"<b>{method}</b>, %{{x:,}} labelled images: mean %{{y:.3f}}"
                "<extra></extra>",
            },
            {
                "type": "scatter",
                "mode": "markers",
                "showlegend": False,
                "x": [p.labels for p in mine],
                "y": [p.accuracy for p in mine],
                "marker": {"color": colour, "size": 6, "opacity": 0.75},
                "legendgroup": method,
                "customdata": [[p.seed, p.valid_labels, p.n] for p in mine],
                "hovertemplate": f"<b>{method}</b>, %{{x:,}} labelled images and "
                "%{customdata[1]:,} for early stopping, seed %{customdata[0]}: %{y:.4f} of "
                "%{customdata[2]:,} test images<extra></extra>",
            },
        ]
    ticks = sorted({p.labels for p in points})
    layout = {
        "xaxis": {
            "type": "log",
            "tickvals": ticks,
            "ticktext": [f"{n:,}" for n in ticks],
            # Upright where they would overlap, as on a phone.
            "autotickangles": [0, 90],
            "title": {"text": "labelled training images"},
        },
        "yaxis": {"title": {"text": "accuracy of the label"}, "tickformat": ".0%"},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "height": 460,
        **CLEAR,
    }
    return go.Figure({"data": data, "layout": layout}, skip_invalid=False)
