"""What was measured of a model, where the model is shown."""

from __future__ import annotations

import pytest

from mvae.checkpoint import load_metrics
from mvae.training.recipes import config_for
from pages.parts.about import best_figures
from pages.parts.measured import titled
from pages.parts.sentences import with_error


@pytest.mark.parametrize("model", ["mvae", "jmvae"])  # one with experts, one without
def test_what_translations_reach_stands_where_the_model_is_shown(visit, model):
    told = visit(data="translation", model=model).remarks
    for way in ("english->vietnamese", "vietnamese->english"):
        own, plain = (
            with_error(x["mean"], x["se"])
            for name in (model, "encoder-decoder")
            for x in [load_metrics("translation", name).test["bleu"][way]]
        )
        assert f"{way.replace('->', '→')} BLEU {own} (encoder-decoder: {plain})" in told


def test_pictures_and_labels_of_one_draw_are_said_to_fit_as_far_as_they_do(visit):
    figure = load_metrics("mnist", "mvae").test["coherence"]["->image"]
    told = visit(model="mvae").remarks
    assert f"label of the same draw agree in {100 * figure['mean']:.1f} ± " in told


def test_no_coherence_and_no_likelihood_is_ranked_beside_a_model(visit):
    line = next(x for x in visit(model="mvae").remarks.splitlines() if x.startswith("Measured on"))
    assert "image→label" in line
    assert "coherence" not in line
    assert "log p" not in line
    assert best_figures("mvae", []) == ""


@pytest.mark.parametrize(
    ("data", "titles"),
    [
        ("mnist", "log p(image, label); image→label; label→image coherence; label→image diversity"),
        ("fashion", "score(image, label)"),
        ("quadrants", "log p(picture, label); picture→label; label→picture coherence"),
        ("views", "log p(7 modalities); log p(the next | one); one→label; all others→label"),
        ("clipart", "image→tags average precision; tags→image average precision"),
        ("vision", "; ".join(f"score of image | {x}" for x in ("grey", "edges", "masked"))),
        ("translation", "vietnamese→english BLEU; english→vietnamese BLEU"),
    ],
)
def test_titles_say_what_is_given_and_asked_and_tiles_are_one_picture(data, titles):
    found = list(titled(config_for(data, "mvae"), None))
    first, *others = titles.split("; ")
    start = found.index(first)
    assert found[start : start + 1 + len(others)] == [first, *others]
