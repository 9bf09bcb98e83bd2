"""The stage on the server: what it is given, and what it may ask for."""

from __future__ import annotations

import pytest
import torch

from mvae.checkpoint import load_model, load_samples
from mvae.models.base import DRAWS, noise
from pages.parts.stage.planes import ASPECT

# What it is given


def axes_of(page) -> torch.Tensor:
    return torch.stack([page.unpack(axis) for axis in page.stage["plane"]["axes"]])


@pytest.mark.parametrize("data", ["mnist", "quadrants"])
def test_without_a_wish_the_plane_follows_the_directions_in_which_the_examples_vary(visit, data):
    page = visit(data=data)
    plane = page.stage["plane"]
    assert plane["oblique"]
    assert plane["names"] == ["1st direction", "2nd direction"]
    model, _ = load_model(data, "mvae-cover")
    samples = load_samples(data, model.modalities)
    with torch.no_grad():
        means = model.posterior(samples).mean
    coordinates = page.unpack(plane["points"]["coordinates"]).reshape(-1, 2)
    assert (coordinates - means @ axes_of(page).T).abs().max() < 1e-5
    assert plane["points"]["categories"] == samples.values["label"].tolist()
    assert plane["points"]["titles"] == list(model.modalities[-1].categories or "0123456789")
    variances = torch.linalg.eigvalsh(means.T.cov()).flip(0)
    assert torch.allclose(coordinates.T.cov(), torch.diag(variances[:2]), atol=1e-3)
    # A little beyond the farthest, in a drawing that is so much wider than high.
    farthest = max(coordinates[:, 0].abs().max() / ASPECT, coordinates[:, 1].abs().max())
    assert farthest <= plane["reach"] <= farthest + 0.4


def test_two_chosen_dimensions_are_the_plane(visit):
    page = visit(plane="7,3")
    plane = page.stage["plane"]
    assert not plane["oblique"]
    assert plane["names"] == ["z7", "z3"]
    assert torch.equal(axes_of(page), torch.eye(64)[[7, 3]])
    assert page.url["plane"] == "7,3"
    assert page.app.multiselect(key="plane").value == [7, 3]


def test_a_model_of_two_latents_shows_its_whole_space(visit):
    page = visit(model="mvae-2d")
    plane = page.stage["plane"]
    assert not plane["oblique"]
    assert plane["names"] == ["z0", "z1"]
    assert torch.equal(axes_of(page), torch.eye(2))
    assert not [m for m in page.app.multiselect if m.key == "plane"]  # nothing to choose


def test_the_plane_is_chosen_and_given_back(visit):
    page = visit(at="1,2").set("multiselect", "plane", [5])
    assert page.stage["plane"]["oblique"]  # one dimension is not yet a plane
    assert "plane" not in page.url
    assert page.app.multiselect(key="plane").value == [5]  # but waits for another
    page.set("multiselect", "plane", [5, 9])
    assert page.stage["plane"]["names"] == ["z5", "z9"]
    assert page.url["plane"] == "5,9"
    assert "at" not in page.url  # which was on another plane
    page.set("multiselect", "plane", [9])
    assert page.stage["plane"]["names"] == ["z5", "z9"]
    assert page.app.multiselect(key="plane").value == [9]
    page.set("multiselect", "plane", [])
    assert page.stage["plane"]["oblique"]
    assert "plane" not in page.url
    assert page.app.multiselect(key="plane").value == []


def test_noise_experts_and_modalities_are_those_of_the_library(visit):
    page = visit(data="quadrants", seed="5", sample="4", supply="label,top left")
    data, model = page.stage, load_model("quadrants", "mvae-cover")[0]
    assert torch.equal(
        page.unpack(data["noise"]), noise(DRAWS, 1, model.latents, 5).flatten().float()
    )
    sample = load_samples("quadrants", model.modalities)[slice(4, 5)]
    with torch.no_grad():
        experts = model.experts(sample)
    for i, m in enumerate(model.modalities):
        sent = data["experts"][m.name]
        assert (page.unpack(sent["mean"]) - experts.mean[i, 0]).abs().max() < 1e-6
        assert (page.unpack(sent["logvar"]) - experts.logvar[i, 0]).abs().max() < 1e-6
    assert data["evidence"] == ["label", "top left"]
    assert [m["name"] for m in data["modalities"]] == [m.name for m in model.modalities]
    assert all(m["available"] for m in data["modalities"])
    (picture,) = data["pictures"]
    boxes = {data["modalities"][i]["name"]: box for i, box in picture["boxes"]}
    assert boxes["top right"] == [14, 0, 14, 14]
    assert boxes["bottom left"] == [0, 14, 14, 14]


