"""The Compare page: which models stand there, what fills their cards, and what is taken away."""

from __future__ import annotations

import csv
import io
import re
import shutil
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from mvae import search_path
from mvae.analysis.comparison import predict
from mvae.batch import Batch
from mvae.checkpoint import available, load_model, load_samples, save_model
from mvae.evaluation.classifier import load_classifier
from mvae.evaluation.reliability import EARLIER
from mvae.modality import Modality
from mvae.models.mvae import MVAE
from mvae.results.runs import annotation_weight
from mvae.training.recipes import config_for
from pages.parts.comparison import export, records
from pages.parts.comparison.card import card as write_card
from pages.parts.comparison.shared import Shared, number
from pages.parts.comparison.spread import spread
from pages.parts.server import loading
from tests.checkpoint_edits import rehash

THREE, FRESH = "mvae-cover,mvae,mvae-2d", ("bivcca", "cvae", "dae", "vae", "mmvae")
CACHES = (
    *(loading._load, loading.samples_of, loading.metrics_of, loading.classifier_of),
    *(records.history_of, loading.records_of),
)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Put untrained models of other kinds beside the bundled ones."""
    root = tmp_path_factory.mktemp("checkpoints")
    for data in ("mnist", "quadrants"):
        (root / data).mkdir()
        for path in (search_path.CHECKPOINTS / data).iterdir():
            if path.name in ("mvae", "mvae-cover", "mvae-2d") or path.is_file():
                (root / data / path.name).symlink_to(path)
        for name in FRESH if data == "mnist" else ("cvae",):
            torch.manual_seed(0)
            config = config_for(data, name)
            save_model(root / data / name, config, config.build().state_dict())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search_path, "CHECKPOINTS", root)
        for cache in CACHES:
            cache.clear()
        yield root
    for cache in CACHES:
        cache.clear()


def cards(page) -> dict[str, str]:
    """Give what fills the cards, in their order on the page."""
    bodies = [x.proto.body for x in page.app.get("html") if 'class="answer"' in x.proto.body]
    return dict(zip(page.app.multiselect(key="models").value, bodies, strict=True))


def numbers(card: str) -> dict[str, list[str]]:
    """Read a card's table: the value, and the difference where there is one."""
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', card)
    return {title: re.findall("<td>(.*?)</td>", cells) for title, cells in rows}


def press(page, key: str):
    page.app.button(key=key).click()
    page.app.run()
    return page.check()


def reference(page) -> list[str]:
    return [name for name, card in cards(page).items() if "reference</th>" in card]


def test_the_current_model_stands_first_and_is_the_reference(visit):
    page = visit("compare.py", model="mvae-2d", sample="3")
    there = available()["mnist"]
    assert list(cards(page))[:2] == ["mvae-2d", there[0]]
    assert len(cards(page)) == min(4, len(there))
    assert reference(page) == ["mvae-2d"]
    assert not page.url.keys() & {"models", "pinned"}
    assert "**image** and **label**" in page.remarks
    assert not page.app.selectbox(key="data").disabled
    assert [box.key for box in page.app.selectbox] == ["data"]


@pytest.mark.parametrize("data", ["mnist", "fashion", "quadrants"])
def test_every_data_set_is_compared(visit, data):
    page = visit("compare.py", data=data, supply="label", models=THREE)
    for card in cards(page).values():
        assert card.count("data:image/png") == 2
        assert "data:image/svg+xml" in card
        assert numbers(card)["coherence"][0] != "—"
    assert not page.problems


def test_coherence_is_spoken_of_where_a_classifier_names_pictures(visit):
    named = visit("compare.py", data="mnist", models="mvae")
    assert "**Coherence**" in named.remarks
    unnamed = visit("compare.py", data="views", models="mvae")
    assert "coherence" not in numbers(cards(unnamed)["mvae"])
    assert "**Coherence**" not in unnamed.remarks


def test_the_cards_show_the_librarys_numbers_and_their_differences(visit):
    page = visit("compare.py", sample="3", supply="label", models=THREE, pinned="mvae", seed="5")
    models = {name: load_model("mnist", name)[0] for name in cards(page)}
    modalities = models["mvae"].modalities
    sample = load_samples("mnist", modalities)[slice(3, 4)]
    classifier = load_classifier("mnist", modalities)
    found = {
        name: predict(model, sample, ["label"], classifier, seed=5).scores
        for name, model in models.items()
    }
    for name, card in cards(page).items():
        shown = numbers(card)
        assert list(shown) == list(found[name])
        for title, value in found[name].items():
            difference = number(value - found["mvae"][title], signed=True)
            assert shown[title] == [number(value)] + [difference] * (name != "mvae")


