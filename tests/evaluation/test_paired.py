"""Paired differences: their errors are those of what the same samples score."""

from __future__ import annotations

import pytest
import torch

from mvae.evaluation.paired import VALUES_FILE, paired_errors, save_values
from mvae.evaluation.scored_figure import figure
from mvae.files import write_json


@pytest.fixture
def scores() -> tuple[torch.Tensor, torch.Tensor]:
    """Give what two models score: samples differ by much, the models by little."""
    source = torch.Generator().manual_seed(0)
    hard = 20 * torch.randn(500, generator=source)
    ours, theirs = hard + torch.randn(2, 500, generator=source) + torch.tensor([[0.0], [0.5]])
    return ours, theirs


def measure(root, name, values, kind="loglik", what="a+b"):
    folder = root / "toy" / name
    folder.mkdir(parents=True, exist_ok=True)
    test = {kind: {what: figure(values)}}
    kept = save_values(folder, test)
    write_json(folder / "config.json", {})  # by which a checkpoint is found
    write_json(
        folder / "metrics.json", {"protocol": {"weights_sha256": f"hash of {name}"}, "test": test}
    )
    return kept


def test_the_error_of_a_paired_difference_is_that_of_the_differences(tmp_path, scores):
    ours, theirs = scores
    measure(tmp_path, "theirs", theirs)
    found = paired_errors("toy", "ours", measure(tmp_path, "ours", ours), tmp_path)
    errors = found["paired"]
    assert found["paired_with"] == {"theirs": "hash of theirs"}
    paired = (ours - theirs).std() / 500**0.5
    assert errors == {"loglik": {"a+b": {"theirs": pytest.approx(paired.item(), abs=1e-4)}}}
    unpaired = (ours.var() / 500 + theirs.var() / 500).sqrt()
    assert errors["loglik"]["a+b"]["theirs"] < unpaired / 10


def test_samples_that_both_lack_count_in_neither(tmp_path, scores):
    ours, theirs = (x.clone() for x in scores)
    ours[::2] = theirs[::2] = torch.nan
    measure(tmp_path, "theirs", theirs)
    errors = paired_errors("toy", "ours", measure(tmp_path, "ours", ours), tmp_path)["paired"]
    expected = (ours - theirs)[1::2].std() / 250**0.5
    assert errors["loglik"]["a+b"]["theirs"] == pytest.approx(expected.item(), abs=1e-4)


def test_values_of_another_run_or_of_other_samples_are_not_paired(tmp_path, scores):
    ours, theirs = scores
    measure(tmp_path, "fewer", theirs[:400])
    holes = theirs.clone()
    holes[3] = torch.nan
    measure(tmp_path, "holes", holes)
    measure(tmp_path, "entropies", theirs, "entropy")
    # Its figures were measured anew elsewhere; the values here are those of before.
    measure(tmp_path, "again", theirs + 3)
    (tmp_path / "toy/again" / VALUES_FILE).rename(tmp_path / "kept")
    measure(tmp_path, "again", theirs)
    (tmp_path / "kept").rename(tmp_path / "toy/again" / VALUES_FILE)
    (tmp_path / "toy/damaged").mkdir()
    (tmp_path / "toy/damaged" / VALUES_FILE).write_bytes(b"none")
    assert paired_errors("toy", "ours", measure(tmp_path, "ours", ours), tmp_path) == {}
