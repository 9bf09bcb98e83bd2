"""Tables of results survive their file, and a damaged one is named."""

from __future__ import annotations

import pytest

from mvae.csv_files import read_rows, write_rows
from mvae.files import CheckpointError
from mvae.training.weak_supervision import Point

POINT = Point('vae + probe, of "all"', 0.001, 55, 5, 2, 0.5, 10_000)


def test_rows_survive_their_file(tmp_path):
    path = tmp_path / "toys" / "points.csv"
    assert read_rows(path, Point) == []
    write_rows(path, [POINT, POINT])
    assert read_rows(path, Point) == [POINT, POINT]


@pytest.mark.parametrize(
    "content",
    [
        b"method\nmvae\n",
        b"seed,labels\none,two\n",
        b"method\n" + 200_000 * b"m",
        b'method\n"' + 200_000 * b"m",
        b"method\n\xff\xfe\n",
        b"method\n\0\n",
        b"method,seed\nmvae\rmvae,1,2,3,4\n",
    ],
)
def test_a_damaged_file_is_named(tmp_path, content):
    path = tmp_path / "points.csv"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"points\.csv is damaged"):
        read_rows(path, Point)


def test_a_folder_in_its_place_is_named(tmp_path):
    (tmp_path / "points.csv").mkdir()
    with pytest.raises(CheckpointError, match=r"points\.csv cannot be read: Is a directory"):
        read_rows(tmp_path / "points.csv", Point)
