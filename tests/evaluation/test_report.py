"""Reports of baselines by the commands: a model that cannot do a thing has no figure of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mvae.checkpoint import load_model
from mvae.cli import app

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_digits", "few_label_draws")]


@pytest.fixture
def root(trained_root: Path, tmp_path: Path) -> Path:
    """Copy the checkpoints; the quadrants' pictures are MNIST's, so one classifier serves both."""
    copy = Path(shutil.copytree(trained_root, tmp_path / "checkpoints"))
    (copy / "quadrants").mkdir()
    shutil.copy(copy / "mnist/classifier.safetensors", copy / "quadrants")
    return copy


def train(dataset: str, model: str, root: Path) -> str:
    command = ["train", dataset, "--model", model, "--epochs", "1", "--root", str(root)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    return result.stdout


def measured(dataset: str, model: str, root: Path) -> dict[str, Any]:
    """Evaluate by the command and give the figures."""
    command = f"evaluate {dataset}/{model} --n 10 --k 30 --root {root}"
    result = CliRunner().invoke(app, command.split())
    assert result.exit_code == 0, result.output
    test = json.loads((root / dataset / model / "metrics.json").read_text("utf-8"))["test"]
    assert "classifier_accuracy" in test
    assert set(test["decoder_evaluations"]) == {
        m.name for m in load_model(dataset, model, root)[0].modalities
    }
    return test


def refusal(command: str, root: Path) -> str:
    """Give the one line on which a command ends."""
    result = CliRunner().invoke(app, [*command.split(), "--root", str(root)])
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


def test_separate_vaes_have_likelihoods_and_nothing_across(root):
    assert "validation joint log p: -" in train("mnist", "vae", root)
    test = measured("mnist", "vae", root)
    assert test["loglik"]["image+label"]["n"] == 10
    assert test["loglik_above"]["mvae"]["image+label"]["n"] == 10
    assert test["elbo"]["image+label"]["n"] == 60
    assert "accuracy" not in test
    assert list(test["accuracy_by_number"]) == ["0"]
    # Its label and its picture have nothing to do with each other, and it says nothing across.
    assert list(test["coherence"]) == ["->image"]
    assert list(test["predictive"]) == ["->image", "->label"]
    assert "disagreement" not in test


def test_figures_that_rank_have_paired_errors_to_what_was_evaluated_before(root):
    train("mnist", "vae", root)
    vae, mvae = measured("mnist", "vae", root), measured("mnist", "mvae", root)
    paired = mvae["paired"]
    assert {"loglik", "elbo", "predictive"} <= set(paired)
    for kind, found in paired.items():
        for what, errors in found.items():
            ours, theirs = mvae[kind][what], vae[kind][what]
            # By the triangle's inequality, whatever the two have in common.
            assert errors["vae"] <= ours["se"] + theirs["se"] + 1e-3
            assert errors["vae"] >= abs(ours["se"] - theirs["se"]) - 1e-3
    # One difference was known before: the reference's own figures stand beside its model's.
    above = vae["loglik_above"]["mvae"]["image+label"]
    assert paired["loglik"]["image+label"]["vae"] == pytest.approx(above["se"], abs=1e-3)
    assert above["mean"] == pytest.approx(
        vae["loglik"]["image+label"]["mean"] - mvae["loglik"]["image+label"]["mean"], abs=1e-3
    )


def test_a_conditional_model_has_its_one_direction_and_no_likelihood(root):
    out = train("quadrants", "cvae", root)
    assert "validation score: -" in out
    assert "log p" not in out
    test = measured("quadrants", "cvae", root)
    every = "top left+top right+bottom left+bottom right"
    assert list(test["accuracy"]) == [f"{every}->label"]
    assert list(test["accuracy_by_number"]) == ["4"]
    # Each modality given all others, and nothing else.
    assert f"label|{every}" in test["loglik"]
    assert len(test["loglik"]) == 5
    assert set(test["coherence"]) == {  # one tile, given all others
        "top right+bottom left+bottom right+label->top left",
        "top left+bottom left+bottom right+label->top right",
        "top left+top right+bottom right+label->bottom left",
        "top left+top right+bottom left+label->bottom right",
    }
    assert not {"loglik_above", "elbo", "disagreement", "probe", "ranks"} & set(test)


def test_a_model_without_a_joint_posterior_has_likelihoods_and_no_elbo(root):
    train("quadrants", "bivcca", root)
    test = measured("quadrants", "bivcca", root)
    assert len([key for key in test["loglik"] if "|" not in key]) == 2**5 - 1
    assert set(test["elbo"]) == {"top left", "top right", "bottom left", "bottom right", "label"}
    assert "loglik_above" not in test  # no reference is trained on the quadrants
    assert len(test["accuracy"]) == 4
    assert list(test["accuracy_by_number"]) == ["0", "1"]
    assert "label->top left+top right+bottom left+bottom right" in test["coherence"]
    assert "disagreement" not in test


def test_an_autoencoder_generates_but_knows_no_probabilities_and_nothing_from_nothing(root):
    assert "validation score: -" in train("mnist", "dae", root)
    test = measured("mnist", "dae", root)
    assert not {"loglik", "loglik_above", "elbo", "disagreement"} & set(test)
    assert list(test["accuracy"]) == ["image->label"]
    assert list(test["accuracy_by_number"]) == ["1"]
    assert 0 <= test["coherence"]["label->image"]["mean"] <= 1
    # It draws the same picture every time.
    assert test["diversity"]["label->image"]["mean"] == pytest.approx(0, abs=1e-3)

    # There is no posterior to show, and none to lay out: each says so in a sentence.
    model, _ = load_model("mnist", "dae", root)
    for command in ("infer mnist/dae --sample 1 --supply image", "map mnist/dae"):
        line = refusal(command, root)
        assert "mnist/dae" in line
        assert line.endswith(model.no_experts)
    assert not (root / "mnist/dae/map.safetensors").exists()
