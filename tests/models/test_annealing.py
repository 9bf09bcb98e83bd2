"""Annealed importance sampling both ways, against sums over all states."""

from __future__ import annotations

import math

import pytest
import torch

from mvae.evaluation import boltzmann_likelihood
from mvae.evaluation.boltzmann_likelihood import (
    LogPartition,
    anneal_both_ways,
    boltzmann_log_likelihood,
)
from mvae.models.boltzmann.annealing import annealed_log_weights, reverse_log_weights
from mvae.models.boltzmann.machine import BoltzmannMachine
from mvae.models.boltzmann.tempering import tempered_states
from mvae.models.rbm import RBM
from tests.models.boltzmann_toys import PAIR, Enumeration, dbm, pairs, rbm, with_large_weights
from tests.reference import seeded

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


def exact_states(every: Enumeration, machine, size: int) -> dict[str, torch.Tensor]:
    """Draw states of the even side by their exact probabilities."""
    rows = torch.multinomial(torch.from_numpy(every.p), size, True, generator=seeded())
    return {name: every.tensors()[name][rows] for name in machine.even}


@pytest.mark.parametrize("make", [rbm, dbm])
def test_annealing_the_other_way_estimates_log_z(make):
    machine = make()
    every = Enumeration(machine)
    log_w = reverse_log_weights(machine, exact_states(every, machine, 5000), 100, seeded())
    assert len(log_w) == 5000
    estimate = math.log(5000) - (-log_w).logsumexp(0)
    assert abs(estimate - every.log_z) < 0.05


@pytest.mark.parametrize("make", [rbm, dbm])
def test_the_mean_inverse_weight_is_one_over_z_even_at_few_temperatures(make):
    machine = make(scale=0.7)
    every = Enumeration(machine)
    log_w = reverse_log_weights(machine, exact_states(every, machine, 50_000), 3, seeded())
    ratio = (every.log_z - log_w).exp()
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / math.sqrt(50_000)


@pytest.mark.parametrize("make", [rbm, dbm])
def test_the_two_directions_err_in_opposite_directions(make):
    machine = make(scale=2.0)
    every = Enumeration(machine)
    forward = annealed_log_weights(machine, 5000, 2, seeded()).mean()
    starts = exact_states(every, machine, 5000)
    backward = reverse_log_weights(machine, starts, 2, seeded()).mean()
    assert forward < every.log_z - 0.1
    assert backward > every.log_z + 0.1


def two_modes() -> BoltzmannMachine:
    """Make a machine of 20 units with two modes, one with e⁶ times the mass of the other."""
    machine = BoltzmannMachine({"v": 10}, {"h": 10}, [("v", "h")])
    with torch.no_grad():
        machine.weight("v", "h").fill_(0.8)
        machine.biases["v"].fill_(0.3)
        machine.biases["h"].fill_(0.3)
        machine.centred.fill_(True)
    return machine


def random_machine(scale: float = 3.0, seed: int = 0) -> BoltzmannMachine:
    """Make a machine of 20 units with weights large enough for many modes."""
    return with_large_weights(BoltzmannMachine({"v": 10}, {"h": 10}, [("v", "h")]), scale, seed)


@pytest.mark.slow
def test_runs_from_states_of_one_mode_alone_bound_nothing_and_tempered_ones_do():
    machine = two_modes()
    exact = Enumeration(machine).log_z
    # The smaller mode, from which a chain does not come away.
    stuck = {"v": torch.zeros(400, 10)}
    low = reverse_log_weights(machine, stuck, 400, seeded())
    assert math.log(400) - (-low).logsumexp(0) < exact - 1
    starts = tempered_states(machine, 20, 400, 20, seeded())
    high = reverse_log_weights(machine, starts, 400, seeded())
    assert math.log(400) - (-high).logsumexp(0) > exact - 0.15


@pytest.mark.slow
@pytest.mark.parametrize("make", [two_modes, random_machine])
def test_tempered_states_are_draws_of_the_machine(make):
    machine = make()
    every = Enumeration(machine)
    states = tempered_states(machine, 64, 200, 10, seeded())
    assert states["v"].shape == (640, 10)
    mean = torch.from_numpy(every.p @ every.states["v"])
    # Ladders are independent but for their common population; states of one are not.
    chains = states["v"].unflatten(0, (10, 64)).mean(0)
    error = chains.mean(0) - mean
    assert (error.abs() < 5 * chains.std(0) / 8 + 0.02).all()
    energy = machine.free_energy(states).mean()
    exact = torch.from_numpy(every.p) @ machine.free_energy({"v": every.tensors()["v"]})
    assert abs(energy - exact) < 0.5
    again = tempered_states(machine, 64, 200, 10, seeded())
    assert torch.equal(states["v"], again["v"])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("scale", [1.0, 2.0, 4.0])
def test_both_estimates_enclose_log_z_of_machines_of_20_units(scale, seed, monkeypatch):
    monkeypatch.setattr(boltzmann_likelihood, "TEMPERATURES", 200)
    monkeypatch.setattr(boltzmann_likelihood, "SWEEPS", 200)
    machine = random_machine(scale, seed)
    exact = Enumeration(machine).log_z
    parts = [anneal_both_ways(machine, seeded(100 * seed + part)) for part in range(4)]
    found = LogPartition.of(*(torch.cat([p[way] for p in parts]) for way in parts[0]))
    assert found.forward < exact + 3 * found.forward_se
    assert found.reverse > exact - 3 * found.reverse_se - 0.02
    assert found.forward <= found.reverse + 3 * math.hypot(found.forward_se, found.reverse_se)
    assert not found.crossed
    assert abs(found.reverse - exact) < 1


def test_estimates_that_cross_bound_nothing():
    runs, stuck = torch.full((25,), 10.0), torch.full((5, 5), 9.0)
    noise = 0.1 * torch.randn(25, generator=seeded())
    assert LogPartition.of(runs + noise, stuck + noise.view(5, 5)).crossed
    assert not LogPartition.of(stuck.flatten() + noise, runs.view(5, 5) + noise.view(5, 5)).crossed
    model, batch = with_large_weights(RBM(PAIR, 3), 0.5), pairs()
    found = boltzmann_log_likelihood(
        model, batch, 25, seeded(), LogPartition(10.0, 0.1, 9.0, 0.1, 0.2)
    )
    assert found.k_hat.isinf().all()
