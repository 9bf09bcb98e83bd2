"""MIRFLICKR's loader, on a small set in its layout that the tests write."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from PIL import Image

from mvae.data import mirflickr
from mvae.data.mirflickr import ANNOTATIONS, MIRFLICKR
from tests.load_errors import load_error

SPLITS = ("train", "valid", "test")
N = 20
#: The files of the annotations as https://press.liacs.nl/mirflickr distributes them.
NAMES = (
    "animals baby baby_r1 bird bird_r1 car car_r1 clouds clouds_r1 dog dog_r1 female female_r1 "
    "flower flower_r1 food indoor lake male male_r1 night night_r1 people people_r1 plant_life "
    "portrait portrait_r1 river river_r1 sea sea_r1 sky structures sunset transport tree tree_r1 "
    "water"
)
OFFICIAL = NAMES.split()


def shade(n: int) -> int:
    return 10 + 11 * n


def write_photograph(path: Path, n: int) -> None:
    """Write a photograph whose middle square is of a shade of its own, between other colours."""
    size, box = ((96, 64), (16, 0, 80, 64)) if n % 2 else ((64, 100), (0, 18, 64, 82))
    photograph = Image.new("RGB", size, (0, 0, 200))
    photograph.paste((shade(n), shade(n), shade(n)), box)
    photograph.save(path, "JPEG", quality=95, subsampling=0)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Write twenty photographs, all tagged sky; those of even number are annotated water."""
    folder = tmp_path / "mirflickr"
    (folder / "meta" / "tags").mkdir(parents=True)
    (folder / "annotations").mkdir()
    for n in range(1, N + 1):
        write_photograph(folder / f"im{n}.jpg", n)
        (folder / "meta" / "tags" / f"tags{n}.txt").write_text("nikon\nsky\n")
    for name in OFFICIAL:
        (folder / "annotations" / f"{name}.txt").write_text("")
    (folder / "annotations" / "README.txt").write_text("Not a list of numbers.\n")
    water = "".join(f"{n}\n" for n in range(2, N + 1, 2))
    (folder / "annotations" / "water.txt").write_text(water)
    monkeypatch.setenv("MVAE_DATA", str(tmp_path))
    monkeypatch.setattr(mirflickr, "PHOTOGRAPHS", N)
    return folder


def numbers(batch) -> list[int]:
    """Tell the number of each photograph by its shade, which must fill it."""
    images = batch.values["image"] * 255
    found = ((images.mean((1, 2, 3)) - 10) / 11).round()
    inside = images[:, :, 2:-2, 2:-2]  # JPEG's blocks blur the edge of the square
    assert (inside - (10 + 11 * found).reshape(-1, 1, 1, 1)).abs().max() < 8
    return [int(n) for n in found]


def given(batch, name: str) -> dict[int, set[str]]:
    """Give the words of each photograph by its number."""
    words = next(m for m in MIRFLICKR.modalities if m.name == name).categories
    rows = batch.values[name]
    return {
        n: {words[i] for i in row.nonzero().flatten().tolist()}
        for n, row in zip(numbers(batch), rows, strict=True)
    }


def everything(name: str) -> dict[int, set[str]]:
    return {n: w for s in SPLITS for n, w in given(MIRFLICKR.load(s, False), name).items()}


def test_every_photograph_is_in_one_split_with_its_tags_and_annotations(folder):
    batches = [MIRFLICKR.load(split, False) for split in SPLITS]
    assert [len(batch) for batch in batches] == [16, 2, 2]
    assert sorted(n for batch in batches for n in numbers(batch)) == list(range(1, N + 1))
    for batch in batches:
        assert batch.present.all()
        assert batch.names == ("image", "tags", "annotations")
    assert everything("tags") == {n: {"sky"} for n in range(1, N + 1)}
    assert everything("annotations") == {n: set() if n % 2 else {"water"} for n in range(1, N + 1)}


def test_annotations_are_the_official_38(folder):
    assert sorted(ANNOTATIONS) == sorted(f"{name}.txt" for name in OFFICIAL)
    words = MIRFLICKR.modalities[2].categories
    assert len(words) == len(set(words)) == 38
    for i, name in enumerate(OFFICIAL):
        (folder / "annotations" / f"{name}.txt").write_text(f"{1 + i % N}\n")
    found = everything("annotations")
    assert found[1 + OFFICIAL.index("plant_life") % N] >= {"plant life"}
    assert found[1 + OFFICIAL.index("baby_r1")] >= {"baby (relevant)"}
    assert found[1 + OFFICIAL.index("baby")] >= {"baby"}
    assert sum(map(len, found.values())) == 38


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"sky\r\nwater\r\n", {"sky", "water"}),
        (b"sea", {"sea"}),
        (b"\xef\xbb\xbfsea\nSKY\n\n\n sky \n", {"sea", "sky"}),
        (b"", set()),
        (b"\n\r\n\n", set()),
        (b"\xff\xfe\x80\nsea\n\x00\xc3\n", {"sea"}),
        ("straße\n日本\n🐦\nbird\n".encode(), {"bird"}),
        (b"skyline\nsky blue\nseaside\nplantlife\n", {"plantlife"}),
        (b"\xe9t\xe9\nnight\n", {"night"}),
    ],
    ids=["CRLF", "no end", "BOM", "empty", "blank", "bytes", "scripts", "longer", "latin-1"],
)
def test_files_of_tags_are_read_whatever_is_in_them(folder, content, words):
    (folder / "meta" / "tags" / "tags8.txt").write_bytes(content)
    assert everything("tags")[8] == words
    assert everything("tags")[9] == {"sky"}


