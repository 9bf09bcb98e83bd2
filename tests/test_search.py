"""The search of λ: the same few candidates for every recipe, kept in a file, never repeated."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest
from typer.testing import CliRunner

import mvae.search
from mvae.__main__ import app
from mvae.recipes import RECIPES
from mvae.search import CANDIDATES, Trial, search, weighted
from mvae.zoo import Run


@pytest.fixture(autouse=True)
def _quick(few_digits, monkeypatch):
    monkeypatch.setattr(mvae.search, "EPOCHS", 1)
    for name in ("mvae-joint", "dae"):
        monkeypatch.setitem(RECIPES, name, replace(RECIPES[name], latents=2))


def test_every_candidate_is_tried_once_and_kept_in_the_file(tmp_path, monkeypatch):
    trained = []
    run = mvae.search.Trainer._run_epoch
    monkeypatch.setattr(
        mvae.search.Trainer, "_run_epoch", lambda self: trained.append(self.config) or run(self)
    )
    first = list(search("mnist", "mvae-joint", tmp_path))
    assert [trial.weight for trial in first] == list(CANDIDATES)
    assert {trial.criterion for trial in first} == {"joint log p"}
    weights = [{m.name: m.weight for m in config.modalities} for config in trained]
    assert weights == [{"image": 1.0, "label": weight} for weight in CANDIDATES]
    assert list(search("mnist", "mvae-joint", tmp_path)) == first
    assert len(trained) == len(CANDIDATES)


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
    known = [Trial("vae", weight, 4, "joint log p", -90.0 - weight) for weight in CANDIDATES]
    mvae.search._write(tmp_path / "mnist" / "search.csv", known)
    command = ["search", "mnist", "--recipe", "vae", "--root", str(tmp_path)]
    lines = CliRunner().invoke(app, command).stdout.splitlines()
    assert lines[1] == "vae, λ = 10: validation joint log p -100.00 after 4 epochs"
    result = CliRunner().invoke(app, ["search", "mnist", "--recipe", "vea"])
    assert result.exit_code == 1
    assert "No recipe is called 'vea'" in result.stderr


def test_another_weight_changes_the_labels_alone():
    config = Run("quadrants", "mvae").config
    changed = weighted(config, 7.0)
    assert {m.weight for m in changed.modalities if m.kind == "label"} == {7.0}
    assert {m.weight for m in changed.modalities if m.kind == "image"} == {1.0}
    assert changed.model_copy(update={"modalities": config.modalities}) == config
