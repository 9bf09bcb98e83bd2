"""Widgets that follow the view, whether a visitor or the server changes it.

With each event a browser sends the values of all widgets. If the server has just changed a widget,
the browser still sends the old value, which looks as if the visitor had changed it back. So runs
are numbered, and after some of its widgets a run writes its number to a hidden widget. The number
that a browser sends back identifies the run whose values it shows, and a value that this run showed
is not an event.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

__all__ = ["follow", "number_run", "show_number"]

#: Number of runs that are remembered, at least as many as may be in progress.
KEPT = 16
#: Hides the numbers and the space around them.
STYLE = """<style>
[class*=st-key-unseen], [data-testid=stLayoutWrapper]:has(> [class*=st-key-unseen]) {
  display: none;
}
</style>"""


def number_run() -> None:
    """Begin a run with the next number."""
    state = st.session_state
    state["run"] = state.get("run", 0) + 1
    state["unnumbered"] = []
    st.html(STYLE)


def show_number(place: str) -> None:
    """Write this run's number to a hidden widget, after the widgets that it covers.

    Args:
        place: a name for this group of widgets, unique within a run.
    """
    state = st.session_state
    state.setdefault("numbered", {}).update(dict.fromkeys(state["unnumbered"], place))
    state["unnumbered"] = []
    state[f"known {place}"] = str(state["run"])
    with st.container(key=f"unseen-{place}"):
        st.text_input("run", key=f"known {place}", label_visibility="collapsed")


def follow(key: str, value: object, event: Callable[[Any], None]) -> Callable[[], None]:
    """Set a widget's value and return its ``on_change``; :func:`show_number` must follow it.

    Args:
        key: the widget's key.
        value: the value to show.
        event: called with a value that the visitor chose.
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
        shown[known] = chosen  # the browser now shows this, so that changing it back is an event
        event(chosen)

    return heard
