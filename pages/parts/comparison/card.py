"""A card: one model's answer as HTML, in which nothing has to be drawn by the browser."""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

import torch
from torch import Tensor

from mvae.comparison import Answer, differences
from mvae.modality import Batch, Modality
from mvae.pictures import picture_shape, tiles
from pages.parts.pictures import as_image

__all__ = ["AXIS", "Shared", "card", "height_of", "likeliest", "number", "spread", "strip"]

#: Standard deviations between which spreads are drawn, on a logarithmic axis.
LOW, HIGH = 0.03, 1.5
#: How many dimensions' spreads are drawn at most, the sharpest; evidence tells of few.
AXIS = 32
#: Pixels between two draws.
GAP = 2


@dataclass(frozen=True)
class Shared:
    """What all cards have in common.

    Args:
        modalities: of the models.
        sample: what is known, a batch of one.
        evidence: what of it is supplied.
        colours: of the modalities.
        latents: how many the axis of the spreads holds.
        ink: colour of ink in the visitor's theme.
        pinned: name of the model that the others are compared with.
        reference: its answer, once it is there.
    """

    modalities: tuple[Modality, ...]
    sample: Batch
    evidence: tuple[str, ...]
    colours: Mapping[str, str]
    latents: int
    ink: tuple[int, int, int]
    pinned: str
    reference: Answer | None = None


def card(name: str, answer: Answer, shared: Shared) -> str:
    """Write one model's answer: what it believes, what it generates, and how good that is."""
    parts = {
        "belief": _belief(name, answer, shared),
        "picture": _picture(answer, shared),
        "rest": "".join(_rest(answer, shared)),
    }
    cells = "".join(f'<div class="{kind}">{html}</div>' for kind, html in parts.items() if html)
    return f'<div class="answer">{cells}{_numbers(name, answer, shared)}</div>'


def number(value: float, signed: bool = False) -> str:
    """Write a number with as many digits as matter.

    Example:
        >>> number(-103.72), number(0.9531), number(0.123, signed=True), number(-0.001)
        ('−103.7', '0.95', '+0.12', '0.00')
    """
    digits = 1 if abs(value) >= 10 else 2
    rounded = round(value, digits) + 0.0  # no minus before a zero
    return f"{rounded:{'+' if signed and rounded else ''}.{digits}f}".replace("-", "−")


def spread(own: Tensor, reference: Tensor | None, latents: int, ink: tuple[int, int, int]) -> str:
    """Draw standard deviations as an SVG: the area under the prior's line, and a reference's edge.

    Args:
        own: of one model's posterior, the sharpest dimension first, ``(D,)``.
        reference: of the pinned one.
        latents: how many dimensions the axis holds.
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
    """Place a standard deviation on the axis: 0 at HIGH, 100 at LOW."""
    return 100 * math.log(HIGH / min(max(std, LOW), HIGH)) / math.log(HIGH / LOW)


def _steps(stds: Tensor) -> str:
    """Write a path's steps, one for each dimension."""
    heights = [height_of(std) for std in stds.tolist()]
    return f"0 {heights[0]:.1f}" + "".join(
        f"V{height:.1f}H{i + 1}" for i, height in enumerate(heights)
    )


def strip(pictures: Tensor) -> Tensor:
    """Put pictures ``(N, C, H, W)`` side by side with a gap between them, ``(C, H, W')``."""
    padded = torch.nn.functional.pad(pictures, (0, GAP))
    return torch.cat(padded.unbind(), -1)[..., :-GAP]


def _png(picture: Tensor) -> str:
    file = io.BytesIO()
    as_image(picture, picture.shape[-1]).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _part(title: str, note: str = "") -> str:
    return f'<p class="part"><b>{escape(title)}</b> {escape(note)}</p>'


def _sentence(text: str) -> str:
    return f'<p class="cannot">{escape(text)}</p>'


def _state(name: str, shared: Shared) -> str:
    return "supplied" if name in shared.evidence else "missing"


