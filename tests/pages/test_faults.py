"""A fault of the app itself: logged, and told in words that give nothing away."""

from __future__ import annotations

import logging

from streamlit.testing.v1 import AppTest


def failing_page() -> None:
    from app import on_script_error

    assert on_script_error(ValueError("the secret of the house"))


def test_a_fault_is_logged_and_a_visitor_reads_a_sentence(caplog):
    with caplog.at_level(logging.ERROR, "mvae"):
        app = AppTest.from_function(failing_page, default_timeout=60).run()
    assert not app.exception
    assert "Something went wrong on this page" in app.error[0].value
    assert "secret" not in app.error[0].value
    assert "the secret of the house" in caplog.text
