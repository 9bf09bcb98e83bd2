"""Pictures moved at random, against numpy's padding, cropping and flipping."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from mvae.data.varied import SHIFT, varied
from mvae.modality import Batch, Modality

PICTURES = [
    Modality(name=name, kind="image", shape=(3, 6, 7), likelihood="bernoulli")
    for name in ("image", "other")
]
DIGIT = Modality(name="label", kind="label", shape=(10,), likelihood="categorical")
MOVES = list(product((False, True), range(-SHIFT, SHIFT + 1), range(-SHIFT, SHIFT + 1)))


@pytest.fixture
def batch(toy_batch) -> Batch:
    present = torch.ones(400, 3, dtype=torch.bool)
    present[::3, 1] = False
    return toy_batch(*PICTURES, DIGIT, n=400, present=present)


def by_numpy(picture, mirrored, down, right):
    if mirrored:
        picture = picture[..., ::-1]
        right = -right
    height, width = picture.shape[-2:]
    padded = np.pad(picture, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)), mode="edge")
    top, left = SHIFT - down, SHIFT - right
    return padded[:, top : top + height, left : left + width]


def test_each_sample_is_moved_in_one_of_the_ways_and_its_pictures_together(batch):
    moved = varied(batch, (*PICTURES, DIGIT), torch.Generator().manual_seed(0))
    seen = []
    for i in range(len(batch)):
        ways = [
            {
                move
                for move in MOVES
                if np.array_equal(
                    by_numpy(batch.values[m.name][i].numpy(), *move),
                    moved.values[m.name][i].numpy(),
                )
            }
            for m in PICTURES
        ]
        assert ways[0] == ways[1]
        assert len(ways[0]) == 1
        seen += ways[0]
    assert set(seen) == set(MOVES)
    assert 0.4 < np.mean([mirrored for mirrored, _, _ in seen]) < 0.6


def test_what_else_is_known_stays_and_the_data_are_not_touched(batch):
    before = {name: value.clone() for name, value in batch.values.items()}
    moved = varied(batch, (*PICTURES, DIGIT), torch.Generator().manual_seed(0))
    assert torch.equal(moved.values["label"], before["label"])
    assert torch.equal(moved.present, batch.present)
    assert all(torch.equal(batch.values[name], value) for name, value in before.items())


def test_the_generator_decides(batch):
    one, same, other = (
        varied(batch, PICTURES, torch.Generator().manual_seed(seed)).values["image"]
        for seed in (0, 0, 1)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
