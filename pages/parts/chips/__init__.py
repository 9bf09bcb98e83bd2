"""Chips: many small answers of yes or no in one place, each changed by a click."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import streamlit as st

from pages.parts.js_bundle import files_of

__all__ = ["NO", "OFF", "YES", "Chip", "chips"]

#: What a chip may say; "off" is that nothing is said.
YES, NO, OFF = "yes", "no", "off"

_mount = st.components.v2.component("mvae_chips", **files_of(__file__, "chips"))


@dataclass(frozen=True)
class Chip:
    """One answer.

    Args:
        name: what is asked, also what is written on it.
        state: what it says now.
        states: what it says one after another as it is clicked.
        colour: of its dot; none for a chip whose colour says nothing.
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
    """Show chips, and hear which of them say something else.

    A chip shows at once what it was clicked to, before the server has heard of it.

    Args:
        key: names the chips.
        title: what they are together, for those who cannot see them.
        row: the chips.
        on_change: gets the new states of chips that changed, by name.
        dropped: whether what they say is not supplied at present.
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
