"""Widgets that follow the view, whoever changes it.

With each deed a browser sends the values of all widgets. Of one that the server has changed and the
browser not yet, the older value looks as if somebody had set it back. So runs are numbered, and the
last thing that a run shows is its number, in a widget that nobody sees: what a browser sends tells
by it which run it knows, and a value that this run had shown is no deed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

__all__ = ["follow", "number_run", "show_number"]

#: Runs that are remembered: as many as may be under way.
KEPT = 16
STYLE = "<style>.st-key-unseen { display: none; }</style>"


def number_run() -> None:
    """Begin a run."""
    st.session_state["run"] = st.session_state.get("run", 0) + 1


def show_number() -> None:
    """Let a browser that knows this run's number know all widgets; once, after the last of them."""
    number = str(st.session_state["run"])
    if st.session_state.get("known") == number:
        return
    st.session_state["known"] = number
    with st.container(key="unseen"):
        st.html(STYLE)
        st.text_input("run", key="known", label_visibility="collapsed")


def follow(key: str, value: object, deed: Callable[[Any], None]) -> Callable[[], None]:
    """Let the widget of a key show a value, and give its ``on_change``.

    Args:
        key: the widget's.
        value: what it shows.
        deed: what is done with a value that somebody chose there.
    """
    state = st.session_state
    state[key] = value
    shown: dict[int, object] = state.setdefault("shown by run", {}).setdefault(key, {})
    shown[state["run"]] = value
    while len(shown) > KEPT:
        del shown[min(shown)]

    def heard() -> None:
        chosen, known = state[key], int(state.get("known", 0))
        before = [run for run in shown if run <= known]
        if before and known < state["run"] and chosen == shown[max(before)]:
            return
        shown[known] = chosen  # what the browser shows from now on, so that a way back is a deed
        deed(chosen)

    return heard
