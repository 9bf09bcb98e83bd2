"""The Experts page: every widget's effect on what is supplied, inferred and generated."""

from __future__ import annotations

import io

import pytest
import torch
from PIL import Image, ImageDraw

from mvae.checkpoint import load_metrics, load_model, load_samples
from mvae.distributions.conflict import disagreement
from mvae.images.preprocessing import pack_bits
from pages.parts import evidence
from tests.bundled import WITH_EXPERTS

DATASETS = ("mnist", "fashion", "quadrants")


def drawing() -> str:
    picture = torch.zeros(1, 28, 28)
    picture[:, 4:24, 13:15] = 1  # a one
    return pack_bits(picture)


def png(mode: str = "L") -> bytes:
    image = Image.new("L", (60, 90), 255)
    ImageDraw.Draw(image).line((30, 10, 30, 80), fill=0, width=8)
    file = io.BytesIO()
    image.convert(mode).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("data", DATASETS)
def test_every_data_set_and_model_opens_with_everything_supplied(visit, data):
    page = visit(data=data)
    options = page.app.selectbox(key="model").options
    models = [option.split(" · ")[0] for option in options]
    assert all(option.removeprefix(f"{m} · ") for m, option in zip(models, options, strict=True))
    assert {"mvae", "mvae-cover", "mvae-2d"} <= set(models)
    for model in models:
        page.set("selectbox", "model", model)
        assert page.url["model"] == model
        assert not page.problems
        if (data, model) not in WITH_EXPERTS:
            assert page.headline == f"### {model} has no product of experts"
            continue
        assert "sharper than the prior" in page.headline
        names = [modality["name"] for modality in page.stage["modalities"]]
        assert page.stage["evidence"] == names == list(page.stage["experts"])
        assert len(names) == len(page.app.toggle)


def test_dropping_the_label_widens_the_posterior_and_supplying_it_sharpens_it_again(visit):
    page = visit(sample="3")
    both = page.inference.sharpness
    assert f"**{both[-1]:.1f} nats** sharper" in page.remarks
    page.switch("label", False)
    assert page.inference.sharpness == both[:2]
    assert f"**{both[1]:.1f} nats** sharper" in page.remarks
    assert "Dropping the label widened the posterior" in page.remarks
    assert page.url["supply"] == "image"
    page.switch("label", True)
    assert page.inference.sharpness == both
    assert "Supplying the label sharpened the posterior" in page.remarks
    assert "prior; label, supplied last, contributed" in page.headline


def test_what_is_supplied_first_stands_first(visit):
    page = visit().switch("image", False).switch("image", True)
    assert page.url["supply"] == "label,image"
    assert page.stage["evidence"] == ["label", "image"]
    assert "prior; image, supplied last" in page.headline


def test_without_evidence_the_posterior_is_the_prior(visit):
    page = visit(supply="")
    assert "the posterior is the prior" in page.headline
    assert page.stage["evidence"] == []
    assert list(page.stage["experts"]) == ["image", "label"]  # to be supplied without asking
    inference = page.inference
    assert inference.sharpness == [0.0]
    assert not inference.posterior.mean.any()
    assert not inference.posterior.logvar.any()
    assert (inference.shares == 1).all()


def test_shares_of_every_dimension_sum_to_one(visit):
    shares = visit(data="quadrants").inference.shares
    assert shares.shape == (1 + 5, 64)
    assert (shares > 0).all()
    assert (shares.sum(0) - 1).abs().max() < 1e-9


def test_a_label_that_contradicts_the_image_is_said_to_disagree(visit):
    page = visit(sample="3")
    assert "no more in conflict than usual" in page.remarks
    page.set("button_group", "label label", 8)
    assert page.url["set-label"] == "8"
    assert "conflict more than" in page.remarks
    assert "the posterior did not widen" in page.remarks
    assert "may differ from the example’s own label" in page.remarks


