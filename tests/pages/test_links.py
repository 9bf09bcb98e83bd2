"""Links: what they restore, and what they say when they cannot be followed; bad checkpoints."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mvae import checkpoint, search_path
from pages.parts.links import parse, url_of
from pages.parts.server import loading
from pages.parts.view import View
from tests.checkpoint_edits import edit_tensors
from tests.drawings import file_of

SUBSETS = st.permutations(["image", "label"]).flatmap(
    lambda names: st.integers(0, 2).map(lambda n: tuple(names[:n]))
)
COORDINATES = st.floats(-20, 20).map(lambda x: round(x, 3))
VIEWS = st.builds(
    View,
    data=st.sampled_from(["mnist", "fashion"]),
    model=st.sampled_from(["mvae", "mvae-cover"]),
    sample=st.integers(0, 499),
    entries=st.dictionaries(st.just("label"), st.integers(0, 9)),
    supply=SUBSETS,
    seed=st.integers(0, 99),
    start=st.sampled_from(["posterior", "prior"]),
    across=st.none() | st.integers(0, 31),
    down=st.none() | st.integers(32, 63),
    other=st.integers(0, 499),
    dims=st.lists(st.integers(0, 63), unique=True, max_size=12).map(tuple),
    plane=st.just(())
    | st.lists(st.integers(0, 63), unique=True, min_size=2, max_size=2).map(tuple),
    at=st.none() | st.tuples(COORDINATES, COORDINATES),
).flatmap(
    lambda view: st.permutations(["mvae", "mvae-cover", "mvae-2d"]).flatmap(
        lambda names: (
            st.just(view)
            | st.integers(1, 3).map(
                lambda n: replace(view, models=tuple(names[:n]), pinned=("", names[0])[n % 2])
            )
        )
    )
)


@given(VIEWS)
def test_a_link_restores_the_view(view):
    assert parse(url_of(view)) == (view, [])


@pytest.mark.parametrize(
    ("params", "words", "shown"),
    [
        ({"data": "imagenet"}, "data set called “imagenet”", {"data": "mnist"}),
        ({"model": "gpt"}, "model of mnist called “gpt”", {"model": "mvae-cover"}),
        ({"sample": "500"}, "numbered 0 to 499", {}),
        ({"sample": "-1"}, "numbered 0 to 499", {}),
        ({"sample": "three"}, "test example “three”", {}),
        ({"supply": "image,smell"}, "modality called “smell”", {"supply": "image"}),
        ({"set-label": "10"}, "numbered 0 to 9", {}),
        ({"drawing": "!!"}, "drawing in the link", {}),
        ({"source": "camera"}, "source of pictures", {}),
        ({"seed": "9" * 99}, "seed", {}),
        ({"across": "64"}, "latent dimension", {}),
        ({"across": "3", "down": "3"}, "two different dimensions", {"across": "3"}),
        ({"plane": "3,64"}, "latent dimension “64”", {}),
        ({"plane": "3,3"}, "A plane needs two different dimensions", {}),
        ({"plane": "3"}, "A plane needs two different dimensions", {}),
        ({"plane": "1,2,3"}, "A plane needs two different dimensions", {}),
        ({"plane": "x,y", "at": "1,2"}, "latent dimension “x”", {}),
        ({"plane": "x,y", "at": "1,2"}, "A plane needs two different dimensions", {}),
        ({"plane": "3", "at": "1,2"}, "A plane needs two different dimensions", {}),
        ({"at": "1"}, "holds a latent at “1”", {}),
        ({"at": "1,2,3"}, "holds a latent at “1,2,3”", {}),
        ({"at": "a,b"}, "not a pair of numbers between −20 and 20; the posterior is shown", {}),
        ({"at": "1,nan"}, "holds a latent at “1,nan”", {}),
        ({"at": "nan,1"}, "holds a latent at “nan,1”", {}),
        ({"at": "inf,0"}, "holds a latent at “inf,0”", {}),
        ({"at": "0,20.1"}, "holds a latent at “0,20.1”", {}),
        ({"at": ""}, "holds a latent at “”", {}),
        ({"models": "mvae,gpt,mvae"}, "compares a model called “gpt”", {"models": "mvae"}),
        (
            {"models": "mvae", "pinned": "mvae-2d"},
            "pins “mvae-2d”, which is not among",
            {"models": "mvae"},
        ),
        ({"pinned": "gpt"}, "the first of them is pinned instead", {}),
        ({"at": "9" * 999 + ",0"}, "holds a latent at “" + "9" * 40 + "”", {}),
    ],
)
def test_a_link_that_cannot_be_followed_gets_a_sentence_and_a_page(visit, params, words, shown):
    page = visit(**params)
    assert words in page.problems
    assert "sharper than the prior" in page.headline
    for name, value in shown.items():
        assert page.url[name] == value
    for name in params.keys() - shown.keys():
        assert name not in page.url


def test_the_sentence_about_a_link_is_gone_after_the_next_step(visit):
    page = visit(sample="500")
    page.switch("label", False)
    assert not page.problems


@pytest.fixture
def damaged(tmp_path, monkeypatch):
    """Put checkpoints that a test may damage in the place of the bundled ones."""
    folder = tmp_path / "mnist"
    folder.mkdir()
    for name in ("mvae", "mvae-cover"):
        shutil.copytree(search_path.CHECKPOINTS / "mnist" / name, folder / name)
    shutil.copy(search_path.CHECKPOINTS / "mnist" / "samples.safetensors", folder)
    monkeypatch.setattr(search_path, "CHECKPOINTS", tmp_path)
    for cached in (loading._load, loading.samples_of, loading.metrics_of):
        cached.clear()
    yield folder
    for cached in (loading._load, loading.samples_of, loading.metrics_of):
        cached.clear()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: w.pop("encoders.0.first.1.weight"), "lacks the tensor"),
        (lambda w: w.update({"encoders.0.first.1.weight": torch.zeros(2, 2)}), "of shape (2, 2)"),
        (lambda w: w["encoders.0.first.1.weight"].fill_(torch.nan), "not finite"),
    ],
)
def test_a_damaged_checkpoint_gets_a_sentence_and_another_can_be_chosen(
    visit, damaged, change, words
):
    edit_tensors(damaged / "mvae-cover" / "weights.safetensors", change)
    page = visit()
    assert words in page.problems
    assert "Choose another model above" in page.problems
    page.set("selectbox", "model", "mvae")
    assert not page.problems
    assert "sharper than the prior" in page.headline


def test_a_truncated_file_gets_a_sentence(visit, damaged):
    path = damaged / "samples.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    assert "is damaged" in visit().problems


def test_figures_of_other_weights_are_not_shown(visit, damaged):
    edit_tensors(
        damaged / "mvae-cover" / "weights.safetensors",
        lambda w: w["encoders.0.first.1.bias"].add_(0.01),
    )
    page = visit(**{"set-label": "8"})
    assert "in conflict" not in page.remarks


def test_a_view_without_anything_unusual_has_a_short_link():
    view = View("mnist", "mvae", supply=("image",))
    assert url_of(view) == {"data": "mnist", "model": "mvae", "supply": "image"}
    assert url_of(replace(view, seed=1))["seed"] == "1"


def test_a_link_with_too_many_models_keeps_the_first(monkeypatch):
    names = [f"mvae-{i}" for i in range(8)]
    monkeypatch.setattr(checkpoint, "available", lambda *_: {"mnist": ["mvae-cover", *names]})
    view, problems = parse({"models": ",".join(names)})
    assert view.models == tuple(names[:6])
    assert problems == ["The link compares 8 models; only the first 6 are shown."]


def address(page, params):
    """Let the browser be at an address, of which the server hears with what comes next."""
    page.app.query_params.clear()
    page.app.query_params.update(params)


def test_what_is_done_before_the_browser_has_the_last_address_adds_to_it(visit):
    page = visit(data="mnist", model="mvae-cover")
    before = dict(page.app.query_params)
    page.switch("label", False)
    address(page, before)
    page.set("number_input", "sample", 3)
    assert page.app.query_params["supply"] == "image"
    assert page.app.query_params["sample"] == "3"


def test_whoever_goes_back_to_an_upload_sees_it_again(visit):
    page = visit(data="faces").set("button_group", "source", "upload")
    page.app.file_uploader[0].set_value(
        ("red.png", file_of(Image.new("RGB", (40, 40), "red")), "image/png")
    )
    page.app.run()
    before, sharpness = dict(page.app.query_params), page.inference.sharpness
    page.set("button_group", "source", "example")
    assert page.inference.sharpness != sharpness
    address(page, before)
    page.app.run()
    page.check()
    assert not page.problems
    assert page.inference.sharpness == sharpness


def test_whoever_goes_back_sees_what_was_there(visit):
    page = visit(data="mnist", model="mvae-cover")
    before = dict(page.app.query_params)
    page.switch("label", False)
    address(page, before)
    page.app.run()
    page.check()
    assert page.app.toggle(key="supply label").value
