"""Files that a page reads and cannot: a sentence that names the file, whatever is wrong with it."""

from __future__ import annotations

import csv
import os
import shutil

import pytest

from mvae import search_path
from tests.bundled import CHECKPOINTS

LONG = "x" * (csv.field_size_limit() + 1)
#: Of each file, the page that reads it.
FILES = {
    "mnist/mvae/config.json": "experts.py",
    "mnist/mvae/weights.safetensors": "experts.py",
    "mnist/mvae/metrics.json": "experts.py",
    "mnist/mvae/map.safetensors": "map.py",
    "mnist/samples.safetensors": "experts.py",
    "mnist/mvae/history.csv": "compare.py",
    "mnist/supervision.csv": "supervision.py",
    "mnist/peers.csv": "results.py",
}


@pytest.fixture
def root(tmp_path, monkeypatch):
    shutil.copytree(CHECKPOINTS / "mnist" / "mvae", tmp_path / "mnist" / "mvae")
    for path in (CHECKPOINTS / "mnist").glob("*.*"):
        shutil.copy2(path, tmp_path / "mnist")
    monkeypatch.setattr(search_path, "CHECKPOINTS", tmp_path)
    return tmp_path


def check(shown, file):
    assert file.rsplit("/", 1)[1] in shown.problems + shown.remarks
    assert "Traceback" not in shown.problems


@pytest.mark.parametrize("file", FILES)
def test_a_folder_in_the_place_of_a_file(visit, root, file):
    (root / file).unlink()
    (root / file).mkdir()
    check(visit(FILES[file]), file)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("file", FILES)
def test_a_file_that_may_not_be_read(visit, root, file):
    (root / file).chmod(0)
    check(visit(FILES[file]), file)


@pytest.mark.parametrize("file", [file for file in FILES if file.endswith(".csv")])
def test_a_table_that_is_none(visit, root, file):
    (root / file).write_text(f"a,b\n{LONG},1\n")  # other damage is that of test_csv_files.py
    check(visit(FILES[file]), file)
