"""Where evidence comes from: examples, drawings, uploads; and the code that repeats it."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
import torch
from PIL import Image

from mvae.batch import Batch
from mvae.checkpoint import load_model, load_samples
from mvae.data import DATASETS, MNIST
from mvae.images.preprocessing import pack_bits
from mvae.modality import Modality
from pages.parts.stage.planes import classes
from tests.pages.evidence_chips import click, expert, heard, root, states_of

pytestmark = pytest.mark.usefixtures("toy_pages")


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
    assert "which sentences does not accept" in page.problems
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
    inference, shown = run(page)["inference"], page.inference
    assert list(inference.evidence) == heard(page)
    assert inference.sharpness == pytest.approx(shown.sharpness, abs=1e-3)
    assert (inference.posterior.mean - shown.posterior.mean).abs().max() < 1e-5
    for name, expected in inference.expected.items():
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
