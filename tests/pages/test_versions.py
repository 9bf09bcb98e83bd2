"""Checkpoints that are replaced or deleted under a running server."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from mvae import search_path
from mvae.analysis.inference import infer
from mvae.checkpoint import load_model
from mvae.files import CheckpointError
from pages.parts.server import loading
from pages.parts.server.versions import one_version
from tests.bundled import CHECKPOINTS

FOLDER = "mnist/mvae-2d"


def put(root: Path, source: str) -> None:
    """Put the files of a checkpoint in the place of others, with the times that they have."""
    for name in ("config.json", "weights.safetensors", "metrics.json"):
        shutil.copy2(CHECKPOINTS / source / name, root / FOLDER / name)
    # It says that it belongs here.
    path = root / FOLDER / "config.json"
    path.write_text(path.read_text().replace('"dataset": "fashion"', '"dataset": "mnist"'))


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    (tmp_path / FOLDER).mkdir(parents=True)
    put(tmp_path, FOLDER)
    shutil.copytree(CHECKPOINTS / "mnist" / "mvae", tmp_path / "mnist" / "mvae")
    shutil.copy2(CHECKPOINTS / "mnist" / "samples.safetensors", tmp_path / "mnist")
    monkeypatch.setattr(search_path, "CHECKPOINTS", tmp_path)
    return tmp_path


def test_a_replaced_checkpoint_is_shown_as_a_whole(visit, root):
    """Encoders, decoders, plane and figures are all of the new one, or all of the old one."""
    shown = visit(data="mnist", model="mvae-2d", sample="3")
    before, decoders = shown.inference, shown.stage["decoders"]
    put(root, "fashion/mvae-2d")
    shown.app.run()
    shown.check()
    model, _ = load_model("fashion", "mvae-2d", CHECKPOINTS)
    sample = loading.samples_of("mnist", "mvae-2d")[slice(3, 4)]
    wanted = infer(model, sample, ["image", "label"])
    assert torch.allclose(shown.inference.posterior.mean.float(), wanted.posterior.mean, atol=1e-4)
    assert not torch.allclose(before.posterior.mean, shown.inference.posterior.mean, atol=0.1)
    assert shown.stage["decoders"] != decoders
    assert (
        loading.metrics_of("mnist", "mvae-2d").protocol
        == loading.metrics_of.__wrapped__("mnist", "mvae-2d").protocol
    )


def test_a_file_of_equal_size_and_time_is_another_version(root):
    path = root / FOLDER / "weights.safetensors"
    first = loading.version_of("mnist", "mvae-2d")
    status, content = path.stat(), bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with suppress(CheckpointError):  # a hash that does not fit is as good: nothing old is shown
        assert loading.version_of("mnist", "mvae-2d") != first


def test_within_a_run_there_is_one_version(root):
    with one_version():
        model, _ = loading.load("mnist", "mvae-2d")
        version = loading.version_of("mnist", "mvae-2d")
        put(root, "fashion/mvae-2d")
        assert loading.load("mnist", "mvae-2d")[0] is model
        assert loading.version_of("mnist", "mvae-2d") == version
    assert loading.load("mnist", "mvae-2d")[0] is not model
    assert loading.version_of("mnist", "mvae-2d") != version


@pytest.mark.parametrize("page", [None, "compare.py", "missing.py", "map.py", "traverse.py"])
def test_a_deleted_checkpoint_gets_a_sentence(visit, root, page):
    shown = visit(page, data="mnist", model="mvae-2d", models="mvae-2d,mvae")
    assert not shown.problems or page == "map.py"
    shutil.rmtree(root / FOLDER)
    shown.app.run()
    shown.check()
    assert "mvae-2d”, which does not exist" in shown.problems
    assert shown.url["model"] == "mvae"


def test_a_deleted_file_gets_a_sentence(visit, root):
    shown = visit(data="mnist", model="mvae-2d")
    (root / FOLDER / "weights.safetensors").unlink()
    shown.app.run()
    assert "mvae-2d”, which does not exist" in shown.check().problems


def test_when_all_is_deleted_that_is_said(visit, root):
    shown = visit(data="mnist", model="mvae-2d")
    shutil.rmtree(root / "mnist")
    for _ in range(2):
        shown.app.run()
        assert "There are no checkpoints" in shown.check().problems
