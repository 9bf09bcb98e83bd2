"""Series on every page: on its card, on the stage, compared, traversed and on the map."""

from __future__ import annotations

import io
import json
import re
from urllib.parse import unquote

import numpy as np
import pytest
import torch
from PIL import Image

from mvae.analysis.comparison import predict
from mvae.checkpoint import load_model, load_samples
from mvae.kinds.registry import KINDS
from pages.parts.comparison import export
from pages.parts.comparison.card import card
from pages.parts.comparison.shared import Shared
from pages.parts.kinds.registry import VIEWS
from pages.parts.sentences import described
from tests.toys import TOYS

pytestmark = pytest.mark.usefixtures("toy_pages")
SENSOR, PULSE, EVENT = TOYS["signals"]
PAGES = ("experts", "missing", "compare", "traverse", "map", "results", "theory", "learn")


def model_of(root):
    model, _ = load_model("signals", "mvae", root)
    return model, load_samples("signals", model.modalities, root)[slice(3, 4)]


def test_every_kind_of_the_library_is_known_to_pages():
    assert VIEWS.keys() == KINDS.keys()
    assert described(SENSOR) == "a series of 21 numbers, 2 channels"
    assert described(PULSE) == "a series of 8 numbers"


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens(visit, page):
    shown = visit(f"{page}.py", data="signals", sample="3")
    assert shown.url.get("data") == "signals"
    assert not shown.problems


def test_the_headline_reads_the_event_and_drops_a_series(visit):
    page = visit(data="signals", sample="3")
    assert "Given sensor, pulse and event, the model predicts" in page.headline
    sharp = page.inference.sharpness[-1]
    page.switch("sensor", False)
    assert page.url["supply"] == "pulse,event"
    assert page.inference.sharpness[-1] < sharp
    told = {m["name"]: m for m in page.stage["modalities"]}
    assert (told["sensor"]["kind"], told["sensor"]["shape"]) == ("series", [2, 21])


def test_its_evidence_is_shown_as_curves_and_comes_from_examples_only(visit):
    page = visit(data="signals", sample="3")
    alts = [image.alt for element in page.app.get("image") for image in element.proto.imgs]
    cards = [alt for alt in alts if alt.startswith("sensor, a series of 21 numbers")]
    assert len(cards) == 1
    page = visit(data="signals", sample="3", set_sensor="1,2,3")
    assert "set-sensor" not in page.url


def test_a_card_draws_the_mean_and_the_samples_own(toy_pages):
    model, sample = model_of(toy_pages)
    found = predict(model, sample, ["event"])
    colours = {m.name: f"#00000{i}" for i, m in enumerate(model.modalities)}
    shared = Shared(model.modalities, sample, ("event",), colours, 6, (0, 0, 0), "m", found)
    html = card("m", found, shared)
    source = re.search(r'alt="sensor: a series[^"]*" src="data:image/svg\+xml,([^"]*)"', html)[1]
    paths = re.findall(r'd="M([^"]*)" fill="none" stroke="([^"]*)"', unquote(source))
    assert [colour for _, colour in paths] == ["#000000", "rgb(0,0,0)"] * 2
    curves = [
        torch.tensor([[float(x) for x in point.split()] for point in path.split("L")])
        for path, _ in paths
    ]
    assert all(torch.equal(curve[:, 0], torch.arange(21.0)) for curve in curves)
    mean, own = found.expected["sensor"], sample.values["sensor"][0]
    for c in range(2):
        both = torch.stack((mean[c], own[c]))
        places = 100 * c + 90 * (both.max() - both) / (both.max() - both.min())
        drawn = torch.stack([curve[:, 1] for curve in curves[2 * c : 2 * c + 2]])
        assert (drawn - places).abs().max() < 0.06


def test_a_comparison_explains_its_curves_and_is_exported(visit, toy_pages):
    page = visit("compare.py", data="signals", sample="3")
    assert "**Series**: the coloured curve" in page.remarks
    model, sample = model_of(toy_pages)
    found = {"m": predict(model, sample, [])}
    with_series = export.picture(found, model.modalities, "m", "")
    without = export.picture(found, (EVENT,), "m", "")
    sheets = [np.array(Image.open(io.BytesIO(x))) for x in (with_series, without)]
    # A title for each series, and three channels.
    assert len(sheets[0]) - len(sheets[1]) == 2 * (16 + 7) + 3 * (44 + 8)


def test_a_traversal_draws_a_panel_for_each_channel(visit, toy_pages):
    page = visit("traverse.py", data="signals", sample="3")
    charts = [json.loads(chart.proto.spec) for chart in page.app.get("plotly_chart")]
    lines, path = charts
    titles = [a["text"] for a in lines["layout"]["annotations"]]
    assert titles == ["<b>sensor 0</b>", "<b>sensor 1</b>", "<b>pulse</b>"]
    model, sample = model_of(toy_pages)
    with torch.no_grad():
        mean = model.expected(model.posterior(sample).mean)
    assert path["data"][9]["y"] == pytest.approx(mean["sensor"][0, 1].tolist(), abs=1e-5)
    assert path["data"][18]["y"] == pytest.approx(mean["pulse"][0, 0].tolist(), abs=1e-5)


def test_a_map_of_series_is_coloured_by_the_event(visit):
    data = visit("map.py", data="signals").component("mvae_map")
    assert data["label"] == {"name": "event", "categories": ["rest", "walk", "run"]}
    assert data["picture"] is None
