"""The command line, on pictures that the tests write and checkpoints that it makes itself."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from urllib.error import URLError

import pytest
from click.testing import Result
from typer.testing import CliRunner

from mvae.analysis.inference import infer
from mvae.checkpoint import load_metrics, load_model, load_samples
from mvae.cli import app
from mvae.data import DATASETS, multimnist, torchvision_import
from mvae.evaluation.classifier import load_classifier
from mvae.evaluation.report import evaluate
from mvae.evaluation.step_cache import CACHE_FILE, StepCache
from mvae.files import sha256
from mvae.training.trainer import RESUME, Trainer

pytestmark = pytest.mark.usefixtures("few_label_draws")


@pytest.fixture
def root(trained_root: Path, tmp_path: Path) -> Path:
    """Copy the checkpoints, so that a test may change them."""
    return Path(shutil.copytree(trained_root, tmp_path / "checkpoints"))


def run(command: str, root: Path | None = None) -> Result:
    return CliRunner().invoke(app, shlex.split(command) + (["--root", str(root)] if root else []))


def succeed(command: str, root: Path | None = None) -> str:
    result = run(command, root)
    assert result.exit_code == 0, result.output
    return result.stdout


def assert_fails(result: Result, *words: str) -> None:
    """The command ended by itself, with one line that holds these words, but for its progress."""
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code == 2
    lines = [line for line in result.stderr.splitlines() if line and not line.endswith("/s]")]
    assert len(lines) == 1, lines
    assert all(word in lines[0] for word in words), lines


def test_training_leaves_a_checkpoint_its_history_and_nothing_else(trained_root):
    folder = trained_root / "mnist" / "mvae-2d"
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["config.json", "history.csv", "weights.safetensors"]
    model, config = load_model("mnist", "mvae-2d", trained_root)
    assert config.training.epochs == 1
    assert model.latents == 2
    with (folder / "history.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["epoch"] == "1"
    assert float(row["validation_score"]) < 0


@pytest.mark.slow
def test_training_reports_the_joint_likelihood_and_takes_settings(few_digits, tmp_path):
    out = succeed(
        "train quadrants --model mvae-2d --epochs 1 --label-weight 50 --gamma 0.25 --kappa 3 "
        "--seed 5",
        tmp_path,
    )
    assert "validation joint log p: -" in out
    # A further seed has a folder of its own beside the first.
    _, config = load_model("quadrants", "mvae-2d-seed-5", tmp_path)
    assert config.model == "mvae-2d"
    assert [m.weight for m in config.modalities] == [1, 1, 1, 1, 50]
    assert (config.objective.gamma, config.objective.kappa) == (0.25, 3)
    assert config.training.seed == 5


def test_the_same_command_gives_the_same_weights(few_digits, trained_root, tmp_path):
    succeed("train mnist --model mvae-2d --epochs 1", tmp_path)
    one, other = (r / "mnist/mvae-2d/weights.safetensors" for r in (trained_root, tmp_path))
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.slow
def test_an_interrupted_command_goes_on_where_it_was(few_digits, tmp_path, monkeypatch):
    command, run_epoch = "train mnist --model mvae-2d --epochs 2", Trainer._run_epoch

    def interrupt(self):
        if self.epoch == 1:
            raise KeyboardInterrupt
        return run_epoch(self)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_run_epoch", interrupt)
        assert run(command, tmp_path / "a").exit_code != 0
    assert (tmp_path / "a/mnist/mvae-2d" / RESUME).exists()
    succeed(command, tmp_path / "a")
    succeed(command, tmp_path / "b")
    one, other = (tmp_path / r / "mnist/mvae-2d/weights.safetensors" for r in "ab")
    assert one.read_bytes() == other.read_bytes()
    assert not (tmp_path / "a/mnist/mvae-2d" / RESUME).exists()


def test_the_trained_classifier_names_test_pictures(few_digits, trained_root):
    classifier = load_classifier("mnist", DATASETS["mnist"].modalities, trained_root)
    samples = load_samples(
        "mnist", load_model("mnist", "mvae", trained_root)[0].modalities, trained_root
    )
    right = classifier.accuracy(samples.values["image"], samples.values)
    assert right.double().mean() > 0.3  # chance is 0.1, and the classifier saw 300 pictures


def test_inference_as_json_holds_the_belief(trained_root):
    out = succeed("infer mnist/mvae-2d --sample 3 --supply label,image --json", trained_root)
    told = json.loads(out)
    model, _ = load_model("mnist", "mvae-2d", trained_root)
    sample = load_samples("mnist", model.modalities, trained_root)[slice(3, 4)]
    inference = infer(model, sample, ["label", "image"])
    assert told["evidence"] == ["label", "image"]
    assert told["posterior"]["mean"] == pytest.approx(inference.posterior.mean.tolist())
    assert told["posterior"]["logvar"] == pytest.approx(inference.posterior.logvar.tolist())
    assert told["sharpness"][0] == 0
    assert all(one <= other for one, other in pairwise(told["sharpness"]))
    assert set(told["experts"]) == {"image", "label"}
    assert [sum(s) for s in zip(*told["shares"].values(), strict=True)] == pytest.approx([1, 1])
    assert sum(told["generated"]["label"]) == pytest.approx(1, abs=1e-5)
    assert told["conflict_percentile"] is None  # nothing was evaluated yet


def test_inference_without_evidence_is_the_prior(trained_root):
    told = json.loads(succeed("infer mnist/mvae-2d --json", trained_root))
    assert told["posterior"] == {"mean": [0, 0], "logvar": [0, 0]}
    assert "given nothing" in succeed("infer mnist/mvae-2d", trained_root)


def test_inference_in_words_names_the_evidence_and_the_label(trained_root):
    out = succeed("infer mnist/mvae-2d --sample 1 --supply image,label", trained_root)
    assert "given image and label" in out
    assert "+ image" in out
    assert "generated label:" in out


def test_inference_in_words_says_tags_and_texts_with_how_likely_they_are():
    out = succeed("infer clipart/mvae-cover --supply image")
    assert re.search(r"generated tags: [a-z ]+ \d+\.\d%, ", out)
    out = succeed("infer translation/mvae-cover --supply english")
    assert re.search(r"generated vietnamese: .+ \(\d+% of the draws\)", out)


def test_warnings_are_sentences_without_the_code_they_come_from(few_digits, monkeypatch):
    def load(split, download):
        warnings.warn("3 pictures are left out.", stacklevel=2)
        return DATASETS["fashion"].load(split, download)

    monkeypatch.setitem(DATASETS, "mnist", replace(DATASETS["mnist"], load=load))
    result = run("data mnist")
    assert result.exit_code == 0
    assert set(result.stderr.splitlines()) == {"warning: 3 pictures are left out."}


def test_evaluation_writes_figures_of_exactly_these_weights(few_digits, root):
    out = succeed("evaluate mnist/mvae-2d --n 20 --k 60 --seed 3", root)
    path = root / "mnist/mvae-2d/metrics.json"
    written = json.loads(path.read_text("utf-8"))
    assert json.loads(out[out.index("{") :]) == written
    metrics = load_metrics("mnist", "mvae-2d", root)
    assert metrics.protocol["weights_sha256"] == sha256(path.parent / "weights.safetensors")
    facts = [metrics.protocol[key] for key in ("split", "n", "n_loglik", "seed", "K")]
    assert facts == ["test", 60, 20, 3, 60]
    test = metrics.test
    assert test["loglik"]["image+label"]["n"] == 20
    assert test["loglik_above"]["mvae"]["image+label"]["se"] > 0
    assert set(test["loglik"]) == {"image", "label", "image+label", "image|label", "label|image"}
    assert set(test["loglik_above"]["mvae"]) == {*test["loglik"], "weights_sha256"}
    assert test["elbo"]["image+label"]["n"] == 60
    assert test["frechet"]["label->image"]["mean"] > 0
    for key, name in (
        ("accuracy", "image->label"),
        ("accuracy_by_number", "0"),
        ("coherence", "label->image"),
        ("coherence", "->image"),
        ("probe", "image"),
        ("coverage_90%", "image+label"),
    ):
        assert 0 <= test[key][name]["mean"] <= 1
    assert len(test["disagreement"]["image+label"]) == 201

    told = json.loads(succeed("infer mnist/mvae-2d --supply image,label --json", root))
    assert 0 <= told["conflict_percentile"] <= 100
    assert "of matched samples" in succeed("infer mnist/mvae-2d --supply image,label", root)


def test_an_interrupted_evaluation_goes_on_and_ends_as_if_it_had_not_been(
    few_digits, root, monkeypatch
):
    command, folder = "evaluate mnist/mvae --n 5 --k 30", root / "mnist/mvae"
    do, done = StepCache.run, []

    def interrupted(cache, step, seed):
        done.append((step.name, step.part))
        if len(done) == 6:
            raise KeyboardInterrupt
        do(cache, step, seed)

    monkeypatch.setattr(StepCache, "run", interrupted)
    assert run(command, root).exit_code != 0
    assert not (folder / "metrics.json").exists()
    assert (folder / CACHE_FILE).exists()
    first, done = done, []
    monkeypatch.setattr(StepCache, "run", lambda *args: (done.append(args[1].name), do(*args)))
    succeed(command, root)
    assert first[5][0] == done[0]
    assert not {what for what, _ in first[:5]} & set(done)
    figures = json.loads((folder / "metrics.json").read_text("utf-8"))["test"]

    # All of it is kept, and computed anew once the weights are others.
    done.clear()
    succeed(command, root)
    assert not done
    (folder / CACHE_FILE).unlink()
    succeed(command, root)
    assert json.loads((folder / "metrics.json").read_text("utf-8"))["test"] == figures
    succeed("train mnist --model mvae --epochs 2", root)
    assert load_metrics("mnist", "mvae", root) is None
    done.clear()
    succeed(command, root)
    assert len(done) > 10
    assert load_metrics("mnist", "mvae", root).test != figures


def test_evaluation_can_be_repeated(few_digits, root):
    path, figures = root / "mnist/mvae/metrics.json", []
    for _ in range(2):
        succeed("evaluate mnist/mvae --n 5 --k 30", root)
        figures.append(json.loads(path.read_text("utf-8"))["test"])
    assert figures[0] == figures[1]
    assert "loglik_above" not in figures[0]  # it is the model that others are compared with


def test_one_measure_can_be_computed_alone_beside_the_figures_that_stay(
    few_digits, root, monkeypatch
):
    path = root / "mnist/mvae-2d/metrics.json"
    command = "evaluate mnist/mvae-2d --n 5 --k 30"
    assert_fails(run(f"{command} --only probe", root), "without --only")
    succeed(command, root)
    whole = json.loads(path.read_text("utf-8"))
    altered = {"protocol": {**whole["protocol"], "gone": "a"}, "test": {**whole["test"]}}
    altered["test"] |= {"probe": {}, "elbo": {"kept": 1}, "log_partition": {}, "gone": 1}
    path.write_text(json.dumps(altered), "utf-8")
    done, do = [], StepCache.run
    monkeypatch.setattr(StepCache, "run", lambda *args: (done.append(args[1].name), do(*args)))
    (path.parent / CACHE_FILE).unlink()
    succeed(f"{command} --only probe --only accuracy", root)
    # No other step ran, and what no measure computes any more is gone.
    assert {what.split()[0] for what in done} == {"probe", "accuracy"}
    told = json.loads(path.read_text("utf-8"))
    assert told["test"] == whole["test"] | {"elbo": {"kept": 1}, "log_partition": {}}
    assert [kind for kind in told["test"] if kind in whole["test"]] == [*whole["test"]]
    again = [
        f"{what}_{measure}" for measure in ("accuracy", "probe") for what in ("date", "command")
    ]
    assert set(told["protocol"]) == {*whole["protocol"], *again}
    assert told["protocol"]["command_probe"] == f"python -m mvae {command} --seed 0 --only probe"

    # A kind that the measure no longer finds goes with the others of its measure.
    succeed(f"{command} --only likelihoods", root)
    told = json.loads(path.read_text("utf-8"))
    assert told["test"] == whole["test"]

    assert_fails(run(f"{command} --only probe --seed 1", root), "seed")
    assert_fails(run(f"{command} --only sound", root), "'sound'")
    with pytest.raises(ValueError, match="no measure is called 'sound'; there are likelihoods, "):
        next(evaluate("mnist", "mvae-2d", root=root, only=["probe", "sound"]))
    succeed("train mnist --model mvae-2d --epochs 2", root)
    assert_fails(run(f"{command} --only probe", root), "of these weights")


def test_data_command_says_what_there_is_and_what_is_not(few_digits, monkeypatch):
    sizes = {"train": 30, "valid": 20, "test": 10}
    monkeypatch.setattr(multimnist, "SIZES", sizes)
    out = succeed("data")
    assert str(few_digits) in out
    for name in DATASETS:
        assert f"\n{name}: " in out
    assert out.count("300 train, 100 valid, 60 test") == 3
    assert out.count("30 train, 20 valid, 10 test") == 1
    assert "MIT" in out
    assert "`python -m mvae data faces` makes" in out


def test_data_command_writes_examples(few_digits, tmp_path):
    assert "wrote 60 examples" in succeed("data quadrants --write-samples", tmp_path)
    assert (tmp_path / "quadrants/samples.safetensors").exists()


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("train cats --model mvae", "'cats'"),
        ("train mnist --model gan", "'gan'"),
        ("train mnist --model mvae --gamma 1", "γ"),
        ("evaluate mnist", "dataset/model"),
        ("evaluate mnist/other", "mnist/other"),
        ("evaluate fashion/mvae", "fashion/mvae"),
        ("infer mnist/other", "mnist/other"),
        ("infer mnist", "dataset/model"),
        ("infer mnist/mvae --sample 60", "0 to 59"),
        ("infer mnist/mvae --supply sound", "'sound'"),
        ("infer mnist/mvae --supply image,image", "twice"),
    ],
)
def test_wrong_names_are_answered_with_one_line(few_digits, trained_root, command, word):
    assert_fails(run(command, trained_root), word)


@pytest.mark.parametrize(
    "command", ["train mnist --model mvae", "train mnist --model classifier", "evaluate mnist/mvae"]
)
def test_missing_data_are_answered_with_one_line(trained_root, tmp_path, monkeypatch, command):
    monkeypatch.setenv("MVAE_DATA", str(tmp_path))
    assert_fails(run(command, trained_root), "MVAE_DATA")


def test_data_that_cannot_be_fetched_are_answered_with_one_line(tmp_path, monkeypatch):
    def offline(*_, **__):
        raise URLError("Network is unreachable")

    mnist = torchvision_import.datasets().mnist
    monkeypatch.setattr(mnist, "download_and_extract_archive", offline)
    monkeypatch.setenv("MVAE_DATA", str(tmp_path))
    assert_fails(run("data mnist"), "MVAE_DATA")


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("mvae/weights.safetensors", "infer mnist/mvae"),
        ("mvae/config.json", "infer mnist/mvae"),
        ("samples.safetensors", "infer mnist/mvae"),
        ("classifier.safetensors", "evaluate mnist/mvae --n 5 --k 30"),
        ("mvae/weights.safetensors", "evaluate mnist/mvae-2d --n 5 --k 30"),
    ],
)
def test_damaged_files_are_answered_with_one_line_that_names_them(few_digits, root, file, command):
    path = root / "mnist" / file
    path.write_bytes(path.read_bytes()[:40])
    result = run(command, root)
    assert f"mnist/{file}" in result.stderr.splitlines()[-1]
    assert str(root.parent) not in result.stderr
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code == 2


@pytest.mark.parametrize("command", ["train", "evaluate", "infer", "data"])
def test_help_shows_an_example_that_the_command_understands(command):
    out = " ".join(succeed(f"{command} --help").split())
    assert f"Example: python -m mvae {command} " in out
    assert command in succeed("--help")


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    where = Path(__file__).parent.parent
    environment = os.environ | {"PYTHONPATH": str(where), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, check=False
    )


@pytest.mark.slow
def test_module_runs_as_a_program(tmp_path):
    done = python("-m", "mvae", "infer", "mnist/mvae", "--root", str(tmp_path))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.strip() == "There is no checkpoint mnist/mvae. There are: none."
