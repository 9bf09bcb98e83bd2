"""The evidence column for every kind of modality: what is said, supplied, dropped and refused."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
import torch
from PIL import Image

from mvae.checkpoint import load_model, load_samples
from mvae.data import DATASETS, MNIST
from mvae.intake import pack_bits
from mvae.modality import Batch, Modality
from pages.parts.stage.planes import classes
from tests.toys import TOYS

TRAITS = [f"trait {i}" for i in range(18)]

pytestmark = pytest.mark.usefixtures("toy_pages")


def click(page, n=1, **states: str):
    """Click chips: send the states that the browser shows, by name, "_" for a space."""
    told = {name.replace("_", " "): state for name, state in states.items()}
    return page.message("mvae_chips", {"told": {"states": told, "n": n}})


def states_of(page) -> dict[str, str]:
    return {chip["name"]: chip["state"] for chip in page.component("mvae_chips")["chips"]}


def heard(page) -> list[str]:
    return page.stage["evidence"]


def expert(page, name: str) -> torch.Tensor:
    return page.unpack(page.stage["experts"][name]["mean"])


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
    assert "What this model does badly" in page.remarks


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
    assert "not necessarily the example's own: trait 3" in page.remarks
    click(page, n=2, trait_3="off")
    assert states_of(page)["trait 3"] == "off"
    assert "set-trait 3" not in page.url
    assert heard(page) == ["image", *(name for name in TRAITS if name != "trait 3")]
    assert "Dropping the trait 3 widened the belief" in page.remarks
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
    page = visit(data="traits", sample="0").deed({"supply": ["trait 5"], "n": 1})
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
    assert "not necessarily the example's own mood" in page.remarks
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
    assert "not necessarily the example's own text" in page.remarks


def tokens(page, which: int = 0) -> str:
    return [x.proto.body for x in page.app.get("html") if 'class="tokens"' in x.proto.body][which]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("4x", "'x' is not in the vocabulary of text: use 0–9"),
        ("1234567", "takes 7 tokens, and text has 5 at most"),
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
    assert "The text before it stays." in page.problems
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


# Where data come from


def options(page) -> list[str]:
    return [group.options for group in page.app.button_group if group.key == "source"]


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ("spoken", [["Example", "Draw", "Upload"]]),
        ("scenes", [["Example", "Upload"]]),
        ("sentences", []),
        ("measured", []),
    ],
)
def test_pictures_are_drawn_only_where_they_are_ink(visit, data, wanted):
    page = visit(data=data)
    assert options(page) == wanted
    page.app.button(key="next").click().run()
    assert page.check().url["sample"] == "1"


@pytest.mark.parametrize("source", ["drawing", "upload"])
def test_a_link_to_a_source_that_is_not_there_gets_a_sentence(visit, source):
    page = visit(data="sentences", source=source)
    assert "which sentences does not take" in page.problems
    assert "sharper than the prior" in page.headline
    assert "source" not in page.url


def test_several_things_are_drawn_in_their_places(visit):
    page = visit(data="spoken").set("button_group", "source", "drawing")
    pad = page.component("mvae_pad")
    assert (pad["height"], pad["width"], pad["framing"]) == (50, 50, "free")
    assert heard(page) == []
    picture = torch.zeros(1, 50, 50)
    picture[:, 5:20, 5] = 1
    page.message("mvae_pad", {"drawing": pack_bits(picture)})
    assert heard(page) == ["image"]
    assert page.app.toggle(key="supply text").disabled
    page.set("text_input", "text text", "1")
    assert heard(page) == ["image", "text"]


@pytest.mark.parametrize("drawing", ["A" * 7, "é" * 417, "x" * 100_000])
def test_what_is_no_drawing_gets_a_sentence(visit, drawing):
    page = visit(data="spoken").set("button_group", "source", "drawing")
    page.message("mvae_pad", {"drawing": drawing})
    assert "drawing in this link is" in page.problems
    assert heard(page) == []


def upload(page, content: bytes):
    page.app.file_uploader[0].set_value(("picture.png", content, "image/png"))
    page.app.run()
    return page.check()


def png(colour: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (90, 60), colour).save(file, "PNG")
    return file.getvalue()


def test_a_picture_in_colour_is_uploaded_and_the_rest_is_missing(visit):
    page = visit(data="scenes").set("button_group", "source", "upload")
    assert heard(page) == []
    upload(page, png((200, 30, 30)))
    assert heard(page) == ["colour"]
    red = expert(page, "colour")
    upload(page, b"no picture")
    assert "not a picture" in page.problems
    assert torch.equal(expert(page, "colour"), red)
    upload(page, png((30, 30, 200)))
    assert not page.problems
    assert not torch.equal(expert(page, "colour"), red)


def test_what_the_data_set_derives_follows_from_an_upload(visit, run, monkeypatch, tmp_path):
    def derive(picture: torch.Tensor) -> dict[str, torch.Tensor]:
        grey = picture.mean(1, keepdim=True)
        return {"grey": grey, "edges": grey}

    scenes = replace(MNIST, name="scenes", derive=derive)
    monkeypatch.setitem(DATASETS, "scenes", scenes)
    page = upload(visit(data="scenes").set("button_group", "source", "upload"), png((250, 90, 80)))
    assert heard(page) == ["colour", "grey", "edges"]
    model, _ = load_model("scenes", "mvae", root())
    with torch.no_grad():
        wanted = model.encoders[2](torch.ones(1, 1, 32, 32)).mean  # cut at one half: all edges
    assert torch.allclose(expert(page, "edges"), wanted[0], atol=1e-5)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "your picture.png").write_bytes(png((250, 90, 80)))
    check_code(page, run)


def test_attributes_of_a_picture_of_ones_own_are_not_known(visit):
    page = visit(data="traits").set("button_group", "source", "upload")
    upload(page, png((200, 30, 30)))
    assert set(states_of(page).values()) == {"off"}
    assert page.component("mvae_chips")["chips"][0]["states"] == ["yes", "no", "off"]
    assert page.app.button(key="attributes on").disabled
    click(page, trait_2="yes")
    assert heard(page) == ["image", "trait 2"]
    click(page, n=2, trait_2="off")
    assert heard(page) == ["image"]
    assert "set-trait 2" not in page.url


def test_a_bad_upload_of_one_data_set_is_not_told_of_at_another(visit):
    page = visit(data="scenes").set("button_group", "source", "upload")
    assert upload(page, b"no picture").problems
    page.set("selectbox", "data", "traits").set("button_group", "source", "upload")
    assert not page.problems


# The code


def root():
    from mvae import checkpoint

    return checkpoint.CHECKPOINTS


@pytest.fixture
def run(monkeypatch, toy_pages):
    """Give a function that runs code as a reader would who has the toys as checkpoints."""
    from mvae import checkpoint

    monkeypatch.setattr(checkpoint, "load_model", lambda d, m, r=toy_pages: load_model(d, m, r))
    monkeypatch.setattr(checkpoint, "load_samples", lambda d, m, r=toy_pages: load_samples(d, m, r))

    def execute(page) -> dict[str, object]:
        scope: dict[str, object] = {}
        exec(page.app.code[0].value, scope)
        return scope

    return execute


def check_code(page, run) -> None:
    belief, shown = run(page)["belief"], page.belief
    assert list(belief.evidence) == heard(page)
    assert belief.sharpness == pytest.approx(shown.sharpness, abs=1e-3)
    assert (belief.posterior.mean - shown.posterior.mean).abs().max() < 1e-5
    for name, expected in belief.expected.items():
        assert (expected - shown.expected[name]).abs().max() < 1e-4


@pytest.mark.parametrize(
    "params",
    [
        {"data": "traits", "sample": "1", "set-trait 4": "0", "supply": "trait 4,image"},
        {"data": "clips", "set-tags": "tag 3,tag 29", "set-mood": "", "supply": "tags,mood"},
        {"data": "spoken", "sample": "3", "set-text": "40 7"},
        {"data": "spoken", "source": "drawing", "set-text": "1", "supply": "text"},
        {"data": "spoken", "source": "drawing"},
        {"data": "spoken", "source": "drawing", "drawing": pack_bits(torch.ones(1, 50, 50))},
        {"data": "sentences", "set-english": "w1 w2x0", "set-vietnamese": "v3"},
        {"data": "measured", "sample": "5", "supply": "few,digit", "set-digit": "7"},
        {"data": "scenes", "sample": "2"},
    ],
)
def test_the_code_shown_gives_the_numbers_shown(visit, run, params):
    page = visit(**params)
    assert not page.problems
    check_code(page, run)


@pytest.mark.parametrize("data", ["scenes", "spoken"])
def test_the_code_of_an_upload_takes_the_file(visit, run, data, monkeypatch, tmp_path):
    file = io.BytesIO()
    paper = Image.new("RGB", (90, 60), "white")
    paper.paste((200, 30, 30), (20, 10, 30, 50))
    paper.save(file, "PNG")
    page = visit(data=data).set("button_group", "source", "upload")
    upload(page, file.getvalue())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "your picture.png").write_bytes(file.getvalue())
    check_code(page, run)


# What tells the examples apart


def test_examples_are_told_apart_by_a_label_or_a_tag_if_there_is_one(visit):
    def points(data: str) -> tuple[list[str], set[int]]:
        told = visit(data=data).stage["plane"]["points"]
        return told["titles"], set(told["categories"])

    titles, categories = points("traits")
    assert [title.split(": ")[1] for title in titles] == ["no", "yes"]
    assert categories == {0, 1}
    assert points("measured") == (list("0123456789"), set(range(10)))
    titles, categories = points("clips")
    assert titles[0].removesuffix(": no") == titles[1].removesuffix(": yes")
    assert categories == {0, 1}
    for data in ("sentences", "scenes", "spoken"):
        assert points(data) == ([], {0})


def test_of_many_tags_the_one_that_parts_the_examples_on_the_plane_tells_them_apart():
    m = Modality(
        name="tags",
        kind="tags",
        shape=(3,),
        likelihood="bernoulli",
        categories=("rare", "left", "never"),
    )
    places = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    left = (places[:, 0] < 0).float()
    rare = torch.zeros(40)
    rare[places[:, 1].argmax()] = 1  # far off, but it is one example
    tags = torch.stack((rare, left, torch.zeros(40)), 1)
    categories, titles = classes((m,), Batch.of((m,), {"tags": tags}), places)
    assert titles == ("left: no", "left: yes")
    assert torch.equal(categories, left.long())
