"""Missing: a model's figures for every subset of modalities, as a heat map with links."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from html import escape
from urllib.parse import urlencode

import streamlit as st

from mvae.analysis.comparison import MAX_LABELS
from mvae.evaluation.keys import count_of, joined
from mvae.images.tiling import tiles
from mvae.modality import Modality
from mvae.results.figures import HEAT_MAP_KINDS, KINDS, SHOWN_WITH, Figure, figures, kind_of, spoken
from mvae.results.runs import Record
from pages.parts.colours import colours_of
from pages.parts.figure_widgets import choose_kind
from pages.parts.links import url_of
from pages.parts.plain import code, plain
from pages.parts.server.loading import load, metrics_of
from pages.parts.view import View

#: The figure of each conditioning set and target.
Cells = dict[tuple[tuple[str, ...], str], Figure]

#: Title of coherence together with the accuracy of inferred labels.
CORRECT = "correct or coherent"

#: How to read conditioning sets that name their modalities.
LINK_NOTE = " ● marks what is supplied. Click a cell to open that conditioning set on Experts."

STYLE = """<style>
.missing { overflow-x: auto; }
.missing table {
  border-collapse: separate; border-spacing: 3px; font-variant-numeric: tabular-nums;
}
.missing th { font-weight: 400; padding: .2rem .5rem; text-align: center; white-space: nowrap; }
.missing th.row { text-align: right; }
.missing th.side { padding-bottom: .1rem; border-bottom: 1px solid; font-size: .85rem; }
.missing td { padding: 0; border-radius: 4px; text-align: center; min-width: 5.2rem; }
.missing td.dot { min-width: 1.6rem; font-size: 1.1rem; line-height: 1; }
.missing td a { display: block; padding: .35rem .6rem; color: inherit; text-decoration: none;
  border-radius: 4px; }
