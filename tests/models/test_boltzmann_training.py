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
from tests.models.boltzmann_toys import PAIR, STROKE, Enumeration, with_large_weights
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
    before = {name: x.clone() for name, x in model.state_dict().items()}
    gradients = []
    for batch in (data[slice(0, 30)], mixed, alone):
        model.load_state_dict(before)  # chains go on, and offsets follow
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
    with pytest.raises(ValueError, match=r"point is Gaussian: use a Bernoulli likelihood"):
        kind([m.model_copy(update={"hidden": (4, 4)}) for m in toys], 2)


def test_a_pathway_of_another_depth_is_refused(toys):
    with pytest.raises(ValueError, match="give label two widths, not 1"):
        DBM(toys[:2], 2)


def test_grey_values_stand_for_probabilities():
    grey = STROKE.model_copy(update={"likelihood": "bernoulli-cross-entropy"})
    model = with_large_weights(RBM([grey], 3))
    x = torch.rand(6, 1, 2, 2, generator=seeded())
    data = model.machine.mean_field(model.visible(Batch.of([grey], {"stroke": x})))
    assert torch.equal(data["v stroke"], x.flatten(1))
    field = model.machine.field("h", {"v stroke": x.flatten(1)})
    torch.testing.assert_close(data["h"], field.sigmoid())
    functional.binary_cross_entropy(data["h"], data["h"])  # probabilities
