"""Series: a kind that is one file in the library, from people's values to measured figures."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from mvae.analysis.inference import infer
from mvae.analysis.posterior_summary import summary_lines
from mvae.batch import Batch
from mvae.checkpoint import (
    ModelConfig,
    Training,
    load_model,
    load_samples,
    save_model,
    weights_at_most,
)
from mvae.data import DATASETS
from mvae.data.dataset import Dataset, Split
from mvae.data.samples import write_samples
from mvae.evaluation.report import evaluate
from mvae.kinds.networks import Decoder, Encoder
from mvae.kinds.registry import KINDS, annotation_of
from mvae.modality import Modality
from mvae.models.mvae import MVAE
from mvae.models.objectives import SubSampled
from mvae.models.rbm import RBM
from mvae.training.trainer import Trainer
from tests.reference import seeded

SENSOR = Modality(
    name="sensor",
    kind="series",
    shape=(2, 21),
    likelihood="gaussian",
    hidden=(32,),
    convolutions=(8, 12),
)
EVENT = Modality(
    name="event",
    kind="label",
    shape=(3,),
    likelihood="categorical",
    hidden=(16,),
    categories=("rest", "walk", "run"),
)
SIGNALS = (SENSOR, EVENT)


def signals(n: int, seed: int) -> Batch:
    """Draw waves: the event says how often they go up and down, a noise hides it a little."""
    source = seeded(seed)
    event = torch.arange(n) % 3
    turns = 2 * math.pi * event.unsqueeze(1) * torch.linspace(0, 1, 21)
    waves = torch.stack((turns.sin(), turns.cos()), 1)  # (n, 2, 21)
    waves = waves + 0.2 * torch.randn(n, 2, 21, generator=source)
    return Batch.of(SIGNALS, {"sensor": waves, "event": event})


def load(split: Split, download: bool) -> Batch:
    return signals({"train": 300, "valid": 60, "test": 90}[split], 1 + len(split))


@pytest.fixture
def dataset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the data set; nothing else is needed for its kind."""
    waves = Dataset("signals", "Signals", SIGNALS, "Generated here.", load)
    monkeypatch.setitem(DATASETS, "signals", waves)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a model on the signals, and save it."""
    config = ModelConfig(
        dataset="signals",
        model="mvae",
        summary="A toy.",
        limitations=("It knows waves only.",),
        latents=3,
        modalities=SIGNALS,
        objective=SubSampled(),
        training=Training(epochs=20, batch=30, learning_rate=1e-2),
    )
    trainer = Trainer(config, load("train", False), load("valid", False))
    scores = [progress.score for progress in trainer]
    assert scores[-1] > scores[0] + 20
    root = tmp_path_factory.mktemp("signals")
    save_model(root / "signals" / "mvae", config, trainer.model.state_dict())
    return root


# What people have


def test_numbers_become_a_series_and_a_series_becomes_numbers():
    rows = [[[0.5] * 21, [-1.0] * 21], None]
    batch = Batch.of(SIGNALS, {"sensor": rows, "event": ["walk", "run"]})
    assert batch.present.tolist() == [[True, True], [False, True]]
    assert batch.values["sensor"].shape == (2, 2, 21)
    assert SENSOR.decode(batch.values["sensor"][0]) == rows[0]
    assert torch.equal(SENSOR.encode(rows[0]), batch.values["sensor"][0])


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (torch.zeros(1, 21), r"sensor must be of shape \(1, 2, 21\), not \(1, 21\)"),
        (torch.full((1, 2, 21), math.inf), "sensor must be finite, but sample 0 has inf"),
        (["loud"], "sample 0 of sensor: 'loud' is a string, but sensor consists of numbers"),
        ([[[1.0], [2.0, 3.0]]], "sample 0 of sensor: .* is not a number or an array of numbers"),
    ],
)
def test_what_is_no_series_is_refused_with_a_sentence(value, sentence):
    with pytest.raises(ValueError, match=sentence):
        Batch.of(SIGNALS, {"sensor": value})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"shape": (21,)}, r"series must be \(channels, length\), not \(21,\)"),
        ({"likelihood": "bernoulli"}, "series must be Gaussian, not Bernoulli"),
        ({"dropout": 0.1}, "of kind series has no dropout: only text"),
        ({"grid": (6, 7)}, "of kind series has no grid: only vector"),
        ({"categories": ("a", "b")}, "of kind series has no categories: only label, tags, text"),
        ({"tile": (0, 1)}, "of kind series has no tile: only image"),
        ({"kind": "sound"}, "no kind of modality is called 'sound', only image"),
    ],
)
def test_a_series_that_makes_no_sense_is_refused_with_a_sentence(change, sentence):
    with pytest.raises(ValidationError, match=sentence):
        Modality.model_validate(SENSOR.model_dump() | change)


def test_what_a_series_is_follows_from_its_kind():
    assert Modality.model_validate_json(SENSOR.model_dump_json()) == SENSOR
    assert not SENSOR.is_annotation
    assert not SENSOR.is_image
    assert SENSOR.outputs == 2 * 2 * 21
    with pytest.raises(ValueError, match="scored by its log-likelihood alone"):
        annotation_of("series")
    with pytest.raises(ValueError, match="likelihood of sensor is Gaussian"):
        RBM(SIGNALS, 2)


# Its networks


@pytest.mark.parametrize("length", [1, 2, 7, 16, 21])
def test_a_decoder_mirrors_the_convolutions_of_any_length(length):
    m = SENSOR.model_copy(update={"shape": (3, length)})
    encoder, decoder = Encoder(m, 2), Decoder(m, 2)
    assert encoder(torch.randn(5, 3, length)).shape == (5, 2)
    assert decoder(torch.randn(4, 5, 2)).mean.shape == (4, 5, 3, length)
    assert isinstance(encoder.first[0], torch.nn.Conv1d)
    weights = sum(w.numel() for w in MVAE((m, EVENT), 2).parameters())
    assert weights < 2 * weights_at_most((m, EVENT), 2)


def test_a_convolution_sees_a_shifted_wave_as_a_shifted_wave():
    first = Encoder(SENSOR.model_copy(update={"shape": (2, 32)}), 2).first[0]
    wave = torch.zeros(1, 2, 32)
    wave[..., 8:12] = torch.randn(2, 4, generator=seeded())
    torch.testing.assert_close(first(wave.roll(6, -1)), first(wave).roll(3, -1))


def test_without_convolutions_it_is_dense():
    m = SENSOR.model_copy(update={"convolutions": ()})
    assert isinstance(Encoder(m, 2).first[1], torch.nn.Linear)
    assert Decoder(m, 2)(torch.zeros(4, 2)).mean.shape == (4, 2, 21)


# A model of it


@torch.no_grad()
def test_a_model_reads_the_event_from_the_series_and_writes_the_series_of_an_event(trained):
    model, config = load_model("signals", "mvae", trained)
    assert config.modalities == SIGNALS
    test = load("test", False)
    event = test.values["event"]
    read = model.generate(test.supply(["sensor"]), 16)["event"].probs.mean(0).argmax(-1)
    assert (read == event).double().mean() > 0.9
    wave = model.generate(test.supply(["event"]), 64)["sensor"].mean.mean(0)
    classes = torch.stack([test.values["sensor"][event == c].mean(0) for c in range(3)])
    nearest = (wave.unsqueeze(1) - classes).square().mean((-1, -2)).argmin(1)
    assert (nearest == event).all()


def test_examples_survive_their_file_and_are_described_in_a_terminal(trained, dataset):
    assert write_samples("signals", trained, per_class=4) == 12
    samples = load_samples("signals", SIGNALS, trained)
    test = load("test", False).values["sensor"]
    assert all((test == x).flatten(1).all(1).any() for x in samples.values["sensor"])
    model, _ = load_model("signals", "mvae", trained)
    lines = list(summary_lines(infer(model, samples[slice(0, 1)], ["event"])))
    assert any(line.startswith("generated sensor: mean of (2, 21)") for line in lines)


@pytest.mark.slow
def test_it_is_evaluated_as_any_other_kind_is(trained, dataset):
    for _ in evaluate("signals", "mvae", n=30, k=50, root=trained):
        pass
    test = json.loads((trained / "signals" / "mvae" / "metrics.json").read_text())["test"]
    assert test["accuracy"]["sensor->event"]["mean"] > 0.9
    assert {"sensor", "event", "sensor+event"} <= test["loglik"].keys()
    assert {"sensor|event", "event|sensor"} <= test["loglik"].keys()
    # The noise's own density, of 42 numbers, is as good as it gets.
    best = -42 * (math.log(0.2) + 0.5 * math.log(2 * math.pi * math.e))
    assert best - 25 < test["loglik"]["sensor|event"]["mean"] < best + 2


def test_every_kind_is_registered_by_its_own_name():
    assert list(KINDS) == ["image", "label", "vector", "tags", "text", "series"]
    for name, kind in KINDS.items():
        assert kind.name == name
