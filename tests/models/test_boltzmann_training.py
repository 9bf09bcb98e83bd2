"""How models with Boltzmann machines are trained, and which data they take."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from mvae.batch import Batch
from mvae.models.dbm import DBM, DBMObjective
from mvae.models.deep_rbm import DeepRBM, DeepRBMObjective
from mvae.models.rbm import RBM, RBMObjective
from tests.models.boltzmann_toys import LABEL, PAIR, STROKE, Enumeration, with_large_weights
from tests.reference import seeded

pytestmark = pytest.mark.usefixtures("float64")


def tiny_data() -> Batch:
    """Give 60 samples of three kinds, a stroke and its label."""
    strokes = torch.tensor([[1.0, 0, 0, 1], [0, 1, 1, 0], [1, 1, 0, 0]]).reshape(3, 1, 2, 2)
    label = torch.arange(3).repeat(20)
    return Batch.of(PAIR, {"stroke": strokes[label], "label": label})


@pytest.mark.slow
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
    pairs = (("v stroke", "h1 stroke"), ("h1 stroke", "h2 stroke"), ("h2 stroke", "v label", "h3"))
    for beta, layers in zip((0.2, 0.5, 0.9), pairs, strict=True):
        model = DBM(PAIR, 2)
        objective(model, data, beta, seeded()).backward()
        touched = {n for n, w in model.machine.named_parameters() if w.grad is not None}
        edges = [f"{a} - {b}" for a, b in model.machine.edges if {a, b} <= set(layers)]
        assert touched == {f"biases.{g}" for g in layers} | {f"weights.{e}" for e in edges}
        if layers[0] != "v stroke":  # its biases were learned with the pair below
            assert model.machine.biases[layers[0]].grad.abs().max() < 1e-12
        model.zero_grad()
        objective(model, data, 1.0, seeded()).backward()
        assert all(w.grad.abs().sum() > 0 for w in model.parameters())


def test_pretraining_doubles_the_weights_where_a_pair_stands_in_for_two_layers():
    objective, model = DBMObjective(), with_large_weights(DBM((STROKE,), 2))
    data = model.visible(Batch.of((STROKE,), {"stroke": torch.ones(4, 1, 2, 2)}))
    bias, weight, o = model.machine.biases, model.machine.weight, model.machine.offset
    v = data["v stroke"] - o("v stroke")
    h1 = torch.sigmoid(2 * v @ weight("v stroke", "h1 stroke") + bias["h1 stroke"])
    up = (h1 - o("h1 stroke")) @ weight("h2 stroke", "h1 stroke").T
    h2 = torch.sigmoid(2 * up + bias["h2 stroke"])
    h3 = torch.sigmoid((h2 - o("h2 stroke")) @ weight("h2 stroke", "h3") + bias["h3"])
    for stage, (below, above) in enumerate(((data["v stroke"], h1), (h1, h2), (h2, h3))):
        seen, again = objective.reconstruct(model, data, stage, seeded())
        names = [model.layers[stage][0], model.layers[stage + 1][0]]
        assert list(seen) == list(again) == names
        torch.testing.assert_close(seen[names[0]], below)
        torch.testing.assert_close(seen[names[1]], above)


@pytest.mark.slow
def test_deep_rbm_trains_its_networks_and_its_machine_together():
    torch.manual_seed(0)
    wider = [m.model_copy(update={"hidden": (16, 16), "weight": 10.0}) for m in PAIR]
    objective, model = DeepRBMObjective(discriminative=5.0), DeepRBM(wider, 6)
    data, source = tiny_data(), seeded()
    optimisers = (
        torch.optim.Adam([*model.encoders.parameters(), *model.decoders.parameters()], 1e-2),
        torch.optim.SGD(model.machine.parameters(), 0.05),
    )
    before = objective.score(model, data, source).mean().item()
    for step in range(800):
        loss = objective(model, data, min(1.0, step / 400), source)
        model.zero_grad()
        loss.backward()
        for optimiser in optimisers:
            optimiser.step()
    assert all(w.grad is not None for w in model.parameters())
    assert objective.score(model, data, source).mean().item() > before + 0.5
    p = model.generate(data.supply(["stroke"]), 50)["label"]
    hits = (p.probs.mean(0).argmax(-1) == data.values["label"]).double().mean()
    assert hits == 1


def exact_prediction_loss(every: Enumeration, data: dict[str, torch.Tensor]) -> float:
    """Compute −log p(label|stroke), summed over all states."""
    joint = every.log_p({n: data[n] for n in ("v stroke", "v label")})
    return -(joint - every.log_p({"v stroke": data["v stroke"]})).mean()


@pytest.mark.parametrize("kind", [RBM, DBM])
def test_the_discriminative_term_is_the_prediction_of_the_label(kind):
    model = with_large_weights(kind(PAIR, 3), 0.4)
    data = model.visible(tiny_data())
    objective = {RBM: RBMObjective, DBM: DBMObjective}[kind](discriminative=2.0)
    loss = objective.prediction_loss(model, data)
    exact = exact_prediction_loss(Enumeration(model.machine), data)
    assert abs(loss.item() / 2 - exact) < 0.02  # mean field is an approximation
    loss.backward()
    weight = model.machine.weights[f"v label - {'h' if kind is RBM else 'h3'}"]
    step, change = 1e-3, weight.grad.clone()
    with torch.no_grad():
        weight -= step * change / change.norm()
    after = exact_prediction_loss(Enumeration(model.machine), data)
    assert after < exact
    none = kind(PAIR, 3)
    assert type(objective)().prediction_loss(none, data).item() == 0.0


@pytest.mark.parametrize("objective", [RBMObjective(), DBMObjective(), DeepRBMObjective()])
def test_incomplete_samples_train_no_machine(objective):
    torch.manual_seed(0)
    model, data = objective.network(PAIR, 3), tiny_data()
    objective(model, data, 1.0, seeded())  # a deep machine's chains first burn in
    alone = data.supply(["stroke"])
    mixed = Batch(data.values, torch.cat((data.present[:30], alone.present[30:])))
    before = {name: x.clone() for name, x in model.state_dict().items()}
    gradients = []
    for batch in (data[slice(0, 30)], mixed, alone):
        model.load_state_dict(before)  # chains go on, and offsets follow
        model.zero_grad()
        objective(model, batch, 1.0, seeded()).backward()
        gradients.append([w.grad for w in model.machine.parameters()])
    for few, same, none in zip(*gradients, strict=True):
        if objective.network is not DeepRBM:  # which also draws the codes of incomplete samples
            torch.testing.assert_close(few, same)
        assert none is None or (none == 0).all()


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
    with pytest.raises(ValueError, match=r"point is Gaussian: use a Bernoulli likelihood"):
        kind([m.model_copy(update={"hidden": (4, 4)}) for m in toys], 2)


def test_a_pathway_of_another_depth_is_refused_and_so_is_none():
    with pytest.raises(ValueError, match="give stroke two widths, not 1"):
        DBM([STROKE.model_copy(update={"hidden": (2,)}), LABEL], 2)
    with pytest.raises(ValueError, match="labels and tags alone has no pathway"):
        DBM([LABEL], 2)


def test_grey_values_stand_for_probabilities():
    grey = STROKE.model_copy(update={"likelihood": "bernoulli-cross-entropy"})
    model = with_large_weights(RBM([grey], 3))
    x = torch.rand(6, 1, 2, 2, generator=seeded())
    data = model.machine.mean_field(model.visible(Batch.of([grey], {"stroke": x})))
    assert torch.equal(data["v stroke"], x.flatten(1))
    field = model.machine.field("h", {"v stroke": x.flatten(1)})
    torch.testing.assert_close(data["h"], field.sigmoid())
    functional.binary_cross_entropy(data["h"], data["h"])  # probabilities
