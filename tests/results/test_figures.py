"""Figures as rows: what was given and asked, and how it came about."""

from __future__ import annotations

import pytest

from mvae.data import DATASETS
from mvae.evaluation.keys import FigureKey, joined
from mvae.results.figures import KINDS, figures, kind_of, spoken, stale_runs
from mvae.results.runs import Record, runs
from mvae.training.recipes import config_for
from tests.results.written_runs import write_run

TEST = {
    "loglik": {
        "image+label": {"mean": -80.5, "se": 0.5, "n": 1000, "k_hat_over_0.7": 7},
        "image|label": {"mean": -78.2, "se": 0.5, "n": 1000, "k_hat_over_0.7": 9},
    },
    "loglik_above": {"mvae": {"image": {"mean": 1.5, "se": 0.1, "n": 1000}}},
    "coherence": {"->image": {"mean": 0.5, "se": 0.1, "n": 10}},
    "coverage_90%": {"label": {"mean": 0.7, "se": 0.1, "n": 10, "by_dimension": [0.7]}},
    "disagreement": {"image+label": [1.0, 2.0]},  # no figure with an error
}
DIFFERENCE = {"loglik_above": {"mvae": TEST["loglik_above"]["mvae"] | {"weights_sha256": "0"}}}


def test_every_figure_is_a_row_that_says_what_it_is(tmp_path):
    write_run(tmp_path, "mvae", 0, TEST)
    rows = figures(runs("mnist", tmp_path))
    facts = {
        (r.kind, *(joined(names) for names in (r.key.given, r.key.asked)), r.mean, r.unreliable)
        for r in rows
    }
    assert facts == {
        ("loglik", "", "image+label", -80.5, 7),
        ("loglik", "label", "image", -78.2, 9),
        ("loglik_above", "", "image", 1.5, None),
        ("coherence", "", "image", 0.5, None),
        ("coverage_90%", "label", "", 0.7, None),
    }
    assert {r.model for r in rows} == {"mvae"}
    assert {r.kind for r in rows} <= set(KINDS)


def test_the_protocol_of_a_figure_is_its_own(tmp_path):
    write_run(tmp_path, "mvae", 0, TEST)
    (run,) = runs("mnist", tmp_path)
    run.metrics.protocol.update({"K": 1000, "coherence": "8 draws", "date": "2026-11-23"})
    by_kind = {r.kind: r.protocol for r in figures([run])}
    assert by_kind["coherence"] == "test split; coherence: 8 draws; 2026-11-23"
    assert "K: 1000" in by_kind["loglik"]
    assert "8 draws" not in by_kind["loglik"]


def test_figures_of_other_weights_are_withheld_by_name(tmp_path):
    folder, _ = write_run(tmp_path, "mvae", 0, TEST, {"weights_sha256": "0" * 64})
    (folder / "weights.safetensors").write_bytes(b"others")
    found = runs("mnist", tmp_path)
    assert figures(found) == []
    assert stale_runs(found) == ["mvae"]
    assert stale_runs([Record("other", config_for("mnist", "mvae"), None)]) == ["other"]


def test_the_hash_of_the_reference_is_no_figure(tmp_path):
    write_run(tmp_path, "mvae", 0, DIFFERENCE)
    assert [r.kind for r in figures(runs("mnist", tmp_path))] == ["loglik_above"]


@pytest.mark.parametrize(
    ("kind", "what", "given", "asked"),
    [
        ("accuracy", "image->label", "image", "label"),
        ("predictive", "->label", "", "label"),
        ("loglik", "image+label", "", "image+label"),
        ("loglik_above", "label|image", "image", "label"),
        ("elbo", "image", "", "image"),
        ("variance_of_log_weights", "image|label", "label", "image"),
        ("entropy", "", "", ""),
        ("entropy", "image+label", "image+label", ""),
        ("coverage_50%", "3 of 20", "3 of 20", ""),
    ],
)
def test_a_key_tells_what_is_given_and_what_is_asked(kind, what, given, asked):
    key = FigureKey.parse(kind, what)
    assert (key.kind, joined(key.given), joined(key.asked)) == (kind, given, asked)
    assert str(key) == what


def test_a_figure_is_one_row_of_plain_text_and_numbers(tmp_path):
    write_run(tmp_path, "mvae", 0, {"loglik": {"image|label": TEST["loglik"]["image|label"]}})
    (figure,) = figures(runs("mnist", tmp_path))
    row = figure.row()
    assert list(row)[:6] == ["model", "kind", "what", "given", "asked", "mean"]
    assert list(row.values())[:6] == ["mvae", "loglik", "image|label", "label", "image", -78.2]


def test_all_tiles_together_are_the_picture():
    quadrants = DATASETS["quadrants"].modalities
    every = [m.name for m in quadrants if m.kind == "image"]
    assert spoken(every, quadrants) == "picture"
    assert spoken(["top left", "label"], quadrants) == "top left, label"
    assert spoken(["image"], DATASETS["mnist"].modalities) == "image"


@pytest.mark.parametrize("key", ["loglik", "loglik_above", "elbo", "predictive"])
def test_of_grey_values_there_are_scores_and_no_likelihoods(key):
    grey = kind_of(key, DATASETS["fashion"].modalities)
    assert "log p" not in grey.title
    assert "no log-likelihood" in grey.explanation
    assert grey.explanation.lower().count("log-likelihood") == 1
    assert kind_of(key, DATASETS["mnist"].modalities) == KINDS[key]


def test_what_is_no_likelihood_has_the_same_words_everywhere():
    for key in ("accuracy", "coherence", "entropy", "coverage_90%"):
        assert kind_of(key, DATASETS["fashion"].modalities) == KINDS[key]
