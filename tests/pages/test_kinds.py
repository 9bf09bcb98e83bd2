"""Pages about every kind of modality: what they are given, what they say and what they draw."""

from __future__ import annotations

import base64
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
from mvae.kinds.tokens import decode
from mvae.modality import Modality
from pages.parts.comparison import export
from pages.parts.comparison.card import card
from pages.parts.comparison.shared import Shared, number
from pages.parts.map import shades
from pages.parts.pictures import as_image, framed, inked
from tests.toys import TOYS

pytestmark = pytest.mark.usefixtures("toy_pages")


def model_of(data: str, root):
    model, _ = load_model(data, "mvae", root)
    return model, load_samples(data, model.modalities, root)[slice(3, 4)]


# The stage


@pytest.mark.parametrize("data", TOYS)
def test_the_stage_is_told_of_every_kind(visit, data):
    page = visit(data=data, sample="3")
    told = {m["name"]: m for m in page.stage["modalities"]}
    for m in TOYS[data]:
        assert told[m.name]["shape"] == list(m.shape)
        assert told[m.name]["categories"] == list(m.categories)
    boxes = [
        (told_of["name"], told_of["channels"], told_of["height"], told_of["width"])
        for told_of in page.stage["pictures"]
    ]
    images = [(m.name, *m.shape) for m in TOYS[data] if m.kind == "image"]
    grids = [(m.name, 1, *m.grid) for m in TOYS[data] if m.grid]
    assert boxes == images + grids


def test_ink_is_what_is_binary_or_what_has_no_colours_beside_it(visit):
    pictures = visit(data="scenes").stage["pictures"]
    assert [p["name"] for p in pictures if p["inked"]] == ["edges"]
    (picture,) = visit(data="spoken").stage["pictures"]
    assert picture["inked"]
    grey = Modality(
        name="grey", kind="image", shape=(1, 2, 2), likelihood="bernoulli-cross-entropy"
    )
    assert inked(grey, [grey])
    assert not inked(grey, [grey, *TOYS["traits"]])


def test_yes_and_no_on_the_plane_are_said_to_be_of_what(visit):
    assert visit(data="traits").stage["plane"]["points"]["titles"] == [
        "trait 0: no",
        "trait 0: yes",
    ]
    assert visit(data="measured").stage["plane"]["points"]["titles"] == list("0123456789")


def test_much_evidence_is_counted_and_little_is_named(visit):
    page = visit(data="traits")
    assert "Given 19 modalities, the model predicts" in page.headline
    assert "prior; trait 17, supplied last" in page.headline
    page = visit(data="traits", supply="image,trait 3")
    assert "Given image and trait 3, the model predicts" in page.headline


def test_a_place_on_the_way_and_a_held_latent_are_one_event(visit):
    page = visit(data="traits").event({"supply": ["trait 3", "image"], "at": [0.5, 1], "n": 1})
    assert page.url["supply"] == "trait 3,image"
    assert page.url["at"] == "0.5,1"
    page.event({"supply": ["image"], "n": 2})
    assert "at" not in page.url


# Cards


def written(root, data: str, evidence: tuple[str, ...] = ()):
    """Write a card; gives it with the answer behind it."""
    model, sample = model_of(data, root)
    found = predict(model, sample, evidence)
    colours = {m.name: f"#00000{i % 10}" for i, m in enumerate(model.modalities)}
    shared = Shared(model.modalities, sample, evidence, colours, 6, (0, 0, 0), "m", found)
    return card("m", found, shared), found, sample


def png(source: str) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))))