@pytest.mark.parametrize("label", [3, 5, 8])
@pytest.mark.parametrize("model", ["mvae", "mvae-cover"])
def test_without_a_conflict_it_is_said_how_seldom_one_is_noticed(visit, model, label):
    """Nothing is called agreement: with some models many a wrong label passes."""
    page = visit(**{"model": model, "sample": "3", "set-label": str(label)})
    rate = load_metrics("mnist", model).test["detects"]["image+label"]["label"]["mean"]
    assert "agree:" not in page.remarks
    if "conflict more than" in page.remarks:
        assert label != 3
    else:
        said = f"detects a wrong label in {100 * rate:.0f} % of test examples"
        assert f"no more in conflict than usual. This model’s gauge {said}" in page.remarks


def test_both_terms_of_the_conflict_stand_in_the_help(visit):
    page = visit(sample="3")
    model, _ = load_model("mnist", page.url["model"])
    sample = load_samples("mnist", model.modalities)[slice(3, 4)]
    found = disagreement(model.experts(sample), sample.present)
    (told,) = [m.help for m in page.app.markdown if "squared standard deviations" in m.help]
    assert f"**{found.between_modalities.item():.1f}** between the modalities" in told
    assert f"**{found.from_prior.item():.1f}** between all of them and the prior" in told


def test_both_kinds_of_nats_are_named_once_beside_the_headline(visit):
    told = [m.help for m in visit().app.markdown if "nats" in m.help]
    assert len(told) == 1
    assert "entropy reduction" in told[0]
    assert "KL to the prior" in told[0]


@pytest.mark.parametrize("evidence", ["image", "label", "image,label"])
def test_the_headline_says_what_is_inferred_and_how_sure_it_is(visit, evidence):
    page = visit(sample="3", supply=evidence)
    p = page.inference.expected["label"]
    assert (
        f"the model predicts {p.argmax()}, {100 * p.max():.0f}\u00a0%. The posterior is "
        in page.headline
    )
    assert f"{page.inference.sharpness[-1]:.1f} nats" in page.headline


def test_choosing_a_label_supplies_it(visit):
    page = visit(supply="image").set("button_group", "label label", 5)
    assert page.url["supply"] == "image,label"


def test_another_example_brings_its_own_label_back(visit):
    page = visit(**{"sample": "3", "set-label": "8"})
    page.set("number_input", "sample", 7)
    assert "set-label" not in page.url
    assert page.app.button_group(key="label label").value == 7
    page.app.button(key="next").click().run()
    assert page.check().url["sample"] == "8"


def test_other_samples_keep_the_posterior(visit):
    page = visit(supply="label")
    before = page.inference
    page.app.button(key="draw").click().run()
    after = page.check().inference
    assert page.url["seed"] == "1"
    assert after.sharpness == before.sharpness
    assert (after.draws != before.draws).all()


def test_chosen_dimensions_are_shown_and_linked(visit):
    page = visit().set("multiselect", "dims", [7, 3])
    assert page.stage["chosen"] == [7, 3]
    assert page.url["dims"] == "7,3"
    page.set("multiselect", "dims", [])
    assert page.stage["chosen"] == []  # the most informative, which the browser finds
    assert "dims" not in page.url


def test_another_data_set_supplies_all_that_it_has(visit):
    page = visit(supply="image").set("selectbox", "data", "quadrants")
    assert [toggle.value for toggle in page.app.toggle] == [True] * 5
    assert page.url["data"] == "quadrants"


def test_another_model_keeps_the_evidence(visit):
    page = visit(sample="4", supply="label").set("selectbox", "model", "mvae-2d")
    assert (page.url["sample"], page.url["supply"]) == ("4", "label")
    assert page.inference.posterior.mean.shape == (2,)


def test_a_drawing_is_evidence_and_stands_in_the_link(visit):
    page = visit(source="drawing", drawing=drawing(), supply="image")
    assert not page.problems
    assert page.url["drawing"] == drawing()
    assert page.inference.expected["label"][1] > 0.5
    assert page.app.toggle(key="supply label").disabled


