"""The drawing pad on the server: what a page gets, without a browser."""

from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

DRAWING = "gA" + "A" * 129
OTHER = "QA" + "A" * 129


def page(value: str | None = None) -> None:
    """Show the pad; AppTest runs this body on its own."""
    import streamlit as st

    from pages.parts.pad import pad

    st.text(repr(pad("sketch", framing="filled", value=value)))


def run(value: str | None = None) -> AppTest:
    app = AppTest.from_function(page, kwargs={"value": value}, default_timeout=30).run()
    assert not app.exception
    return app


def draw(app: AppTest, drawing: object) -> str:
    app.session_state["sketch"] = {"drawing": drawing}
    app.run()
    assert not app.exception
    return app.text[0].value


def data_of(app: AppTest) -> dict[str, object]:
    return json.loads(app.get("bidi_component")[0].proto.json)


def test_nothing_is_drawn_at_first() -> None:
    app = run()
    assert app.text[0].value == "None"
    assert data_of(app) == {"height": 28, "width": 28, "framing": "filled", "value": None}


def test_drawing_arrives_and_goes() -> None:
    app = run()
    assert draw(app, DRAWING) == repr(DRAWING)
    assert data_of(app)["value"] == DRAWING  # for a browser that comes anew to this session
    assert draw(app, OTHER) == repr(OTHER)
    assert draw(app, None) == "None"
    assert data_of(app)["value"] is None


def test_link_begins_the_drawing_and_does_not_bring_it_back() -> None:
    app = run(DRAWING)
    assert app.text[0].value == repr(DRAWING)
    assert data_of(app)["value"] == DRAWING
    assert draw(app, OTHER) == repr(OTHER)
    assert draw(app, None) == "None"


@pytest.mark.parametrize("sent", [7, "", [DRAWING], {"a": 1}, True])
def test_what_is_no_text_is_no_drawing(sent: object) -> None:
    assert draw(run(), sent) == "None"
