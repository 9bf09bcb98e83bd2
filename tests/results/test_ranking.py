"""Rankings: differences to the best with their errors, ties, and what is not ranked."""

from __future__ import annotations

import pytest

from mvae.evaluation.reliability import DISTRUSTED, EARLIER
from mvae.results.figures import figures
from mvae.results.ranking import difference, ranking
from mvae.results.runs import runs
from tests.results.written_runs import write_run

JOINT = "image+label"


def run(root, recipe, mean, *, se=0.5, n=1000, over=0, kind="loglik", paired=None, **protocol):
    """Write a run with one figure, and give it by name with its record."""
    test = {kind: {JOINT: {"mean": mean, "se": se, "n": n, "k_hat_over_0.7": over}}}
    if paired:
        test["paired"] = {kind: {JOINT: paired}}
        test["paired_with"] = {name: f"hash of {name}" for name in paired}
    write_run(root, recipe, 0, test, {"weights_sha256": f"hash of {recipe}"} | protocol)


def ranked(root):
    records = {record.name: record for record in runs("mnist", root)}
    return ranking(figures(records.values()), records)


def test_the_best_comes_first_and_the_others_have_paired_differences_to_it(tmp_path):
    run(tmp_path, "jmvae", -70.0)
    run(tmp_path, "mvae", -71.0, paired={"jmvae": 0.05})
    run(tmp_path, "vae", -70.5)
    best, vae, mvae = ranked(tmp_path)
    assert (best.figure.model, best.behind, best.tied) == ("jmvae", None, True)
    assert (mvae.behind.mean, mvae.behind.se, mvae.behind.paired) == (-1.0, 0.05, True)
    assert not mvae.tied
    # What was not paired is as uncertain as two independent figures.
    assert vae.behind.se == pytest.approx(0.5 * 2**0.5)
    assert (vae.behind.paired, vae.tied) == (False, True)


def test_a_pair_is_known_to_either_model_and_its_sign_turns(tmp_path):
    run(tmp_path, "jmvae", -70.0, paired={"mvae": 0.04})
    run(tmp_path, "mvae", -70.07)
    records = {record.name: record for record in runs("mnist", tmp_path)}
    jmvae, mvae = sorted(figures(records.values()), key=lambda f: f.model)
    there, back = difference(jmvae, mvae, records), difference(mvae, jmvae, records)
    assert (there.se, back.se) == (0.04, 0.04)
    assert there.mean == -back.mean == pytest.approx(0.07)
    assert there.tied
    assert back.tied


def test_a_model_that_was_trained_again_since_is_not_paired(tmp_path):
    run(tmp_path, "jmvae", -70.0, weights_sha256="others")
    run(tmp_path, "mvae", -71.0, paired={"jmvae": 0.05})
    assert not ranked(tmp_path)[1].behind.paired


def test_figures_of_different_samples_are_not_paired(tmp_path):
    run(tmp_path, "jmvae", -70.0)
    run(tmp_path, "mvae", -71.0, n=250, paired={"jmvae": 0.05})
    assert not ranked(tmp_path)[1].behind.paired


@pytest.mark.parametrize(
    ("facts", "why"),
    [({"over": 101}, DISTRUSTED), ({"estimator": "older"}, EARLIER), ({"over": 100}, "")],
)
def test_what_its_diagnostics_distrust_or_another_estimator_scored_is_not_ranked(
    tmp_path, facts, why
):
    run(tmp_path, "jmvae", -71.0)
    run(tmp_path, "mvae", -60.0, **facts)
    places = ranked(tmp_path)
    assert [p.figure.model for p in places] == (["jmvae", "mvae"] if why else ["mvae", "jmvae"])
    (mvae,) = (p for p in places if p.figure.model == "mvae")
    assert mvae.figure.doubt == why
    if why:
        assert (mvae.behind, mvae.tied) == (None, False)


def test_a_figure_that_no_importance_weights_gave_needs_no_estimator(tmp_path):
    run(tmp_path, "jmvae", 0.9, kind="accuracy", estimator="older")
    assert ranked(tmp_path)[0].figure.doubt == ""
