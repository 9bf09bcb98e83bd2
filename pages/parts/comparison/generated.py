"""Generated modalities as HTML: all pictures together, every other modality by its kind."""

from __future__ import annotations

import torch
from torch import Tensor

from mvae.analysis.comparison import Prediction
from mvae.images.tiling import picture_shape, pictures, tiles
from mvae.modality import Modality
from pages.parts.comparison.html import made, part, png, rows_of, sentence, state
from pages.parts.comparison.shared import Shared
from pages.parts.kinds.registry import VIEWS
from pages.parts.pictures import framed, visible
from pages.parts.sentences import decided

__all__ = ["pictured", "rest", "strip"]

#: Width in pixels of the gap between two draws, and its opacity between draws shown as ink.
GAP, FAINT = 2, 0.15


def strip(drawn: Tensor) -> Tensor:
    """Join pictures ``(N, C, H, W)`` side by side with gaps, ``(C', H, W')``."""
    apart = framed(drawn, (0, GAP, 0, 0))
    if drawn.shape[1] == 1:
        apart[..., -GAP:] = FAINT
    return torch.cat(apart.unbind(), -1)[..., :-GAP]


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
        head = part(group[0].name, made(group[0].name, shared))
    else:
        missing = sum(m.name not in shared.evidence for m in group)
        note = f"{missing} of {len(group)} parts missing" if missing else "reconstructed"
        head = part("picture", note)
    # One supplied part stands for all that are supplied, and one missing part for all missing.
    reasons = {
        state(m.name, shared): answer.not_generated[m.name]
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
        + f'src="{png(mean)}">{frames}</div>'
        + f'<img class="draws" alt="{len(drawn)} single draws" '
        + f'src="{png(strip(drawn))}"></div>{sentences}'
    )


def _further(m: Modality, answer: Prediction, shared: Shared) -> str:
    if m.name not in answer.expected:
        return f"<figure>{part(m.name)}{sentence(answer.not_generated[m.name])}</figure>"
    return f"<figure>{part(m.name)}{VIEWS[m.kind].generated(m, answer, shared)}</figure>"


def rest(answer: Prediction, shared: Shared) -> list[str]:
    """Return the parts of all modalities that are not pictures."""
    together = decided(shared.modalities)
    parts = [_decisions(together, answer, shared)] if together else []
    for m in shared.modalities:
        if m.is_image or m in together:
            continue
        head = part(m.name, made(m.name, shared))
        if m.name not in answer.expected:
            parts.append(head + sentence(answer.not_generated[m.name]))
        else:
            parts.append(head + VIEWS[m.kind].generated(m, answer, shared))
    return parts


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
    bars = rows_of(rows, words) if made else ""
    return part(head, note) + "".join(map(sentence, reasons)) + bars
