"""Drawings in links: every one survives, and damage gets a sentence."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mvae.errors import InputError
from mvae.images.preprocessing import pack_bits, picture_from_upload, unpack_bits
from tests.drawings import FRAME, file_of, five


@settings(max_examples=25)
@given(st.lists(st.booleans(), min_size=784, max_size=784))
def test_bits_survive_a_link(bits: list[bool]) -> None:
    picture = torch.tensor(bits).float().reshape(FRAME)
    text = pack_bits(picture)
    assert len(text) == 131
    assert torch.equal(unpack_bits(text, FRAME), picture)


@given(st.integers(1, 40), st.integers(1, 40))
def test_bits_of_every_shape(height: int, width: int) -> None:
    picture = (torch.rand(1, height, width) > 0.5).float()
    assert torch.equal(unpack_bits(pack_bits(picture), (1, height, width)), picture)


GOOD = pack_bits(picture_from_upload(file_of(five()), FRAME))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "not complete"),
        (GOOD[:-1], "not complete"),
        (GOOD + "A", "not complete"),
        ("A" * 10_000_000, "not complete"),
        ("+" + GOOD[1:], "damaged"),
        ("é" + GOOD[1:], "damaged"),
        (" " + GOOD[1:], "damaged"),
        (GOOD[:-1] + "\n", "damaged"),
        (GOOD[:-1] + "=", "damaged"),
        (GOOD[:-1] + "B", "damaged"),  # a bit beyond the last
    ],
)
def test_damaged_links(text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        unpack_bits(text, FRAME)