def test_models_are_chosen_moved_pinned_and_removed_and_the_link_keeps_it(visit):
    page = visit("compare.py", model="mvae")
    page.set("multiselect", "models", ["mvae-2d", "mvae-cover"])
    assert list(cards(page)) == ["mvae-2d", "mvae-cover"]
    assert page.url["models"] == "mvae-2d,mvae-cover"
    page.set("multiselect", "models", ["mvae-2d", "mvae-cover", "mvae"])
    press(page, "arrow_forward mvae-2d")
    assert page.url["models"] == "mvae-cover,mvae-2d,mvae"
    press(page, "arrow_back mvae")
    assert list(cards(page)) == ["mvae-cover", "mvae", "mvae-2d"]
    assert page.app.button(key="arrow_back mvae-cover").disabled
    assert page.app.button(key="arrow_forward mvae-2d").disabled
    assert reference(page) == ["mvae-cover"]
    press(page, "keep mvae")
    assert page.url["pinned"] == "mvae"
    assert reference(page) == ["mvae"]
    assert page.app.button(key="keep mvae").disabled
    again = visit("compare.py", **page.url)
    assert cards(again) == cards(page)
    press(page, "close mvae")
    assert list(cards(page)) == ["mvae-cover", "mvae-2d"]
    assert reference(page) == ["mvae-cover"]
    assert "pinned" not in page.url
    press(page, "close mvae-cover")
    press(page, "close mvae-2d")
    assert "Choose models to compare" in page.headline
    assert page.url["models"] == ""
    page.set("multiselect", "models", ["mvae"])
    assert list(cards(page)) == reference(page) == ["mvae"]


def test_a_switch_changes_every_card_and_back_again(visit):
    page = visit("compare.py", models=THREE, sample="3")
    before = cards(page)
    page.switch("label", False)
    after = cards(page)
    for name, card in after.items():
        assert card != before[name]
        assert "log p(label | image)" in numbers(card)
        assert "<b>label</b> generated" in card
        assert "solid" in card
        assert "dashed" not in card
    page.switch("image", False)
    assert all("dashed" in card for card in cards(page).values())
    assert "Given nothing" in page.headline
    page.switch("image", True)
    page.switch("label", True)
    assert cards(page) == before


def test_moving_models_about_computes_nothing_again(visit, monkeypatch):
    page = visit("compare.py", models="mvae,mvae-2d")
    asked = []
    monkeypatch.setattr(
        "pages.parts.comparison.answers.predict",
        lambda model, *rest, **more: asked.append(model) or predict(model, *rest, **more),
    )
    press(page, "arrow_forward mvae")
    press(page, "keep mvae")
    assert not asked
    page.set("multiselect", "models", ["mvae-2d", "mvae", "mvae-cover"])
    assert len(asked) == 1
    page.switch("label", False)
    assert len(asked) == 4


def test_another_data_set_keeps_the_models_that_it_has(visit, many):
    page = visit("compare.py", models="dae,mvae,cvae", pinned="cvae", supply="label")
    page.set("selectbox", "data", "quadrants")
    assert list(cards(page)) == ["mvae", "cvae"]
    assert reference(page) == ["cvae"]
    page.set("selectbox", "data", "mnist")
    assert list(cards(page)) == ["mvae", "cvae"]


def test_where_a_model_cannot_its_sentence_stands_in_the_cell(visit, many):
    page = visit("compare.py", models="mvae-cover,bivcca,cvae,dae,vae,mmvae")
    models = {name: load_model("mnist", name, many)[0] for name in FRESH}
    shown = cards(page)
    both = ("image", "label")
    assert shown["bivcca"].count("none for several together") == 3  # posterior, image and label
    for name in ("cvae", "dae"):
        assert models[name].no_posterior.replace("'", "&#x27;") in shown[name]
    for wanted in both:
        assert models["cvae"].cannot(both, wanted) in shown["cvae"]
    assert set(numbers(shown["cvae"])["coherence"]) == {"—"}
    assert 'class="cannot"' not in shown["mvae-cover"] + shown["mmvae"]

    page.switch("label", False)
    shown = cards(page)
    assert 'class="cannot"' not in shown["bivcca"]
    assert models["vae"].cannot(["image"], "label") in shown["vae"]
    assert numbers(shown["vae"])["log p(label | image)"] == ["—", "—"]
    page.switch("image", False)
    assert models["dae"].cannot([], "image") in cards(page)["dae"]
    for sentence in (models["cvae"].no_likelihood, models["dae"].no_likelihood):
        assert sentence in page.remarks


