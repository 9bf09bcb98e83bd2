"""The evidence column for every kind of modality: what is said, supplied, dropped and refused."""

from __future__ import annotations

import pytest
import torch

from mvae.checkpoint import load_samples
from tests.pages.evidence_chips import click, expert, heard, root, states_of
from tests.toys import TOYS

TRAITS = [f"trait {i}" for i in range(18)]

pytestmark = pytest.mark.usefixtures("toy_pages")


@pytest.mark.parametrize("data", TOYS)
def test_every_kind_opens_with_everything_supplied(visit, data):
    page = visit(data=data)
    names = [m.name for m in TOYS[data]]
    assert not page.problems
    assert heard(page) == names
    switches = {toggle.label: toggle.value for toggle in page.app.toggle}
    attributes = [name for name in names if name.startswith("trait")]
    assert switches == {name: True for name in names if name not in attributes}
    assert f"{len(names)}" in page.headline or names[-1] in page.headline
    assert "Limitations of this model" in page.remarks


# Attributes


def test_a_chip_says_the_opposite_then_nothing_then_what_is_so(visit):
    page = visit(data="traits", sample="0")  # which has none of them
    assert states_of(page) == dict.fromkeys(TRAITS, "no")
    assert page.component("mvae_chips")["chips"][3]["states"] == ["no", "yes", "off"]
    before = expert(page, "trait 3")
    click(page, trait_3="yes")
    assert states_of(page) == dict.fromkeys(TRAITS, "no") | {"trait 3": "yes"}
    assert page.url["set-trait 3"] == "1"
    assert heard(page) == ["image", *TRAITS]
    assert not torch.equal(expert(page, "trait 3"), before)
    assert "may differ from the example’s own: trait 3" in page.remarks
    click(page, n=2, trait_3="off")
    assert states_of(page)["trait 3"] == "off"
    assert "set-trait 3" not in page.url
    assert heard(page) == ["image", *(name for name in TRAITS if name != "trait 3")]
    assert "Dropping the trait 3 widened the posterior" in page.remarks
    click(page, n=3, trait_3="no")
    assert heard(page)[-1] == "trait 3"
    assert torch.equal(expert(page, "trait 3"), before)


def test_quick_clicks_on_several_chips_arrive_together(visit):
    page = visit(data="traits", sample="1")  # which has all of them
    click(page, trait_0="no", trait_1="off", trait_2="off")
    assert [states_of(page)[name] for name in TRAITS[:4]] == ["no", "off", "off", "yes"]
    assert page.component("mvae_chips")["heard"] == 1
    click(page, n=2, trait_1="yes", trait_2="no")
    assert heard(page)[-2:] == ["trait 1", "trait 2"]
    assert page.url["set-trait 2"] == "0"
    assert "set-trait 1" not in page.url


@pytest.mark.parametrize(
    "told",
    [
        None,
        7,
        "yes",
        [],
        {},
        {"states": None},
        {"states": ["trait 3"]},
        {"states": {"smell": "yes"}},
        {"states": {"image": "off"}},
        {"states": {"trait 3": "perhaps", "trait 4": None, "trait 5": ["yes"], "trait 6": 1}},
        {"states": {"trait 3": "no"}, "n": "x" * 1000},
    ],
)
def test_what_no_chip_would_say_changes_nothing(visit, told):
    page = visit(data="traits", sample="0")
    before = page.url
    page.message("mvae_chips", {"told": told})
    assert page.url == before
    assert states_of(page) == dict.fromkeys(TRAITS, "no")


def test_all_attributes_are_dropped_and_supplied_together(visit):
    page = visit(data="traits", sample="0", **{"set-trait 3": "1"})
    assert page.app.button(key="attributes on").disabled
    page.app.button(key="attributes off").click().run()
    assert heard(page.check()) == ["image"]
    assert set(states_of(page).values()) == {"off"}
    assert page.app.button(key="attributes off").disabled
    page.app.button(key="attributes on").click().run()
    assert heard(page.check()) == ["image", *TRAITS]
    assert states_of(page)["trait 3"] == "yes"  # as it was said


def test_the_stage_drops_an_attribute_and_its_chip_follows(visit):
    page = visit(data="traits", sample="0").event({"supply": ["trait 5"], "n": 1})
    off = [name for name, state in states_of(page).items() if state == "off"]
    assert off == [name for name in TRAITS if name != "trait 5"]


def test_another_example_has_its_own_attributes(visit):
    page = click(visit(data="traits", sample="0"), trait_3="yes")
    page.app.button(key="next").click().run()
    assert states_of(page.check()) == dict.fromkeys(TRAITS, "yes")
    assert not [name for name in page.url if name.startswith("set-")]


