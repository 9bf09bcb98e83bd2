"""The bundled figures: what cannot be, whoever measured it."""

from __future__ import annotations

import pytest

from mvae.distributions.likelihood import LIKELIHOODS
from mvae.evaluation.reliability import EARLIER
from mvae.results.figures import figures
from mvae.results.runs import runs
from tests.bundled import CHECKPOINTS, DATASETS
from tests.results.written_runs import write_run

#: Likelihoods of data that are one of countably many, whose probability is at most 1. The
#: cross-entropy on grey values is no probability, and a density may be above 1.
DISCRETE = {"bernoulli", "categorical", "autoregressive"}
#: Kinds of figures that are logarithms of probabilities, or bounds of them from below.
LOGARITHMS = {"loglik", "elbo", "predictive", "per_token"}


def impossible(dataset, root=CHECKPOINTS):
    """List the figures that are logarithms of probabilities above 1."""
    found = []
    for record in runs(dataset, root):
        likelihoods = {m.name: m.likelihood for m in record.config.modalities}
        for f in figures([record]):
            # Where it is counted how many modalities are asked for, it may be any of them.
            asked = [likelihoods.get(name) for name in f.key.asked]
            asked = list(likelihoods.values()) if None in asked else asked
            if f.kind in LOGARITHMS and f.mean > 0 and DISCRETE.issuperset(asked):
                found.append((f.model, f.kind, str(f.key), f.mean))
    return found


def uneven(dataset, root=CHECKPOINTS):
    """List the log-likelihoods that are of more samples for some runs than for others."""
    counts = {}
    for f in figures(runs(dataset, root)):
        if f.kind == "loglik" and f.doubt != EARLIER:
            counts.setdefault(str(f.key), set()).add(f.n)
    return [what for what, n in counts.items() if len(n) > 1]


@pytest.mark.parametrize("dataset", DATASETS)
def test_models_and_seeds_are_scored_on_the_same_samples(dataset):
    assert uneven(dataset) == []


def test_scores_of_other_samples_are_found(tmp_path):
    for seed, n in enumerate((1000, 10_000)):
        x = {"mean": -1.0, "se": 0.1, "n": n}
        test = {"loglik": {"image": x, "label": x | {"n": 7}}, "elbo": {"image": x}}
        write_run(tmp_path, "mvae", seed, test)
    assert uneven("mnist", tmp_path) == ["image"]


@pytest.mark.parametrize("dataset", DATASETS)
def test_no_log_probability_of_discrete_data_is_above_0(dataset):
    assert impossible(dataset) == []


def test_what_cannot_be_is_found_and_what_can_be_is_not(tmp_path):
    assert LIKELIHOODS.keys() > DISCRETE
    above, below = ({"mean": mean, "se": 0.02, "n": 1000} for mean in (0.1, -0.1))
    test = {
        "loglik": {"label|image": above, "image|label": below, "image+label": above},
        "predictive": {"image->label": above},
        "entropy": {"label": above},
    }
    write_run(tmp_path, "jmvae", 0, test)
    assert [what for _, _, what, _ in impossible("mnist", tmp_path)] == [
        *("label|image", "image+label", "image->label")
    ]