def test_one_part_of_a_picture_speaks_for_the_others(visit, many):
    page = visit(
        "compare.py", data="quadrants", models="cvae", supply="top left,top right,bottom left,label"
    )
    card = cards(page)["cvae"]
    assert card.count('class="cannot"') == 3  # posterior, the supplied parts, the label
    assert "1 of 4 parts missing" in card
    assert "log p(bottom right | …)" in numbers(card)


def test_chains_are_waited_for_last_and_bring_differences_when_they_are_pinned(
    visit, many, monkeypatch
):
    names = ("mvae-2d", "mvae", "mvae-cover")
    usual = cards(visit("compare.py", models=",".join(names)))
    asked, others = [], threading.Semaphore(0)

    def slow(model, *rest, **more):
        asked.append(model.latents)
        if model.uses_gibbs_chains:  # a chain that ends after both of the others
            assert all(others.acquire(timeout=30) for _ in range(2))
        result = predict(model, *rest, **more)
        others.release()
        return result

    monkeypatch.setattr("pages.parts.comparison.answers.predict", slow)
    monkeypatch.setattr("pages.parts.comparison.answers.PATIENCE", 0.001)
    monkeypatch.setattr(loading.load("mnist", "mvae-2d")[0], "uses_gibbs_chains", True)
    page = visit("compare.py", models=",".join(names))
    assert cards(page) == usual
    assert asked == [64, 64, 2]


def test_a_damaged_model_has_its_sentence_and_the_others_are_compared(visit, many):
    folder = many / "mnist" / "mvae-hurt"
    shutil.copytree((many / "mnist" / "mvae").resolve(), folder)
    rehash(folder, model="mvae-hurt")
    (folder / "weights.safetensors").write_bytes(b"?")
    try:
        page = visit("compare.py", models="mvae-hurt,mvae")
        assert "mvae-hurt/weights.safetensors is damaged" in page.remarks
        bodies = [x.proto.body for x in page.app.get("html") if "reference</th>" in x.proto.body]
        assert len(bodies) == 1
        assert "is damaged" in visit("compare.py", models="mvae-hurt").problems
    finally:
        shutil.rmtree(folder)


def test_records_curves_and_ways_to_train_wait_until_somebody_looks(visit):
    page = visit("compare.py", models="mvae,mvae-cover")
    (table,) = page.app.dataframe
    assert list(table.value.index) == ["mvae", "mvae-cover"]
    model, config = load_model("mnist", "mvae")
    row = table.value.loc["mvae"]
    assert row["parameters"] == f"{sum(w.numel() for w in model.parameters()):,}"
    assert row["objective"] == config.objective.name
    assert row["epochs"] == config.training.epochs
    # The new estimator's, with its n; an earlier one's figure is never shown beside it.
    assert re.fullmatch(rf"−\d+\.\d+ ± \d\.\d\d, n [\d,]+|{EARLIER}", row["log p(image, label)"])
    assert row["λ"] == annotation_weight(config)
    assert re.fullmatch(r"0\.\d+ ± \d\.\d+, n [\d,]+", row["image→label"])
    assert not page.app.get("plotly_chart")
    page.app.session_state["curves"] = page.app.session_state["ways"] = True
    page.app.run()
    page.check()
    (chart,) = page.app.get("plotly_chart")
    assert '"mvae-cover"' in chart.proto.spec
    ways = page.app.dataframe[1].value
    assert {"mvae", "mvae-cover", "mvae-2d"} <= set(ways["run"])
    assert (ways["seeds"] >= 1).all()
    shown = set(ways["image→label"])
    assert all(", n " in cell for cell in shown), shown


@pytest.mark.parametrize(
    "params",
    [
        {"models": THREE, "sample": "3", "supply": "label", "pinned": "mvae"},
        {"data": "quadrants", "models": "mvae", "supply": "top left,label", "seed": "7"},
        {"models": "mvae-2d,mvae", "supply": "", "set-label": "8"},
    ],
)
def test_the_code_shown_gives_the_numbers_shown(visit, params, capsys):
    page = visit("compare.py", **params)
    scope: dict[str, object] = {}
    exec(page.app.code[0].value, scope)
    shown = cards(page)
    assert list(scope["predictions"]) == list(shown)
    for name, found in scope["predictions"].items():
        values = ["—" if x is None else number(x) for x in found.scores.values()]
        assert [cells[0] for cells in numbers(shown[name]).values()] == values


