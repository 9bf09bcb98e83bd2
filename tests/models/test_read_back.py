"""The third term of covering: what a label alone generates is read back by the model."""

from __future__ import annotations

import pytest
import torch

from mvae.batch import Batch
from mvae.models.objectives import Covering, frozen_weights, read_back
from tests.reference import seeded

pytestmark = pytest.mark.usefixtures("float64")


def by_hand(model, label, names):
    """Generate from the label's posterior mean, encode the pictures, and name them."""
    q = model.posterior(Batch.of(model.modalities, {"label": label}))
    seen = {name: model.decode(q.mean.detach(), name).mean for name in names}
    again = model.posterior(Batch(seen, torch.ones(len(label), len(seen), dtype=torch.bool)))
    return model.decode(again.mean, "label").log_prob(label)


def test_it_is_the_log_probability_of_the_label_given_what_it_generates(
    no_noise, toy_model, toy_batch, toys
):
    model, batch = toy_model(*toys[:3], scale=1.0), toy_batch(*toys[:3], n=4)
    z = model.posterior(batch.supply(["label"])).mean
    read = read_back(model, z, "label", batch.values["label"])
    expected = by_hand(model, batch.values["label"], ["image", "point"])
    torch.testing.assert_close(read, expected)


def test_the_loss_grows_by_rho_times_its_mean_over_complete_samples(
    no_noise, toy_model, toy_batch, toys
):
    model, batch = toy_model(*toys[:2], scale=1.0), toy_batch(*toys[:2], n=4)
    present = torch.tensor([[True, True], [True, False], [True, True], [False, True]])
    batch = Batch(batch.values, present)
    without = Covering(rho=0.0)(model, batch, 0.5, seeded())
    with_it = Covering(rho=8.0)(model, batch, 0.5, seeded())
    read = by_hand(model, batch.values["label"][[0, 2]], ["image"])
    torch.testing.assert_close(with_it - without, -0.5 * 8.0 * read.sum() / 4)


def test_it_begins_when_its_part_of_training_does(toy_model, toy_batch, toys):
    model, batch = toy_model(*toys[:2]), toy_batch(*toys[:2], n=4)
    late, always, never = Covering(rho=8.0, reading=0.7), Covering(rho=8.0), Covering(rho=0.0)
    losses = {
        (objective, done): objective(model, batch, 1.0, seeded(), done).item()
        for objective in (late, always, never)
        for done in (0.69, 0.7)
    }
    assert losses[late, 0.69] == losses[never, 0.69]
    assert losses[late, 0.7] == losses[always, 0.7] != losses[never, 0.7]


def test_only_the_decoders_that_generate_learn_from_it(toy_model, toy_batch, toys):
    model, batch = toy_model(*toys[:3]), toy_batch(*toys[:3], n=4)
    z = model.posterior(batch.supply(["label"])).sample(generator=seeded())
    read_back(model, z, "label", batch.values["label"]).mean().backward()
    touched = {name for name, w in model.named_parameters() if w.grad is not None}
    generators = ("decoders.0", "decoders.2")
    assert touched == {name for name, _ in model.named_parameters() if name.startswith(generators)}


def test_weights_learn_again_after_they_were_held_fixed(toy_model):
    model = toy_model()
    frozen = next(model.parameters())
    frozen.requires_grad_(False)

    def fail_meanwhile() -> None:
        with frozen_weights(model):
            assert not any(w.requires_grad for w in model.parameters())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_meanwhile()
    assert [w.requires_grad for w in model.parameters()].count(False) == 1


def test_without_complete_samples_there_is_nothing_to_read(toy_model, toy_batch, toys):
    batch = toy_batch(*toys[:2], n=3).supply(["label"])
    losses = [Covering(rho=rho)(toy_model(*toys[:2]), batch, 1.0, seeded()) for rho in (0.0, 9.0)]
    assert losses[0] == losses[1]
