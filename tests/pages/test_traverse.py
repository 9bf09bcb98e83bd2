"""The Traverse page: strips, grids and paths, and the code behind them."""

from __future__ import annotations

import json

import pytest
import torch


def chart(page, index: int = 0) -> dict:
    return json.loads(page.app.get("plotly_chart")[index].proto.spec)


def texts(page, index: int = 0) -> list[str]:
    return chart(page, index)["data"][0]["text"]


def test_it_starts_with_a_strip_along_the_most_informative_dimension(visit):
    page = visit("traverse.py")
    assert len(texts(page)) == 9
    options = page.app.selectbox(key="across").options
    nats = [float(option.split("·")[1].split()[0]) for option in options]
    assert nats == sorted(nats, reverse=True)
    assert page.app.selectbox(key="across").value == int(options[0].split()[0][1:])


def test_the_mark_spans_what_the_posterior_holds_likely(visit):
    page = visit("traverse.py", across="12")
    scope: dict[str, object] = {}
    exec(page.app.code[0].value, scope)
    q = scope["inference"].posterior
    edges = [(q.mean[12] + side * 2 * q.std[12]).item() for side in (-1, 1)]
    (mark,) = chart(page)["layout"]["shapes"]
    # Nine columns, 0 to 8, stand for −3 to 3.
    assert [mark["x0"], mark["x1"]] == pytest.approx([(z + 3) * 8 / 6 for z in edges], abs=1e-4)
    assert mark.get("yref", "y") == "y"


def test_a_second_dimension_makes_a_grid_and_taking_it_away_a_strip(visit):
    page = visit("traverse.py", data="fashion")
    other = int(page.app.selectbox(key="down").options[3].split()[0][1:])
    page.set("selectbox", "down", other)
    assert len(texts(page)) == 81
    assert page.url["down"] == str(other)
    page.set("selectbox", "down", None)
    assert len(texts(page)) == 9
    assert "down" not in page.url


def test_another_dimension_changes_the_pictures_and_the_link(visit):
    page = visit("traverse.py")
    before = chart(page)["layout"]["images"]
    last = int(page.app.selectbox(key="across").options[-1].split()[0][1:])
    page.set("selectbox", "across", last)
    assert page.url["across"] == str(last)
    assert chart(page)["layout"]["images"] != before


def test_from_the_prior_the_evidence_does_not_matter_to_the_pictures(visit):
    pictures = [
        chart(visit("traverse.py", start="prior", across="3", sample=sample))["layout"]["images"]
        for sample in ("1", "2")
    ]
    assert pictures[0] == pictures[1]
    page = visit("traverse.py", start="prior", across="3", sample="1")
    page.set("button_group", "start", "posterior")
    assert chart(page)["layout"]["images"] != pictures[0]
    assert "start" not in page.url


def test_a_path_ends_at_the_other_example(visit):
    page = visit("traverse.py", sample="1", other="2")
    assert texts(page, 1)[0].startswith("1 ")
    assert texts(page, 1)[-1].startswith("2 ")
    page.set("number_input", "other", 7)
    assert texts(page, 1)[-1].startswith("7 ")
    assert page.url["other"] == "7"


def test_the_evidence_of_the_experts_page_is_kept(visit):
    page = visit(sample="6").switch("image", False)
    page.app.switch_page("traverse.py").run()
    assert "given **label**" in page.check().remarks
    assert page.url["sample"] == "6"


@pytest.mark.parametrize(
    "params",
    [
        {"across": "5"},
        {"across": "5", "down": "9", "start": "prior"},
        {"data": "quadrants", "supply": "label", "across": "2", "down": "1"},
    ],
)
def test_the_code_shown_gives_the_labels_shown(visit, params, capsys):
    page = visit("traverse.py", **params)
    scope: dict[str, object] = {}
    exec(page.app.code[0].value, scope)
    expected = scope["model"].expected(scope["z"])
    named = expected["label"].argmax(-1).flatten().tolist()
    assert [int(text.split()[0]) for text in texts(page)] == named
    assert torch.isfinite(expected["label"]).all()
    path = scope["model"].expected(scope["path"])["label"]
    likeliest = [(int(p.argmax()), f"{p.max():.0%}") for p in path]
    assert texts(page, 1) == [f"{name} {percent}" for name, percent in likeliest]
