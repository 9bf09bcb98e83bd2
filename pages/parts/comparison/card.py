"""A card: one model's answer as static HTML."""

from __future__ import annotations

import math
import re
from html import escape
from urllib.parse import quote

from torch import Tensor

from mvae.analysis.comparison import Prediction, differences
from pages.parts.comparison.generated import part, pictured, rest, sentence
from pages.parts.comparison.shared import Shared, number

__all__ = ["AXIS", "card", "height_of", "spread"]

#: Limits of the logarithmic axis of standard deviations.
LOW, HIGH = 0.03, 1.5
#: Largest number of dimensions that are drawn, the sharpest; evidence is informative about few.
AXIS = 32


def card(name: str, answer: Prediction, shared: Shared) -> str:
    """Return one model's answer as HTML: its posterior, what it generates, and its figures."""
    parts = {
        "posterior": _inference(name, answer, shared),
        "picture": pictured(answer, shared),
        "rest": "".join(rest(answer, shared)),
    }
    cells = "".join(f'<div class="{kind}">{html}</div>' for kind, html in parts.items() if html)
    return f'<div class="answer">{cells}{_numbers(name, answer, shared)}</div>'


def spread(own: Tensor, reference: Tensor | None, latents: int, ink: tuple[int, int, int]) -> str:
    """Return an SVG of standard deviations: an area up to the prior's line, a dashed reference.

    Args:
        own: standard deviations of a model's posterior, the sharpest dimension first, ``(D,)``.
        reference: those of the pinned model.
        latents: number of dimensions on the axis.
        ink: red, green and blue.
    """
    colour = f"rgb{ink}".replace(" ", "")
    level = height_of(1.0)
    edge = "" if reference is None else f'<path d="M{_steps(reference[:latents])}" class="r"/>'
    line = _steps(own[:latents])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {latents} 100" '
        f'preserveAspectRatio="none"><style>path{{fill:none;stroke:{colour};stroke-width:1.5;'
        "vector-effect:non-scaling-stroke}.a{fill-opacity:.22;stroke:none;"
        f"fill:{colour}}}.r{{stroke-opacity:.65;stroke-dasharray:3 2}}.p{{stroke-opacity:.4}}"
        f'</style><path class="a" d="M0 {level:.1f}L{line}V{level:.1f}Z"/>'
        f'<path class="p" d="M0 {level:.1f}H{latents}"/>{edge}<path d="M{line}"/></svg>'
    )


def height_of(std: float) -> float:
    """Return the height of a standard deviation on the axis: 0 at HIGH, 100 at LOW."""
    return 100 * math.log(HIGH / min(max(std, LOW), HIGH)) / math.log(HIGH / LOW)


def _steps(stds: Tensor) -> str:
    """Return the commands of an SVG path, a step for each dimension."""
    heights = [height_of(std) for std in stds.tolist()]
    return f"0 {heights[0]:.1f}" + "".join(
        f"V{height:.1f}H{i + 1}" for i, height in enumerate(heights)
    )


def _inference(name: str, answer: Prediction, shared: Shared) -> str:
    if answer.posterior_std is None:
        return part("posterior") + sentence(answer.no_posterior)
    reference = (
        shared.reference.posterior_std if shared.reference and name != shared.pinned else None
    )
    svg = spread(answer.posterior_std, reference, shared.latents, shared.ink)
    low, high = answer.posterior_std[0].item(), answer.posterior_std[-1].item()
    words = f"standard deviations of {len(answer.posterior_std)} latents, {low:.2f} to {high:.2f}"
    ticks = "".join(f'<i style="top:{height_of(tick):.0f}%">{tick:g}</i>' for tick in (1.0, 0.1))
    return (
        part("posterior", f"σ of {len(answer.posterior_std)} latents")
        + f'<div class="spread"><span aria-hidden="true">{ticks}</span>'
        + f'<img alt="{words}" src="data:image/svg+xml,{quote(svg)}"></div>'
    )


def _numbers(name: str, answer: Prediction, shared: Shared) -> str:
    compare = shared.reference is not None and name != shared.pinned
    above = differences(answer, shared.reference) if compare and shared.reference else {}
    rows = []
    for title, value in answer.scores.items():
        # A narrow card has no room to repeat all of the evidence.
        short = re.sub(r"\| .*, .*?(\)?)$", r"| …\1", title)
        cells = f'<th scope="row">{escape(short)}</th><td>{_or_dash(value)}</td>'
        if compare:
            cells += f"<td>{_or_dash(above.get(title), signed=True)}</td>"
        rows.append(f"<tr>{cells}</tr>")
    here = "reference" if name == shared.pinned else "value"
    last = f'<th scope="col">−\u00a0{escape(shared.pinned)}</th>' if compare else ""
    return (
        f'<table><thead><tr><td></td><th scope="col">{here}</th>{last}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _or_dash(value: float | None, signed: bool = False) -> str:
    return "—" if value is None else number(value, signed)
