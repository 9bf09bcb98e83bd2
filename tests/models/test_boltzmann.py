"""Boltzmann machines, against all their states written out one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mvae.batch import Batch
from mvae.evaluation import boltzmann_likelihood
from mvae.evaluation.log_likelihood import log_likelihood
from mvae.modality import Modality
from mvae.models.dbm import DBM
from mvae.models.deep_rbm import DeepRBM
from mvae.models.rbm import RBM
from tests.models.boltzmann_toys import (
    LABEL,
    PAIR,
    STROKE,
    Enumeration,
    dbm,
    pairs,
    rbm,
    with_large_weights,
)
from tests.reference import seeded

pytestmark = pytest.mark.usefixtures("float64")


@pytest.mark.parametrize("make", [rbm, dbm])
def test_energies_and_free_energies_are_those_of_the_definition(make):
    machine = make()
    every = Enumeration(machine)
    states = every.tensors()
    torch.testing.assert_close(machine.energy(states), torch.from_numpy(every.energy))
    even = {name: x[:: len(x) // 40] for name, x in states.items() if name in machine.even}
    expected = -torch.from_numpy(every.log_p(even) + every.log_z)
    torch.testing.assert_close(machine.free_energy(even), expected)


@pytest.mark.parametrize("make", [rbm, dbm])
def test_conditionals_are_those_of_the_joint(make):
    machine = make()
    every = Enumeration(machine)
    row = {name: x[1234 % len(every.p)] for name, x in every.tensors().items()}
    for side, other in ((machine.even, machine.odd), (machine.odd, machine.even)):
        given = {name: row[name] for name in other}
        chosen = every.where(given)
        p = every.p[chosen] / every.p[chosen].sum()
        for name in side:
            mean = machine.mean(name, machine.field(name, given)).detach()
            np.testing.assert_allclose(mean, p @ every.states[name][chosen])


@pytest.mark.parametrize("name", ["v stroke", "v label"])
def test_units_are_drawn_with_their_probabilities(name):
    machine, n = rbm(), 40_000
    field = torch.tensor([0.5, -1.0, 2.0, 0.0])[: machine.even[name]]
    drawn = machine.draw(name, field.expand(n, -1), seeded())
    assert ((drawn == 0) | (drawn == 1)).all()
    if name == "v label":
        assert (drawn.sum(-1) == 1).all()
    p = machine.mean(name, field)
    error = (drawn.mean(0) - p) / (p * (1 - p) / n).sqrt()
    assert error.abs().max() < 4


@pytest.mark.parametrize("make", [rbm, dbm])
def test_the_contrast_has_the_gradient_of_log_p(make):
    machine, source = make(), seeded()
    every = Enumeration(machine)
    states, p = every.tensors(), torch.from_numpy(every.p)
    visible = [name for name in states if name.startswith("v ")]
    drawn = torch.multinomial(p, 20, replacement=True, generator=source)
    data = {name: states[name][drawn] for name in visible}

    # −log p(v) itself, differentiated through the sum over all states.
    energy = machine.energy(states)
    loss = energy.neg().logsumexp(0)
    weights = torch.zeros(len(p))
    for b in range(20):
        fits = torch.from_numpy(every.where({n: x[b] for n, x in data.items()}))
        loss = loss - energy[fits].neg().logsumexp(0) / 20
        weights[fits] += torch.from_numpy(every.p)[fits] / p[fits].sum()
    exact = torch.autograd.grad(loss, list(machine.parameters()))

    # The same by what the two phases are means of, drawn in proportion to their probabilities.
    n = 400_000
    posterior = torch.multinomial(weights, n, replacement=True, generator=source)
    model = torch.multinomial(p, n, replacement=True, generator=source)
    contrast = machine.contrastive_loss(
        {name: x[posterior] for name, x in states.items()},
        {name: x[model] for name, x in states.items()},
    )
    estimate = torch.autograd.grad(contrast, list(machine.parameters()))
    for one, other in zip(estimate, exact, strict=True):
        # A difference of two means of products of zeros and ones: standard errors below 0.0012.
        torch.testing.assert_close(one, other, atol=0.005, rtol=0)


def test_data_are_measured_from_the_mean_of_the_first_that_are_seen():
    torch.manual_seed(0)
    model = RBM(PAIR, 5)
    machine, data = model.machine, model.visible(pairs())
    assert torch.equal(machine.offset("h"), torch.full((5,), 0.5))
    machine.initialise_from({name: x[:20] for name, x in data.items()})
    for name in machine.even:
        seen = data[name][:20].mean(0)
        torch.testing.assert_close(machine.offset(name), seen, atol=0.03, rtol=0)
        # Without weights the machine would believe just that.
        means = machine.mean(name, machine.biases[name])
        torch.testing.assert_close(means, seen, atol=0.03, rtol=0)
    before = {name: x.clone() for name, x in machine.state_dict().items()}
    machine.initialise_from(data)
    assert all(torch.equal(x, before[name]) for name, x in machine.state_dict().items())


def test_moved_offsets_leave_the_machine_what_it_is():
    machine = dbm()
    before = Enumeration(machine)
    means = machine.mean_field(DBM(PAIR, 2).visible(pairs()))
    hidden = {name: x for name, x in means.items() if not name.startswith("v ")}
    start = {name: machine.offset(name).clone() for name in hidden}
    for _ in range(200):
        machine.update_offsets(hidden)
    for name, x in hidden.items():
        assert not torch.allclose(start[name], x.mean(0), atol=0.05)
        torch.testing.assert_close(machine.offset(name), x.mean(0), atol=0.01, rtol=0)
    np.testing.assert_allclose(Enumeration(machine).p, before.p, atol=1e-12)


def test_draws_of_the_hidden_units_vary_together_as_in_the_posterior():
    machine, n = dbm(scale=0.7), 20_000
    every, model = Enumeration(machine), DBM(PAIR, 2)
    data = {name: x[:1] for name, x in model.visible(pairs()).items()}
    chosen = every.where({name: x[0] for name, x in data.items()})
    p = every.p[chosen] / every.p[chosen].sum()
    many = {name: x.expand(n, -1) for name, x in data.items()}
    drawn = machine.draw_posterior(many, machine.mean_field(many), seeded())
    a, b = "h2 stroke", "h3"
    exact = np.einsum("s,si,sj->ij", p, every.states[a][chosen], every.states[b][chosen])
    found = (drawn[a].T @ drawn[b] / n).detach().numpy()
    np.testing.assert_allclose(found, exact, atol=0.02)


def test_the_top_layer_depends_on_a_label_before_any_training():
    torch.manual_seed(0)
    wide = [m.model_copy(update={"hidden": (32, 32)}) for m in PAIR]
    model = DBM(wide, 64)
    top = model.machine.mean_field(model.visible(pairs()))["h3"].unflatten(0, (16, 3))
    # Three categories, each with whatever stroke.
    assert top.mean(0).std(0).mean() > 3 * top.mean(1).std(0).mean()
    assert top.mean(0).std(0).mean() > 0.02


def test_an_rbm_needs_one_pass_of_mean_field_for_the_exact_gradient():
    machine = rbm()
    every = Enumeration(machine)
    model = RBM(PAIR, 5)
    model.machine = machine
    data, states = model.visible(pairs()), every.tensors()
    log_p = machine.bound(data) - machine.energy(states).neg().logsumexp(0)
    exact = torch.autograd.grad(-log_p.mean(), list(machine.parameters()))
    p = torch.from_numpy(every.p)
    with torch.no_grad():
        means = machine.mean_field(data)
    estimate = torch.autograd.grad(
        machine.energy(means).mean() - p @ machine.energy(states),
        list(machine.parameters()),
    )
    for one, other in zip(estimate, exact, strict=True):
        torch.testing.assert_close(one, other)


def test_the_bound_is_tight_for_an_rbm_and_below_log_p_for_a_deep_machine():
    batch = pairs()
    for model in (RBM(PAIR, 5), DBM(PAIR, 2)):
        with_large_weights(model)
        every = Enumeration(model.machine)
        log_p = torch.from_numpy(every.log_p(model.visible(batch)))
        gap = (log_p - (model.bound(batch) - every.log_z)).detach()
        if isinstance(model, RBM):
            assert gap.abs().max() < 1e-9
            assert abs(log_p.exp().sum() - 1) < 1e-9
        else:
            assert gap.min() > 0
            assert gap.mean() < 0.5


@pytest.fixture
def short_runs(monkeypatch):
    for name in ("TEMPERATURES", "SWEEPS"):
        monkeypatch.setattr(boltzmann_likelihood, name, 300)


@pytest.mark.slow
@pytest.mark.usefixtures("short_runs")
@pytest.mark.parametrize("kind", [RBM, DBM])
def test_log_likelihood_is_that_of_all_states(kind):
    model, batch = with_large_weights(kind(PAIR, 3), 0.5), pairs()
    every = Enumeration(model.machine)
    found = log_likelihood(model, batch, 400)
    expected = torch.from_numpy(every.log_p(model.visible(batch)))
    assert found.value.shape == found.se.shape == found.k_hat.shape == (48,)
    assert (found.value - expected).max() < 0.05
    assert (found.value - expected).mean() > (-0.05 if kind is RBM else -0.2)
    assert found.se.max() < 0.05
    assert found.k_hat.max() < 0.7


@pytest.mark.slow
@pytest.mark.usefixtures("short_runs")
@pytest.mark.parametrize("kind", [RBM, DBM])
def test_log_likelihoods_of_parts_are_those_of_all_states(kind):
    model, batch = with_large_weights(kind(PAIR, 3), 0.5), pairs()
    every = Enumeration(model.machine)
    for name in ("stroke", "label"):
        found = log_likelihood(model, batch.supply([name]), 1000)
        values = {f"v {name}": model.visible(batch)[f"v {name}"]}
        expected = torch.from_numpy(every.log_p(values))
        assert (found.value - expected).max() < 0.06
        assert (found.value - expected).mean() > (-0.05 if kind is RBM else -0.2)
    # A sample with its label and one without share a batch.
    mixed = Batch(batch.values, batch.present.clone())
    mixed.present[::2, 1] = False
    whole, picture = model.bound(batch), model.bound(batch.supply(["stroke"]))
    torch.testing.assert_close(model.bound(mixed)[1::2], whole[1::2])
    torch.testing.assert_close(model.bound(mixed)[::2], picture[::2])


@pytest.mark.slow
@pytest.mark.usefixtures("short_runs")
@pytest.mark.parametrize("given", [["stroke", "label"], ["stroke"], ["label"]])
def test_a_sample_has_one_log_likelihood_whatever_it_is_scored_with(given):
    model, batch = with_large_weights(RBM(PAIR, 3), 0.5), pairs().supply(given)
    whole = log_likelihood(model, batch, 250)
    for rows in (slice(1, 2), slice(5, 40)):
        part = log_likelihood(model, batch[rows], 250)
        torch.testing.assert_close(part.value, whole.value[rows])
        torch.testing.assert_close(part.se, whole.se[rows])


def test_a_picture_with_a_missing_tile_is_refused():
    tiles = [Modality(name=n, kind="image", shape=(1, 2, 2), likelihood="bernoulli") for n in "ab"]
    model = RBM((*tiles, LABEL), 2)
    batch = Batch.of(model.modalities, {"a": torch.ones(1, 1, 2, 2), "label": torch.tensor([1])})
    with pytest.raises(ValueError, match="can sum out missing labels only"):
        log_likelihood(model, batch, 400)


@pytest.mark.parametrize("make", [rbm, dbm])
@pytest.mark.parametrize("evidence", [(), ("v label",), ("v stroke",)])
def test_clamped_chains_follow_the_exact_conditionals(make, evidence):
    machine = make()
    every = Enumeration(machine)
    values = {"v stroke": torch.tensor([1.0, 0.0, 0.0, 1.0]), "v label": torch.eye(3)[1]}
    given = {name: torch.tensor([[name in evidence]]) for name in values}
    chains = 20_000
    held = {name: x.unsqueeze(0) for name, x in values.items()}
    start = machine.draw_persistent(held, given, (chains, 1), seeded())
    state = machine.gibbs(held, given, start, 60, seeded())
    for name in evidence:
        assert (state[name] == values[name]).all()
    chosen = every.where({n: values[n] for n in evidence}) if evidence else every.p > 0
    p = every.p[chosen] / every.p[chosen].sum()
    for name, x in state.items():
        assert x.shape == (chains, 1, every.sizes[name])
        mean = torch.from_numpy(p @ every.states[name][chosen])
        error = x.mean((0, 1)) - mean
        se = (mean * (1 - mean).clamp(min=0) / chains).sqrt()
        assert (error.abs() < 4 * se + 1e-9).all(), name


def with_chains_of_one_label(model, category):
    """Set all persistent chains to states with this label, and any stroke."""
    machine = model.machine
    chains = {n: torch.rand(len(x), x.shape[1]).round() for n, x in machine.chain_states().items()}
    chains["v label"] = torch.eye(3)[torch.full((len(chains["v label"]),), category)]
    machine.chains.copy_(torch.cat([chains[n] for n in machine.even], -1))
    return model


@pytest.mark.parametrize("kind", [RBM, DBM])
def test_a_picture_s_label_does_not_depend_on_where_training_left_the_chains(kind, monkeypatch):
    monkeypatch.setattr(kind, "GIBBS_SWEEPS", 1)
    torch.manual_seed(0)
    model = with_large_weights(kind((STROKE, LABEL), 3), 0.7)
    batch = pairs()[slice(0, 48, 3)].supply(["stroke"])  # every stroke once
    first, second = (
        with_chains_of_one_label(model, category).generate(batch, 2000)["label"].probs.mean(0)
        for category in (0, 2)
    )
    torch.testing.assert_close(first, second, atol=0.05, rtol=0)


def test_chains_start_where_they_explain_the_evidence():
    torch.manual_seed(0)
    machine = with_large_weights(rbm(), 2.0)
    values = {"v label": torch.eye(3)}
    given = {"v label": torch.ones(3, 1, dtype=torch.bool)}
    start = machine.draw_persistent(values, given, (3000, 3), seeded())
    agreeing = (start["v label"] * values["v label"]).sum(-1).mean(0)
    assert (agreeing > 1.2 * machine.chain_states()["v label"].mean(0)).all()


@pytest.mark.parametrize("kind", [RBM, DBM, DeepRBM])
def test_samples_with_different_evidence_share_a_batch(kind):
    torch.manual_seed(0)
    model = with_large_weights(kind(PAIR, 3))
    batch = Batch(pairs()[slice(0, 2)].values, torch.tensor([[True, False], [False, True]]))
    generated = model.generate(batch, 4, seed=3)
    for b, name in enumerate(("stroke", "label")):
        state = model.generate(batch.supply([name]), 4, seed=3)
        for m in PAIR:
            here, there = (m.distribution.expected(p[m.name])[:, b] for p in (generated, state))
            torch.testing.assert_close(here, there)


def test_persistent_chains_stay_distributed_as_the_machine():
    machine = rbm(scale=0.7)
    every, source = Enumeration(machine), seeded()
    total = {name: torch.zeros(n) for name, n in every.sizes.items()}
    for step in range(1100):
        state = machine.advance_chains(source)
        if step >= 100:
            total = {name: x + state[name].mean(0) / 1000 for name, x in total.items()}
    assert machine.chains.dtype == torch.bool
    for name, mean in total.items():
        torch.testing.assert_close(
            mean, torch.from_numpy(every.p @ every.states[name]), atol=0.015, rtol=0
        )  # one in a hundred starts anew at each sweep, and is on its way for some
