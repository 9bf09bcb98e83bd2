"""Annealed importance sampling both ways, against sums over all states."""

from __future__ import annotations

import math

import pytest
import torch

from mvae.baselines.annealing import annealed_log_weights, reverse_log_weights
from tests.baselines.machines import Enumeration, dbm, rbm
from tests.by_hand import seeded

pytestmark = pytest.mark.usefixtures("float64")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [rbm, dbm])
def test_annealing_estimates_log_z(make, seed):
    machine = make(seed)
    log_w = annealed_log_weights(machine, 500, 200, seeded(seed))
    estimate = log_w.logsumexp(0) - math.log(500)
    se = (log_w - estimate).exp().std() / math.sqrt(500)
    assert abs(estimate - Enumeration(machine).log_z) < 0.05
    assert se < 0.05
    assert torch.equal(log_w, annealed_log_weights(machine, 500, 200, seeded(seed)))


@pytest.mark.parametrize("make", [rbm, dbm])
def test_the_mean_weight_of_annealing_is_z_even_at_few_temperatures(make):
    machine = make(scale=0.7)
    log_w = annealed_log_weights(machine, 50_000, 3, seeded())
    ratio = (log_w - Enumeration(machine).log_z).exp()
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / math.sqrt(50_000)


@pytest.mark.parametrize("make", [rbm, dbm])
def test_with_a_group_held_the_weights_sum_over_the_states_that_have_it(make):
    machine = make()
    every = Enumeration(machine)
    for held in torch.eye(3):
        log_w = annealed_log_weights(machine, 500, 200, seeded(), {"v label": held.expand(500, -1)})
        exact = every.log_z + every.log_p({"v label": held[None]})[0]
        assert abs(log_w.logsumexp(0) - math.log(500) - exact) < 0.05


@pytest.mark.parametrize("make", [rbm, dbm])
def test_annealing_the_other_way_estimates_log_z(make):
    machine = make()
    machine.chains = torch.rand(5000, sum(machine.even.values()), generator=seeded()) < 0.5
    log_w = reverse_log_weights(machine, 100, seeded())
    assert len(log_w) == 5000
    estimate = math.log(5000) - (-log_w).logsumexp(0)
    assert abs(estimate - Enumeration(machine).log_z) < 0.05


@pytest.mark.parametrize("make", [rbm, dbm])
def test_the_two_directions_err_in_opposite_directions(make):
    machine = make(scale=2.0)
    machine.chains = torch.rand(5000, sum(machine.even.values()), generator=seeded()) < 0.5
    exact = Enumeration(machine).log_z
    forward = annealed_log_weights(machine, 5000, 2, seeded()).mean()
    backward = reverse_log_weights(machine, 2, seeded()).mean()
    assert forward < exact - 0.1
    assert backward > exact + 0.1
