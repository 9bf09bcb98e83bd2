"""Entries: what is said survives a link, and what cannot be followed gets a sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages.parts.kinds.registry import VIEWS
from pages.parts.links import parse, url_of
from pages.parts.manual_values import tensor_of, write
from pages.parts.view import View
from tests.toys import tags, words

pytestmark = pytest.mark.usefixtures("toy_pages")

# Names as data sets may have them, with what means something in a link among their letters.
NAMES = st.text(st.sampled_from("ab,%2Cé …") | st.characters(codec="utf-8"), min_size=1)


@given(st.lists(NAMES, unique=True, min_size=1, max_size=8), st.data())
def test_tags_survive_a_link_whatever_they_are_called(names, data):
    m = tags("tags", 1).model_copy(update={"shape": (len(names),), "categories": tuple(names)})
    on = data.draw(st.sets(st.sampled_from(names)))
    entry = tuple(name for name in names if name in on)
    problems: list[str] = []
    assert VIEWS["tags"].read(write(entry), m, problems) == entry
    assert not problems
    assert m.decode(tensor_of(entry, m)[0]) == entry


@given(st.text(st.sampled_from("0123456789 \t\n"), max_size=5))
def test_texts_survive_a_link_as_they_were_typed(text):
    m = words("text", *"0123456789", length=6)
    assert VIEWS["text"].read(write(text), m, []) == text
    assert m.decode(tensor_of(text, m)[0]) == "".join(text.split())


TAG, MOOD = (st.sets(st.integers(0, n - 1)) for n in (30, 4))
SAID = st.one_of(
    st.builds(
        lambda tag, mood: ("clips", {"tags": tag, "mood": mood}),
        TAG.map(lambda on: tuple(f"tag {i}" for i in sorted(on))),
        MOOD.map(lambda on: tuple(f"tag {i}" for i in sorted(on))),
    ),
    st.text("0123456789", max_size=5).map(lambda text: ("spoken", {"text": text})),
    st.dictionaries(st.sampled_from([f"trait {i}" for i in range(18)]), st.integers(0, 1)).map(
        lambda said: ("traits", said)
    ),
    st.tuples(
        st.just("sentences"),
        st.fixed_dictionaries({}, optional={"english": st.sampled_from(["w1", " w2x0 w1 ", ""])}),
    ),
)


@given(SAID)
def test_what_is_said_survives_a_link(said):
    data, entries = said
    view = View(data, "mvae", entries=entries, supply=())
    assert parse(url_of(view)) == (view, [])


@pytest.mark.parametrize(
    ("params", "sentence", "left"),
    [
        ({"data": "clips", "set-tags": "tag 3,wings"}, "a tag “wings” of tags", "tag 3"),
        ({"data": "clips", "set-mood": "x" * 999}, f"a tag “{'x' * 40}” of mood", ""),
        ({"data": "clips", "set-mood": ",,%,"}, "a tag “%” of mood", ""),
        ({"data": "spoken", "set-text": "4x"}, "'x' is not in the vocabulary of text", None),
        ({"data": "spoken", "set-text": "123456"}, "text may have 5 at most", None),
        ({"data": "spoken", "set-text": "1" * 10**4}, "has 10,000 characters", None),
        ({"data": "traits", "set-trait 3": "2"}, "trait 3 “2”, which does not exist", None),
        (
            {"data": "traits", "source": "drawing", "drawing": "A"},
            "“Draw”, which traits",
            None,
        ),
        ({"data": "measured", "source": "upload"}, "“Upload”, which measured does", None),
    ],
)
def test_what_is_said_and_cannot_be_gets_a_sentence(visit, params, sentence, left):
    page = visit(**params)
    assert sentence in page.problems
    assert "sharper than the prior" in page.headline
    said = {name: value for name, value in page.url.items() if name.startswith("set-")}
    assert list(said.values()) == ([] if left is None else [left])
