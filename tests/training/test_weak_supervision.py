"""Weak supervision: which samples keep their label, and curves that go on where they were."""

from __future__ import annotations

import pytest
import torch
from typer.testing import CliRunner

from mvae.cli import app
from mvae.data import DATASETS
from mvae.training import weak_supervision
from mvae.training.weak_supervision import (
    FRACTIONS,
    METHODS,
    choose_labelled,
    mix_pairs,
    read_points,
    supervise,
)


@pytest.fixture
def quick(few_digits, monkeypatch):
    """Let there be two budgets of one seed, and few passes."""
    for name, value in (
        ("FRACTIONS", (0.1, 1.0)),
        ("SEEDS", (0,)),
        ("IMAGE_PASSES", 1),
        ("LABELLED_PASSES", 2),
        ("VALIDATION_INTERVAL", 2),
    ):
        monkeypatch.setattr(weak_supervision, name, value)


@pytest.mark.parametrize("fraction", FRACTIONS)
def test_labels_are_kept_evenly_over_the_classes(fraction):
    labels = torch.randint(10, (55_000,), generator=torch.Generator().manual_seed(1))
    chosen = choose_labelled(labels, fraction, seed=3)
    assert len(chosen) == round(fraction * 55_000) == len(set(chosen.tolist()))
    if fraction < 0.5:
        counts = labels[chosen].bincount(minlength=10)
        assert counts.max() - counts.min() <= 1
    assert not torch.equal(chosen, choose_labelled(labels, fraction, seed=4))
    # A larger budget has what a smaller one of the same seed has, and more.
    assert set(choose_labelled(labels, fraction / 2, seed=3).tolist()) <= set(chosen.tolist())


def test_pairs_are_repeated_and_others_lack_their_label(toy_batch, toys):
    data = toy_batch(*toys[:2], n=100)
    paired = torch.tensor([3, 14, 15])
    batch = mix_pairs(data, paired, "label", seed=0)
    assert len(batch) == 100
    there = batch.present[:, 1]
    assert there.sum() == 50
    assert batch.present[:, 0].all()
    counts = [
        (batch.values["image"][there] == data.values["image"][i]).all((1, 2, 3)).sum()
        for i in paired
    ]
    assert min(counts) >= 16
    assert mix_pairs(data, torch.arange(100), "label", 0) is data
    most = mix_pairs(data, torch.arange(80), "label", 0)  # more pairs than half are not left out
    assert most.present[:, 1].sum() == 80


@pytest.mark.slow
def test_every_method_has_a_point_for_every_budget_and_nothing_is_run_twice(
    quick, tmp_path, monkeypatch
):
    run, calls = weak_supervision.run, []

    def interrupted(dataset, method, fraction, *rest):
        calls.append((method, fraction))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return run(dataset, method, fraction, *rest)

    monkeypatch.setattr(weak_supervision, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(supervise("mnist", tmp_path))
    path = tmp_path / "mnist/supervision.csv"
    assert len(read_points(path)) == 3
    result = CliRunner().invoke(app, ["supervise", "mnist", "--root", str(tmp_path)])
    assert result.exit_code == 0, result.output
    found = read_points(path)
    assert [(p.method, p.fraction) for p in found] == [(m, f) for f in (0.1, 1.0) for m in METHODS]
    assert len(calls) == 11  # the one that was interrupted is begun again
    for point in found:
        assert point.labels == round(300 * point.fraction)
        assert point.valid_labels == round(100 * point.fraction)
        assert point.n == 60
        assert 0 <= point.accuracy <= 1
    best = max(p.accuracy for p in found if p.fraction == 1)
    assert best > 0.5  # the blocks are easy to tell


@pytest.mark.slow
def test_the_same_seed_gives_the_same_point(quick, tmp_path):
    splits = {s: DATASETS["mnist"].load(s, False) for s in ("train", "valid", "test")}
    one, other = (
        weak_supervision.run("mnist", "mvae", 0.1, 0, splits, tmp_path / name) for name in "ab"
    )
    assert one == other


def test_a_data_set_of_tiles_is_refused_in_a_sentence(few_digits, tmp_path):
    result = CliRunner().invoke(app, ["supervise", "quadrants", "--root", str(tmp_path)])
    assert result.exit_code == 2
    assert "one image and its label" in result.stderr