def test_a_modality_without_data_is_said_not_to_be_there(visit):
    page = visit(source="drawing")
    assert not any(m["available"] for m in page.stage["modalities"])
    assert page.stage["experts"] == {}


# What it may ask for


def test_a_switch_on_the_stage_is_followed(visit):
    page = visit(sample="3").event({"supply": ["label"], "n": 1})
    assert page.url["supply"] == "label"
    assert page.app.toggle(key="supply image").value is False
    assert "Given label" in page.headline
    assert "Dropping the image widened the posterior" in page.remarks
    page.event({"supply": ["label", "image"], "n": 2})
    assert page.url["supply"] == "label,image"
    assert page.stage["evidence"] == ["label", "image"]
    page.event({"supply": [], "n": 3})
    assert "the posterior is the prior" in page.headline


def test_a_latent_is_held_and_let_go(visit):
    page = visit(sample="3").event({"at": [1.23456, -0.5], "n": 1})
    assert page.url["at"] == "1.235,-0.5"
    assert page.stage["at"] == [1.235, -0.5]
    page.event({"at": None, "n": 2})
    assert "at" not in page.url
    assert page.stage["at"] is None


def test_a_deed_is_heard_once(visit):
    page = visit(sample="3").event({"supply": ["label"], "n": 1})
    page.switch("image", True)
    assert page.url["supply"] == "label,image"
    page.set("number_input", "sample", 7)
    assert page.url["supply"] == "label,image"


@pytest.mark.parametrize("step", ["switch", "sample", "model", "label"])
def test_another_posterior_lets_go_of_the_latent(visit, step):
    page = visit(sample="3", at="1,2")
    assert page.stage["at"] == [1, 2]
    if step == "switch":
        page.switch("label", False)
    elif step == "sample":
        page.set("number_input", "sample", 7)
    elif step == "model":
        page.set("selectbox", "model", "mvae-2d")
    else:
        page.set("button_group", "label label", 8)
    assert page.stage["at"] is None
    assert "at" not in page.url


def test_other_samples_and_other_curves_keep_the_latent(visit):
    page = visit(sample="3", at="1,2")
    page.app.button(key="draw").click().run()
    page.set("multiselect", "dims", [7, 3])
    assert page.stage["at"] == [1, 2]
    assert page.url["at"] == "1,2"


NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    "at",
    [
        [1.0, NAN],
        [NAN, 1.0],
        [INFINITE, 0],
        [0, -INFINITE],
        [1e308, 0],
        [0, 10**400],
        [20.01, 0],
        [1],
        [1, 2, 3],
        [],
        ["1", "2"],
        [None, 1],
        [[1], [2]],
        {"0": 1, "1": 2},
        "1,2",
        7,
        True,
    ],
)
def test_a_place_that_is_none_is_no_latent(visit, at):
    page = visit(sample="3", supply="label,image").event({"at": at, "n": 1})
    assert not page.problems
    assert page.url == {
        "data": "mnist",
        "model": "mvae-cover",
        "supply": "label,image",
        "sample": "3",
    }
    assert page.stage["at"] is None


@pytest.mark.parametrize(
    "supply",
    [
        ["smell"],
        ["__class__", "label"],
        [None, 1, {}, ["image"], "label"],
        ["label", "label", "label"],
        ["label"] * 100_000,
        ["label", "x" * 1_000_000],
    ],
)
def test_unknown_names_are_left_out_and_doubled_ones_counted_once(visit, supply):
    page = visit(sample="3").event({"supply": supply, "n": 1})
    assert not page.problems
    assert page.url["supply"] == ("" if supply == ["smell"] else "label")


@pytest.mark.parametrize(
    "done", [None, 7, "supply", ["supply"], [], True, NAN, {}, {"n": 1}, {"supply": "image"}]
)
def test_what_is_no_event_changes_nothing(visit, done):
    page = visit(sample="3", supply="label")
    before = page.url
    page.event(done)
    assert not page.problems
    assert page.url == before


def test_what_has_no_data_is_not_supplied(visit):
    page = visit(source="drawing").event({"supply": ["image", "label"], "n": 1})
    assert not page.problems
    assert page.stage["evidence"] == []
    assert "the posterior is the prior" in page.headline


@pytest.mark.parametrize("model", ["mvae", "mvae-2d"])
def test_the_decoders_are_named_by_what_they_are(visit, model):
    address = visit(model=model).stage["decoders"]
    assert address.startswith(f"assets/mnist/{model}/decoders?v=")
    assert address == visit(model=model, sample="7").stage["decoders"]
