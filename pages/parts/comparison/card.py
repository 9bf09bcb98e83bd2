"""A card: one model's answer as static HTML."""

from __future__ import annotations

import re
from html import escape
from urllib.parse import quote

from mvae.analysis.comparison import Prediction, differences
from pages.parts.comparison.generated import pictured, rest
from pages.parts.comparison.html import part, sentence
from pages.parts.comparison.shared import Shared, number
from pages.parts.comparison.spread import height_of, spread

__all__ = ["card"]


def card(name: str, answer: Prediction, shared: Shared) -> str:
    """Return one model's answer as HTML: its posterior, what it generates, and its figures."""
    parts = {
        "posterior": _inference(name, answer, shared),
        "picture": pictured(answer, shared),
        "rest": "".join(rest(answer, shared)),
    }
    cells = "".join(f'<div class="{kind}">{html}</div>' for kind, html in parts.items() if html)
    return f'<div class="answer">{cells}{_numbers(name, answer, shared)}</div>'


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
