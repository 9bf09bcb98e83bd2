"""The evidence column: the source of the data, and a card for each modality."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from mvae.batch import Batch
from mvae.modality import Modality
from pages.parts.inputs import show_attributes, show_input
from pages.parts.manual_values import Entry, is_attribute, tensor_of
from pages.parts.pictures import visible
from pages.parts.source import choose_source, from_picture, own_picture
from pages.parts.view import View, change
from pages.parts.widget_sync import follow, show_number

__all__ = ["evidence_column", "gather", "supplied", "switch"]

#: Number of small cards side by side.
ABREAST = 2
STYLE = """
.st-key-card-prior { border-left: 5px dashed #8b919c; }
[class*=card-] { padding: .6rem .8rem; gap: .5rem; }
[class*=small-card-] { padding: .4rem; }
[class*=card-] label p { overflow-wrap: normal; word-break: keep-all; }
[class*=st-key-supply-] p { font-weight: 600; }
[class*=small-card-] label { gap: .3rem; max-width: 100%; }
[class*=small-card-] label > div { flex-shrink: 0; }
[class*=small-card-] label > [data-testid=stWidgetLabel] { flex-shrink: 1; min-width: 0; }
[class*=small-card-] label p { font-size: .75rem; overflow: hidden; text-overflow: ellipsis; }
.tokens { display: flex; flex-wrap: wrap; row-gap: .2rem; font-size: .8rem; }
.tokens span {
  border: 1px solid color-mix(in srgb, currentColor 30%, transparent); border-radius: .25rem;
  padding: 0 .25rem; margin-right: .25rem; white-space: pre;
}
/* A token that continues a word touches the one before it. */
.tokens span:has(+ .within) { margin-right: 0; }
.tokens .within { border-left-style: dotted; margin-left: -1px; }
.tokens em { opacity: .75; }
"""


def gather(view: View, modalities: tuple[Modality, ...], samples: Batch) -> Batch:
    """Return the visitor's sample as a batch of one, without the modalities that are missing."""
    if view.source == "example":
        values = dict(samples[slice(view.sample, view.sample + 1)].values)
    else:
        # The test example's other modalities do not belong to the visitor's picture.
        picture = own_picture(view, modalities)
        values = {} if picture is None else from_picture(view.data, modalities, picture)
    for m in modalities:
        if m.name in view.entries:
            values[m.name] = tensor_of(view.entries[m.name], m)
        if m.distribution.binary and m.name in values:
            values[m.name] = (values[m.name] > 0.5).to(m.dtype)
    return Batch.of(modalities, values) if values else Batch.empty(modalities)


def supplied(view: View, sample: Batch) -> tuple[str, ...]:
    """Return the names of the supplied modalities that have a value, in order of supply."""
    there = dict(zip(sample.names, sample.present[0].tolist(), strict=True))
    return tuple(name for name in view.supply or () if there[name])


def own_entries(view: View, modalities: tuple[Modality, ...], samples: Batch) -> dict[str, Entry]:
    """Return the test example's own labels, tags and texts; empty for a visitor's picture."""
    if view.source != "example":
        return {}
    return {
        m.name: m.decode(samples.values[m.name][view.sample]) for m in modalities if m.is_annotation
    }


def arranged(modalities: Sequence[Modality]) -> list[list[Modality]]:
    """Group the modalities that share a card or a row of cards, in the order of the model.

    Example:
        >>> from mvae.data import DATASETS
        >>> [len(group) for group in arranged(DATASETS["quadrants"].modalities)]
        [4, 1]
    """
    groups: dict[tuple[object, ...], list[Modality]] = {}
    for m in modalities:
        if is_attribute(m):
            key: tuple[object, ...] = ("attributes",)
        elif not m.is_annotation:
            key = (m.kind, m.tile is None)
        else:
            key = (m.kind, m.name)
        groups.setdefault(key, []).append(m)
    return list(groups.values())


def evidence_column(
    view: View,
    modalities: tuple[Modality, ...],
    samples: Batch,
    sample: Batch,
    colours: dict[str, str],
) -> None:
    """Show the source of the data, and the cards in the order of the model.

    Args:
        view: what is looked at.
        modalities: of the model.
        samples: the test examples.
        sample: what :func:`gather` made of the view and these.
        colours: by modality.
    """
    st.markdown("#### Evidence")
    choose_source(view, modalities, len(samples))
    own = own_entries(view, modalities, samples)
    there = dict(zip(sample.names, sample.present[0].tolist(), strict=True))
    _style(modalities, colours)

    def card(m: Modality, small: bool = False) -> None:
        with st.container(border=True, key=f"{'small-' * small}card-{m.name.replace(' ', '-')}"):
            # A small card has no room for help.
            words = None if small else "Supply it as evidence, or drop it."
            switch(m.name, view, there[m.name], words)
            value = sample.values[m.name][0] if there[m.name] else None
            if m.is_image and value is not None:
                value = visible(value, m, modalities)
            show_input(m, view, value, own.get(m.name), small)

    for group in arranged(modalities):
        if is_attribute(group[0]):
            with st.container(border=True, key="card-of-attributes"):
                show_attributes(group, view, sample, own, colours)
        elif len(group) == 1:
            card(group[0])
        else:
            for row in _rows(group):
                for m, column in zip(
                    row, st.columns(len(row), gap="xsmall", wrap=False), strict=False
                ):
                    with column:
                        if m is not None:
                            card(m, small=True)
    with st.container(border=True, key="card-prior"):
        st.markdown("**prior** · always there")
    show_number("evidence")


def _rows(group: list[Modality]) -> list[list[Modality | None]]:
    """Arrange small cards in rows: tiles as in their picture, others ``ABREAST`` to a row."""
    if group[0].tile is None:
        filled = [*group, *[None] * (-len(group) % ABREAST)]
        return [filled[i : i + ABREAST] for i in range(0, len(filled), ABREAST)]
    rows: dict[int, list[tuple[int, Modality]]] = {}
    for m in group:
        assert m.tile is not None
        rows.setdefault(m.tile[0], []).append((m.tile[1], m))
    return [[m for _, m in sorted(rows[row], key=lambda each: each[0])] for row in sorted(rows)]


def _style(modalities: tuple[Modality, ...], colours: dict[str, str]) -> None:
    """Colour each card's border by its modality."""
    rules = [
        f"[class*=card-{m.name.replace(' ', '-')}]{{border-left:5px solid {colours[m.name]}}}"
        for m in modalities
    ]
    st.html(f"<style>{STYLE}{''.join(rules)}</style>")


def switch(name: str, view: View, there: bool, words: str | None = None) -> None:
    """Show a switch that drops a modality, or supplies it after the others.

    Args:
        name: the modality's name.
        view: the current view.
        there: whether the modality has a value to supply.
        words: help shown on hover.
    """

    def set_supplied(on: bool) -> None:
        now: View = st.session_state["view"]
        supply = tuple(other for other in now.supply or () if other != name)
        change(supply=(*supply, name) if on else supply)

    key = f"supply {name}"
    shown = there and name in (view.supply or ())
    st.toggle(
        name, key=key, disabled=not there, help=words, on_change=follow(key, shown, set_supplied)
    )