.missing td a:hover, .missing td a:focus-visible { outline: 2px solid currentColor; }
.missing td small { display: block; padding: 0 .15rem; font-size: .72rem; opacity: .8; }
.missing td.none { opacity: .55; }
@media (max-width: 640px) {
  .missing table { border-spacing: 1px; }
  .missing th { white-space: normal; padding: 0; font-size: .68rem; max-width: 3.6rem; }
  .missing th.side { font-size: .75rem; max-width: none; padding: 0 .35rem; }
  .missing th.dot { writing-mode: vertical-rl; text-align: right; white-space: nowrap;
    padding-top: .4rem; }
  .missing td { min-width: 3rem; font-size: .8rem; }
  .missing td.dot { min-width: 1.2rem; }
  .missing td a { padding: .35rem 0; }
}
</style>"""


def page() -> None:
    """Show a cell for every conditioning set and target."""
    view: View = st.session_state["view"]
    _, config = load(view.data, view.model)
    metrics = metrics_of(view.data, view.model)
    st.markdown(
        f"### What **{plain(view.model)}** infers and generates from each subset of the evidence"
    )
    record = Record(view.model, config, metrics)
    found = figures([record])
    kinds = {"coherence" if f.kind == "accuracy" else f.kind for f in found}
    if not kinds & set(HEAT_MAP_KINDS):
        st.markdown(
            "There are no such figures for exactly these weights. To measure them, run "
            f"{code(f'python -m mvae evaluate {view.data}/{view.model}')}."
        )
        return
    titles = {"coherence": CORRECT} | {
        key: kind_of(key, config.modalities).title for key in HEAT_MAP_KINDS if key != "coherence"
    }
    shown = choose_kind(view, "shown", titles, kinds)
    cells = table_of(found, shown, config.modalities)
    conditioning_sets = list(dict.fromkeys(given for given, _ in cells))
    targets = list(dict.fromkeys(target for _, target in cells))
    beside = table_of(found, SHOWN_WITH[shown], config.modalities) if shown in SHOWN_WITH else {}
    st.html(STYLE + heat_map(view, cells, conditioning_sets, targets, config.modalities, beside))
    there = {f.kind for f in (*cells.values(), *beside.values())}
    link_note = "" if is_by_count(conditioning_sets) else LINK_NOTE
    shows = [kind_of(key, config.modalities) for key in KINDS if key in there]
    st.caption(
        # A line each: two trailing spaces break it.
        "  \n".join(
            [
                *(f"**{kind.title}**: {kind.explanation}" for kind in shows),
                "The stronger a cell’s colour, the higher its figure."
                f"{link_note} n = {sample_counts(cells.values())}. Hover over a cell to see its "
                "standard error and protocol.",
            ]
        )
    )


def sample_counts(found: Iterable[Figure]) -> str:
    """Return the number of samples behind the figures, in words."""
    counts = [f.n for f in found]
    low, high = min(counts), max(counts)
    return f"{low:,} in each cell" if low == high else f"{low:,} to {high:,}"


def is_by_count(conditioning_sets: Iterable[tuple[str, ...]]) -> bool:
    """Whether the sets give the number of modalities supplied rather than their names."""
    return any(map(count_of, conditioning_sets))


def table_of(found: list[Figure], shown: str, modalities: tuple[Modality, ...]) -> Cells:
    """Return the figure of each conditioning set and target.

    All tiles of a picture count as one target; so do many labels, whose mean is taken.
    """
    cells: dict[tuple[tuple[str, ...], str], list[Figure]] = {}
    tiled = len(tiles(modalities)) > 1
    labels = {m.name for m in modalities if m.is_category}
    for f in found:
        if f.kind == shown or (shown == "coherence" and f.kind == "accuracy"):
            target = joined(f.key.asked) or "posterior"
            if f.kind in ("coherence", SHOWN_WITH["coherence"]):
                target = "the rest of the picture" if tiled else spoken(f.key.asked, modalities)
            elif target in labels and len(labels) > MAX_LABELS:
                target = f"{len(labels)} labels"
            cells.setdefault((f.key.given, target), []).append(f)
    return {key: mean_of(each) for key, each in cells.items()}


def mean_of(each: list[Figure]) -> Figure:
    """Return the mean of figures of the same samples.

    Its standard error is at most the mean of theirs, which is returned as an upper bound.
    """
    mean, se = (
        sum(values) / len(each) for values in zip(*((f.mean, f.se) for f in each), strict=True)
    )
    return replace(each[0], mean=mean, se=se)


def heat_map(
    view: View,
    cells: Cells,
    conditioning_sets: list[tuple[str, ...]],
    targets: list[str],
    modalities: tuple[Modality, ...],
    beside: Cells,
) -> str:
    """Return the heat map as a table of links, with secondary figures in small print."""
    names = [m.name for m in modalities]
    colours = colours_of(modalities)
    conditioning_sets = sorted(
        conditioning_sets,
        key=lambda given: (
            (count_of(given) or (len(given), 0))[0],
            [n not in given for n in names],
        ),
    )
    limits = limits_of(cells)
    head = (
        "<th></th>"
        if is_by_count(conditioning_sets)
        else "".join(f'<th class="dot">{escape(n)}</th>' for n in names)
    )
    head += "".join(f"<th>→ {escape(t)}</th>" for t in targets)
    sides = {"supplied": head.count("<th") - len(targets), "inferred or generated": len(targets)}
    groups = "".join(f'<th class="side" colspan="{n}">{side}</th>' for side, n in sides.items())
    lines = []
    for given in conditioning_sets:
        if is_by_count(conditioning_sets):
            left = f'<th class="row">{escape(joined(given)) or "nothing"}</th>'
        else:
            left = "".join(
                f'<td class="dot" style="color:{colours[n]}">{"●" if n in given else "·"}</td>'
                for n in names
            )
        right = "".join(
            cell(view, cells.get((given, target)), *limits[target], beside.get((given, target)))
            for target in targets
        )
        lines.append(f"<tr>{left}{right}</tr>")
    rows = f"<tr>{groups}</tr><tr>{head}</tr>{''.join(lines)}"
    return f'<div class="missing"><table>{rows}</table></div>'


def limits_of(cells: Cells) -> dict[str, tuple[float, float]]:
    """Return the least and the greatest figure of each target, the ends of its colour scale.

    Targets measured by shares have a common scale; nats of different targets are not comparable.
    """
    columns: dict[str, list[float]] = {}
    for (_, target), f in cells.items():
        columns.setdefault(target if f.kind == "predictive" else "", []).append(f.mean)
    spans = {name: (min(values), max(values)) for name, values in columns.items()}
    return {target: spans.get(target, spans.get("", (0.0, 0.0))) for _, target in cells}


def cell(view: View, figure: Figure | None, low: float, high: float, beside: Figure | None) -> str:
    """Return one cell, with a dash if there is no figure."""
    if figure is None:
        return '<td class="none">—</td>'
    kind = KINDS[figure.kind]
    share = (figure.mean - low) / (high - low) if high > low else 0.5
    shade = f"color-mix(in srgb, #0072b2 {8 + 42 * share:.0f}%, transparent)"
    tooltip = f"± {figure.se:.{kind.digits}f}, n = {figure.n:,}; {figure.protocol}"
    text = f"{figure.mean:.{kind.digits}f}".replace("-", "−")
    if beside is not None:
        other = KINDS[beside.kind]
        text += f"<small>{escape(other.title)} {beside.mean:.2f}</small>"
        tooltip += f"; {other.title} {beside.mean:.{other.digits}f} ± {beside.se:.{other.digits}f}"
    if count_of(figure.key.given):
        return f'<td style="background:{shade}" title="{escape(tooltip)}">{text}</td>'
    link = urlencode(url_of(view) | {"supply": ",".join(figure.key.given)})
    return (
        f'<td style="background:{shade}"><a href="./?{escape(link)}" target="_self" '
        f'title="{escape(tooltip)}">{text}</a></td>'
    )


page()