def test_a_card_has_the_picture_large_and_the_others_in_their_colours(toy_pages):
    html, found, _ = written(toy_pages, "scenes", ("grey",))
    sources = re.findall(r'src="(data:image/png[^"]*)"', html)
    assert len(sources) == 2 + 4
    mean = png(sources[0])
    wanted = (found.picture.permute(1, 2, 0) * 255).round().byte().numpy()
    assert np.array_equal(mean[..., :3], wanted)
    assert (mean[..., 3] == 255).all()
    # Grey values stand as they are, edges are ink.
    grey, edges = png(sources[2]), png(sources[3])
    wanted = (found.expected["grey"][0] * 255).round().byte().numpy()
    assert np.array_equal(grey[..., 0], wanted)
    assert np.array_equal(grey[..., 0], grey[..., 2])
    assert np.array_equal(edges[..., 3], (found.expected["edges"][0] * 255).round().byte().numpy())
    borders = re.findall(r"border:2px (\w+) (#\d+)", html)
    assert borders[1:] == [
        ("solid", "#000001"),
        ("dashed", "#000002"),
        ("dashed", "#000003"),
        ("dashed", "#000004"),
    ]
    # The gap between single draws is empty in either theme.
    strip = png(sources[1])
    assert strip.shape == (32, 5 * 32 + 4 * 2, 4)
    assert (strip[:, 32:34, 3] == 0).all()


def test_a_faint_line_stands_between_draws_in_ink(toy_pages):
    html, found, _ = written(toy_pages, "spoken")
    strip = png(re.findall(r'src="(data:image/png[^"]*)"', html)[1])
    _, _, height, width = found.picture_draws.shape
    assert strip.shape == (height, 5 * width + 4 * 2, 4)
    assert (strip[:, width : width + 2, 3] == round(0.15 * 255)).all()
    drawn = (found.picture_draws[1, 0] * 255).round().byte().numpy()
    assert np.array_equal(strip[:, width + 2 : 2 * width + 2, 3], drawn)


def rows(html: str) -> list[tuple[str, str]]:
    inside = re.search(r'<div class="rows".*?>(.*?)</div>', html)[1]
    return re.findall(r"<span[^>]*>(.*?)</span><i>.*?</i><span>(\d+%)</span>", inside)


def test_a_card_has_decisions_at_once_and_tags_by_probability(toy_pages):
    html, found, sample = written(toy_pages, "traits", ("trait 2",))
    assert "<b>p(yes)</b> 1 of 18 supplied" in html
    names = [f"trait {i}" for i in range(18)]
    assert rows(html) == [(name, f"{found.expected[name][1]:.0%}") for name in names]
    own = re.findall(r"<span class=own>(trait \d+)</span>", html)
    assert own == [name for name in names if sample.values[name] == 1]

    html, found, sample = written(toy_pages, "clips")
    best = found.expected["tags"].topk(8)
    assert rows(html) == [
        (f"tag {i}", f"{p:.0%}")
        for p, i in zip(best.values.tolist(), best.indices.tolist(), strict=True)
    ]
    own = re.findall(r"<span class=own>tag (\d+)</span>", html.split("<b>mood</b>")[0])
    assert all(sample.values["tags"][0, int(i)] == 1 for i in own)


def test_a_card_has_the_texts_that_most_draws_say(toy_pages):
    model, sample = model_of("sentences", toy_pages)
    html, found, _ = written(toy_pages, "sentences")
    with torch.no_grad():
        p = model.generate(sample.supply([]), 64, 0)["english"].mean[:, 0]
    said = [decode(tokens, model.modality("english")) for tokens in p.argmax(-1)]
    counts = dict(found.texts["english"])
    assert counts == {text: said.count(text) / 64 for text in said}
    assert list(counts.values()) == sorted(counts.values(), reverse=True)
    first = html.split("<b>vietnamese</b>")[0]
    shown = re.findall(r"<li[^>]*><span>(.*?)</span><span>(\d+%)</span>", first)
    assert shown == [
        (text or "(empty)", f"{share:.0%}") for text, share in found.texts["english"][:3]
    ]


