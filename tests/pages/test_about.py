"""About: what the data are that a model was trained on."""

from __future__ import annotations

import pytest

from mvae.data import DATASETS
from tests.toys import TOYS


@pytest.mark.parametrize("data", ["mnist", "fashion", "quadrants"])
def test_the_data_are_described_with_their_source_and_what_was_left_out(visit, data):
    told = visit(data=data).remarks
    for sentence in (DATASETS[data].title, DATASETS[data].source, *DATASETS[data].facts):
        assert sentence in told
    assert "label: one of 10 categories" in told


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (
            "spoken",
            [
                "image: a picture of 50 × 50, black and white",
                "text: a text of up to 5 tokens out of 10",
            ],
        ),
        ("clips", ["clip: a picture of 20 × 33, in colour", "tags: any of 30 tags"]),
        ("scenes", ["colour and masked: a picture of 32 × 32, in colour", "grey: a picture"]),
        ("measured", ["pixels: 240 numbers", "few: 6 numbers", "digit: one of 10 categories"]),
        ("traits", [", trait 16 and trait 17: no or yes"]),
    ],
)
def test_every_kind_of_modality_is_told_of_once(visit, toy_pages, data, lines):
    told = visit(data=data).remarks
    for line in lines:
        assert told.count(line) == 1
    bullets = [line for line in told.splitlines() if line.startswith("- ")]
    assert sum(len(line.split(":")[0].replace(" and ", ", ").split(", ")) for line in bullets) == (
        len(TOYS[data]) + 1  # and what the model does badly
    )
