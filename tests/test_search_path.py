"""The folders in which checkpoints are found, and that in which they are written."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from mvae import search_path
from mvae.analysis import embedding
from mvae.checkpoint import (
    CheckpointError,
    available,
    load_metrics,
    load_model,
    load_samples,
    sha256,
)
from mvae.cli import app
from mvae.files import writing
from mvae.results.runs import load_history, runs
from tests.bundled import CHECKPOINTS
from tests.checkpoint_edits import edit_tensors, rehash


@pytest.fixture
def bundled(tmp_path, monkeypatch) -> Path:
    """Put two checkpoints, their examples and figures in the place of the bundled ones."""
    root = tmp_path / "bundled"
    for name in ("mvae", "mvae-2d"):
        shutil.copytree(CHECKPOINTS / "mnist" / name, root / "mnist" / name)
    for name in ("samples.safetensors", "SHA256SUMS"):
        shutil.copy(CHECKPOINTS / "mnist" / name, root / "mnist")
    monkeypatch.setattr(search_path, "CHECKPOINTS", root)
    return root


@pytest.fixture
def listed(tmp_path, monkeypatch) -> tuple[Path, Path]:
    """List two empty folders in MVAE_CHECKPOINTS."""
    folders = tmp_path / "first", tmp_path / "second"
    for folder in folders:
        folder.mkdir()
    monkeypatch.setenv("MVAE_CHECKPOINTS", os.pathsep.join(map(str, folders)))
    return folders


@pytest.fixture
def users(tmp_path, monkeypatch) -> Path:
    """Give the user an empty folder of checkpoints."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folder = tmp_path / "data" / "mvae" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def put(root: Path, name: str, summary: str) -> Path:
    """Put a copy of a checkpoint under a name, with a summary by which it is known."""
    folder = Path(shutil.copytree(CHECKPOINTS / "mnist" / "mvae-2d", root / "mnist" / name))
    rehash(folder, model=name, summary=summary)
    return folder


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_first_folder_that_has_a_checkpoint_wins(bundled, listed, users):
    first, second = listed
    put(users, "mvae-2d", "the user's"), put(users, "own", "the user's")
    put(second, "mvae-2d", "second"), put(second, "own", "second"), put(second, "other", "second")
    put(first, "own", "first")
    assert available() == {"mnist": ["mvae", "mvae-2d", "other", "own"]}
    found = {name: load_model("mnist", name)[1].summary for name in ("own", "other", "mvae-2d")}
    assert found == {"own": "first", "other": "second", "mvae-2d": "second"}
    assert [record.name for record in runs("mnist")] == available()["mnist"]
    assert load_model("mnist", "mvae-2d", bundled)[1].summary not in found.values()
    assert available(first) == {"mnist": ["own"]}


def test_the_user_comes_before_what_is_bundled(bundled, users):
    put(users, "mvae-2d", "the user's")
    assert load_model("mnist", "mvae-2d")[1].summary == "the user's"


def test_a_models_files_come_from_one_folder_and_examples_from_any(bundled, listed):
    own = put(listed[0], "mvae-2d", "without figures")
    for name in ("metrics.json", "history.csv"):
        (own / name).unlink()
    model, _ = load_model("mnist", "mvae-2d")
    assert load_metrics("mnist", "mvae-2d") is None
    assert load_history("mnist", "mvae-2d") == {}
    assert len(load_samples("mnist", model.modalities)) == 500
    edit_tensors(own / "weights.safetensors", lambda w: w.popitem())
    with pytest.raises(CheckpointError, match="lacks the tensor"):
        load_model("mnist", "mvae-2d")


def test_folders_that_cannot_be_read_get_a_sentence_each(bundled, listed, tmp_path, monkeypatch):
    file, gone = tmp_path / "file", tmp_path / "gone"
    file.touch()
    put(listed[0], "own", "first")
    folders = os.pathsep.join(map(str, (gone, file, "", listed[0])))
    monkeypatch.setenv("MVAE_CHECKPOINTS", folders)
    result = CliRunner().invoke(app, ["infer", "mnist/own"])
    assert result.exit_code == 0, result.output
    assert [line.partition(". Make")[0] for line in result.stderr.splitlines()] == [
        f"warning: No checkpoints are looked for in {gone}: No such file or directory",
        f"warning: No checkpoints are looked for in {file}: Not a directory",
    ]


@pytest.mark.slow
def test_new_checkpoints_go_where_they_are_found(
    bundled, listed, users, few_digits, tmp_path, monkeypatch
):
    assert search_path.writable_root(tmp_path) == tmp_path
    assert search_path.writable_root() == listed[0]
    before = files(bundled)
    result = CliRunner().invoke(app, ["train", "mnist", "--recipe", "mvae-2d", "--epochs", "1"])
    assert result.exit_code == 0, result.output
    assert load_model("mnist", "mvae-2d")[1].training.epochs == 1
    assert load_model("mnist", "mvae-2d", listed[0])[1].training.epochs == 1
    assert files(bundled) == before
    monkeypatch.delenv("MVAE_CHECKPOINTS")
    assert search_path.writable_root() == bundled  # as a checkout's
    monkeypatch.setattr(search_path, "PACKAGED", bundled)
    assert search_path.writable_root() == users


def test_a_map_of_a_bundled_checkpoint_lies_beside_a_copy(bundled, listed, monkeypatch):
    monkeypatch.setattr(embedding, "fit_umap", lambda means, _: torch.zeros(len(means), 2))
    before = files(bundled)
    result = CliRunner().invoke(app, ["map", "mnist/mvae-2d"])
    assert result.exit_code == 0, result.output
    home = listed[0] / "mnist" / "mvae-2d"
    assert search_path.folder_of("mnist", "mvae-2d") == home
    assert files(bundled) == before
    assert sha256(home / "weights.safetensors") == sha256(
        bundled / "mnist" / "mvae-2d" / "weights.safetensors"
    )
    assert not embedding.load_map("mnist", "mvae-2d").umap.any()
    # The copy is made once, and what happened to it since stays.
    rehash(home, summary="changed")
    with search_path.writing_beside("mnist", "mvae-2d"):
        assert load_model("mnist", "mvae-2d")[1].summary == "changed"
        with pytest.raises(CheckpointError, match="Another command"), writing(home):
            pass


def test_figures_of_a_users_checkpoint_stay_with_it(bundled, users):
    own = put(users, "own", "the user's")
    assert search_path.home_of("mnist", "own") == own
    assert search_path.home_of("mnist", "mvae") == bundled / "mnist" / "mvae"
