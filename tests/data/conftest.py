"""Fixtures of data sets: a folder of generated faces, in shards of five."""

from __future__ import annotations

from pathlib import Path

import pytest

from mvae.data import faces as faces_module


@pytest.fixture(scope="session")
def _faces_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MVAE_DATA", str(folder))
        patch.setattr(faces_module, "SHARD", 5)
        list(faces_module.make())
    return folder


@pytest.fixture
def few_faces(_faces_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set the data folder to 100 training, 10 validation and 10 test faces."""
    monkeypatch.setenv("MVAE_DATA", str(_faces_folder))
    monkeypatch.setattr(faces_module, "SHARD", 5)
    return _faces_folder
