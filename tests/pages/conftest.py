"""A visit to the app without a browser, on the bundled checkpoints."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parents[2]
# The frame and not app.py, which gives an empty page to AppTest.
FRAME = ROOT / "pages" / "frame.py"


class Visit:
    """What a visitor sees and does, in words that do not depend on how the page is built."""

    def __init__(self, page: str | None = None, **params: str) -> None:
        self.app = AppTest.from_file(str(FRAME), default_timeout=120)
        for name, value in params.items():
            self.app.query_params[name.replace("_", "-")] = value
        self.app.run()
        if page:
            self.app.switch_page(page).run()
        self.check()

    def check(self) -> Visit:
        """No page ever shows a framework's error."""
        assert not self.app.exception
        return self

    def set(self, kind: str, key: str, value: object) -> Visit:
        """Set the widget of a kind and key."""
        getattr(self.app, kind)(key=key).set_value(value)
        self.app.run()
        return self.check()

    def switch(self, name: str, on: bool) -> Visit:
        """Throw the switch of a modality."""
        return self.set("toggle", f"supply {name}", on)

    @property
    def headline(self) -> str:
        """The sentence at the top, without emphasis."""
        return next(m.value for m in self.app.markdown if m.value.startswith("### ")).replace(
            "**", ""
        )

    @property
    def remarks(self) -> str:
        """All text of the page."""
        return "\n".join(m.value for m in (*self.app.markdown, *self.app.caption))

    @property
    def problems(self) -> str:
        """Warnings and errors."""
        return "\n".join(x.value for x in (*self.app.warning, *self.app.error))

    @property
    def belief(self) -> dict[str, Any]:
        """What the belief component draws."""
        data: dict[str, Any] = json.loads(self.app.get("bidi_component")[-1].proto.json)
        return data

    @property
    def url(self) -> dict[str, str]:
        """Query parameters."""
        return {
            name: value if isinstance(value, str) else value[0]
            for name, value in self.app.query_params.items()
        }


@pytest.fixture
def visit() -> Callable[..., Visit]:
    """Begin a visit, optionally on another page and with query parameters."""
    return Visit