def test_a_photograph_without_any_word_is_left_out(folder):
    for n in (7, 8):
        (folder / "meta" / "tags" / f"tags{n}.txt").write_text("nikon\n")
    found = everything("annotations")
    assert 7 not in found
    assert found[8] == {"water"}


def ruin(folder: Path, n: int, how: str) -> str:
    """Damage the files of a photograph; give what is to be said of it."""
    photograph, tags = folder / f"im{n}.jpg", folder / "meta" / "tags" / f"tags{n}.txt"
    if how == "missing":
        photograph.unlink()
        return f"mirflickr/im{n}.jpg is missing"
    if how == "no tags":
        tags.unlink()
        return f"mirflickr/meta/tags/tags{n}.txt is missing"
    if how == "truncated":
        photograph.write_bytes(photograph.read_bytes()[:300])
    else:
        Image.new("RGB", (64, 64)).save(photograph, how)
    return f"mirflickr/im{n}.jpg is damaged"


@pytest.mark.parametrize("how", ["missing", "no tags", "truncated", "PNG"])
def test_a_damaged_photograph_is_left_out_by_name_and_moves_no_other(folder, how):
    before = {split: numbers(MIRFLICKR.load(split, False)) for split in SPLITS}
    lost = before["train"][3]
    said = ruin(folder, lost, how)
    with pytest.warns(UserWarning, match="1 of 16 train pictures are left out") as caught:
        train = MIRFLICKR.load("train", False)
    assert said in str(caught[0].message)
    assert str(folder) not in str(caught[0].message)
    assert given(train, "tags") == {n: {"sky"} for n in before["train"] if n != lost}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        after = {split: numbers(MIRFLICKR.load(split, False)) for split in ("valid", "test")}
    assert before == after | {"train": before["train"]}


def test_of_many_damaged_photographs_five_are_named(folder):
    train = numbers(MIRFLICKR.load("train", False))
    for n in train[:9]:
        ruin(folder, n, "missing")
    with pytest.warns(UserWarning, match="9 of 16 train pictures .* and 4 more") as caught:
        batch = MIRFLICKR.load("train", False)
    assert str(caught[0].message).count("is missing") == 5
    assert numbers(batch) == train[9:]


def test_without_a_photograph_there_is_a_sentence(folder):
    for n in range(1, N + 1):
        (folder / f"im{n}.jpg").unlink()
    message = load_error(MIRFLICKR, "valid")
    assert "of 2 valid photographs can be used: mirflickr/im" in message
    assert "MVAE_DATA" in message


def test_without_any_word_there_is_a_sentence(folder):
    for n in range(1, N + 1):
        (folder / "meta" / "tags" / f"tags{n}.txt").write_text("")
    (folder / "annotations" / "water.txt").write_text("")
    assert "has a known tag" in load_error(MIRFLICKR)


@pytest.mark.parametrize("field", ["0", "21", "2.0", "²", "1 2", "9" * 5000], ids=lambda f: f[:9])
def test_an_annotation_of_no_photograph_is_told_with_file_and_line(folder, field):
    (folder / "annotations" / "tree_r1.txt").write_text(f"3\n\n20\n{field}\n4\n", "utf-8")
    message = load_error(MIRFLICKR)
    assert message.startswith("mirflickr/annotations/tree_r1.txt, line 4: ")
    assert "numbered 1 to 20" in message
    assert repr(field[:40]) in message


def test_annotations_may_have_blank_lines_spaces_and_any_ends_of_line(folder):
    (folder / "annotations" / "tree_r1.txt").write_bytes(b"\xef\xbb\xbf3\r\n\r\n 20 \n3\n005")
    found = everything("annotations")
    assert {n for n, words in found.items() if "tree (relevant)" in words} == {3, 5, 20}


def test_missing_data_are_answered_with_what_to_do(folder):
    (folder / "annotations" / "lake.txt").unlink()
    message = load_error(MIRFLICKR)
    assert "mirflickr/annotations/lake.txt" in message
    assert "https://press.liacs.nl/mirflickr" in message
    folder.rename(folder.parent / "elsewhere")
    message = load_error(MIRFLICKR)
    assert "there is no folder mirflickr" in message
    assert "MVAE_DATA" in message
    assert "python -m mvae data" in message


def test_the_same_photograph_is_read_the_same_every_time(folder):
    one, other = (MIRFLICKR.load("train", False) for _ in range(2))
    assert all(torch.equal(one.values[name], other.values[name]) for name in one.names)
