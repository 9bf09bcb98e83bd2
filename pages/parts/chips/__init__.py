"""Chips: a compact row of yes-or-no values, each changed by a click."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import streamlit as st

from pages.parts.server.js_bundle import files_of

__all__ = ["NO", "OFF", "YES", "Chip", "chips"]

#: States of a chip; "off" means that no value is supplied.
YES, NO, OFF = "yes", "no", "off"

_mount = st.components.v2.component("mvae_chips", **files_of(__file__, "chips"))


@dataclass(frozen=True)
class Chip:
    """One chip.

    Args:
        name: the chip's name and its text.
        state: its current state.
        states: the states that clicks cycle through.
        colour: colour of its dot; empty for no dot.
    """

    name: str
    state: str
    states: tuple[str, ...]
    colour: str = ""


def chips(
    key: str,
    title: str,
    row: Sequence[Chip],
    on_change: Callable[[dict[str, str]], None],
    dropped: bool = False,
) -> None:
    """Show chips, and call ``on_change`` with those that a visitor changed.

    A chip shows its new state at once, before the server answers.

    Args:
        key: name of the component.
        title: label of the group for screen readers.
        row: the chips.
        on_change: called with the new states of the chips that changed, by name.
        dropped: whether their values are currently not supplied.
    """

    def heard() -> None:
        told = (st.session_state[key] or {}).get("told")
        states = told.get("states") if isinstance(told, Mapping) else None
        if not isinstance(states, Mapping):
            return
        changed = {
            chip.name: state
            for chip in row
            if (state := states.get(chip.name)) in chip.states and (dropped or state != chip.state)
        }
        if changed:
            on_change(changed)

    told = (st.session_state.get(key) or {}).get("told")
    number = told.get("n") if isinstance(told, Mapping) else None
    data = {
        "title": title,
        "chips": [asdict(chip) for chip in row],
        "dropped": dropped,
        "heard": number if isinstance(number, int) else 0,
    }
    _mount(key=key, data=data, on_told_change=heard)
