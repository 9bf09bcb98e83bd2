"""Figures of a Boltzmann machine, computed in pieces, against sums over all of its states."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from mvae.checkpoint import ModelConfig
from mvae.evaluation import boltzmann_likelihood
from mvae.evaluation.context import EvaluationContext
from mvae.evaluation.measures import Likelihoods
from mvae.evaluation.step_cache import StepCache
from mvae.models.dbm import DBM
from mvae.models.rbm import RBM
from tests.models.boltzmann_toys import PAIR, Enumeration, pairs, with_large_weights

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("float64")]


@pytest.fixture
def context(toy_config, monkeypatch):
    """Make the subject of a machine, whose test split is all that there could be."""
    for name in ("TEMPERATURES", "SWEEPS"):
        monkeypatch.setattr(boltzmann_likelihood, name, 200)

    def make(kind) -> EvaluationContext:
        config = toy_config().model_dump() | {"modalities": PAIR}
        return EvaluationContext(
            model=with_large_weights(kind(PAIR, 3), 0.7),
            config=ModelConfig.model_validate(config),
            test=pairs(),
            train=pairs,
            valid=pairs,
            classifier=None,
            n=48,
            k=500,
            seed=0,
        )

    return make


@pytest.mark.parametrize("kind", [RBM, DBM])
def test_log_p_is_that_of_all_states_or_below_it(context, kind, tmp_path):
    machine = context(kind)
    cache, likelihoods = StepCache(tmp_path / "working", {}), Likelihoods()
    for step in likelihoods.steps(machine):
        cache.run(step, 0)
    found = likelihoods.figures(machine, cache)
    every = Enumeration(machine.model.machine)
    visible = machine.model.visible(machine.test)
    for name in ("stroke", "label", "stroke+label"):
        exact = np.mean(every.log_p({f"v {n}": visible[f"v {n}"] for n in name.split("+")}))
        assert found["loglik"][name]["mean"] < exact + 0.05, name
        assert found["loglik"][name]["mean"] > exact - (0.05 if kind is RBM else 0.3), name
        assert found["loglik"][name]["k_hat_over_0.7"] == 0
    both = found["log_partition"]
    assert both["forward"]["n"] == both["reverse"]["n"] == 50
    assert both["forward"]["mean"] == pytest.approx(every.log_z, abs=0.05)
    assert both["reverse"]["mean"] == pytest.approx(every.log_z, abs=0.05)
    assert both["crossed"] is False
    protocol = likelihoods.protocol(machine)
    assert "from above" in protocol["proposal"]
    assert ("exact" if kind is RBM else "two mean-field bounds") in protocol["conditional"]


def test_an_evaluation_goes_on_where_it_was_interrupted(context, tmp_path):
    machine, likelihoods = context(RBM), Likelihoods()
    whole = StepCache(tmp_path / "whole", {})
    steps = list(likelihoods.steps(machine))
    assert [step.part for step in steps if step.name == "log Z"] == [0, 1]
    for step in steps:
        whole.run(step, 0)
    for step in islice(steps, 1):
        StepCache(tmp_path / "parts", {}).run(step, 0)
    rest = StepCache(tmp_path / "parts", {})
    for step in reversed(steps):  # in whichever order
        if not rest.has(step):
            rest.run(step, 0)
    figures = likelihoods.figures(machine, StepCache(tmp_path / "parts", {}))
    assert figures == likelihoods.figures(machine, whole)


def test_where_the_estimates_cross_no_point_is_reliable(context, tmp_path):
    machine, likelihoods = context(RBM), Likelihoods()
    cache = StepCache(tmp_path / "working", {})
    for step in likelihoods.steps(machine):
        cache.run(step, 0)
    for key in cache.kept:
        if key.endswith("#reverse"):
            cache.kept[key] = cache.kept[key] - 5  # as from starts with little of the mass
    found = likelihoods.figures(machine, cache)
    assert found["log_partition"]["crossed"] is True
    assert found["loglik"]["stroke+label"]["k_hat_over_0.7"] == 48
