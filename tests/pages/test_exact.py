"""The exact posterior on the pages: shaded where it can be known, its gap that of the library."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from mvae.analysis.inference import infer
from mvae.checkpoint import load_model, load_samples
from mvae.evaluation.exact_posterior import ExactInference


@pytest.mark.parametrize(
    ("data", "supply"),
    [("mnist", "image,label"), ("mnist", "label"), ("fashion", "image"), ("quadrants", "top left")],
)
def test_the_shading_and_the_gap_are_those_of_the_library(visit, data, supply):
    exact = visit(data=data, model="mvae-2d", sample="7", supply=supply).stage["exact"]
    model, _ = load_model(data, "mvae-2d")
    sample = load_samples(data, model.modalities)[slice(7, 8)]
    evidence = supply.split(",")
    found = ExactInference(model)(sample, evidence)
    assert exact["evidence"] == evidence
    assert exact["gap"] == pytest.approx(found.kl_from(infer(model, sample, evidence).posterior))
    assert exact["evidenceNats"] == pytest.approx(found.log_evidence)
    assert ("score" in exact["title"]) == (data == "fashion")
    shade = np.frombuffer(base64.b64decode(exact["bytes"]), np.uint8).reshape(exact["size"], -1)
    row, column = np.unravel_index(shade.argmax(), shade.shape)
    (left, bottom), (right, top) = exact["low"], exact["high"]
    place = (
        left + (column + 0.5) / exact["size"] * (right - left),
        top - (row + 0.5) / exact["size"] * (top - bottom),
    )
    # as near as a pixel is wide, the brightest one is at the highest mode
    assert place == pytest.approx(found.modes[0].tolist(), abs=(right - left) / exact["size"])


def test_a_sharp_posterior_is_magnified_and_a_wide_one_is_not(visit):
    page = visit(model="mvae-2d", sample="3")
    inset = page.stage["exact"]["inset"]
    assert 0 < inset["high"][0] - inset["low"][0] < 2
    page.switch("image", False)
    assert page.stage["exact"]["inset"] is None


def test_without_evidence_the_exact_posterior_is_the_prior(visit):
    exact = visit(model="mvae-2d", supply="").stage["exact"]
    assert exact["gap"] == pytest.approx(0, abs=1e-3)
    assert exact["sharpness"] == pytest.approx(0, abs=1e-2)


def test_more_latents_than_two_have_no_exact_posterior(visit):
    page = visit(sample="3")
    assert page.stage["exact"] is None
    assert not page.app.expander or all("product" not in e.label for e in page.app.expander)


def test_the_product_is_checked_when_somebody_looks(visit):
    page = visit(model="mvae-2d", sample="3")
    assert "the error of the quadrature" not in page.remarks
    page.app.session_state["products"] = True
    page.app.run()
    assert "the error of the quadrature" in page.check().remarks
    table = page.app.dataframe[-1].value
    assert len(table) == 3
    assert (table["KL(q‖p), nats"] > -1e-3).all()
    page.switch("label", False)  # nothing to multiply
    assert "the error of the quadrature" not in page.remarks
