"""Training: repeatable, resumable to the bit, and keeping the best."""

from __future__ import annotations

import math
import warnings
from functools import partial
from itertools import islice

import pytest
import torch

import mvae.training.trainer
from mvae.batch import Batch
from mvae.checkpoint import ModelConfig
from mvae.files import CheckpointError
from mvae.modality import Modality
from mvae.models.dbm import DBMObjective
from mvae.models.deep_rbm import DeepRBMObjective
from mvae.models.objectives import Covering, SubSampled, elbo
from mvae.models.rbm import RBMObjective
from mvae.training.trainer import RESUME, Progress, Trainer

OBJECTIVES = [SubSampled(k=2), Covering(k=1, gamma=0.3, kappa=0.5)]


@pytest.fixture
def data(toy_batch) -> Batch:
    """Give 40 samples, of which every modality is missing now and then."""
    present = torch.rand(40, 4, generator=torch.Generator().manual_seed(5)) < 0.8
    return toy_batch(n=40, present=present)


@pytest.fixture
def valid(toy_batch) -> Batch:
    return toy_batch(n=10, seed=7)


def weights_of(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: w.clone() for name, w in trainer.model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


def test_training_yields_its_progress_and_learns(toy_config, data, valid):
    trainer = Trainer(toy_config(epochs=8), data, valid)
    events = list(trainer)
    assert all(isinstance(event, Progress) for event in events)
    assert [event.epoch for event in events] == list(range(1, 9))
    assert {event.epochs for event in events} == {8}
    assert events[-1].score > events[0].score
    seconds = [event.seconds for event in events]
    assert seconds == sorted(seconds)
    assert trainer.best_score == max(event.score for event in events)
    assert [event.best for event in events] == [
        event.score > max((e.score for e in events[:i]), default=-math.inf)
        for i, event in enumerate(events)
    ]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    toy_config, data, valid, objective
):
    runs = []
    for seed in (3, 3, 4):
        torch.rand(5)  # the state of the global generator must not matter
        trainer = Trainer(toy_config(objective, seed=seed), data, valid)
        scores = [event.score for event in trainer]
        runs.append((scores, weights_of(trainer)))
    assert runs[0][0] == runs[1][0]
    assert same(runs[0][1], runs[1][1])
    assert not same(runs[0][1], runs[2][1])


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("done", [1, 3])
def test_resuming_after_an_epoch_changes_no_bit(toy_config, data, valid, tmp_path, objective, done):
    config = toy_config(objective, epochs=5)
    whole = Trainer(config, data, valid)
    expected = list(whole)
    first = list(islice(Trainer(config, data, valid, tmp_path), done))
    torch.rand(7)
    resumed = Trainer(config, data, valid, tmp_path)
    rest = list(resumed)
    assert same(weights_of(resumed), weights_of(whole))
    assert same(resumed.best, whole.best)
    facts = [(e.epoch, e.loss, e.score, e.best, e.beta) for e in expected]
    assert [(e.epoch, e.loss, e.score, e.best, e.beta) for e in first + rest] == facts
    assert [row[:4] for row in resumed.history] == [row[:4] for row in whole.history]
    assert rest[-1].seconds >= first[-1].seconds


def test_tokens_that_are_dropped_are_the_same_after_an_interruption(
    toy_config, toys, toy_batch, tmp_path
):
    text = Modality(
        name="text",
        kind="text",
        shape=(4,),
        likelihood="autoregressive",
        categories=("", "a", "b"),
        hidden=(8,),
        dropout=0.5,
    )
    modalities = (toys[0], text)
    data = toy_batch(*modalities, n=24)
    config = toy_config(epochs=3).model_copy(update={"modalities": modalities})
    whole = Trainer(config, data, data)
    list(whole)
    next(iter(Trainer(config, data, data, tmp_path)))
    torch.rand(7)
    resumed = Trainer(config, data, data, tmp_path)
    list(resumed)
    assert same(weights_of(resumed), weights_of(whole))
    told = config.model_copy(
        update={"modalities": (toys[0], text.model_copy(update={"dropout": 0.0}))}
    )
    other = Trainer(told, data, data)
    list(other)
    assert not same(weights_of(other), weights_of(whole))


