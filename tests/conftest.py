"""Fixtures: small models, batches, and data in torchvision's layout that need no network."""

from __future__ import annotations

import os
import struct
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from torch import Tensor
from typer.testing import CliRunner

from mvae import search_path
from mvae.batch import Batch
from mvae.checkpoint import ModelConfig, Training
from mvae.cli import app
from mvae.data import idx_files
from mvae.distributions.gaussian import Gaussian
from mvae.distributions.mixture import Mixture
from mvae.evaluation import boltzmann_likelihood, classifier
from mvae.modality import Modality
from mvae.models import dbm
from mvae.models.base import MultimodalModel
from mvae.models.boltzmann import annealing, machine
from mvae.models.boltzmann.model import BoltzmannModel
from mvae.models.deep_rbm import DeepRBM
from mvae.models.mvae import MVAE
from mvae.models.objectives import SubSampled
from tests import bundled
from tests.toys import write_toys

# Benchmarks have requirements of their own, and no tests.
collect_ignore = ["benchmarks"]

# Nobody's own checkpoints: neither those of the environment nor those of the home folder.
os.environ.pop(search_path.VARIABLE, None)
os.environ["XDG_DATA_HOME"] = str(Path(tempfile.gettempdir(), "mvae-tests"))

# As the app runs, and as many tests at once as there are cores.
torch.set_num_threads(1)
# The same examples in every run, and none kept in a folder.
settings.register_profile(
    "repeatable", max_examples=50, derandomize=True, database=None, deadline=None
)
settings.load_profile("repeatable")

LABEL = Modality(name="label", kind="label", shape=(3,), likelihood="categorical", hidden=(8,))
POINT = Modality(name="point", kind="vector", shape=(2,), likelihood="gaussian", hidden=(8,))
IMAGE = Modality(name="image", kind="image", shape=(1, 2, 2), likelihood="bernoulli", hidden=(8, 6))
COLOUR = Modality(
    name="colour", kind="label", shape=(4,), likelihood="categorical", hidden=(5,), weight=3.0
)
TOYS = (IMAGE, LABEL, POINT, COLOUR)


#: Fixtures that open the app, start a browser or train models by the command line: seconds.
SLOW = {"visit", "browser", "trained_root"}

#: What a user has trained in this checkout is none of the tests' business.
search_path.CHECKPOINTS = bundled.CHECKPOINTS


