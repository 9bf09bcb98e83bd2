"""The six views' loader, on small files in their format that the tests write, and on the real."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mvae.data import data_folder
from mvae.data.views import FILES, VIEWS, read_views
from tests.load_errors import load_error

SPLITS = ("train", "valid", "test")
NAMES = tuple(FILES)
#: The files' columns as UCI describes them.
COLUMNS = {"pix": 240, "fac": 216, "fou": 76, "kar": 64, "zer": 47, "mor": 6}
#: Digits of each kind in the small files.
EACH = 10


def small_views() -> dict[str, np.ndarray]:
    """Make numbers for 100 digits, in order; the first column of every view is the digit's row."""
    source = np.random.default_rng(0)
    views = {}
    for name, columns in COLUMNS.items():
        table = source.normal(3, 2, (10 * EACH, columns)).round(4)
        table[:, 0] = np.arange(10 * EACH)
        table[:, 1] = 7.5  # the same all over
        views[name] = table
    return views


def write(folder: Path, name: str, table: np.ndarray) -> None:
    """Write a view as the official files are: a header, the digit last, CRLF."""
    lines = [",".join([*map(str, range(table.shape[1])), "0"])]
    lines += [",".join([*map(repr, row), str(i // EACH)]) for i, row in enumerate(table.tolist())]
    (folder / f"mfeat-{name}.csv").write_bytes("".join(f"{line}\r\n" for line in lines).encode())


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "mfeat"
    folder.mkdir()
    for name, table in small_views().items():
        write(folder, name, table)
    monkeypatch.setenv("MVAE_DATA", str(tmp_path))
    return folder


def edit(folder: Path, name: str, line: int, change) -> None:
    """Change the fields of a line, counted from 1; None takes the line away."""
    path = folder / f"mfeat-{name}.csv"
    lines = path.read_text().split("\n")
    fields = change(lines[line - 1].split(","))
    lines[line - 1 : line] = [] if fields is None else [",".join(fields)]
    path.write_text("\n".join(lines))


def rows(batches: dict, view: str) -> dict[str, list[int]]:
    """Tell the rows of each split: one scale for all keeps the order of the first column."""
    first = torch.cat([batch.values[view][:, 0] for batch in batches.values()])
    places = iter(first.argsort().argsort().tolist())
    return {split: [next(places) for _ in range(len(b))] for split, b in batches.items()}


def load_all() -> dict:
    return {split: VIEWS.load(split, False) for split in SPLITS}


def test_splits_have_the_same_share_of_every_digit(folder):
    batches = load_all()
    counts = {split: b.values["label"].bincount().tolist() for split, b in batches.items()}
    assert counts == {"train": [7] * 10, "valid": [1] * 10, "test": [2] * 10}
    for batch in batches.values():
        assert batch.present.all()
        assert batch.names == (*NAMES, "label")
        assert [batch.values[n].shape[1] for n in NAMES] == list(COLUMNS.values())


def test_views_are_of_the_same_digit_and_keep_its_label(folder):
    batches = load_all()
    found = [rows(batches, name) for name in NAMES]
    assert all(one == found[0] for one in found)
    for split, batch in batches.items():
        assert batch.values["label"].tolist() == [row // EACH for row in found[0][split]]


def test_splits_are_drawn_once_and_for_all(folder):
    torch.manual_seed(1)
    first = rows(load_all(), "zernike")
    torch.manual_seed(2)
    assert rows(load_all(), "zernike") == first
    assert sorted(first["train"]) != [r for r in range(100) if r % EACH < 7]


def test_columns_are_standardised_by_the_training_split(folder):
    batches = load_all()
    for name, table in zip(NAMES, small_views().values(), strict=True):
        kept = rows(batches, name)
        known = table[kept["train"]]
        scale = known.std(0)
        scale[1] = 1  # the column that is the same all over
        for split, batch in batches.items():
            wanted = (table[kept[split]] - known.mean(0)) / scale
            assert np.allclose(batch.values[name], wanted, atol=1e-5)
        train = batches["train"].values[name]
        assert torch.equal(train[:, 1], torch.zeros(70))
        assert (train.mean(0).abs() < 1e-5).all()
        assert np.allclose(train.var(0, correction=0)[2:], 1, atol=1e-4)


def test_test_digits_have_no_say_in_the_scale(folder):
    before = load_all()
    row = rows(before, "fourier")["test"][4]
    edit(folder, "fou", row + 2, lambda f: [*f[:5], "1e6", "2.5", *f[7:]])
    after = load_all()
    for split in ("train", "valid"):
        assert torch.equal(after[split].values["fourier"], before[split].values["fourier"])
    changed = after["test"].values["fourier"] != before["test"].values["fourier"]
    assert changed.nonzero().tolist() == [[4, 5], [4, 6]]


def test_a_digit_that_is_the_same_in_all_views_counts_once(folder):
    views = small_views()
    for name, table in views.items():
        table[35] = table[31]
        write(folder, name, table)
    counts = {s: b.values["label"].bincount().tolist() for s, b in load_all().items()}
    assert counts["train"] == [7, 7, 7, 6, 7, 7, 7, 7, 7, 7]
    views["mor"][35, 4] += 1
    write(folder, "mor", views["mor"])
    assert sum(map(len, load_all().values())) == 100


@pytest.mark.parametrize("name", COLUMNS)
def test_a_missing_view_is_answered_with_what_to_do(folder, name):
    (folder / f"mfeat-{name}.csv").unlink()
    message = load_error(VIEWS)
    assert f"mfeat/mfeat-{name}.csv" in message
    assert "MVAE_DATA" in message
    assert "python -m mvae data" in message


@pytest.mark.parametrize(
    ("line", "change", "problem"),
    [
        (1, lambda f: f[1:], "the header must be the numbers 0 to 46"),
        (1, lambda f: None, "the header must be"),
        (17, lambda f: f[1:], "47 numbers and a digit are expected, not 47"),
        (50, lambda f: [], "not 1"),
        (17, lambda f: [*f[:3], "4,5", *f[4:]], "not 49"),
        (2, lambda f: [*f[:3], "", *f[4:]], "'' is not a finite number"),
        (2, lambda f: [*f[:3], "nan", *f[4:]], "'nan' is not a finite number"),
        (2, lambda f: [*f[:3], "0x1F", *f[4:]], "'0x1F' is not a finite number"),
        (2, lambda f: [*f[:-1], "10"], "the digit must be 0 to 9, not '10'"),
        (31, lambda f: [*f[:-1], "3"], "there is a 3, but in mfeat-pix.csv a 2"),
    ],
)
def test_a_wrong_line_is_told_with_file_and_line(folder, line, change, problem):
    edit(folder, "zer", line, change)
    message = load_error(VIEWS)
    assert message.startswith(f"mfeat/mfeat-zer.csv, line {line}: ")
    assert problem in message


def test_views_of_different_lengths_are_told_where_one_ends(folder):
    edit(folder, "kar", 101, lambda f: None)
    message = load_error(VIEWS)
    assert message.startswith("mfeat/mfeat-kar.csv, line 101: there is no digit, but in mfeat-pix")
    write(folder, "kar", small_views()["kar"])
    edit(folder, "pix", 101, lambda f: None)
    message = load_error(VIEWS)
    assert message.startswith(
        "mfeat/mfeat-fac.csv, line 101: there is a 9, but in mfeat-pix.csv no"
    )
    # A line that lacks in the middle moves the digits after it.
    edit(folder, "pix", 40, lambda f: None)
    assert load_error(VIEWS).startswith("mfeat/mfeat-fac.csv, line 41: there is a 3, but in")


def test_too_few_digits_are_told(folder):
    path = folder / "mfeat-pix.csv"
    whole = path.read_text()
    path.write_text(whole.split("\n")[0])
    assert load_error(VIEWS).startswith("mfeat/mfeat-fac.csv, line 2: there is a 0, but")
    for name, columns in COLUMNS.items():
        header = ",".join([*map(str, range(columns)), "0"])
        (folder / f"mfeat-{name}.csv").write_text(header + "\n")
    for split in SPLITS:
        assert f"not have enough digits for a {split} split" in load_error(VIEWS, split)
    path.write_bytes(b"\xff\xfe\x00")
    assert "mfeat/mfeat-pix.csv is not a text file" in load_error(VIEWS)
    path.write_text("")
    assert "mfeat-pix.csv, line 1: the header" in load_error(VIEWS)


@pytest.mark.skipif(
    not (data_folder() / "mfeat").is_dir(),
    reason="the views themselves are not in the data folder: they cannot be fetched",
)
def test_the_real_set_is_as_its_facts_say():
    batches = load_all()
    assert [len(batches[split]) for split in SPLITS] == [1394, 200, 400]
    assert batches["valid"].values["label"].bincount().tolist() == [20] * 10
    assert batches["test"].values["label"].bincount().tolist() == [40] * 10
    for name in NAMES:
        train = batches["train"].values[name]
        assert (train.mean(0).abs() < 1e-4).all()
        assert np.allclose(train.std(0, correction=0), 1, atol=1e-4)
        assert all(b.values[name].abs().max() < 8 for b in batches.values())
    views, labels = read_views()
    pixels = views["pixels"]
    assert set(pixels.unique().tolist()) == set(range(7))
    # 16 rows of 15: zeros are light in the middle, with ink around it; ones are dark there.
    zero, one = (pixels[labels == digit].mean(0).view(16, 15) for digit in (0, 1))
    assert zero[6:10, 6:9].max() < 1.5
    assert zero[6:10].max() > 4
    assert one[6:10, 6:9].mean() > 4
    holes = {d: float(views["morphology"][labels == d, 0].mean()) for d in (0, 1, 8)}
    assert {d: round(mean) for d, mean in holes.items()} == {0: 1, 1: 0, 8: 2}
