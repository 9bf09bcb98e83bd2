"""Bad input to the command line: every option of every command answers it with a sentence."""

from __future__ import annotations

import re
import resource
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import typer
from click.testing import Result
from typer.testing import CliRunner

from mvae.batch import Batch
from mvae.cli import app
from mvae.data import DATASETS
from mvae.files import load_tensors
from mvae.training.trainer import Trainer
from tests.checkpoint_edits import rehash

COMMANDS = typer.main.get_command(app).commands

#: For each command arguments that it takes.
GOOD = {
    "train": {"dataset": "mnist", "recipe": "mvae-2d"},
    "search": {"dataset": "mnist", "recipe": "mvae-2d"},
    "evaluate": {"checkpoint": "mnist/mvae-2d"},
    "supervise": {"dataset": "mnist"},
    "map": {"checkpoint": "mnist/mvae-2d"},
    "infer": {"checkpoint": "mnist/mvae-2d"},
    "data": {"dataset": "mnist", "write": True},
    "app": {},
}

HUGE = "1" + 23 * "0"
#: For each argument or option values that no command takes.
BAD = {
    "dataset": ["cats", "", "MNIST", "../mnist", "x" * 5000, "![x](http://127.0.0.1/p.png)"],
    "recipe": ["gan", "", "x" * 5000],
    "checkpoint": [
        *("mnist", "mnist/", "/mvae", "/", "", "mnist/other", "cats/mvae", "../mnist/mvae"),
        *("mnist/../mnist/mvae", "mnist/mvae/mvae", f"mnist/{'x' * 5000}"),
    ],
    "epochs": ["0", "-1", "1.5", "many", "nan", HUGE],
    "label_weight": ["0", "-1", "nan", "inf", "-inf", "much"],
    **{name: ["-1", "nan", "inf", "-inf", "much"] for name in ("gamma", "kappa", "rho")},
    "seed": ["-1", HUGE, str(2**32), "1.5", "any", "nan"],
    "threads": ["0", "-1", "1000000", HUGE, "1.5", "all"],
    "port": ["0", "-1", "65536", "1.5", "http"],
    "n": ["1", "0", "-1", "1.5", "all"],
    "k": ["1", "0", "-1", HUGE, "1.5", "many"],
    "only": ["sound", "", "Accuracy"],
    "sample": ["-1", "60", HUGE, "1.5", "any"],
    "supply": ["sound", "image,sound", "image,image", "Image"],
    # Where the name of the folder stands the fixture puts a file, and a folder that is a file's.
    "root": ["a file", "below a file", "/proc/nothing", "x" * 5000],
    # A flag has no value.
    **{name: ["=yes"] for name in ("as_json", "write")},
}


def cases() -> Iterator[tuple[str, str, str]]:
    """Let each parameter of a command meet a bad value, and each bad value a command that has it.

    An option is declared once for all commands, so that not every command need refuse every value.
    """
    for name, bad in BAD.items():
        commands = [c for c in COMMANDS if any(p.name == name for p in COMMANDS[c].params)]
        for i in range(max(len(bad), len(commands))):
            yield commands[i % len(commands)], name, bad[i % len(bad)]


def arguments(command: str, values: dict[str, str | bool]) -> list[str]:
    """Write the arguments of a command, each option as it is spelt."""
    written = [command]
    for parameter in COMMANDS[command].params:
        value = values.get(parameter.name)
        if value is None:
            continue
        if parameter.param_type_name == "argument":
            written.append(value)
        elif value is True or str(value).startswith("="):
            written.append(parameter.opts[0] + ("" if value is True else value))
        else:
            written += [parameter.opts[0], value]
    return written


@pytest.fixture
def root(trained_root: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_root, tmp_path / "checkpoints"))