@pytest.fixture
def answers():
    modalities = config_for("mnist", "mvae").modalities
    models = {name: load_model("mnist", name)[0] for name in ("mvae", "mvae-2d")}
    torch.manual_seed(0)
    models["dae"] = config_for("mnist", "dae").build()
    sample = load_samples("mnist", modalities)[slice(3, 4)]
    return {name: predict(model, sample, ["image"]) for name, model in models.items()}


def test_the_table_holds_numbers_differences_and_records(answers):
    loaded = {name: load_model("mnist", name) for name in ("mvae", "mvae-2d")}
    text = export.table(answers, "mvae", records.records("mnist", loaded)).decode()
    rows = {row["model"]: row for row in csv.DictReader(io.StringIO(text))}
    assert list(rows) == list(answers)
    for name, row in rows.items():
        for title, value in answers[name].scores.items():
            assert row[title] == ("" if value is None else str(value))
    title = "KL to the prior"
    difference = answers["mvae-2d"].scores[title] - answers["mvae"].scores[title]
    assert float(rows["mvae-2d"][f"{title} − mvae"]) == pytest.approx(difference)
    assert rows["dae"][f"{title} − mvae"] == ""
    assert rows["mvae-2d"]["objective"] == "covering"


def test_the_picture_has_a_column_for_each_model(answers):
    modalities = config_for("mnist", "mvae").modalities
    title = "mnist given image; 64 draws"
    three = Image.open(io.BytesIO(export.picture(answers, modalities, "mvae", title)))
    one = Image.open(
        io.BytesIO(export.picture({"mvae": answers["mvae"]}, modalities, "mvae", title))
    )
    assert three.width - one.width == 2 * (export.COLUMN + export.MARGIN)
    dark = torch.from_numpy(np.array(three.convert("L"))) < 128
    for i in range(3):
        left = export.MARGIN + i * (export.COLUMN + export.MARGIN)
        assert dark[:, left : left + export.COLUMN].any()
        assert not dark[:, left - export.MARGIN : left].any()


def test_a_spread_that_equals_the_priors_is_flat():
    svg = spread(torch.ones(3), None, 3, (0, 0, 0))
    heights = set(re.findall(r"V([\d.]+)", svg))
    assert len(heights) == 1
    sharper = spread(torch.tensor([0.1, 1.0, 1.0]), torch.ones(3), 3, (0, 0, 0))
    assert "stroke-dasharray" in sharper
    assert len(set(re.findall(r"V([\d.]+)", sharper))) == 2


def test_vectors_are_shown_as_numbers():
    point = Modality(name="point", kind="vector", shape=(2,), likelihood="gaussian", hidden=(4,))
    torch.manual_seed(0)
    model = MVAE([point], 2)
    sample = Batch.of([point], {"point": torch.zeros(1, 2)})
    found = predict(model, sample, [])
    shared = Shared((point,), sample, (), {"point": "#000"}, 2, (0, 0, 0), "m", found)
    assert ", ".join(number(x) for x in found.expected["point"].tolist()) in write_card(
        "m", found, shared
    )


@pytest.mark.parametrize("where", [None, "traverse.py", "map.py"])
def test_a_page_of_experts_says_why_a_model_has_none_and_compare_shows_it(many, visit, where):
    page = visit(where, model="vae")
    texts = [x.value for x in page.app.markdown]
    assert "### **vae** has no product of experts" in texts
    assert any("latents of their own" in text for text in texts)
    assert any("It cannot predict one modality from another." in text for text in texts)
    assert page.app.get("page_link")[0].proto.label.startswith("Compare vae with")
    page.app.switch_page("compare.py").run()
    assert next(iter(cards(page.check())))
    assert not any("has no product" in x.value for x in page.app.markdown)


def test_the_usual_models_are_of_different_kinds_and_the_own_one_comes_first(many, visit):
    assert list(cards(visit("compare.py"))) == ["mvae-cover", "bivcca", "mmvae", "vae"]
    assert list(cards(visit("compare.py", model="dae")))[:2] == ["dae", "mvae-cover"]
