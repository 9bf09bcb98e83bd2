"""Foreign texts on every page: from a link, a configuration, figures, folders and errors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
import torch
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mvae import search_path
from mvae.evaluation.keys import FigureKey
from mvae.modality import Modality
from mvae.results.figures import Figure
from pages.parts.charts import intervals
from pages.parts.comparison import records
from pages.parts.links import LISTS, SIMPLE
from pages.parts.plain import plain
from pages.parts.plots import curves, vectors
from pages.parts.server import loading
from pages.parts.stage.planes import plane_of
from pages.parts.view import View, distinct_kinds_first
from tests.hostile_texts import EVIL, EVIL_HTML, FOLDER, HOSTILE, write_hostile

PAGES = (
    *("experts.py", "traverse.py", "map.py", "compare.py"),
    *("results.py", "supervision.py", "missing.py"),
    *("learn.py", "theory.py"),
)
#: Messages and fields that hold no Markdown: code, data, and the plain choices of a list.
NO_MARKDOWN = {"code", "html", "arrow_data_frame", "bidi_component", "plotly_chart", "imgs"}
PLAIN_FIELDS = {"id", "key", "default", "value", "raw_value", "element_id", "form_id", "alt"}
PLAIN_LISTS = {"selectbox", "multiselect"}
#: What Markdown shows as code, whatever it is.
SPAN = re.compile(r"(?<![\\`])(`+)(?!`).*?(?<!`)\1(?!`)")


def strings(message: Message, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """List all strings of a message, each with the names of the fields on the way to it."""
    for field, value in message.ListFields():
        here = (*path, field.name)
        repeated = not isinstance(value, (str, bytes, Message)) and hasattr(value, "__iter__")
        for each in value if repeated else [value]:
            if isinstance(each, Message):
                yield from strings(each, here)
            elif isinstance(each, str):
                yield here, each


def elements(block: Any) -> Iterator[Any]:
    """List all elements of a page."""
    for child in block.children.values():
        if hasattr(child, "children"):
            if child.proto is not None:
                yield child
            yield from elements(child)
        else:
            yield child


def markdown(app: Any) -> list[str]:
    """List what a page lets Streamlit read as Markdown."""
    found = []
    for element in elements(app._tree):
        if element.type in NO_MARKDOWN or not isinstance(element.proto, Message):
            continue
        for path, text in strings(element.proto):
            chosen = element.type in PLAIN_LISTS and path[-1] in ("options", "placeholder")
            if path[-1] not in PLAIN_FIELDS and not chosen:
                found.append(text)
    return found


def html(app: Any) -> list[str]:
    """List what a page shows as HTML."""
    return [element.proto.body for element in elements(app._tree) if element.type == "html"]


def harmless(app: Any) -> None:
    for text in markdown(app):
        assert not EVIL.search(SPAN.sub("", text)), text
    for text in html(app):
        assert not EVIL_HTML.search(text), text


def test_the_check_finds_what_it_is_to_find():
    assert EVIL.search(HOSTILE)
    assert not EVIL.search(plain(HOSTILE))


@given(st.text())
def test_plain_text_is_one_line_and_made_of_what_it_was(text):
    shown = plain(text)
    assert len(shown.splitlines()) <= 1
    letters = [c for c in text if c.isalnum()]
    assert [c for c in shown if c.isalnum()] == letters


@pytest.mark.parametrize("name", ["data", "model", "source", "the others"])
def test_no_parameter_of_a_link_is_read_as_markdown(visit, name):
    others = {*SIMPLE, *LISTS, "supply", "models", "set-label"} - {"source"}
    names = others if name == "the others" else {name}
    page = visit(**{"source": "drawing", **dict.fromkeys(names, HOSTILE)})
    harmless(page.app)
    # Each is read, and nearly each refused in a sentence that quotes it.
    refused = ["evil" in sentence for sentence in page.problems.splitlines()]
    assert sum(refused) >= len(names - {"lesson", "training", "drawing"})


@pytest.mark.parametrize(
    ("data", "name"), [("clipart", "set-tags"), ("translation", "set-english")]
)
def test_no_entry_of_a_link_is_read_as_markdown(visit, data, name):
    harmless(visit(data=data, **{name: HOSTILE}).app)


def test_every_field_of_a_view_is_among_the_parameters():
    assert {f.name for f in fields(View)} == {
        *(*SIMPLE, *LISTS, "supply", "models", "data", "model", "entries")
    }


def test_names_that_are_written_into_sentences_are_letters():
    with pytest.raises(ValidationError):
        Modality(name=HOSTILE, kind="vector", shape=(2,), likelihood="gaussian")


FIGURE = {
    **{"model": HOSTILE, "key": FigureKey("loglik", asked=(HOSTILE,)), "mean": 0.0, "se": 1.0},
    **{"n": 1, "unreliable": None, "protocol": HOSTILE, "doubt": ""},
}


@pytest.fixture(scope="module")
def hostile_pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Let pages show a checkpoint every text of which is hostile."""
    root = write_hostile(tmp_path_factory.mktemp("hostile"))
    caches = (
        *(loading._load, loading.samples_of, loading.metrics_of, loading.map_of, plane_of),
        *(loading.records_of, records.history_of, distinct_kinds_first),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search_path, "CHECKPOINTS", root)
        for cache in caches:
            cache.clear()
        yield "toys"
    for cache in caches:
        cache.clear()


@pytest.mark.parametrize("page", PAGES)
def test_no_field_of_a_checkpoint_and_no_name_of_its_folder_is_read_as_markdown(
    hostile_pages, visit, page
):
    shown = visit(page, model=FOLDER, models=f"{FOLDER},mvae")
    harmless(shown.app)
    if page not in ("learn.py", "theory.py", "supervision.py"):
        assert any("evil" in text for text in markdown(shown.app))


def test_what_plotly_draws_is_text():
    figures = [
        curves({HOSTILE: {"epoch": [1], "validation_score": [1.0], "loss": [1.0]}}),
        vectors({HOSTILE: torch.zeros(2, 3)}, ["0", "1"]),
        intervals([Figure(**FIGURE)], [HOSTILE], 2),
    ]
    for figure in figures:
        drawn = [trace.name for trace in figure.data if trace.name]
        drawn += [each.text for each in figure.layout.annotations]
        for trace in figure.data:
            drawn += [x for x in trace.y if isinstance(x, str)]
            drawn += [x for row in trace.customdata or () for x in row if isinstance(x, str)]
        assert any("evil" in text for text in drawn)
        assert not any("<img" in text or "$" in text for text in drawn)


def test_an_error_is_read_as_it_stands(hostile_pages, visit):
    path = search_path.CHECKPOINTS / "toys" / "mvae" / "config.json"
    before = path.read_text()
    try:
        path.write_text(before.replace('"latents"', f'{json.dumps(HOSTILE)}: 1, "latents"'))
        loading._load.clear()
        shown = visit()
        assert "evil" in shown.problems
        harmless(shown.app)
    finally:
        path.write_text(before)
        loading._load.clear()
