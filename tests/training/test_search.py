"""The search of λ: the same few candidates for every recipe, kept in a file, never repeated."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from mvae.cli import app
from mvae.csv_files import write_rows
from mvae.data import DATASETS
from mvae.training import search as search_module
from mvae.training.recipes import RECIPES
from mvae.training.search import CANDIDATES, Trial, search, with_weight
from mvae.training.zoo import Run, train


@pytest.fixture(autouse=True)
def _quick(few_digits, monkeypatch):
    for name in ("mvae-joint", "dae"):
        brief = replace(RECIPES[name], latents=2, epochs={"mnist": 1})
        monkeypatch.setitem(RECIPES, name, brief)


@pytest.mark.slow
def test_every_candidate_is_tried_once_and_kept_in_the_file(tmp_path, monkeypatch):
    trained = []
    run = search_module.Trainer._run_epoch
    monkeypatch.setattr(
        search_module.Trainer,
        "_run_epoch",
        lambda self: trained.append(self.config) or run(self),
    )
    first = list(search("mnist", "mvae-joint", tmp_path))
    assert [trial.weight for trial in first] == list(CANDIDATES)
    assert {trial.criterion for trial in first} == {"joint log p"}
    weights = [{m.name: m.weight for m in config.modalities} for config in trained]
    assert weights == [{"image": 1.0, "label": weight} for weight in CANDIDATES]
    assert list(search("mnist", "mvae-joint", tmp_path)) == first
    assert len(trained) == len(CANDIDATES)


@pytest.mark.slow
def test_a_bundled_model_is_measured_and_not_trained_again(tmp_path, monkeypatch):
    run = Run("mnist", "mvae-joint")
    source = DATASETS["mnist"]
    for _ in train(
        run.config.model_copy(update={"model": "other"}),
        source.load("train", False),
        source.load("valid", False),
        tmp_path / "mnist" / "other",
    ):
        pass
    trained = []
    loop = search_module.Trainer._run_epoch
    monkeypatch.setattr(
        search_module.Trainer,
        "_run_epoch",
        lambda self: trained.append(self.config) or loop(self),
    )
    by_weight = {trial.weight: trial.value for trial in search("mnist", run.recipe, tmp_path)}
    (mine,) = [m.weight for m in run.config.modalities if m.kind == "label"]
    assert [m.weight for c in trained for m in c.modalities if m.kind == "label"] == [
        weight for weight in CANDIDATES if weight != mine
    ]
    (tmp_path / "mnist" / "search.csv").unlink()
    shutil.rmtree(tmp_path / "mnist" / "other")
    again = {trial.weight: trial.value for trial in search("mnist", run.recipe, tmp_path)}
    assert by_weight == pytest.approx(again, abs=0.1)  # bundled weights are float16


@pytest.mark.slow
def test_a_search_goes_on_after_an_interruption_and_keeps_other_recipes(tmp_path):
    next(search("mnist", "mvae-joint", tmp_path))
    list(search("mnist", "dae", tmp_path))
    list(search("mnist", "mvae-joint", tmp_path))
    with (tmp_path / "mnist" / "search.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["recipe"], float(row["weight"])) for row in rows] == [
        (recipe, weight) for recipe in ("dae", "mvae-joint") for weight in CANDIDATES
    ]
    # An autoencoder has no log p; its own score decides.
    assert {row["criterion"] for row in rows if row["recipe"] == "dae"} == {"score"}


def test_the_command_prints_what_it_found(tmp_path):
    known = [Trial("vae", weight, 20, "joint log p", -90.0 - weight) for weight in CANDIDATES]
    write_rows(tmp_path / "mnist" / "search.csv", known)
    command = ["search", "mnist", "--recipe", "vae", "--root", str(tmp_path)]
    lines = CliRunner().invoke(app, command).stdout.splitlines()
    assert lines[1] == "vae, λ = 10: validation joint log p -100.00 after 20 epochs"
    result = CliRunner().invoke(app, ["search", "mnist", "--recipe", "vea"])
    assert result.exit_code == 2
    assert "No recipe is called 'vea'" in result.stderr


def test_another_weight_changes_the_labels_alone():
    config = Run("quadrants", "mvae").config
    changed = with_weight(config, 7.0)
    assert {m.weight for m in changed.modalities if m.kind == "label"} == {7.0}
    assert {m.weight for m in changed.modalities if m.kind == "image"} == {1.0}
    assert changed.model_copy(update={"modalities": config.modalities}) == config