# Tags


def test_tags_that_are_few_are_chips(visit):
    page = visit(data="clips", sample="2")
    own = states_of(page)
    assert list(own) == [f"tag {i}" for i in range(4)]
    other = "no" if own["tag 1"] == "yes" else "yes"
    click(page, tag_1=other)
    assert states_of(page) == own | {"tag 1": other}
    on = [name for name, state in states_of(page).items() if state == "yes"]
    assert page.url["set-mood"] == ",".join(on)
    assert "may differ from the example’s own mood" in page.remarks
    click(page, n=2, tag_1=own["tag 1"])
    assert "set-mood" not in page.url


def test_no_tag_at_all_can_be_said_too(visit):
    page = visit(data="clips", sample="2", **{"set-mood": ""})
    assert set(states_of(page).values()) == {"no"}
    assert page.url["set-mood"] == ""
    assert "mood" in heard(page)


def test_a_click_supplies_tags_that_were_dropped(visit):
    page = visit(data="clips", sample="2").switch("mood", False)
    assert page.component("mvae_chips")["dropped"]
    assert "mood" not in heard(page)
    click(page, tag_0="yes")
    assert not page.component("mvae_chips")["dropped"]
    assert heard(page)[-1] == "mood"


def test_tags_that_are_many_are_searched_for(visit):
    page = visit(data="clips", sample="2", supply="clip")
    samples = load_samples("clips", TOYS["clips"], root())
    own = [f"tag {i}" for i in samples.values["tags"][2].nonzero().flatten().tolist()]
    assert page.app.multiselect(key="tags tags").value == own
    page.set("multiselect", "tags tags", ["tag 20", "tag 3"])
    assert page.url["set-tags"] == "tag 3,tag 20"
    assert heard(page) == ["clip", "tags"]
    page.set("multiselect", "tags tags", [])
    assert page.url["set-tags"] == ""
    page.set("number_input", "sample", 3)
    assert "set-tags" not in page.url


# Texts


def test_a_text_is_typed_and_shown_in_tokens(visit):
    page = visit(data="spoken", sample="2", supply="image")
    before = expert(page, "text")
    page.set("text_input", "text text", "40 7")
    assert page.url["set-text"] == "40 7"
    assert heard(page) == ["image", "text"]
    assert not torch.equal(expert(page, "text"), before)
    assert "<span>4</span><span>0</span><span>7</span>" in tokens(page)
    assert "2 more fit" in tokens(page)
    assert "may differ from the example’s own text" in page.remarks


def tokens(page, which: int = 0) -> str:
    return [x.proto.body for x in page.app.get("html") if 'class="tokens"' in x.proto.body][which]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("4x", "'x' is not in the vocabulary of text: use 0–9"),
        ("1234567", "has 7 tokens, but text may have 5 at most"),
        ("1" * 100_000, "has 100,000 characters"),
        ("<script>", "'<' is not in the vocabulary"),
    ],
)
def test_a_text_that_cannot_be_written_gets_a_sentence_and_the_one_before_stays(
    visit, typed, words
):
    page = visit(data="spoken", sample="2").set("text_input", "text text", "31")
    before = expert(page, "text")
    page.set("text_input", "text text", typed)
    assert words in page.problems
    assert "The previous text is kept." in page.problems
    assert page.app.text_input(key="text text").value == typed  # to be mended
    assert page.url["set-text"] == "31"
    assert torch.equal(expert(page, "text"), before)
    page.switch("image", False)
    assert words in page.problems
    page.set("text_input", "text text", "32")
    assert not page.problems
    assert page.url["set-text"] == "32"


def test_another_example_has_its_own_text(visit):
    page = visit(data="spoken", sample="2")
    own = page.app.text_input(key="text text").value
    page.set("text_input", "text text", "x")
    assert page.problems
    page.set("number_input", "sample", 4)
    assert not page.problems
    other = page.app.text_input(key="text text").value
    page.set("text_input", "text text", "0")
    page.set("number_input", "sample", 2)
    assert page.app.text_input(key="text text").value == own != other
    assert "set-text" not in page.url


def test_the_examples_own_text_typed_again_is_its_own(visit):
    page = visit(data="spoken", sample="2")
    own = page.app.text_input(key="text text").value
    page.set("text_input", "text text", "0")
    page.set("text_input", "text text", own)
    assert "set-text" not in page.url


def test_tokens_within_a_word_cling_to_it(visit):
    page = visit(data="sentences").set("text_input", "text english", "w1 w2x0x3")
    cling = '<span>w1</span><span>w2</span><span class="within">x0</span>'
    assert f'{cling}<span class="within">x3</span>' in tokens(page)
