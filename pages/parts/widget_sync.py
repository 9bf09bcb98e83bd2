"""Widgets that follow the view, whoever changes it.

With each event a browser sends the values of all widgets. Of one that the server has changed and
the browser not yet, the older value looks as if somebody had set it back. So runs are numbered, and
right after some widgets a run shows its number, in a widget that nobody sees: what a browser sends
tells by it of which run it knows them, and a value that this run had shown is no event.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

__all__ = ["follow", "number_run", "show_number"]

#: Runs that are remembered: as many as may be under way.
KEPT = 16
#: Neither a number nor the room that it would take.
STYLE = """<style>
[class*=st-key-unseen], [data-testid=stLayoutWrapper]:has(> [class*=st-key-unseen]) {
  display: none;
}
</style>"""


def number_run() -> None:
    """Begin a run."""
    state = st.session_state
    state["run"] = state.get("run", 0) + 1
    state["unnumbered"] = []
    st.html(STYLE)


def show_number(place: str) -> None:
    """Tell a browser this run's number, right after widgets that it is about.

    Args:
        place: where they are, another one for each call in a run.
    """
    state = st.session_state
    state.setdefault("numbered", {}).update(dict.fromkeys(state["unnumbered"], place))
    state["unnumbered"] = []
    state[f"known {place}"] = str(state["run"])
    with st.container(key=f"unseen-{place}"):
        st.text_input("run", key=f"known {place}", label_visibility="collapsed")


def follow(key: str, value: object, event: Callable[[Any], None]) -> Callable[[], None]:
    """Let the widget of a key show a value, and give its ``on_change``; a number is to follow it.

    Args:
        key: the widget's.
        value: what it shows.
        event: what is done with a value that somebody chose there.
    """
    state = st.session_state
    state[key] = value
    state["unnumbered"].append(key)
    shown: dict[int, object] = state.setdefault("shown by run", {}).setdefault(key, {})
    shown[state["run"]] = value
    while len(shown) > KEPT:
        del shown[min(shown)]

    def heard() -> None:
        place = state.get("numbered", {}).get(key)
        chosen, known = state[key], int(state.get(f"known {place}", 0))
        before = [run for run in shown if run <= known]
        if before and known < state["run"] and chosen == shown[max(before)]:
            return
        shown[known] = chosen  # what the browser shows from now on, so that a way back is a event
        event(chosen)

    return heard
