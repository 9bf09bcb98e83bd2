"""Checkpoints that lie elsewhere than the bundled ones."""

from __future__ import annotations

import shutil

from tests.bundled import CHECKPOINTS
from tests.checkpoint_edits import rehash


def test_pages_show_checkpoints_of_the_folders_that_the_environment_lists(
    visit, tmp_path, monkeypatch
):
    folder = shutil.copytree(CHECKPOINTS / "mnist" / "mvae-2d", tmp_path / "mnist" / "own")
    rehash(folder, model="own")
    assert "which does not exist" in visit(data="mnist", model="own").problems
    monkeypatch.setenv("MVAE_CHECKPOINTS", str(tmp_path))
    page = visit(data="mnist", model="own", sample="3")
    assert page.url["model"] == "own"
    assert not page.problems
    assert page.headline.startswith("### Given image")