@pytest.hookimpl(tryfirst=True)  # before the plugin that reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file together, and those of the browser, which share its processes."""
    for item in items:
        browser = item.path.parent.name == "browser"
        if browser or SLOW & set(getattr(item, "fixturenames", ())):  # doctests have none
            item.add_marker(pytest.mark.slow)
        item.add_marker(pytest.mark.xdist_group("browser" if browser else str(item.path)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write why tests were skipped: a line a reason, however many there are."""
    reasons = Counter(report.longrepr[2] for report in terminalreporter.getreports("skipped"))
    for reason, n in reasons.items():
        terminalreporter.write_line(f"{n} skipped: {reason.removeprefix('Skipped: ')}")


@pytest.fixture(autouse=True)
def _same_arithmetic() -> None:
    """Undo what a test before did to the whole process.

    Training flushes denormal numbers to zero. Fitting a map lets torch have all cores again, and
    two threads that wait for each other beside other tests take ten times as long as one.
    """
    torch.set_flush_denormal(False)
    torch.set_num_threads(1)


@pytest.fixture
def float64() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.fixture
def toys() -> tuple[Modality, ...]:
    """Give an image, a label, a vector, and a label with λ = 3."""
    return TOYS


@pytest.fixture
def toy_model() -> Callable[..., Any]:
    """Make a model of some toy modalities, with weights large enough to have opinions."""

    def make(
        *modalities: Modality,
        kind: type[MultimodalModel] = MVAE,
        latents: int = 2,
        scale: float = 2.0,
        seed: int = 0,
    ) -> MultimodalModel:
        torch.manual_seed(seed)
        model = kind(modalities or TOYS, latents)
        with torch.no_grad():
            for weight in model.parameters():
                weight.mul_(scale)
        return model

    return make


@pytest.fixture
def no_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every draw be the mean."""
    for kind in (Gaussian, Mixture):
        monkeypatch.setattr(kind, "sample", lambda self, n=None, generator=None: self.mean)


@pytest.fixture
def toy_batch() -> Callable[..., Batch]:
    """Make a batch of random samples that miss what a mask ``(B, M)`` says."""

    def make(
        *modalities: Modality, n: int = 5, present: Tensor | None = None, seed: int = 1
    ) -> Batch:
        source = torch.Generator().manual_seed(seed)
        values = {}
        for m in modalities or TOYS:
            if not m.dtype.is_floating_point:
                values[m.name] = torch.randint(m.outputs, (n, *m.event_shape), generator=source)
            elif m.kind in ("image", "tags"):
                values[m.name] = torch.randint(2, (n, *m.shape), generator=source).to(m.dtype)
            else:
                values[m.name] = torch.randn(n, *m.shape, generator=source)
        batch = Batch.of(modalities or TOYS, values)
        return batch if present is None else Batch(batch.values, present)

    return make


@pytest.fixture
def toy_config() -> Callable[..., ModelConfig]:
    """Describe a toy model that trains in a moment."""

    def make(objective: SubSampled | None = None, **training: float) -> ModelConfig:
        return ModelConfig(
            dataset="toys",
            model="mvae",
            summary="A toy.",
            limitations=("It knows nothing.",),
            latents=2,
            modalities=TOYS,
            objective=objective or SubSampled(),
            training=Training(**{"epochs": 4, "batch": 8, "learning_rate": 1e-2, **training}),
        )

    return make


def write_idx(path: Path, values: Tensor) -> None:
    """Write bytes as an idx file: magic number, sizes, data."""
    header = struct.pack(f">{1 + values.ndim}I", 0x800 + values.ndim, *values.shape)
    path.write_bytes(header + values.to(torch.uint8).numpy().tobytes())


def write_digits(folder: Path, train_per_class: int, test_per_class: int) -> Path:
    """Write pictures, a noisy block at a place of each class's own, as MNIST and FashionMNIST."""
    source = torch.Generator().manual_seed(3)
    for name in ("MNIST", "FashionMNIST"):
        raw = folder / name / "raw"
        raw.mkdir(parents=True)
        for split, per_class in (("train", train_per_class), ("t10k", test_per_class)):
            labels = torch.arange(10).repeat(per_class)
            pictures = torch.randint(60, (len(labels), 28, 28), generator=source)
            for c in range(10):
                top, left = 2 + 14 * (c // 5), 1 + 5 * (c % 5)
                block = torch.randint(100, 256, (per_class, 10, 5), generator=source)
                pictures[labels == c, top : top + 10, left : left + 5] = block
            write_idx(raw / f"{split}-images-idx3-ubyte", pictures)
            write_idx(raw / f"{split}-labels-idx1-ubyte", labels)
    return folder


@pytest.fixture(scope="session")
def _full_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_digits(tmp_path_factory.mktemp("full"), 508, 4)


@pytest.fixture(scope="session")
def _small_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_digits(tmp_path_factory.mktemp("small"), 40, 6)


@pytest.fixture
def digits(_full_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set the data folder to 5,080 training and 40 test pictures of either set."""
    monkeypatch.setenv("MVAE_DATA", str(_full_folder))
    return _full_folder


@pytest.fixture
def few_digits(_small_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set the data folder to 400 training pictures, 100 of them held out, and 60 test ones."""
    monkeypatch.setenv("MVAE_DATA", str(_small_folder))
    monkeypatch.setattr(idx_files, "VALIDATION_PER_CLASS", 10)
    return _small_folder


@pytest.fixture(scope="session")
def trained_root(_small_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give checkpoints made by the commands: a model after an epoch, a classifier, examples."""
    root = tmp_path_factory.mktemp("checkpoints")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MVAE_DATA", str(_small_folder))
        patch.setattr(idx_files, "VALIDATION_PER_CLASS", 10)
        patch.setattr(classifier, "STEPS", 24)
        for command in (
            "train mnist --model mvae --epochs 1",
            "train mnist --model mvae-2d --epochs 1",
            "train mnist --model classifier",
            "data mnist --write-samples",
        ):
            result = CliRunner().invoke(app, [*command.split(), "--root", str(root)])
            assert result.exit_code == 0, result.output
    return root


@pytest.fixture(scope="session")
def toy_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give checkpoints with random weights, of every kind of modality."""
    return write_toys(tmp_path_factory.mktemp("toys"))


@pytest.fixture
def brief_chains(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Boltzmann machines take a few sweeps where they would take hundreds."""
    for kind in (BoltzmannModel, DeepRBM):
        monkeypatch.setattr(kind, "GIBBS_SWEEPS", 4)
    for module, name in (
        *((annealing, "TEMPERATURES"), (dbm, "BURN_IN_SWEEPS")),
        *((boltzmann_likelihood, "TEMPERATURES"), (boltzmann_likelihood, "SWEEPS")),
    ):
        monkeypatch.setattr(module, name, 10)
    # In a machine of three hidden units a category's first code would leave nothing to chance.
    monkeypatch.setattr(machine, "CODE_SCALE", 0.1)


@pytest.fixture
def few_label_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Score each value of a label by a few draws where its precision is not what is tested."""
    monkeypatch.setattr("mvae.evaluation.measures.likelihoods.LABEL_DRAWS", 200)
