"""The zoo: made by one command, which goes on wherever it was interrupted."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import mvae.cli
from mvae.checkpoint import load_config, load_metrics, load_model
from mvae.cli import app
from mvae.files import sha256
from mvae.training.recipes import RECIPES
from mvae.training.trainer import RESUME
from mvae.training.zoo import BASELINES, ZOO, Run, state_of
from tests.bundled import CHECKPOINTS, FILES, FOLDERS

pytestmark = pytest.mark.usefixtures("few_label_draws")


@pytest.fixture
def small_zoo(trained_root, few_digits, tmp_path, monkeypatch) -> Path:
    """Let the zoo be two runs of three epochs; give a folder with what evaluation needs."""
    recipe = replace(RECIPES["mvae-joint"], epochs={"mnist": 3})
    monkeypatch.setitem(RECIPES, "mvae-joint", recipe)
    runs = (Run("mnist", "mvae-joint"), Run("mnist", "mvae-joint", seed=1))
    monkeypatch.setattr(mvae.cli, "ZOO", runs)
    evaluate = mvae.cli.evaluate_checkpoint

    def quick(dataset, name, n, k, seed, root, only):
        return evaluate(dataset, name, 20, 25, seed, root, only)

    monkeypatch.setattr(mvae.cli, "evaluate_checkpoint", quick)
    shutil.copytree(trained_root, tmp_path / "zoo")
    return tmp_path / "zoo"


def make(root: Path):
    return CliRunner().invoke(app, ["train", "--recipe", "zoo", "--root", str(root)])


def test_every_run_has_a_recipe_and_a_folder_of_its_own():
    assert len({(run.dataset, run.name) for run in ZOO}) == len(ZOO)
    for run in ZOO:
        assert run.config.model == run.recipe
        assert run.config.training.seed == run.seed
    for dataset in ("mnist", "fashion"):
        there = {run.recipe for run in ZOO if run.dataset == dataset}
        assert there >= {*BASELINES, "mvae", "mvae-cover"}
    repeated = [run.recipe for run in ZOO if run.seed]
    assert {name: 1 + repeated.count(name) for name in repeated} == dict.fromkeys(
        ("mvae", "mvae-cover", "mvae-cover-short", "jmvae", "mopoe"), 3
    )


def test_what_is_bundled_is_what_the_recipes_say_of_it():
    there = [run for run in ZOO if (CHECKPOINTS / run.dataset / run.name / "config.json").exists()]
    assert len(there) > len(ZOO) / 2
    for run in there:
        assert load_config(CHECKPOINTS / run.dataset / run.name) == run.config, run.name


def test_an_interrupted_zoo_goes_on_where_it_was_and_ends_with_everything(small_zoo, monkeypatch):
    train, epochs = mvae.training.zoo.Trainer._run_epoch, []

    def interrupted(self):
        epochs.append(self.epoch)
        if len(epochs) == 5:  # in the second run
            raise KeyboardInterrupt
        return train(self)

    monkeypatch.setattr(mvae.training.zoo.Trainer, "_run_epoch", interrupted)
    assert make(small_zoo).exit_code != 0
    first, second = mvae.cli.ZOO
    assert state_of(first, small_zoo) == "measured"
    assert state_of(second, small_zoo) == "missing"
    assert (small_zoo / "mnist" / second.name / RESUME).exists()

    result = make(small_zoo)
    assert result.exit_code == 0, result.output
    assert epochs == [0, 1, 2, 0, 1, 1, 2]
    for run in (first, second):
        assert state_of(run, small_zoo) == "measured"
        _, config = load_model("mnist", run.name, small_zoo)
        assert config == run.config
        assert load_metrics("mnist", run.name, small_zoo).test["loglik"]

    result = make(small_zoo)
    assert "1/2 mnist/mvae-joint: measured" in result.output
    assert len(epochs) == 7


def test_figures_stay_for_other_words_and_without_weights_but_not_for_other_settings_or_weights(
    small_zoo, monkeypatch
):
    make(small_zoo)
    run, again = mvae.cli.ZOO
    weights = small_zoo / "mnist" / again.name / "weights.safetensors"
    shutil.copy(small_zoo / "mnist" / run.name / "weights.safetensors", weights)
    assert state_of(again, small_zoo) == "trained"
    weights.unlink()
    assert state_of(again, small_zoo) == "measured"

    reworded = replace(RECIPES["mvae-joint"], summary="In other words.")
    monkeypatch.setitem(RECIPES, "mvae-joint", reworded)
    assert state_of(run, small_zoo) == "measured"
    monkeypatch.setitem(RECIPES, "mvae-joint", replace(reworded, latents=5))
    assert state_of(run, small_zoo) == "missing"


def test_bundled_differences_are_from_the_bundled_reference():
    compared = 0
    for folder in FOLDERS:
        metrics = load_metrics(folder.parent.name, folder.name, CHECKPOINTS)
        if metrics is None:  # a user has trained it anew
            continue
        for name, found in metrics.test.get("loglik_above", {}).items():
            weights = folder.parent / name / "weights.safetensors"
            assert found["weights_sha256"] == sha256(weights), folder
            compared += 1
    assert compared > 0


def test_what_is_bundled_stays_below_200_megabytes():
    if not FILES:
        pytest.skip("this is no checkout, so what is bundled is not known")
    assert 100e6 < sum((CHECKPOINTS / name).stat().st_size for name in FILES) <= 200e6
