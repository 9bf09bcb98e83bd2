"""The programs and the notebook of examples/ run as they stand, and what they print is right."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import permutations
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from mvae import search_path
from tests.bundled import CHECKPOINTS

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"


def output_of(name: str, folder: Path) -> str:
    """Run a program in an empty folder, as a user would who has installed the library."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        [sys.executable, EXAMPLES / name],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert not list(folder.iterdir())  # it leaves nothing behind
    return ran.stdout


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_every_program_is_short(path):
    assert len(path.read_text("utf-8").splitlines()) < 80


@pytest.mark.slow
def test_a_model_of_own_data_predicts_better_from_both_halves_than_from_one(tmp_path):
    printed = output_of("train_own_data.py", tmp_path)
    accuracy = {
        given: float(value)
        for given, value in re.findall(r"accuracy of the digit given (.+): ([\d.]+)", printed)
    }
    assert accuracy.keys() == {"left", "right", "left and right"}
    assert min(accuracy.values()) > 0.5  # a guess is right one time in ten
    assert accuracy["left and right"] > max(accuracy["left"], accuracy["right"])


@pytest.mark.slow
def test_every_further_modality_narrows_the_posterior_and_helps_to_predict(tmp_path):
    header, *lines = output_of("condition_on_subsets.py", tmp_path).splitlines()
    assert header.split() == ["given", "entropy", "x", "y", "quadrant"]
    rows = {}
    for line in lines:
        given, *numbers = re.split(r"\s{2,}", line.replace(", 0.", " 0."))
        evidence = frozenset() if given == "nothing" else frozenset(given.split(", "))
        rows[evidence] = [float(x) for x in " ".join(numbers).split()]
    assert len(rows) == 8
    entropies = {evidence: numbers[0] for evidence, numbers in rows.items()}
    for smaller, larger in permutations(entropies, 2):
        if smaller < larger:
            assert entropies[larger] < entropies[smaller]
    *_, fourth = rows[frozenset(["x", "y"])]
    assert fourth > 0.8  # neither alone can tell it
    assert max(rows[frozenset([name])][-1] for name in ("x", "y")) < 0.7


@pytest.fixture(scope="module")
def tour() -> Any:
    """Execute the notebook where Jupyter would, in the folder of the repository."""
    notebook = nbformat.read(EXAMPLES / "tour.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)  # none is committed
    resources = {"metadata": {"path": str(ROOT)}}
    with pytest.MonkeyPatch.context() as patch:
        # Not those of the same name that a user has trained.
        patch.setenv(search_path.VARIABLE, str(CHECKPOINTS))
        return NotebookClient(notebook, timeout=300, resources=resources).execute()


@pytest.mark.slow
def test_the_tour_shows_a_picture_and_a_prediction_for_its_evidence(tour):
    outputs = [out for cell in tour.cells for out in cell.get("outputs", [])]
    printed = "".join(out.get("text", "") for out in outputs)
    assert "label: 8" in printed
    assert "predicted label: 8" in printed
    assert "there is no 'eleven'" in printed
    assert sum("image/png" in out.get("data", {}) for out in outputs) == 4