def test_words_are_missing_for_the_share_of_the_samples_that_a_run_asks_for(toy_config, toy_batch):
    trainer = Trainer(toy_config(missing=0.25), toy_batch(n=40), toy_batch(n=4))
    present = dict(zip(trainer.data.names, trainer.data.present.double().mean(0), strict=True))
    assert present == {"image": 1, "label": 0.75, "point": 1, "colour": 0.75}


def test_what_is_validated_and_kept_is_the_average_of_the_weights(toy_config, toy_batch):
    data, config = toy_batch(n=8), toy_config(epochs=1, batch=8, averaging=0.75)
    torch.manual_seed(config.training.seed)
    first = config.build().state_dict()
    trainer = Trainer(config, data, data)
    next(iter(trainer))  # one step
    last = trainer.model.state_dict()
    for name, kept in trainer.best.items():
        torch.testing.assert_close(kept, 0.75 * first[name] + 0.25 * last[name])
    assert any(not torch.equal(first[name], last[name]) for name in first)


@pytest.mark.usefixtures("brief_chains")
@pytest.mark.parametrize("objective", [RBMObjective(), DBMObjective(), DeepRBMObjective()])
def test_resuming_a_machine_keeps_its_chains_and_both_optimisers(
    toy_config, toys, toy_batch, tmp_path, objective
):
    modalities = [m.model_copy(update={"hidden": (4, 4)}) for m in toys[:2]]
    data = toy_batch(*modalities, n=40)
    config = toy_config(objective, epochs=4, warmup=0.3, energy_learning_rate=0.1, averaging=0.9)
    config = config.model_copy(update={"modalities": tuple(modalities)})
    whole = Trainer(config, data, data)
    list(whole)
    next(iter(Trainer(config, data, data, tmp_path)))
    resumed = Trainer(config, data, data, tmp_path)
    kinds = [type(optimiser).__name__ for optimiser in resumed.optimisers]
    assert kinds == (["Adam", "SGD"] if isinstance(objective, DeepRBMObjective) else ["SGD"])
    list(resumed)
    assert same(weights_of(resumed), weights_of(whole))


def test_resuming_an_epoch_cut_short_changes_no_bit(toy_config, data, valid, tmp_path, monkeypatch):
    config = toy_config(epochs=4)
    whole = Trainer(config, data, valid)
    list(whole)
    steps, call = [], SubSampled.__call__

    def interrupt(*args):
        steps.append(1)
        if len(steps) == 13:  # of 5 an epoch
            raise KeyboardInterrupt
        return call(*args)

    monkeypatch.setattr(SubSampled, "__call__", interrupt)
    with pytest.raises(KeyboardInterrupt):
        list(Trainer(config, data, valid, tmp_path))
    resumed = Trainer(config, data, valid, tmp_path)
    assert resumed.epoch == 2
    list(resumed)
    assert same(weights_of(resumed), weights_of(whole))
    assert same(resumed.best, whole.best)


def test_resuming_a_finished_run_gives_its_result(toy_config, data, valid, tmp_path):
    done = Trainer(toy_config(), data, valid, tmp_path)
    list(done)
    again = Trainer(toy_config(), data, valid, tmp_path)
    assert list(again) == []
    assert same(again.best, done.best)


