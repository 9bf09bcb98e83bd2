"""Tables of results survive their file, and a damaged one is named."""

from __future__ import annotations

import pytest

from mvae.checkpoint import CheckpointError
from mvae.evaluation.supervision import Point
from mvae.rows import read_rows, write_rows

POINT = Point('vae + probe, of "all"', 0.001, 55, 5, 2, 0.5, 10_000)


def test_rows_survive_their_file(tmp_path):
    path = tmp_path / "toys" / "points.csv"
    assert read_rows(path, Point) == []
    write_rows(path, [POINT, POINT])
    assert read_rows(path, Point) == [POINT, POINT]


@pytest.mark.parametrize("text", ["method\nmvae\n", "seed,labels\none,two\n"])
def test_a_damaged_file_is_named(tmp_path, text):
    path = tmp_path / "points.csv"
    path.write_text(text)
    with pytest.raises(CheckpointError, match=r"points\.csv is damaged"):
        read_rows(path, Point)
