"""The Map page: what is drawn, how it follows its widgets, and the code behind it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mvae import search_path
from mvae.analysis.embedding import load_map
from mvae.images.preprocessing import pack_bits
from pages.parts.links import parse, url_of
from pages.parts.server import loading
from pages.parts.view import View


def drawn(page) -> dict:
    """What the component is given."""
    return json.loads(page.app.get("bidi_component")[0].proto.json)


def marks(page) -> list[list[float]]:
    return [layout["mark"] for layout in drawn(page)["layouts"]]


def test_all_examples_are_drawn_on_both_layouts_where_the_map_has_them(visit):
    data = drawn(visit("map.py"))
    chart = load_map("mnist", "mvae-cover")
    rows = chart.pool.rows[-1]
    assert [layout["name"] for layout in data["layouts"]] == ["UMAP", "PCA"]
    for layout, whole in zip(data["layouts"], (chart.umap, chart.pca), strict=True):
        places = torch.tensor(layout["points"])[data["dotOf"]]
        assert torch.allclose(places, whole[rows], atol=1e-3)
        low, high = layout["bounds"]
        assert low == pytest.approx(whole.amin(0).tolist(), abs=1e-3)
        assert high == pytest.approx(whole.amax(0).tolist(), abs=1e-3)
    assert sorted(data["dots"]["sample"]) == list(range(500))
    entropies = chart.pool.posteriors.entropy()[rows].tolist()
    for sample, entropy in zip(data["dots"]["sample"], data["dots"]["entropy"], strict=True):
        assert entropy == pytest.approx(entropies[sample], abs=0.01)
    assert len(json.dumps(data)) < 60_000


def test_an_example_given_everything_stands_on_its_own_dot(visit):
    page = visit("map.py", sample="42")
    data = drawn(page)
    for layout, mark in zip(data["layouts"], marks(page), strict=True):
        assert mark == pytest.approx(layout["points"][data["dotOf"][42]], abs=2e-3)


@pytest.mark.parametrize("dataset", ["mnist", "fashion", "quadrants"])
def test_labels_alone_are_ten_named_dots(visit, dataset):
    page = visit("map.py", data=dataset).set("selectbox", "given", "label")
    data = drawn(page)
    assert data["dots"]["count"] == [50] * 10
    assert data["dots"]["label"] == list(range(10))
    assert data["named"]
    assert page.url["given"] == "label"
    page.set("selectbox", "given", "")
    assert len(drawn(page)["dots"]["sample"]) == 500
    assert "given" not in page.url


def test_another_posterior_moves_the_dots_but_neither_the_mark_nor_the_bounds(visit):
    page = visit("map.py", data="quadrants")
    before = drawn(page)
    after = drawn(page.set("selectbox", "given", "top left"))
    for one, other in zip(before["layouts"], after["layouts"], strict=True):
        assert one["mark"] == other["mark"]
        assert one["bounds"] == other["bounds"]
        assert one["points"] != other["points"]
    # Blank tiles of different digits are one evidence.
    assert -1 in after["dots"]["label"]
    assert sum(after["dots"]["count"]) == 500


def test_the_colouring_is_kept_in_the_link(visit):
    page = visit("map.py").set("button_group", "colour", "entropy")
    assert drawn(page)["colour"] == page.url["colour"] == "entropy"
    page.set("button_group", "colour", "label")
    assert drawn(page)["colour"] == "label"
    assert "colour" not in page.url


def test_a_switch_moves_the_mark_and_not_the_dots(visit):
    page = visit("map.py", sample="3")
    before, data = marks(page), drawn(page)
    page.switch("image", False)
    assert marks(page) != before
    assert drawn(page)["layouts"][0]["points"] == data["layouts"][0]["points"]
    assert drawn(page)["mark"] == "label"
    assert "posterior given **label**" in page.remarks
    assert page.url["supply"] == "label"
    chart = load_map("mnist", "mvae-cover")
    alone = chart.umap[chart.pool.rows[chart.pool.subsets.index(("label",)), 3]]
    assert marks(page)[0] == pytest.approx(alone.tolist(), abs=2e-3)
    page.switch("image", True)
    assert marks(page) == before


def test_without_evidence_the_mark_is_where_the_priors_mean_belongs(visit):
    page = visit("map.py").switch("image", False).switch("label", False)
    chart = load_map("mnist", "mvae-cover")
    wanted = [place[0].tolist() for place in chart.place(torch.zeros(1, 64))]
    for mark, place in zip(marks(page), wanted, strict=True):
        assert mark == pytest.approx(place, abs=1e-3)
    assert drawn(page)["mark"] == "nothing"
    assert "10 examples nearest to the posterior given nothing" in page.remarks


def test_switches_of_what_is_not_there_are_disabled(visit):
    picture = torch.zeros(1, 28, 28)
    picture[:, 4:24, 13:15] = 1
    page = visit("map.py", source="drawing", drawing=pack_bits(picture))
    assert page.app.toggle(key="supply label").disabled
    assert drawn(page)["mark"] == "image"
    assert "label **1**" in page.remarks


def test_the_sentence_counts_the_nearest_examples_without_the_example_itself(visit):
    page = visit("map.py", sample="3")
    chart = load_map("mnist", "mvae-cover")
    known = chart.pool.posteriors.mean[chart.pool.rows[-1]]
    away = ((known - known[3]) ** 2).sum(-1).tolist()
    nearest = sorted((n for n in range(500) if n != 3), key=away.__getitem__)[:10]
    labels = loading.samples_of("mnist", "mvae-cover").values["label"][nearest].tolist()
    most = max(set(labels), key=labels.count)
    assert f"**label**, {labels.count(most)} have label **{most}**" in page.remarks


@pytest.mark.parametrize("chosen", [7, 499])
def test_an_opened_example_is_shown_on_experts(visit, chosen):
    page = visit("map.py", **{"set-label": "8", "supply": "image"})
    page.app.session_state["map mnist mvae-cover"] = {"open": chosen}
    page.app.run()
    page.check()
    assert "sharper than the prior" in page.headline
    assert page.url["sample"] == str(chosen)
    assert page.url["supply"] == "image"
    assert "set-label" not in page.url


@pytest.mark.parametrize("sent", ["7", 500, -1, 1.5, None, {"a": 1}])
def test_what_is_no_example_is_not_opened(visit, sent):
    page = visit("map.py")
    page.app.session_state["map mnist mvae-cover"] = {"open": sent}
    page.app.run()
    page.check()
    assert page.headline == "### Where the examples lie in latent space"


@pytest.mark.parametrize(
    ("params", "words"),
    [({"given": "smell"}, "a map given “smell”"), ({"colour": "loud"}, "colouring called “loud”")],
)
def test_a_link_that_cannot_be_followed_gets_a_sentence(visit, params, words):
    page = visit("map.py", **params)
    # AppTest opens the first page first, and the sentence is gone after the next step.
    assert not params.keys() & page.url.keys()
    assert words in visit(**params).problems


def test_a_link_restores_what_is_shown():
    view = View("mnist", "mvae", supply=("image",), given="image", colour="entropy")
    assert parse(url_of(view)) == (view, [])


def test_a_modality_that_the_next_data_set_lacks_is_given_no_longer(visit):
    page = visit("map.py", data="quadrants", given="top left")
    page.set("selectbox", "data", "mnist")
    assert drawn(page)["words"] == "all modalities together"


@pytest.mark.parametrize(
    "params",
    [
        {"sample": "5"},
        {"sample": "5", "supply": ""},
        {"data": "quadrants", "supply": "label,top left", "given": "top right"},
        {"data": "fashion", "model": "mvae-2d", "supply": "label", "set-label": "4"},
    ],
)
def test_the_code_shown_gives_the_places_shown(visit, params, capsys):
    page = visit("map.py", **params)
    data, scope = drawn(page), {}
    exec(page.app.code[0].value, scope)
    for layout, mark, whole in zip(
        data["layouts"], ("umap", "pca"), (scope["chart"].umap, scope["chart"].pca), strict=True
    ):
        assert layout["mark"] == pytest.approx(scope[mark][0].tolist(), abs=1e-3)
        places = torch.tensor(layout["points"])[data["dotOf"]]
        assert torch.allclose(places, whole[scope["rows"]], atol=1e-3)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Put a checkpoint that a test may damage in the place of the bundled ones."""
    shutil.copytree(search_path.CHECKPOINTS / "mnist" / "mvae", tmp_path / "mnist" / "mvae")
    shutil.copy(search_path.CHECKPOINTS / "mnist" / "samples.safetensors", tmp_path / "mnist")
    monkeypatch.setattr(search_path, "CHECKPOINTS", tmp_path)
    cached = (loading._load, loading.samples_of, loading.metrics_of, loading.map_of)
    for function in cached:
        function.clear()
    yield tmp_path / "mnist/mvae/map.safetensors"
    for function in cached:
        function.clear()


def test_a_missing_map_names_the_command_and_a_made_one_works_at_once(visit, own):
    aside = own.rename(own.with_suffix(".aside"))
    page = visit("map.py")
    assert "`python -m mvae map mnist/mvae` makes it" in page.problems
    aside.rename(own)
    page.app.run()
    assert not page.check().problems
    assert drawn(page)["dotOf"]


def test_a_damaged_map_gets_a_sentence(visit, own):
    own.write_bytes(own.read_bytes()[:700])
    assert "damaged" in visit("map.py").problems


@pytest.mark.slow
def test_the_server_never_imports_what_maps_are_fitted_with():
    code = """
import sys
import app
from streamlit.testing.v1 import AppTest
page = AppTest.from_file("pages/frame.py", default_timeout=120).run()
page.switch_page("map.py").run()
assert not page.exception and page.get("bidi_component")
print(sorted({"umap", "numba", "sklearn", "pynndescent"} & set(sys.modules)))
"""
    root = Path(__file__).parents[2]
    # In a file in the root, from which AppTest resolves the page's path.
    run = subprocess.run(
        [sys.executable, "-c", code.replace('"pages/frame.py"', repr(f"{root}/pages/frame.py"))],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "[]"
