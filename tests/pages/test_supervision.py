"""The Supervision page: a curve for each method, and what each point means."""

from __future__ import annotations

import json
import shutil

import pytest

from mvae import search_path
from mvae.checkpoint import load_config, load_metrics
from mvae.csv_files import write_rows
from mvae.training.weak_supervision import IMAGE_PASSES, LABELLED_PASSES, Point
from pages.parts.server import loading
from tests.bundled import CHECKPOINTS

POINTS = [
    Point("mvae", 0.001, 55, 5, 0, 0.5, 10_000),
    Point("mvae", 0.001, 55, 5, 1, 0.7, 10_000),
    Point("mvae", 0.01, 550, 50, 0, 0.9, 10_000),
    Point("supervised", 0.001, 55, 5, 0, 0.4, 10_000),
]


@pytest.fixture
def points(tmp_path, monkeypatch):
    """Give the checkpoints of MNIST with a few points that are known."""
    shutil.copytree(CHECKPOINTS / "mnist", tmp_path / "mnist")
    write_rows(tmp_path / "mnist/supervision.csv", POINTS)
    monkeypatch.setattr(search_path, "CHECKPOINTS", tmp_path)
    loading.supervision_of.clear()
    yield tmp_path
    loading.supervision_of.clear()


def test_lines_run_through_the_means_of_the_seeds(visit, points):
    page = visit("supervision.py")
    traces = json.loads(page.app.get("plotly_chart")[0].proto.spec)["data"]
    line, dots, other, _ = traces
    assert (line["name"], line["x"], line["y"]) == ("mvae", [55, 550], pytest.approx([0.6, 0.9]))
    assert dots["y"] == [0.5, 0.7, 0.9]
    assert dots["customdata"][0] == [0, 5, 10_000]
    assert other["name"] == "supervised"
    assert "an unpaired image adds its own ELBO" in page.remarks
    assert "jmvae" not in page.remarks  # nothing was measured of it
    table = page.app.dataframe[0].value
    assert table["mvae"].tolist() == ["0.6000 ± 0.1414", "0.9000"]
    assert table["labelled images"].tolist() == [55, 550]


def test_budgets_are_said_and_why_results_has_other_figures(visit, points):
    write_rows(points / "mnist/supervision.csv", [*POINTS, Point("mvae", 1, 9, 9, 0, 0.94, 10)])
    loading.supervision_of.clear()
    told = visit("supervision.py").remarks
    assert "5 images decide when to stop, and their accuracy changes in steps of 20 %." in told
    assert f"ten outputs; {LABELLED_PASSES} passes over the labelled images alone." in told
    assert f"its own ELBO; {IMAGE_PASSES} passes over all images without labels, then" in told
    assert "The budgets are not equal" in told
    there = load_metrics("mnist", "mvae").test["accuracy"]["image->label"]["mean"]
    config = load_config(CHECKPOINTS / "mnist/mvae")
    assert f"**mvae** predicts 94.0 % correctly here and {100 * there:.1f} % on Results" in told
    assert f"in each of {config.training.epochs} passes, at a learning rate of" in told
    assert f"here in the last {LABELLED_PASSES} of {IMAGE_PASSES + LABELLED_PASSES} passes," in told


def test_a_data_set_without_curves_says_so(visit, points):
    (points / "mnist/supervision.csv").unlink()
    loading.supervision_of.clear()
    assert "python -m mvae supervise mnist" in visit("supervision.py").remarks
