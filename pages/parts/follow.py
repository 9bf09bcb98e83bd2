"""Widgets that follow the view, whoever changes it.

With each deed a browser sends the values of all widgets. Of one that the server has changed and the
browser not yet, the older value looks as if somebody had set it back. So runs are numbered, and the
last thing that a run shows is its number, in a widget that nobody sees: what a browser sends tells
by it which run it knows, and a value that this run had shown is no deed.
"""

from __future__ import annotations

import streamlit as st

__all__ = ["echoed", "follow", "number_run", "show_number"]

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


def follow(key: str, value: object) -> None:
    """Let the widget of a key show a value, and remember of which run it is."""
    state = st.session_state
    state[key] = value
    shown = state.setdefault("shown by run", {}).setdefault(key, {})
    shown[state["run"]] = value
    while len(shown) > KEPT:
        del shown[min(shown)]


def echoed(key: str) -> bool:
    """Whether a widget's value is what the run that the browser knows had shown; for callbacks."""
    state = st.session_state
    known = int(state.get("known", 0))
    if known >= state["run"]:
        return False
    before = [value for run, value in state["shown by run"][key].items() if run <= known]
    return bool(before) and state[key] == before[-1]
