"""Inputs: a modality's known value, and a widget to change it, by kind."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from torch import Tensor

from mvae.batch import Batch
from mvae.modality import Modality
from pages.parts.chips import NO, OFF, YES, Chip, chips
from pages.parts.kinds.registry import VIEWS
from pages.parts.manual_values import Entry
from pages.parts.view import View, change

__all__ = ["show_attributes", "show_input"]


def show_input(
    m: Modality,
    view: View,
    value: Tensor | None,
    own: Entry | None,
    small: bool = False,
) -> None:
    """Show a modality's value, with a widget to change it if it is a label, tags or a text.

    Args:
        m: the modality.
        view: the current view.
        value: its value, ``(*event shape)``, supplied or dropped; None if it is unknown.
        own: the test example's own value, as an entry.
        small: whether the card is small.
    """
    VIEWS[m.kind].show_input(m, view, value, own, small)
    if m.name in view.entries and view.source == "example":
        st.caption(f"may differ from the example’s own {m.name}")


def show_attributes(
    attributes: Sequence[Modality],
    view: View,
    sample: Batch,
    own: dict[str, Entry],
    colours: dict[str, str],
) -> None:
    """Show all yes-or-no labels as chips, which also supply or drop them."""
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
        # The first click negates the example's value, the second drops it, the third restores it.
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
            help="Supply all attributes",
            type="tertiary",
            disabled=len(heard) == len(there),
            on_click=all_or_none,
            args=(True,),
        )
        st.button(
            "None",
            key="attributes off",
            help="Drop all attributes",
            type="tertiary",
            disabled=not heard,
            on_click=all_or_none,
            args=(False,),
        )
    chips(f"attributes {view.data}", "attributes", [chip(m) for m in attributes], take)
    st.caption("✓ yes, ✗ no, dashed: not supplied. Click to change.")
    other = [name for name in heard if name in view.entries]
    if other and view.source == "example":
        st.caption(f"may differ from the example’s own: {', '.join(other)}")