@pytest.fixture(scope="module")
def untouched(trained_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return checkpoints that no test changes, beside a file."""
    folder = tmp_path_factory.mktemp("untouched")
    (folder / "a file").write_text("No folder.")
    return Path(shutil.copytree(trained_root, folder / "checkpoints"))


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be trained: what is refused is refused before."""

    def cache(*_: object) -> None:
        raise AssertionError("it began to work")

    monkeypatch.setattr(Trainer, "_run_epoch", cache)


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_refused(result: Result, status: int = 2) -> str:
    """The command ended by itself with one sentence; return it."""
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output
    *usage, sentence = [line for line in result.stderr.splitlines() if line]
    assert len(sentence.split()) > 3, sentence
    assert all(re.search("Usage:|--help|/s]$", line) for line in usage), usage
    return sentence


def test_every_argument_of_every_command_has_bad_values_here():
    assert set(GOOD) == set(COMMANDS)
    for name, command in COMMANDS.items():
        for parameter in command.params:
            assert BAD.get(parameter.name), f"{name}: which values of {parameter.name} are bad?"


@pytest.mark.parametrize(("command", "parameter", "value"), [*cases()], ids=lambda x: x[:20])
def test_bad_values_get_a_sentence_before_any_work(
    few_digits, untouched, no_work, command, parameter, value
):
    before = files(untouched.parent)
    values = GOOD[command] | {"root": str(untouched)} | {parameter: value}
    if parameter == "root":
        paths = {"a file": "a file", "below a file": "a file/below"}
        values["root"] = str(untouched.parent / paths.get(value, value))
    result = CliRunner().invoke(app, arguments(command, values))
    assert_refused(result)
    assert files(untouched.parent) == before


@pytest.mark.parametrize(
    "line", ["", "dance", "train", "train mnist", "infer", "train mnist --recipe mvae --colour red"]
)
def test_what_is_no_command_or_half_of_one_is_refused(line):
    result = CliRunner().invoke(app, line.split())
    assert result.exit_code == 2
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("train --recipe mvae", "Specify a data set"),
        ("train mnist --recipe zoo --seed 3", "omit --seed"),
        ("train mnist --recipe classifier --epochs 3", "omit --epochs"),
        ("train mnist --recipe classifier --gamma 0", "omit --gamma"),
        ("train mirflickr --recipe zoo", "no model of mirflickr"),
        ("train mnist --recipe jmvae --rho 1", "no γ, κ or ρ"),
        ("train faces --recipe dbm", "faces/dbm cannot be built"),
        ("train views --recipe rbm", "views/rbm cannot be built"),
        ("search translation --recipe rbm", "translation/rbm cannot be built"),
        ("train views --recipe classifier", "no pictures"),
        ("supervise faces", "which faces is not"),
    ],
)
def test_what_does_not_go_together_is_refused(few_digits, tmp_path, no_work, line, words):
    result = CliRunner().invoke(app, [*line.split(), "--root", str(tmp_path)])
    assert words in assert_refused(result)
    assert not files(tmp_path)


def test_a_model_of_data_that_no_loader_knows_is_not_measured(root):
    shutil.copytree(root / "mnist", root / "own")
    for model in ("mvae", "mvae-2d"):
        rehash(root / "own" / model, dataset="own")
    for command in ("evaluate own/mvae", "evaluate own/mvae --only accuracy"):
        result = CliRunner().invoke(app, [*command.split(), "--root", str(root)])
        assert "'own'" in assert_refused(result)
    # All that needs no test split works.
    result = CliRunner().invoke(app, ["infer", "own/mvae", "--root", str(root)])
    assert result.exit_code == 0, result.output


def test_a_disk_that_is_full_gets_a_sentence_and_leaves_nothing_behind(few_digits, root):
    before, limits = files(root), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        result = CliRunner().invoke(
            app, ["train", "mnist", "--recipe", "mvae", "--epochs", "1", "--root", str(root)]
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "mnist/mvae/resume.safetensors" in (sentence := assert_refused(result, status=1))
    assert "File too large" in sentence
    assert files(root) == before


def test_too_little_memory_gets_a_sentence(root, monkeypatch):
    def greedy(*_: object, **__: object) -> None:
        torch.empty(2**62, dtype=torch.uint8)

    monkeypatch.setattr("mvae.cli.infer_posterior", greedy)
    result = CliRunner().invoke(app, ["infer", "mnist/mvae", "--root", str(root)])
    assert "memory" in assert_refused(result, status=1)


def test_a_fault_of_the_program_is_not_called_one_of_the_input(root, monkeypatch):
    def faulty(*_: object, **__: object) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr("mvae.cli.infer_posterior", faulty)
    result = CliRunner().invoke(app, ["infer", "mnist/mvae", "--root", str(root)])
    assert isinstance(result.exception, RuntimeError)


def test_examples_of_a_class_with_few_are_all_of_them(few_digits, tmp_path, monkeypatch):
    source = DATASETS["mnist"]

    def load(split: str, download: bool) -> Batch:
        batch = source.load(split, download)
        label = batch.values["label"]
        few = (label == 3).cumsum(0) <= 2
        return batch[((label != 3) | few) & (label != 5)]

    monkeypatch.setitem(DATASETS, "mnist", replace(source, load=load))
    result = CliRunner().invoke(app, ["data", "mnist", "--write-samples", "--root", str(tmp_path)])
    assert result.exit_code == 0, result.output
    labels = load_tensors(tmp_path / "mnist/samples.safetensors")["label"]
    assert labels.bincount(minlength=10).tolist() == [6, 6, 6, 2, 6, 0, 6, 6, 6, 6]
    assert labels[:9].tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9]
