"""Inputs: what is known of a modality, and what a visitor says of it instead, by its kind."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st
from torch import Tensor

from mvae.batch import Batch
from mvae.distributions.autoregressive import said
from mvae.errors import InputError
from mvae.images.tiling import grey
from mvae.kinds.tokens import WORD
from mvae.modality import Modality
from pages.parts.chips import NO, OFF, YES, Chip, chips
from pages.parts.manual_values import Entry, entry_of, tensor_of
from pages.parts.pictures import as_image, ink
from pages.parts.plain import plain
from pages.parts.view import View, change
from pages.parts.widget_sync import follow

__all__ = ["show_attributes", "show_input"]

#: Width of a card's picture, of a small card's, and of a tile's, in pixels.
WHOLE, SMALL, TILE = 140, 100, 70
#: From so many tags on they are searched for rather than all shown.
MANY_TAGS = 24
#: Width and height of a chart of numbers, in its own units.
CHART = (240, 48)


def show_input(
    m: Modality,
    view: View,
    value: Tensor | None,
    own: Entry | None,
    small: bool = False,
) -> None:
    """Show a modality, and a way to say something else where it can be said in words.

    Args:
        m: the modality.
        view: what is looked at.
        value: what is known of it, ``(*event shape)``, supplied or dropped; None if nothing is.
        own: what the test example's own is, in words.
        small: whether there is little room.
    """
    if m.kind == "label":
        _label(m, value, own)
    elif m.kind == "tags":
        _tags(m, view, value, own)
    elif m.kind == "text":
        _text(m, view, value, own)
    elif value is not None:
        _shown(m, value, small)
    if m.name in view.entries and view.source == "example":
        st.caption(f"not necessarily the example's own {m.name}")


def say(m: Modality, entry: Entry, own: Entry | None) -> None:
    """Take what a visitor says of a modality, and supply it."""
    view: View = st.session_state["view"]
    entries = {name: other for name, other in view.entries.items() if name != m.name}
    if entry != own:
        entries[m.name] = entry
    supply = view.supply or ()
    change(entries=entries, supply=supply if m.name in supply else (*supply, m.name))


def _shown(m: Modality, value: Tensor, small: bool) -> None:
    """Show what can only be looked at: a picture, or numbers as a line."""
    if m.kind == "image" or m.grid:
        value = grey(m, value) if m.grid else value
        width = TILE if m.tile is not None else SMALL if small else WHOLE
        alt = f"the {m.name} that is supplied or dropped"
        st.image(as_image(value, width), output_format="PNG", alt=alt)
    else:
        numbers = value.tolist()
        words = f"{len(numbers)} numbers from {min(numbers):.2g} to {max(numbers):.2g}"
        st.image(_line(numbers), width="stretch", alt=f"{m.name}: {words}")


def _line(numbers: Sequence[float]) -> str:
    """Draw numbers as a line, with a dot for each where there are few."""
    width, height = CHART
    low, high = min(numbers), max(numbers)
    scale = (height - 8) / ((high - low) or 1)
    step = (width - 8) / max(len(numbers) - 1, 1)
    places = [(4 + i * step, height - 4 - (x - low) * scale) for i, x in enumerate(numbers)]
    colour = "#{:02x}{:02x}{:02x}".format(*ink())
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = (
        "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places)
        if len(numbers) <= 12
        else ""
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" fill="{colour}">'
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>{dots}</svg>'
    )


def _label(m: Modality, value: Tensor | None, own: Entry | None) -> None:
    """Show the categories, of which one is chosen unless nothing is known."""
    chosen = None if value is None else int(value)
    key = f"label {m.name}"
    st.pills(
        m.name,
        range(m.shape[0]),
        format_func=lambda category: plain(m.category(category)),
        key=key,
        required=chosen is not None,
        label_visibility="collapsed",
        on_change=follow(key, chosen, lambda category: say(m, int(category), own)),
    )


def _tags(m: Modality, view: View, value: Tensor | None, own: Entry | None) -> None:
    """Show all tags if they are few, else those that are on, and a way to find others."""
    on = () if value is None else entry_of(value, m)
    assert isinstance(on, tuple)
    if len(m.categories) > MANY_TAGS:
        key = f"tags {m.name}"
        st.multiselect(
            m.name,
            m.categories,
            key=key,
            placeholder=f"Search {len(m.categories)} tags",
            label_visibility="collapsed",
            on_change=follow(key, list(on), lambda tags: say(m, _in_order(m, tags), own)),
        )
        return

    def take(changed: dict[str, str]) -> None:
        now = dict.fromkeys(on, YES) | changed
        say(m, _in_order(m, [tag for tag, state in now.items() if state == YES]), own)

    row = [Chip(tag, YES if tag in on else NO, (YES, NO)) for tag in m.categories]
    dropped = value is None or m.name not in (view.supply or ())
    chips(f"tags {view.data} {m.name}", m.name, row, take, dropped=dropped)


def _in_order(m: Modality, tags: Sequence[str]) -> tuple[str, ...]:
    return tuple(tag for tag in m.categories if tag in tags)


def _text(m: Modality, view: View, value: Tensor | None, own: Entry | None) -> None:
    """Show a box to type in, and below it the tokens that the model is given."""
    key, kept = f"text {m.name}", f"refused {m.name}"
    there = view.entries.get(m.name, own)
    # What is refused stands in the box until there is other evidence.
    identity = (view.data, view.model, view.source, view.sample, view.drawing, there)
    refused = st.session_state.get(kept)
    if refused is not None and refused[0] != identity:
        refused = None

    def take(typed: str) -> None:
        try:
            tensor_of(typed, m)
        except InputError as error:
            st.session_state[kept] = (identity, typed, str(error))
        else:
            st.session_state[kept] = None
            say(m, typed, own)

    st.text_input(
        m.name,
        key=key,
        placeholder="Type a text",
        label_visibility="collapsed",
        autocomplete="off",
        on_change=follow(key, refused[1] if refused else there or "", take),
    )
    if refused:
        known = "" if value is None else " The text before it stays."
        st.warning(f"{plain(refused[2])}{known}")
    if value is not None:
        _tokens(m, value)


def _tokens(m: Modality, value: Tensor) -> None:
    """Show the tokens of a text in boxes, and how many more fit if it is long."""
    tokens = [m.categories[token] for token in value[said(value)].tolist() if token]
    marked = any(token.startswith(WORD) for token in tokens)
    boxes = "".join(
        f'<span class="within">{escape(token)}</span>'
        if marked and not token.startswith(WORD)
        else f"<span>{escape(token.removeprefix(WORD) or '␣')}</span>"
        for token in tokens
    )
    room = m.shape[0] - 1
    left = f"{room - len(tokens)} more fit" if len(tokens) < room else "no more fit"
    end = f"<em>{left}</em>" if 2 * len(tokens) > room else ""
    st.html(f'<div class="tokens" aria-label="tokens" role="group">{boxes}{end}</div>')


def show_attributes(
    attributes: Sequence[Modality],
    view: View,
    sample: Batch,
    own: dict[str, Entry],
    colours: dict[str, str],
) -> None:
    """Show all that is said by no or yes: a chip for each, which also supplies or drops it."""
    there = {
        m.name: int(sample.values[m.name][0])
        for m in attributes
        if sample.present[0, sample.names.index(m.name)]
    }
    supply = view.supply or ()
    names = [m.name for m in attributes]
    heard = [name for name in names if name in there and name in supply]
    words = (NO, YES)

    def chip(m: Modality) -> Chip:
        # A click first says the opposite of the example, then nothing, then as it is again.
        first = own.get(m.name, 1)
        states = (YES, NO, OFF) if first else (NO, YES, OFF)
        return Chip(
            m.name, words[there[m.name]] if m.name in heard else OFF, states, colours[m.name]
        )

    def take(changed: dict[str, str]) -> None:
        now: View = st.session_state["view"]
        off = [name for name, state in changed.items() if state == OFF]
        spoken = {name: words.index(state) for name, state in changed.items() if state != OFF}
        entries = {name: entry for name, entry in now.entries.items() if name not in changed}
        entries |= {name: index for name, index in spoken.items() if index != own.get(name)}
        kept = [name for name in now.supply or () if name not in off]
        change(entries=entries, supply=tuple(dict.fromkeys((*kept, *spoken))))

    def all_or_none(on: bool) -> None:
        if on:
            change(supply=tuple(dict.fromkeys((*supply, *there))))
        else:
            change(supply=tuple(name for name in supply if name not in names))

    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**attributes** · {len(heard)} of {len(names)}", width="stretch")
        st.button(
            "All",
            key="attributes on",
            help="Supply all of them",
            type="tertiary",
            disabled=len(heard) == len(there),
            on_click=all_or_none,
            args=(True,),
        )
        st.button(
            "None",
            key="attributes off",
            help="Drop all of them",
            type="tertiary",
            disabled=not heard,
            on_click=all_or_none,
            args=(False,),
        )
    chips(f"attributes {view.data}", "attributes", [chip(m) for m in attributes], take)
    st.caption("✓ yes, ✗ no, dashed: not supplied. Click to change.")
    other = [name for name in heard if name in view.entries]
    if other and view.source == "example":
        st.caption(f"not necessarily the example's own: {', '.join(other)}")
