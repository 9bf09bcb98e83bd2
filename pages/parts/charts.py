"""Charts of measured figures: pure functions, figures in, Plotly figure out."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import torch

from mvae.results import Figure
from pages.parts.figures import LINES

__all__ = ["intervals", "ranks"]

#: Half the width of a 95 % interval, in standard errors.
WIDE = 1.96
CLEAR = {"paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)"}


def intervals(found: Sequence[Figure], titles: Sequence[str], digits: int) -> go.Figure:
    """Draw figures with their 95 % intervals: a row for each model, a panel for each title.

    Args:
        found: the figures.
        titles: of the panel of each.
        digits: after the point, on hover.
    """
    panels = list(dict.fromkeys(titles))
    models = list(dict.fromkeys(f.model for f in found))
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
                "y": [f.model for f in here],
                "xaxis": axis,
                "error_x": {"array": [WIDE * f.se for f in here], "thickness": 1.5, "width": 4},
                "marker": {"size": 8, "color": LINES[0]},
                "customdata": [
                    [f.mean, f.se, f.n, "<br>".join(textwrap.wrap(f.how, 60))] for f in here
                ],
                "hovertemplate": f"<b>%{{y}}</b>: %{{customdata[0]:.{digits}f}} ± "
                f"%{{customdata[1]:.{digits}f}}, n = %{{customdata[2]:,}}<br>%{{customdata[3]}}"
                "<extra></extra>",
            }
        )
        low, high = i * width + gap / 2, (i + 1) * width - gap / 2
        layout[axis.replace("x", "xaxis")] = {"domain": [low, high], "nticks": 4, "zeroline": False}
        layout["annotations"].append(
            {
                "text": f"<b>{panel}</b>",
                "x": low,
                "xanchor": "left",
                "y": 1,
                "yanchor": "bottom",
                "xref": "paper",
                "yref": "paper",
                "showarrow": False,
            }
        )
    return go.Figure({"data": data, "layout": layout}, skip_invalid=False)


def ranks(histograms: Mapping[str, Sequence[Sequence[int]]]) -> go.Figure:
    """Draw rank histograms, all dimensions together, a panel for each.

    Args:
        histograms: by title, counts of ``(D, bins)``.
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
        share = (each.sum(0) / total * bins).tolist()  # 1 where ranks are spread evenly
        x, y = ("x", "y") if i == 0 else (f"x{i + 1}", f"y{i + 1}")
        data.append(
            {
                "type": "bar",
                "x": [(j + 0.5) / bins for j in range(bins)],
                "y": share,
                "xaxis": x,
                "yaxis": y,
                "marker": {"color": LINES[0]},
                "hovertemplate": "%{y:.2f} of the even share<extra></extra>",
            }
        )
        # A sample counts once in each dimension: were dimensions one and the same, the samples
        # alone would scatter a bar so far. Independent dimensions scatter it less.
        wide = 2.576 * ((bins - 1) / each[0].sum().item()) ** 0.5
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
                "y0": 1 - wide,
                "y1": 1 + wide,
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
        layout["annotations"].append(
            {
                "text": f"<b>given {title}</b>",
                "x": low,
                "xanchor": "left",
                "y": 1,
                "yanchor": "bottom",
                "xref": "paper",
                "yref": "paper",
                "showarrow": False,
            }
        )
    return go.Figure({"data": data, "layout": layout}, skip_invalid=False)
