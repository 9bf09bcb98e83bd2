"""Marking a modality as missing in a share of the samples."""

from __future__ import annotations

import pytest
import torch

from mvae.data.missingness import with_missing


def missing(batch, name) -> set[int]:
    there = batch.present[:, batch.names.index(name)]
    return set((~there).nonzero().flatten().tolist())


@pytest.mark.parametrize(("share", "count"), [(0, 0), (0.1, 3), (0.5, 15), (0.98, 29), (1, 30)])
def test_a_share_of_the_samples_lacks_the_modality_and_no_other(toy_batch, share, count):
    batch = toy_batch(n=30)
    few = with_missing(batch, "label", share, seed=0)
    assert len(missing(few, "label")) == count
    assert few.present[:, [0, 2, 3]].all()
    assert all(torch.equal(few.values[name], batch.values[name]) for name in batch.names)
    assert batch.present.all()  # what was given stays as it is


def test_the_choice_is_the_seeds_and_a_larger_share_includes_a_smaller(toy_batch):
    batch = toy_batch(n=200)
    shares = (0.1, 0.3, 0.9)
    small, middle, large = (missing(with_missing(batch, "image", s, 5), "image") for s in shares)
    assert small < middle < large
    assert small == missing(with_missing(batch, "image", 0.1, 5), "image")
    assert small != missing(with_missing(batch, "image", 0.1, 6), "image")
    # At random: not the first or the last ones.
    assert 60 < sum(middle) / len(middle) < 140


def test_what_was_missing_before_stays_missing(toy_batch):
    present = torch.ones(10, 4, dtype=torch.bool)
    present[4:] = False
    batch = with_missing(toy_batch(n=10, present=present), "label", 0.5, seed=1)
    assert missing(batch, "label") >= {4, 5, 6, 7, 8, 9}
    assert missing(batch, "image") == {4, 5, 6, 7, 8, 9}


def test_a_model_learns_nothing_from_what_is_missing(toy_batch, toy_model):
    batch = toy_batch(n=6)
    few = with_missing(batch, "label", 0.5, seed=0)
    changed = few.values | {"label": (few.values["label"] + 1) % 3}
    model = toy_model()
    inference = model.posterior(few).mean
    other = model.posterior(type(few)(changed, few.present)).mean
    lacking = torch.zeros(6, dtype=torch.bool)
    lacking[list(missing(few, "label"))] = True
    assert torch.equal(inference[lacking], other[lacking])
    assert not torch.isclose(inference[~lacking], other[~lacking]).all(1).any()


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused(toy_batch, share):
    with pytest.raises(ValueError, match="from 0 to 1"):
        with_missing(toy_batch(), "label", share, seed=0)


def test_an_unknown_modality_is_refused_with_those_there_are(toy_batch):
    with pytest.raises(ValueError, match="no modality is called 'tags': there are image, label"):
        with_missing(toy_batch(), "tags", 0.5, seed=0)
