"""Generated modalities as HTML: pictures, probabilities, texts and vectors."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from html import escape
from urllib.parse import quote

import torch
from torch import Tensor

from mvae.analysis.comparison import Prediction
from mvae.images.tiling import picture_shape, pictures, tiles, vector_as_image
from mvae.modality import Modality
from pages.parts.comparison.shared import Shared, likeliest, number
from pages.parts.pictures import as_image, framed, visible
from pages.parts.sentences import decided

__all__ = ["TAGS", "TEXTS", "part", "pictured", "rest", "sentence", "strip"]

#: Width in pixels of the gap between two draws, and its opacity between draws shown as ink.
GAP, FAINT = 2, 0.15
#: Largest number of tags and of texts shown; length of the longest vector that is written out.
TAGS, TEXTS, WRITTEN = 8, 3, 6


def part(title: str, note: str = "") -> str:
    """Return a heading with an optional note."""
    return f'<p class="part"><b>{escape(title)}</b> {escape(note)}</p>'


def sentence(text: str) -> str:
    """Return a sentence that explains why a part is missing."""
    return f'<p class="cannot">{escape(text)}</p>'


def strip(drawn: Tensor) -> Tensor:
    """Join pictures ``(N, C, H, W)`` side by side with gaps, ``(C', H, W')``."""
    apart = framed(drawn, (0, GAP, 0, 0))
    if drawn.shape[1] == 1:
        apart[..., -GAP:] = FAINT
    return torch.cat(apart.unbind(), -1)[..., :-GAP]


def _state(name: str, shared: Shared) -> str:
    return "supplied" if name in shared.evidence else "missing"


def _png(picture: Tensor) -> str:
    file = io.BytesIO()
    as_image(picture, picture.shape[-1]).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def pictured(answer: Prediction, shared: Shared) -> str:
    """Return the first picture, with framed parts and single draws, and any other pictures."""
    groups = pictures(shared.modalities)
    if not groups:
        return ""
    first, *further = groups
    more = "".join(_further(m, answer, shared) for group in further for m in group)
    return _first(first, answer, shared) + (more and f'<div class="further">{more}</div>')


def _first(group: tuple[Modality, ...], answer: Prediction, shared: Shared) -> str:
    if len(group) == 1:
        head = part(group[0].name, _state(group[0].name, shared))
    else:
        missing = sum(m.name not in shared.evidence for m in group)
        note = f"{missing} of {len(group)} parts missing" if missing else "supplied"
        head = part("picture", note)
    # One supplied part stands for all that are supplied, and one missing part for all missing.
    reasons = {
        _state(m.name, shared): answer.not_generated[m.name]
        for m in group
        if m.name in answer.not_generated
    }
    sentences = "".join(map(sentence, dict.fromkeys(reasons.values())))
    if answer.picture is None or answer.picture_draws is None:
        return head + sentences
    _, height, width = picture_shape(group) or answer.picture.shape
    frames = "".join(
        f'<i style="left:{100 * left / width:g}%;top:{100 * top / height:g}%;'
        f"width:{100 * m.shape[2] / width:g}%;height:{100 * m.shape[1] / height:g}%;"
        f"border:2px {'solid' if m.name in shared.evidence else 'dashed'} "
        f'{shared.colours[m.name]}"></i>'
        for m, top, left in tiles(group)
    )
    mean, drawn = (
        visible(x, group[0], shared.modalities) for x in (answer.picture, answer.picture_draws)
    )
    return (
        head
        + '<div class="made"><div class="mean"><img alt="mean of the generated pictures" '
        + f'src="{_png(mean)}">{frames}</div>'
        + f'<img class="draws" alt="{len(drawn)} single draws" '
        + f'src="{_png(strip(drawn))}"></div>{sentences}'
    )


def _further(m: Modality, answer: Prediction, shared: Shared) -> str:
    if m.name not in answer.expected:
        return f"<figure>{part(m.name)}{sentence(answer.not_generated[m.name])}</figure>"
    picture = visible(answer.expected[m.name], m, shared.modalities)
    return f"<figure>{part(m.name)}{_framed(m, picture, shared)}</figure>"


def _framed(m: Modality, picture: Tensor, shared: Shared) -> str:
    """Return a picture in a frame of its modality's colour, solid if it was supplied."""
    line = "solid" if m.name in shared.evidence else "dashed"
    return (
        f'<img class="framed" alt="mean generated {escape(m.name)}, '
        f'{_state(m.name, shared)}" '
        f'style="border:2px {line} {shared.colours[m.name]}" src="{_png(picture)}">'
    )