def _belief(name: str, answer: Answer, shared: Shared) -> str:
    if answer.spread is None:
        return _part("belief") + _sentence(answer.no_spread)
    reference = shared.reference.spread if shared.reference and name != shared.pinned else None
    svg = spread(answer.spread, reference, shared.latents, shared.ink)
    low, high = answer.spread[0].item(), answer.spread[-1].item()
    words = f"standard deviations of {len(answer.spread)} latents, {low:.2f} to {high:.2f}"
    ticks = "".join(f'<i style="top:{height_of(tick):.0f}%">{tick:g}</i>' for tick in (1.0, 0.1))
    return (
        _part("belief", f"σ of {len(answer.spread)} latents")
        + f'<div class="spread"><span aria-hidden="true">{ticks}</span>'
        + f'<img alt="{words}" src="data:image/svg+xml,{quote(svg)}"></div>'
    )


def _picture(answer: Answer, shared: Shared) -> str:
    shape = picture_shape(shared.modalities)
    if shape is None:
        return ""
    images = [m for m in shared.modalities if m.kind == "image"]
    if len(images) == 1:
        head = _part(images[0].name, _state(images[0].name, shared))
    else:
        missing = sum(m.name not in shared.evidence for m in images)
        head = _part(
            "picture", f"{missing} of {len(images)} parts missing" if missing else "supplied"
        )
    # Of many parts that are supplied, or missing, one speaks for all.
    reasons = {
        _state(m.name, shared): answer.cannot[m.name] for m in images if m.name in answer.cannot
    }
    sentences = "".join(map(_sentence, dict.fromkeys(reasons.values())))
    if answer.picture is None or answer.drawn is None:
        return head + sentences
    _, height, width = shape
    frames = "".join(
        f'<i style="left:{100 * left / width:g}%;top:{100 * top / height:g}%;'
        f"width:{100 * m.shape[2] / width:g}%;height:{100 * m.shape[1] / height:g}%;"
        f"border:2px {'solid' if m.name in shared.evidence else 'dashed'} "
        f'{shared.colours[m.name]}"></i>'
        for m, top, left in tiles(shared.modalities)
    )
    return (
        head
        + '<div class="made"><div class="mean"><img alt="mean of what it generates" '
        + f'src="{_png(answer.picture)}">{frames}</div>'
        + f'<img class="draws" alt="{len(answer.drawn)} single draws" '
        + f'src="{_png(strip(answer.drawn))}"></div>{sentences}'
    )


def _rest(answer: Answer, shared: Shared) -> list[str]:
    """Write what is no picture: labels as bars of probability, vectors as numbers."""
    parts = []
    for m in shared.modalities:
        if m.kind == "image":
            continue
        head = _part(m.name, _state(m.name, shared))
        if m.name not in answer.expected:
            parts.append(head + _sentence(answer.cannot[m.name]))
        elif m.kind == "label":
            parts.append(head + _bars(m, answer.expected[m.name], shared))
        else:
            values = ", ".join(number(x) for x in answer.expected[m.name].flatten().tolist())
            parts.append(f"{head}<p>{values}</p>")
    return parts


def likeliest(m: Modality, p: Tensor, count: int = 2) -> str:
    """Name the likeliest categories with their probabilities, those of at least 1 %."""
    best = zip(*(x.tolist() for x in p.topk(min(count, len(p)))), strict=True)
    return ", ".join(
        f"{m.category(int(c))} ({value:.0%})"
        for i, (value, c) in enumerate(best)
        if i == 0 or value >= 0.01
    )


def _bars(m: Modality, p: Tensor, shared: Shared) -> str:
    place = shared.sample.names.index(m.name)
    own = int(shared.sample.values[m.name][0]) if shared.sample.present[0, place] else None
    short = all(len(m.category(c)) <= 2 for c in range(len(p)))
    columns = "".join(
        f'<span title="{escape(m.category(c))} {value:.0%}"{" class=own" if c == own else ""}>'
        f'<i><i style="height:{100 * value:.0f}%;background:{shared.colours[m.name]}"></i></i>'
        f"{escape(m.category(c)) if short else ''}</span>"
        for c, value in enumerate(p.tolist())
    )
    words = likeliest(m, p)
    return (
        f'<p class="likeliest">{escape(words)}</p>'
        f'<div class="bars" role="img" aria-label="{escape(m.name)}: {escape(words)}">'
        f"{columns}</div>"
    )


def _numbers(name: str, answer: Answer, shared: Shared) -> str:
    compare = shared.reference is not None and name != shared.pinned
    above = differences(answer, shared.reference) if compare and shared.reference else {}
    rows = []
    for title, value in answer.numbers.items():
        # A narrow card has no room to say again what all the evidence is.
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