def test_a_drawing_is_cut_into_quarters(visit):
    page = visit(data="quadrants", source="drawing", drawing=drawing())
    assert [toggle.value for toggle in page.app.toggle] == [True] * 4 + [False]


def test_without_a_drawing_there_is_nothing_to_supply(visit):
    page = visit().set("button_group", "source", "drawing")
    assert all(toggle.disabled for toggle in page.app.toggle)
    assert "the posterior is the prior" in page.headline


def test_a_drawing_on_the_pad_reaches_the_posterior(visit):
    page = visit().set("button_group", "source", "drawing")
    page.app.session_state["pad mnist"] = {"drawing": drawing()}
    page.app.run()
    assert page.check().url["drawing"] == drawing()
    assert page.inference.sharpness[-1] > 5


def upload(page, content: bytes, name: str = "picture.png"):
    page.app.file_uploader[0].set_value((name, content, "image/png"))
    page.app.run()
    return page.check()


def test_an_uploaded_picture_is_evidence_of_this_session_only(visit):
    page = upload(visit().set("button_group", "source", "upload"), png("RGBA"))
    assert not page.problems
    assert page.inference.expected["label"][1] > 0.5
    assert "drawing" not in page.url


@pytest.mark.parametrize(
    "content", [b"not an image at all", png()[:60], b"", b"\x89PNG\r\n\x1a\n" + b"\0" * 50]
)
def test_a_bad_upload_gets_a_sentence_and_the_picture_before_stays(visit, content):
    page = upload(visit().set("button_group", "source", "upload"), png())
    before = page.inference.sharpness
    upload(page, content)
    assert page.problems.strip()
    assert page.inference.sharpness == before


def test_a_link_made_with_an_upload_says_that_it_leaves_it_out(visit):
    page = visit(source="upload", sample="5")
    assert "links do not contain" in page.problems
    assert page.url["sample"] == "5"


@pytest.mark.parametrize(
    "params",
    [
        {"sample": "3", "supply": "label,image", "set-label": "8"},
        {"data": "quadrants", "sample": "4", "supply": "top left,label", "seed": "7"},
        {"source": "drawing", "drawing": drawing(), "supply": "image"},
        {"data": "fashion", "model": "mvae-2d", "supply": ""},
    ],
)
def test_the_code_shown_gives_the_numbers_shown(visit, params):
    page = visit(**params)
    scope: dict[str, object] = {}
    exec(page.app.code[0].value, scope)
    inference = scope["inference"]
    shown = page.inference
    assert list(inference.evidence) == page.stage["evidence"]
    assert inference.sharpness == pytest.approx(shown.sharpness, abs=1e-3)
    assert (inference.posterior.mean - shown.posterior.mean).abs().max() < 1e-5
    assert (inference.posterior.std - shown.posterior.std).abs().max() < 1e-5
    for name, share in zip(inference.shares, shown.shares, strict=True):
        assert (inference.shares[name] - share).abs().max() < 1e-5
    for name, expected in inference.expected.items():
        assert (expected - shown.expected[name]).abs().max() < 1e-4


def test_the_page_says_what_the_model_does_badly(visit):
    page = visit(model="mvae")
    assert "never scores the prediction of one modality from another" in page.remarks
    assert "confident" not in page.remarks  # given a label, its posterior is nearly exact


@pytest.mark.parametrize("script", ["experts.py", "compare.py"])
def test_a_rerun_gathers_the_evidence_once(visit, monkeypatch, script):
    page, gathered = visit(script), []
    usual = evidence.gather
    monkeypatch.setattr(
        evidence, "gather", lambda *given: gathered.append(given[0].sample) or usual(*given)
    )
    page.set("number_input", "sample", 5)
    assert gathered == [5]
