"""Boltzmann machines, against all their states written out one by one."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from mvae.baselines.annealing import annealed_log_weights, reverse_log_weights
from mvae.baselines.boltzmann import BoltzmannMachine
from mvae.baselines.dbm import DBM, DBMObjective
from mvae.baselines.deep_rbm import DeepRBM, DeepRBMObjective
from mvae.baselines.rbm import RBM, RBMObjective
from mvae.evaluation.likelihood import log_likelihood
from mvae.modality import Batch, Modality

pytestmark = pytest.mark.usefixtures("float64")

STROKE = Modality(
    name="stroke", kind="image", shape=(1, 2, 2), likelihood="bernoulli", hidden=(2, 2)
)
LABEL = Modality(name="label", kind="label", shape=(3,), likelihood="categorical", hidden=(2, 2))
PAIR = (STROKE, LABEL)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def opinionated(model, scale=1.0, seed=0):
    """Give a model, or a machine, weights large enough to matter."""
    machine = model if isinstance(model, BoltzmannMachine) else model.machine
    source = seeded(seed)
    with torch.no_grad():
        for weight in machine.parameters():
            weight.copy_(scale * torch.randn(weight.shape, generator=source))
        for name in machine.even | machine.odd:
            offset = machine.offset(name)
            offset.copy_(torch.rand(offset.shape, generator=source))
        machine.centred.fill_(True)
    return model


def rbm(seed=0, scale=1.0) -> BoltzmannMachine:
    return opinionated(RBM(PAIR, 5), scale, seed).machine


def dbm(seed=0, scale=1.0) -> BoltzmannMachine:
    return opinionated(DBM(PAIR, 2), scale, seed).machine


class Enumeration:
    """All states of a machine and their energies, term by term from the definition."""

    def __init__(self, machine: BoltzmannMachine) -> None:
        self.sizes = machine.even | machine.odd
        values = [
            np.eye(n)
            if name in machine.categorical
            else np.array(list(itertools.product((0.0, 1.0), repeat=n)))
            for name, n in self.sizes.items()
        ]
        picks = np.array(list(itertools.product(*(range(len(v)) for v in values))))
        self.states = {
            name: v[picks[:, i]] for i, (name, v) in enumerate(zip(self.sizes, values, strict=True))
        }
        self.energy = np.zeros(len(picks))
        for name, x in self.states.items():
            bias = machine.biases[name].detach().numpy()
            self.energy -= (x * bias).sum(-1)
        for a, b in machine.edges:
            weight = machine.weights[f"{a} - {b}"].detach().numpy()
            x, y = (self.states[n] - machine.offset(n).numpy() for n in (a, b))
            self.energy -= np.einsum("si,ij,sj->s", x, weight, y)
        self.log_z = np.logaddexp.reduce(-self.energy)
        self.p = np.exp(-self.energy - self.log_z)

    def tensors(self) -> dict[str, torch.Tensor]:
        return {name: torch.from_numpy(x) for name, x in self.states.items()}

    def where(self, values: dict[str, torch.Tensor]) -> np.ndarray:
        """Mark the states with these values of some groups, each ``(units,)``."""
        return np.logical_and.reduce(
            [(self.states[name] == x.numpy()).all(-1) for name, x in values.items()]
        )

    def log_p(self, values: dict[str, torch.Tensor]) -> np.ndarray:
        """Give log p of values ``(B, units)``, all other groups summed out."""
        rows = range(len(next(iter(values.values()))))
        return np.array(
            [np.log(self.p[self.where({n: x[b] for n, x in values.items()})].sum()) for b in rows]
        )


def pairs() -> Batch:
    """Give every value of stroke and label once, 48 samples."""
    strokes = torch.tensor(list(itertools.product((0.0, 1.0), repeat=4)))
    return Batch.of(
        PAIR,
        {
            "stroke": strokes.repeat_interleave(3, 0).reshape(-1, 1, 2, 2),
            "label": torch.arange(3).repeat(16),
        },
    )


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
    contrast = machine.contrast(
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
    machine.centre({name: x[:20] for name, x in data.items()})
    for name in machine.even:
        seen = data[name][:20].mean(0)
        torch.testing.assert_close(machine.offset(name), seen, atol=0.03, rtol=0)
        # Without weights the machine would believe just that.
        means = machine.mean(name, machine.biases[name])
        torch.testing.assert_close(means, seen, atol=0.03, rtol=0)
    before = {name: x.clone() for name, x in machine.state_dict().items()}
    machine.centre(data)
    assert all(torch.equal(x, before[name]) for name, x in machine.state_dict().items())


def test_an_rbm_needs_one_pass_of_mean_field_for_the_exact_gradient():
    machine = rbm()
    every = Enumeration(machine)
    model = RBM(PAIR, 5)
    model.machine = machine
    data, states = model.visible(pairs()), every.tensors()
    log_p = machine.bound(data) - machine.energy(states).neg().logsumexp(0)
    exact = torch.autograd.grad(-log_p.mean(), list(machine.parameters()))
    p = torch.from_numpy(every.p)
    estimate = torch.autograd.grad(
        machine.energy(machine.mean_field(data)).mean() - p @ machine.energy(states),
        list(machine.parameters()),
    )
    for one, other in zip(estimate, exact, strict=True):
        torch.testing.assert_close(one, other)


def test_the_bound_is_tight_for_an_rbm_and_below_log_p_for_a_deep_machine():
    batch = pairs()
    for model in (RBM(PAIR, 5), DBM(PAIR, 2)):
        opinionated(model)
        every = Enumeration(model.machine)
        log_p = torch.from_numpy(every.log_p(model.visible(batch)))
        gap = (log_p - (model.bound(batch) - every.log_z)).detach()
        if isinstance(model, RBM):
            assert gap.abs().max() < 1e-9
            assert abs(log_p.exp().sum() - 1) < 1e-9
        else:
            assert gap.min() > 0
            assert gap.mean() < 0.5


@pytest.mark.parametrize("kind", [RBM, DBM])
def test_log_likelihood_is_that_of_all_states(kind):
    model, batch = opinionated(kind(PAIR, 3), 0.5), pairs()
    every = Enumeration(model.machine)
    found = log_likelihood(model, batch, 400, seeded())
    expected = torch.from_numpy(every.log_p(model.visible(batch)))
    assert found.value.shape == found.se.shape == found.k_hat.shape == (48,)
    assert (found.value - expected).max() < 0.05
    assert (found.value - expected).mean() > (-0.05 if kind is RBM else -0.2)
    assert found.se.max() < 0.05
    assert found.k_hat.max() < 0.7
    with pytest.raises(ValueError, match="supply every modality"):
        log_likelihood(model, batch.supply(["label"]), 400)


@pytest.mark.parametrize("make", [rbm, dbm])
@pytest.mark.parametrize("evidence", [(), ("v label",), ("v stroke",)])
def test_clamped_chains_follow_the_exact_conditionals(make, evidence):
    machine = make()
    every = Enumeration(machine)
    values = {"v stroke": torch.tensor([1.0, 0.0, 0.0, 1.0]), "v label": torch.eye(3)[1]}
    given = {name: torch.tensor([[name in evidence]]) for name in values}
    chains = 20_000
    held = {name: x.unsqueeze(0) for name, x in values.items()}
    state = machine.gibbs(held, given, (chains, 1), 60, seeded())
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


@pytest.mark.parametrize("kind", [RBM, DBM, DeepRBM])
def test_samples_with_different_evidence_share_a_batch(kind):
    torch.manual_seed(0)
    model = opinionated(kind(PAIR, 3))
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
        state = machine.persist(source)
        if step >= 100:
            total = {name: x + state[name].mean(0) / 1000 for name, x in total.items()}
    assert machine.chains.dtype == torch.bool
    for name, mean in total.items():
        torch.testing.assert_close(
            mean, torch.from_numpy(every.p @ every.states[name]), atol=0.015, rtol=0
        )  # one in a hundred starts anew at each sweep, and is on its way for some


def tiny_data() -> Batch:
    """Give 60 samples of three kinds, a stroke and its label."""
    strokes = torch.tensor([[1.0, 0, 0, 1], [0, 1, 1, 0], [1, 1, 0, 0]]).reshape(3, 1, 2, 2)
    label = torch.arange(3).repeat(20)
    return Batch.of(PAIR, {"stroke": strokes[label], "label": label})


@pytest.mark.parametrize(("objective", "latents"), [(RBMObjective(), 5), (DBMObjective(), 4)])
def test_training_raises_the_exact_log_p(objective, latents):
    torch.manual_seed(0)
    model, data, source = objective.network(PAIR, latents), tiny_data(), seeded()
    optimiser = torch.optim.SGD(model.parameters(), 0.2)
    visible = model.visible(data[slice(0, 3)])
    chance = -math.log(48)
    assert Enumeration(model.machine).log_p(visible).mean() < chance + 0.5
    steps = 900
    for step in range(steps):
        loss = objective(model, data, min(1.0, 2 * (step + 1) / steps), source)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    after = Enumeration(model.machine).log_p(visible).mean()
    assert after > chance + 1.2  # at most log(48 / 3) = 2.77
    score = objective.score(model, data[slice(0, 3)], seeded()).mean()
    assert -0.5 < score - after < 0.1  # the deep machine's is a bound


def test_pretraining_touches_a_pair_of_layers_at_a_time():
    torch.manual_seed(0)
    objective, data = DBMObjective(), tiny_data()
    for beta, prefixes in ((0.2, ("v", "h1")), (0.5, ("h1", "h2")), (0.9, ("h2", "h3"))):
        model = DBM(PAIR, 2)
        objective(model, data, beta, seeded()).backward()
        touched = {n for n, w in model.machine.named_parameters() if w.grad is not None}
        layers = [g for g in (*model.machine.even, *model.machine.odd) if g.startswith(prefixes)]
        edges = [f"{a} - {b}" for a, b in model.machine.edges if {a, b} <= set(layers)]
        assert touched == {f"biases.{g}" for g in layers} | {f"weights.{e}" for e in edges}
        if prefixes[0] != "v":  # the biases of the lower layer were learned with the pair below
            lower = [model.machine.biases[g] for g in layers if g.startswith(prefixes[0])]
            assert all(bias.grad.abs().max() < 1e-12 for bias in lower)
        model.zero_grad()
        objective(model, data, 1.0, seeded()).backward()
        assert all(w.grad.abs().sum() > 0 for w in model.parameters())


def test_pretraining_doubles_the_weights_where_a_pair_stands_in_for_two_layers():
    objective, model = DBMObjective(), opinionated(DBM((STROKE,), 2))
    data = model.visible(Batch.of((STROKE,), {"stroke": torch.ones(4, 1, 2, 2)}))
    bias, weight, o = model.machine.biases, model.machine.weight, model.machine.offset
    v = data["v stroke"] - o("v stroke")
    h1 = torch.sigmoid(2 * v @ weight("v stroke", "h1 stroke") + bias["h1 stroke"])
    up = (h1 - o("h1 stroke")) @ weight("h2 stroke", "h1 stroke").T
    h2 = torch.sigmoid(2 * up + bias["h2 stroke"])
    h3 = torch.sigmoid((h2 - o("h2 stroke")) @ weight("h2 stroke", "h3") + bias["h3"])
    for stage, (below, above) in enumerate(((data["v stroke"], h1), (h1, h2), (h2, h3))):
        seen, again = objective.reconstructed(model, data, stage, seeded())
        names = [model.layers[stage][0], model.layers[stage + 1][0]]
        assert list(seen) == list(again) == names
        torch.testing.assert_close(seen[names[0]], below)
        torch.testing.assert_close(seen[names[1]], above)


def test_deep_rbm_trains_its_networks_and_then_its_machine():
    torch.manual_seed(0)
    wider = [m.model_copy(update={"hidden": (16, 16)}) for m in PAIR]
    objective, model, data, source = DeepRBMObjective(), DeepRBM(wider, 6), tiny_data(), seeded()
    adam = torch.optim.Adam(model.parameters(), 3e-3)
    descent = torch.optim.SGD(model.parameters(), 0.05)
    scores = []
    for beta, optimiser in ((0.5, adam), (1.0, descent)):
        for _ in range(400):
            loss = objective(model, data, beta, source)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        for name, w in model.named_parameters():
            assert (w.grad is not None) == (name.startswith("machine") == (beta == 1.0)), name
        scores.append(objective.score(model, data, source).mean().item())
    assert scores[1] > scores[0] + 0.5
    p = model.generate(data.supply(["stroke"]), 50)["label"]
    hits = (p.probs.mean(0).argmax(-1) == data.values["label"]).double().mean()
    assert hits == 1


@pytest.mark.parametrize("objective", [RBMObjective(), DBMObjective(), DeepRBMObjective()])
def test_incomplete_samples_teach_a_machine_nothing(objective):
    torch.manual_seed(0)
    model, data = objective.network(PAIR, 3), tiny_data()
    objective(model, data, 1.0, seeded())  # a deep machine's chains first burn in
    alone = data.supply(["stroke"])
    mixed = Batch(data.values, torch.cat((data.present[:30], alone.present[30:])))
    chains = model.machine.chains.clone()
    gradients = []
    for batch in (data[slice(0, 30)], mixed, alone):
        model.machine.chains.copy_(chains)
        model.zero_grad()
        objective(model, batch, 1.0, seeded()).backward()
        gradients.append([w.grad for w in model.machine.parameters()])
    for few, same, none in zip(*gradients, strict=True):
        torch.testing.assert_close(few, same)
        assert (none == 0).all()


@pytest.mark.parametrize("beta", [0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("objective", [RBMObjective(), DBMObjective()])
def test_a_machine_may_see_incomplete_samples_first(objective, beta):
    torch.manual_seed(0)
    model, data = objective.network(PAIR, 3), tiny_data()
    objective(model, data.supply(["stroke"]), beta, seeded()).backward()
    assert not model.machine.centred  # there was no mean to measure from
    for tensor in (*model.state_dict().values(), *(w.grad for w in model.parameters())):
        assert tensor is None or tensor.isfinite().all()
    assert objective(model, data, beta, seeded()).isfinite()
    assert model.machine.centred


@pytest.mark.parametrize("kind", [RBM, DBM])
def test_a_gaussian_modality_is_refused(kind, toys):
    with pytest.raises(ValueError, match=r"point is Gaussian: give it a Bernoulli likelihood"):
        kind([m.model_copy(update={"hidden": (4, 4)}) for m in toys], 2)


def test_a_pathway_of_another_depth_is_refused(toys):
    with pytest.raises(ValueError, match="give label two widths, not 1"):
        DBM(toys[:2], 2)


def test_grey_values_stand_for_probabilities():
    grey = STROKE.model_copy(update={"likelihood": "bernoulli-cross-entropy"})
    model = opinionated(RBM([grey], 3))
    x = torch.rand(6, 1, 2, 2, generator=seeded())
    data = model.machine.mean_field(model.visible(Batch.of([grey], {"stroke": x})))
    assert torch.equal(data["v stroke"], x.flatten(1))
    field = model.machine.field("h", {"v stroke": x.flatten(1)})
    torch.testing.assert_close(data["h"], field.sigmoid())
    functional.binary_cross_entropy(data["h"], data["h"])  # probabilities