def test_a_card_draws_vectors_with_the_samples_own(toy_pages):
    html, found, sample = written(toy_pages, "measured")
    svgs = [unquote(x) for x in re.findall(r'src="data:image/svg\+xml,([^"]*)"', html)]
    vectors = [svg for svg in svgs if "stroke-width=" in svg and "non-scaling" in svg][-3:]
    for svg, name in zip(vectors, ("pixels", "shape", "few"), strict=True):
        bars, line = re.findall(r'd="([^"]*)"', svg)
        mean, own = found.expected[name], sample.values[name][0]
        low = min(mean.min(), own.min(), torch.zeros(()))
        high = torch.max(mean.max(), own.max())
        place = 100 * (high - torch.stack((mean, own))) / (high - low)
        ends = torch.tensor([float(y) for y in re.findall(r"V([\d.]+)", bars)])
        points = torch.tensor([float(y) for y in re.findall(r" ([\d.]+)", line)])
        assert (ends - place[0]).abs().max() < 0.06
        assert (points - place[1]).abs().max() < 0.06
    # Numbers on a grid are a picture.
    picture = png(re.search(r'class="framed".*?src="(data:image/png[^"]*)"', html)[1])
    wanted = (255 * (0.5 + found.expected["drawn"] / 5).clamp(0, 1)).round().view(4, 5)
    assert np.array_equal(picture[..., 3], wanted.byte().numpy())
    written_out = ", ".join(map(number, found.expected["few"].tolist()))
    assert f"<p>{written_out}</p>" in html


@pytest.mark.parametrize("data", TOYS)
def test_every_kind_is_compared_and_exported(visit, toy_pages, data):
    page = visit("compare.py", data=data, sample="3")
    (body,) = [x.proto.body for x in page.app.get("html") if 'class="answer"' in x.proto.body]
    for m in TOYS[data]:
        assert f"<b>{m.name}</b>" in body or m.name.startswith("trait")
    model, sample = model_of(data, toy_pages)
    found = {"mvae": predict(model, sample, [])}
    sheet = Image.open(io.BytesIO(export.picture(found, model.modalities, "mvae", data)))
    assert sheet.width == export.COLUMN + 2 * export.MARGIN
    colours = np.array(sheet).astype(int)
    colourful = (colours.max(-1) - colours.min(-1) > 30).sum()
    assert (colourful > 2000) == (data in ("traits", "scenes", "clips"))


def test_an_exported_picture_is_the_mean_that_is_generated(toy_pages):
    model, sample = model_of("traits", toy_pages)
    found = predict(model, sample, [])
    sheet = np.array(
        Image.open(io.BytesIO(export.picture({"m": found}, model.modalities, "m", "")))
    )
    wanted = (found.picture.permute(1, 2, 0) * 255).round().byte().numpy()
    pixels = Image.fromarray(wanted).resize((export.MEAN, export.MEAN), Image.Resampling.NEAREST)
    column = sheet[:, export.MARGIN : export.MARGIN + export.MEAN]
    same = [
        np.array_equal(column[y : y + export.MEAN], np.array(pixels))
        for y in range(len(column) - export.MEAN)
    ]
    assert sum(same) == 1


# Traversals


def charts(page) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in page.app.get("plotly_chart")]


def test_a_traversal_shows_colours_and_names_what_is_likely(visit):
    page = visit("traverse.py", data="clips", sample="3")
    first, second = charts(page)
    image = first["layout"]["images"][0]["source"]
    pixels = png(image)
    assert len(np.unique(pixels[..., :3].reshape(-1, 3), axis=0)) > 100
    assert (pixels[0, :, 3] == 0).all()  # the room around them is empty
    notes = first["data"][0]["text"]
    assert len(notes) == 9
    assert all(re.fullmatch(r"(tag \d+(<br>tag \d+){0,3})?", note) for note in notes)
    assert any("<br>" in note for note in notes)
    assert len(second["data"][0]["text"]) == 9


def test_a_grid_has_one_word_below_each_picture(visit):
    notes = charts(visit("traverse.py", data="traits", down="1", across="2"))[0]["data"][0]["text"]
    assert len(notes) == 81
    assert all(re.fullmatch(r"(trait \d+)?", note) for note in notes)