def rest(answer: Prediction, shared: Shared) -> list[str]:
    """Return the parts of all modalities that are not pictures."""
    together = decided(shared.modalities)
    parts = [_decisions(together, answer, shared)] if together else []
    for m in shared.modalities:
        if m.kind == "image" or m in together:
            continue
        head = part(m.name, _state(m.name, shared))
        if m.name not in answer.expected:
            parts.append(head + sentence(answer.not_generated[m.name]))
        elif m.kind == "label":
            parts.append(head + _bars(m, answer.expected[m.name], shared))
        elif m.kind == "tags":
            parts.append(head + _tags(m, answer.expected[m.name], shared))
        elif m.kind == "text":
            parts.append(head + _texts(m, answer.texts[m.name], shared))
        elif m.grid:
            parts.append(head + _framed(m, vector_as_image(m, answer.expected[m.name]), shared))
        else:
            parts.append(head + _numbers(m, answer.expected[m.name], shared))
    return parts


def _rows(rows: Iterable[tuple[str, float, str, bool]], words: str) -> str:
    """Return probability bars of rows ``(name, probability, colour, is the sample's own)``."""
    cells = "".join(
        f"<span{' class=own' if own else ''}>{escape(name)}</span>"
        f'<i><i style="width:{100 * p:.0f}%;background:{colour}"></i></i><span>{p:.0%}</span>'
        for name, p, colour, own in rows
    )
    return f'<div class="rows" role="img" aria-label="{escape(words)}">{cells}</div>'


def _decisions(labels: list[Modality], answer: Prediction, shared: Shared) -> str:
    """Return bars of the second category's probability, for several binary labels."""
    made = [m for m in labels if m.name in answer.expected]
    seconds = {m.category(1) for m in labels}
    head = f"p({min(seconds)})" if len(seconds) == 1 else "p(second category)"
    rows = []
    for m in made:
        own = shared.own(m)
        name = m.name if len(seconds) == 1 else f"{m.name}: {m.category(1)}"
        p = answer.expected[m.name][1].item()
        rows.append((name, p, shared.colours[m.name], own is not None and int(own) == 1))
    words = ", ".join(f"{name} {p:.0%}" for name, p, _, _ in rows)
    reasons = dict.fromkeys(
        answer.not_generated[m.name] for m in labels if m.name in answer.not_generated
    )
    supplied = sum(m.name in shared.evidence for m in labels)
    note = f"{supplied} of {len(labels)} supplied"
    return part(head, note) + "".join(map(sentence, reasons)) + (_rows(rows, words) if made else "")


def _tags(m: Modality, p: Tensor, shared: Shared) -> str:
    """Return bars of the likeliest tags."""
    own = shared.own(m)
    best = p.topk(min(TAGS, len(p))).indices.tolist()
    rows = [
        (m.category(i), p[i].item(), shared.colours[m.name], own is not None and bool(own[i]))
        for i in best
    ]
    return _rows(rows, f"{m.name}: {likeliest(m, p, TAGS)}")


def _texts(m: Modality, texts: list[tuple[str, float]], shared: Shared) -> str:
    """Return the most frequent texts among the draws."""
    items = "".join(
        f'<li style="--share:{100 * share:.0f}%"><span>{escape(text) or "(empty)"}</span>'
        f"<span>{share:.0%}</span></li>"
        for text, share in texts[:TEXTS]
    )
    return f'<ol class="texts" style="--colour:{shared.colours[m.name]}">{items}</ol>'


def _numbers(m: Modality, mean: Tensor, shared: Shared) -> str:
    """Return a vector as bars, with the sample's own as a line; short ones are also written out."""
    own, values = shared.own(m), mean.flatten()
    every = values if own is None else torch.cat((values, own.flatten()))
    low, high = min(every.min().item(), 0.0), max(every.max().item(), 1e-6)

    def y(value: float) -> str:
        return f"{100 * (high - value) / (high - low):.1f}"

    bars = "".join(f"M{i + 0.5} {y(0)}V{y(x)}" for i, x in enumerate(values.tolist()))
    line = "" if own is None else "L".join(f"{i + 0.5} {y(x)}" for i, x in enumerate(own.tolist()))
    ink = f"rgb{shared.ink}".replace(" ", "")
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {len(values)} 100" '
        f'preserveAspectRatio="none"><path d="{bars}" stroke="{shared.colours[m.name]}" '
        f'stroke-width=".8"/><path d="{line and "M" + line}" fill="none" stroke="{ink}" '
        'stroke-opacity=".7" vector-effect="non-scaling-stroke"/></svg>'
    )
    words = f"{len(values)} numbers, from {number(values.min().item())} to " + number(
        values.max().item()
    )
    written = ", ".join(map(number, values.tolist())) if len(values) <= WRITTEN else ""
    return (
        f'<img class="vector" alt="{escape(m.name)}: {words}" '
        f'src="data:image/svg+xml,{quote(svg)}">' + (written and f"<p>{written}</p>")
    )


def _bars(m: Modality, p: Tensor, shared: Shared) -> str:
    own = shared.own(m)
    short = all(len(m.category(c)) <= 2 for c in range(len(p)))
    columns = "".join(
        f'<span title="{escape(m.category(c))} {value:.0%}"'
        f"{' class=own' if own is not None and c == int(own) else ''}>"
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
