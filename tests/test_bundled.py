"""Tests look at the checkpoints that git has, whatever a user has trained in the checkout."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.bundled import view


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
def test_what_a_user_trains_changes_and_deletes_is_not_looked_at(tmp_path):
    checkout, seen = tmp_path / "checkout", tmp_path / "seen"
    models = checkout / "checkpoints" / "mnist"
    for name in ("changed", "deleted", "left alone"):
        (models / name).mkdir(parents=True)
        (models / name / "config.json").write_text(f"{name}, as bundled")
    (checkout / ".gitignore").write_text("weights.safetensors")
    for command in ("init -q", "add ."):
        subprocess.run(["git", *command.split()], cwd=checkout, check=True)

    (models / "changed" / "config.json").write_text("trained again")
    (models / "changed" / "weights.safetensors").write_text("its weights")
    (models / "own").mkdir()
    (models / "own" / "config.json").write_text("a user's own")
    shutil.rmtree(models / "deleted")

    names = view(seen, models.parent)
    assert names == [f"mnist/{x}/config.json" for x in ("changed", "deleted", "left alone")]
    assert sorted(str(p.relative_to(seen)) for p in seen.rglob("*.*")) == names
    for name in names:
        assert (seen / name).read_text() == f"{name.split('/')[1]}, as bundled"


def test_a_folder_that_is_no_checkout_has_no_known_files(tmp_path):
    (tmp_path / "config.json").write_text("somebody's")
    assert view(tmp_path / "seen", tmp_path) == []