def test_one_of_several_pictures_is_chosen(visit):
    page = visit("traverse.py", data="scenes")
    before = charts(page)[0]["layout"]["images"]
    page.set("button_group", "picture", "edges")
    after = charts(page)[0]["layout"]["images"]
    assert before != after
    assert (png(after[0]["source"])[..., 3] < 255).mean() > 0.5  # ink
    page.set("selectbox", "data", "traits")
    assert not [b for b in page.app.get("button_group") if b.key == "picture"]
    assert len(charts(page)) == 2


def test_without_pictures_there_are_tables_and_lines(visit, toy_pages):
    page = visit("traverse.py", data="sentences", sample="3")
    assert not charts(page)
    table, path = (frame.value for frame in page.app.dataframe)
    assert list(table.columns)[1:] == ["english", "vietnamese"]
    assert len(table) == len(path) == 9
    model, sample = model_of("sentences", toy_pages)
    with torch.no_grad():
        mean = model.posterior(sample).mean
        said = decode(model.expected(mean)["english"][0].argmax(-1), model.modality("english"))
    assert path["english"][0] == said
    page.set("selectbox", "down", 2)
    assert page.app.dataframe[0].value.shape == (9, 10)

    page = visit("traverse.py", data="measured", sample="3")
    strip, lines, other_strip, path = charts(page)
    assert [a["text"] for a in lines["layout"]["annotations"]] == [
        *("<b>pixels</b>", "<b>shape</b>", "<b>few</b>")
    ]
    assert [len(line["y"]) for line in lines["data"][::9]] == [240, 47, 6]
    assert len({line["line"]["color"] for line in lines["data"]}) == 9
    model, sample = model_of("measured", toy_pages)
    with torch.no_grad():
        mean = model.expected(model.posterior(sample).mean)
    assert path["data"][0]["y"] == pytest.approx(mean["pixels"][0].tolist(), abs=1e-5)
    # Numbers on a grid are pictures, with the likeliest digit below each.
    assert strip["layout"]["images"] != other_strip["layout"]["images"]
    assert re.match(r"\d", strip["data"][0]["text"][0])
    page.set("selectbox", "down", 2)
    assert len(charts(page)) == 3  # a grid, and between two examples
    assert "only where a single latent dimension changes" in page.remarks


# The map


def drawn(page) -> dict:
    return page.component("mvae_map")


def test_a_map_is_coloured_by_any_label_or_tag(visit, toy_pages):
    page = visit("map.py", data="clips")
    data = drawn(page)
    assert data["label"] == {"name": "tag 0", "categories": ["no", "yes"]}
    assert data["picture"]["channels"] == 3
    assert not data["picture"]["inked"]
    assert "nearest to the posterior" not in page.remarks.split("Each dot")[0]
    page.set("selectbox", "shade", "tag 7")
    data = drawn(page)
    assert data["label"]["name"] == "tag 7"
    samples = load_samples("clips", TOYS["clips"], toy_pages)
    wanted = samples.values["tags"][:, 7].long()
    assert data["dots"]["label"] == wanted[data["dots"]["sample"]].tolist()
    page.set("button_group", "colour", "entropy")
    assert drawn(page)["colour"] == "entropy"
    page.set("selectbox", "shade", "tag 2")  # to choose one is to want to see it
    assert drawn(page)["colour"] == "label"

    page = visit("map.py", data="traits").set("selectbox", "shade", "trait 5")
    assert "trait 5 **" in page.remarks
    assert list(shades(TOYS["traits"], load_samples("traits", TOYS["traits"], toy_pages))) == [
        f"trait {i}" for i in range(18)
    ]


def test_without_categories_a_map_is_coloured_by_entropy(visit):
    page = visit("map.py", data="sentences")
    data = drawn(page)
    assert data["colour"] == "entropy"
    assert data["label"] is None
    assert data["picture"] is None
    assert not page.app.get("button_group")


# Pictures


def test_room_around_colours_is_empty():
    picture = torch.rand(3, 2, 2)
    whole = np.array(as_image(framed(picture, (1, 0, 0, 0)), 3))
    assert (whole[:, 0, 3] == 0).all()
    assert np.array_equal(whole[:, 1:, :3], (picture * 255).round().byte().permute(1, 2, 0).numpy())
