"""MultiMNIST: what its pictures show is what its strings say."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mvae.data import DatasetError, multimnist
from mvae.data.multimnist import MULTIMNIST, compose
from mvae.kinds.tokens import decode
from tests.reference import seeded

IMAGE, TEXT = MULTIMNIST.modalities
#: Height and width of a block in place of each digit: told apart at any size.
BLOCKS = (
    (20, 4),
    (20, 8),
    (20, 12),
    (20, 16),
    (20, 20),
    (4, 20),
    (8, 20),
    (12, 20),
    (16, 20),
    (9, 9),
)
#: How many times smaller a digit may be drawn.
SHRINKS = [1.1 + i / 100 for i in range(41)]


def blocks() -> Tensor:
    """Draw the ten blocks, in a corner or another, so that nothing is told by their place."""
    digits = torch.zeros(10, 1, 28, 28)
    for c, (height, width) in enumerate(BLOCKS):
        top, left = (28 - height) * (c % 2), (28 - width) * (c // 2 % 2)
        digits[c, 0, top : top + height, left : left + width] = 1
    return digits


def quarters(picture: Tensor) -> list[Tensor]:
    top, bottom = picture[0, :25], picture[0, 25:]
    return [top[:, :25], top[:, 25:], bottom[:, :25], bottom[:, 25:]]


def size(quarter: Tensor) -> tuple[int, int]:
    rows, columns = quarter.nonzero().T
    height, width = int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1
    # all of a block but for its corners, of which less than half a pixel may be left
    assert height * width - 4 <= quarter.sum() <= height * width
    return height, width


def which(quarter: Tensor) -> str:
    """Name the block of which a quarter shows a small copy."""
    height, width = size(quarter)
    misfit = [min(abs(height - h / s) + abs(width - w / s) for s in SHRINKS) for h, w in BLOCKS]
    return str(misfit.index(min(misfit)))


@pytest.fixture
def few(few_digits, monkeypatch):
    monkeypatch.setattr(multimnist, "SIZES", {"train": 300, "valid": 40, "test": 50})


def test_strings_are_what_the_quarters_show_row_by_row():
    images, tokens = compose(blocks(), torch.arange(10), 400, seeded())
    strings = set()
    for picture, text in zip(images, tokens, strict=True):
        expected = "".join(which(q) for q in quarters(picture) if q.any())
        assert decode(text, TEXT) == expected
        assert text.tolist() == [int(c) + 1 for c in expected] + [0] * (5 - len(expected))
        strings.add(expected)
    assert len(strings) > 200


def test_nothing_touches_a_neighbour_or_is_cut_off():
    images, _ = compose(blocks(), torch.arange(10), 400, seeded(1))
    sizes = []
    for picture in images:
        for quarter in quarters(picture):
            assert not any(edge.any() for edge in (quarter[[0, -1]], quarter[:, [0, -1]]))
            if quarter.any():
                sizes.append(max(size(quarter)))
    assert min(sizes) <= 7  # the small block
    assert max(sizes) in (18, 19)  # 20 pixels, 1.1 times smaller


def test_each_number_of_digits_each_quarter_and_each_digit_is_as_likely():
    n = 5000
    images, tokens = compose(blocks(), torch.arange(10), n, seeded(2))
    said = tokens[tokens > 0]
    taken = torch.stack([torch.stack(quarters(x)).flatten(1).any(-1) for x in images])
    for counts, bins in (
        ((tokens > 0).sum(-1).bincount(), 5),
        (taken.sum(0), 4),
        (said.bincount()[1:], 10),
        # of two digits, which quarters have them
        ((taken[taken.sum(-1) == 2].long() @ torch.tensor([1, 2, 4, 8])).bincount(), 6),
    ):
        expected = counts.sum() / bins
        assert (counts > 0).sum() == bins
        assert (counts[counts > 0] - expected).abs().max() < 4 * expected.sqrt()


def test_digits_lie_anywhere_in_their_quarter():
    images, _ = compose(blocks()[9:], torch.tensor([9]), 2000, seeded(3))
    ink = sum(torch.stack(quarters(x)) for x in images).sum(0)
    for axis in (0, 1):
        assert ink.sum(axis).nonzero().flatten().tolist() == list(range(1, 24))


def test_a_pixel_has_ink_where_half_of_its_area_has():
    # beside ink there is grey, of which no area is half ink
    digits = torch.zeros(1, 1, 28, 28)
    digits[..., 4:24, 10:14], digits[..., 4:24, 14:20] = 1, 0.4
    images, _ = compose(digits, torch.tensor([1]), 200, seeded(4))
    for picture in images:
        for quarter in quarters(picture):
            if quarter.any():
                height, width = size(quarter)
                assert 20 / 1.5 - 1 < height < 20 / 1.1 + 1
                assert 4 / 1.5 - 1 < width < 4 / 1.1 + 1


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_splits_are_made_of_their_own_digits(few, monkeypatch, split):
    asked = []

    def digits_of(name, which, download):
        asked.append((name, which, download))
        return blocks()[3:4].expand(7, -1, -1, -1), torch.full((7,), 3)

    monkeypatch.setattr(multimnist, "idx_split", digits_of)
    batch = MULTIMNIST.load(split, True)
    assert asked == [("MNIST", split, True)]
    assert set(batch.values["text"].flatten().tolist()) == {0, 4}


def test_batches_are_complete_and_the_same_every_time(few):
    for split, n in (("train", 300), ("valid", 40), ("test", 50)):
        torch.manual_seed(1)
        batch = MULTIMNIST.load(split, False)
        torch.manual_seed(2)
        again = MULTIMNIST.load(split, False)
        assert batch.present.all()
        assert batch.names == ("image", "text")
        assert batch.values["image"].shape == (n, *IMAGE.shape)
        assert set(batch.values["image"].unique().tolist()) == {0, 1}
        assert batch.values["text"].shape == (n, 5)
        assert all(torch.equal(batch.values[m], again.values[m]) for m in batch.names)
    train, valid = (MULTIMNIST.load(split, False).values["image"] for split in ("train", "valid"))
    assert not torch.equal(train[:40], valid)


def test_missing_digits_are_answered_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("MVAE_DATA", str(tmp_path))
    with pytest.raises(DatasetError, match="MVAE_DATA"):
        MULTIMNIST.load("train", False)
