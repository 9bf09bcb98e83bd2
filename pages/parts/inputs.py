"""Inputs: what is known of a modality, and what a visitor says of it instead, by its kind."""

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
    """Show a modality, and a way to say something else where it can be said in words.

    Args:
        m: the modality.
        view: what is looked at.
        value: what is known of it, ``(*event shape)``, supplied or dropped; None if nothing is.
        own: what the test example's own is, in words.
        small: whether there is little room.
    """
    VIEWS[m.kind].show_input(m, view, value, own, small)
    if m.name in view.entries and view.source == "example":
        st.caption(f"not necessarily the example's own {m.name}")


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