def test_training_without_a_folder_keeps_nothing(toy_config, data, valid, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    list(Trainer(toy_config(epochs=1), data, valid))
    assert list(tmp_path.iterdir()) == []


def test_damaged_state_is_reported_by_name(toy_config, data, valid, tmp_path):
    list(islice(Trainer(toy_config(), data, valid, tmp_path), 1))
    path = tmp_path / RESUME
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(CheckpointError, match=r"resume\.safetensors is damaged"):
        Trainer(toy_config(), data, valid, tmp_path)


@pytest.mark.parametrize("change", [{"seed": 9}, {"batch": 4}, {"learning_rate": 0.5}])
def test_state_of_another_configuration_is_not_continued(toy_config, data, valid, tmp_path, change):
    list(islice(Trainer(toy_config(), data, valid, tmp_path), 2))
    config = toy_config(**change)
    try:
        mixed = Trainer(config, data, valid, tmp_path)
    except CheckpointError:
        return
    list(mixed)
    fresh = Trainer(config, data, valid)
    list(fresh)
    assert same(weights_of(mixed), weights_of(fresh))


def test_the_best_epoch_on_validation_is_kept(toy_config, data, valid, monkeypatch):
    scores = iter([-5.0, -3.0, -4.0, -3.5])
    monkeypatch.setattr(mvae.training.trainer, "validation_score", lambda *_: next(scores))
    trainer = Trainer(toy_config(), data, valid)
    epochs, best = [], []
    for event in trainer:
        epochs.append(weights_of(trainer))
        best.append(event.best)
    assert best == [True, True, False, False]
    assert trainer.best_score == -3.0
    assert same(trainer.best, epochs[1])
    assert not same(trainer.best, epochs[3])


def test_of_a_machine_no_epoch_is_kept_before_its_chains_have_settled(
    toy_config, toy_batch, toys, monkeypatch
):
    scores = iter([-1.0, -5.0, -6.0, -4.0])  # the first one would be the best
    monkeypatch.setattr(mvae.training.trainer, "validation_score", lambda *_: next(scores))
    modalities = [m for m in toys if m.likelihood != "gaussian"]
    settings = toy_config(energy_learning_rate=0.01).model_dump() | {
        "modalities": modalities,
        "objective": {"name": "rbm"},
    }
    some = toy_batch(*modalities, n=20)
    trainer = Trainer(ModelConfig.model_validate(settings), some, some)
    assert [event.best for event in trainer] == [False, True, False, True]
    assert trainer.best_score == -4.0


def test_the_best_epoch_survives_an_interruption(toy_config, data, valid, tmp_path, monkeypatch):
    scores = iter([-3.0, -5.0, -4.0, -4.5])
    monkeypatch.setattr(mvae.training.trainer, "validation_score", lambda *_: next(scores))
    first = Trainer(toy_config(), data, valid, tmp_path)
    best, _ = [weights_of(first) for _ in islice(first, 2)]
    resumed = Trainer(toy_config(), data, valid, tmp_path)
    assert [event.best for event in resumed] == [False, False]
    assert resumed.best_score == -3.0
    assert same(resumed.best, best)


def test_validation_score_is_the_mean_elbo_of_the_validation_split(toy_config, data, valid):
    trainer = Trainer(toy_config(epochs=1), data, valid)
    (event,) = trainer
    with torch.no_grad():
        many = valid[torch.arange(10).repeat(2000)]
        values = elbo(trainer.model, many, torch.Generator().manual_seed(1)).reshape(2000, 10)
    spread = values.std(0).square().sum().sqrt() / 10
    assert abs(event.score - values.mean()) < 4 * spread


def test_validation_does_not_depend_on_the_size_of_its_parts(toy_config, data, valid):
    trainer = Trainer(toy_config(epochs=1), data, valid)
    score = partial(mvae.training.trainer.validation_score, trainer.config.objective, trainer.model)
    assert score(valid) == score(valid)
    assert score(valid) == pytest.approx(score(valid, batch=10))


def test_annealing_rises_linearly_to_one(toy_config, data, valid):
    trainer = Trainer(toy_config(epochs=5, batch=40, warmup=0.8), data, valid)
    betas = [event.beta for event in trainer]
    assert betas == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
    assert [e.beta for e in Trainer(toy_config(epochs=2, warmup=0.0), data, valid)] == [1.0, 1.0]


def test_learning_rate_falls_at_70_and_90_percent(toy_config, data, valid):
    trainer = Trainer(toy_config(epochs=10, batch=40, learning_rate=0.01), data, valid)
    rates = [trainer.optimisers[0].param_groups[0]["lr"] for _ in trainer]
    assert rates == pytest.approx([0.01] * 7 + [0.001] * 2 + [0.0003])


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_missing_modalities_may_hold_anything(toy_config, data, valid, objective):
    junk = Batch({name: x.clone() for name, x in data.values.items()}, data.present)
    for i, x in enumerate(junk.values.values()):
        x[~data.present[:, i]] = math.nan if x.is_floating_point() else -100
    trainers = [Trainer(toy_config(objective, epochs=2), d, valid) for d in (data, junk)]
    for trainer in trainers:
        list(trainer)
    assert same(weights_of(trainers[0]), weights_of(trainers[1]))


@pytest.mark.filterwarnings("ignore:The root mean square of point")
def test_a_loss_that_is_not_finite_names_the_modality_and_the_cause(
    toy_config, data, valid, tmp_path
):
    values = {**data.values, "point": torch.full((40, 2), 1e30)}
    trainer = Trainer(toy_config(), Batch(values, data.present), valid, tmp_path)
    with pytest.raises(
        FloatingPointError,
        match=r"loss is (inf|nan) in epoch 1\. .*point, .*1e\+30.*Standardise it",
    ):
        list(trainer)
    assert not (tmp_path / RESUME).exists()


def test_a_validation_score_that_is_not_finite_names_the_modality_too(toy_config, data, valid):
    values = {**valid.values, "point": torch.full((10, 2), -3e25)}
    with pytest.raises(FloatingPointError, match=r"validation score is .*point, .*3e\+25"):
        list(Trainer(toy_config(), data, Batch(values, valid.present)))


def test_a_value_that_is_no_number_is_named(toy_config, data, valid):
    values = {**data.values, "image": data.values["image"].clone()}
    values["image"][data.present[:, 0].nonzero()[0], 0, 0, 0] = math.nan
    with pytest.raises(FloatingPointError, match="image has values that are not finite"):
        list(Trainer(toy_config(batch=40), Batch(values, data.present), valid))


def test_weights_that_are_no_numbers_are_blamed_on_the_learning_rate(toy_config, data, valid):
    trainer = Trainer(toy_config(learning_rate=0.02), data, valid)
    with torch.no_grad():
        next(trainer.model.decoders[0].parameters()).fill_(math.nan)
    with pytest.raises(FloatingPointError, match=r"term of image is not finite\. Lower .*0\.02"):
        list(trainer)


@pytest.mark.parametrize("factor", [1000.0, 0.001])
def test_a_scale_far_from_one_is_pointed_out_before_training(toy_config, data, valid, factor):
    values = {**data.values, "point": factor * data.values["point"]}
    with pytest.warns(UserWarning, match="root mean square of point is .* Standardise it"):
        Trainer(toy_config(), Batch(values, data.present), valid)


def test_one_feature_of_another_scale_is_pointed_out_and_values_never_seen_are_not(
    toy_config, data, valid
):
    values = {**data.values, "point": data.values["point"].clone()}
    values["point"][:, 1] *= 500
    with pytest.warns(UserWarning, match="root mean square of point is up to"):
        Trainer(toy_config(), Batch(values, data.present), valid)
    present = data.present.clone()
    present[:, 2] = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Trainer(toy_config(), data, valid)
        Trainer(toy_config(), Batch(values, present), valid)


@pytest.mark.parametrize("split", ["training", "validation"])
def test_a_split_without_samples_gets_a_sentence(toy_config, data, valid, split):
    splits = {"training": data, "validation": valid}
    splits[split] = splits[split][slice(0)]
    with pytest.raises(ValueError, match=f"There are no {split} samples"):
        Trainer(toy_config(), *splits.values())


@pytest.mark.parametrize("split", ["training", "validation"])
def test_a_split_in_which_nothing_is_present_gets_a_sentence(toy_config, data, valid, split):
    splits = {"training": data, "validation": valid}
    splits[split] = splits[split].supply([])
    with pytest.raises(ValueError, match=f"No modality is present in any of the .* {split}"):
        Trainer(toy_config(), *splits.values())


def test_samples_without_any_modality_are_left_out_with_a_warning(toy_config, data, valid):
    present = data.present.clone()
    present[:7] = False
    some = Batch(data.values, present)
    with pytest.warns(UserWarning, match="7 of 40 training samples have no modality"):
        trainer = Trainer(toy_config(batch=4), some, valid)
    others = Trainer(toy_config(batch=4), data[slice(7, None)], valid)
    assert [e.score for e in trainer] == [e.score for e in others]


def test_after_training_the_model_is_the_best_one(toy_config, data, valid, monkeypatch, tmp_path):
    scores = iter([-5.0, -3.0, -4.0, -3.5])
    monkeypatch.setattr(mvae.training.trainer, "validation_score", lambda *_: next(scores))
    trainer = Trainer(toy_config(), data, valid, tmp_path)
    epochs = [weights_of(trainer) for _ in trainer]
    assert same(weights_of(trainer), epochs[1])
    again = Trainer(toy_config(), data, valid, tmp_path)  # finished: nothing is left to train
    assert list(again) == []
    assert same(weights_of(again), epochs[1])
