"""Clip art's loader, on small files in its format that the tests write, and on the real ones."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from mvae.data import data_folder
from mvae.data.clipart import CLIPART, TAGS
from tests.load_errors import load_error

SPLITS = ("train", "valid", "test")
#: What stands in the small files beside 33 good pictures.
CARD, PATTERN, BLANK, ORIGINAL, COPY, UNKNOWN, BARE = 4, 9, 14, 3, 21, 25, 30


def write(root: Path, pictures: np.ndarray, entries: object) -> None:
    folder = root / "clipart"
    folder.mkdir(exist_ok=True)
    np.savez_compressed(folder / "pictorial_64.npz", images=pictures)
    (folder / "pictorial_tags.json").write_text(json.dumps(entries, indent=1), "utf-8")


def small_set() -> tuple[np.ndarray, list[dict]]:
    """Make 40 pictures of noise, and entries with two of the tags each."""
    pictures = np.random.default_rng(0).integers(0, 256, (40, 64, 64, 3), dtype=np.uint8)
    pictures[BLANK] = (250, 10, 90)
    pictures[COPY] = pictures[ORIGINAL]
    entries = [
        {"id": f"a/{i}", "title": f"No. {i}", "tags": [TAGS[i], TAGS[99 - i], "seldom"]}
        for i in range(40)
    ]
    entries[CARD]["tags"] = ["card", "food"]
    entries[PATTERN]["tags"] = ["pattern"]
    entries[UNKNOWN]["tags"] = ["seldom", "foo", "", "ünïcödé"]
    entries[BARE]["tags"] = []
    return pictures, entries


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Write the small set; give the folder of the data."""
    monkeypatch.setenv("MVAE_DATA", str(tmp_path))
    write(tmp_path, *small_set())
    return tmp_path


def numbers(batch, pictures: np.ndarray) -> list[int]:
    """Recognise the pictures of a batch by the average of each 2 × 2 pixels."""
    small = pictures.reshape(-1, 32, 2, 32, 2, 3).mean((2, 4)).transpose(0, 3, 1, 2) / 255
    found = []
    for image in batch.values["image"].numpy():
        (match,) = np.flatnonzero(np.abs(small - image).max((1, 2, 3)) < 1e-6)[:1]
        found.append(int(match))
    return found


def test_pictures_are_averaged_and_keep_their_tags(folder):
    pictures, entries = small_set()
    seen = []
    for split in SPLITS:
        batch = CLIPART.load(split, False)
        assert batch.present.all()
        assert batch.names == ("image", "tags")
        assert batch.values["image"].shape[1:] == (3, 32, 32)
        for number, row in zip(numbers(batch, pictures), batch.values["tags"], strict=True):
            named = {TAGS[i] for i in row.nonzero().flatten().tolist()}
            assert named == set(entries[number]["tags"]) & set(TAGS)
            assert set(row.tolist()) == {0, 1}
            seen.append(number)
    left_out = {CARD, PATTERN, BLANK, COPY, UNKNOWN, BARE}
    assert sorted(seen) == [i for i in range(40) if i not in left_out]


def test_splits_are_about_80_10_and_10_percent_and_the_same_every_time(folder):
    pictures, _ = small_set()
    torch.manual_seed(1)
    first = {split: numbers(CLIPART.load(split, False), pictures) for split in SPLITS}
    torch.manual_seed(2)
    again = {split: numbers(CLIPART.load(split, False), pictures) for split in SPLITS}
    assert first == again
    assert 26 <= len(first["train"]) <= 32
    assert 1 <= len(first["valid"]) <= 4
    assert 1 <= len(first["test"]) <= 4
    assert sorted(first["train"]) != list(range(len(first["train"])))  # drawn, not cut off


def test_case_spaces_order_and_repetitions_of_tags_do_not_matter(folder):
    pictures, entries = small_set()
    before = CLIPART.load("train", False)
    for i, entry in enumerate(entries):
        if i not in (CARD, PATTERN):
            entry["tags"] = [f" {tag.upper()}\t" for tag in reversed(entry["tags"])] * 2
    write(folder, pictures, entries)
    assert torch.equal(CLIPART.load("train", False).values["tags"], before.values["tags"])


@pytest.mark.parametrize("entry", [None, {}, {"tags": "food"}, {"tags": ["food", 3]}, ["food"]])
def test_an_entry_that_is_none_is_left_out_with_a_warning_and_moves_no_other(folder, entry):
    pictures, entries = small_set()
    before = {split: numbers(CLIPART.load(split, False), pictures) for split in SPLITS}
    lost = before["train"][5]
    entries[lost] = entry
    write(folder, pictures, entries)
    with pytest.warns(UserWarning, match="1 of 32 train pictures are left out") as caught:
        train = CLIPART.load("train", False)
    assert f"clipart/pictorial_tags.json, entry {lost + 1}," in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        others = {split: CLIPART.load(split, False) for split in ("valid", "test")}
    after = {split: numbers(b, pictures) for split, b in {"train": train, **others}.items()}
    assert after == before | {"train": [i for i in before["train"] if i != lost]}


@pytest.mark.parametrize("file", ["pictorial_64.npz", "pictorial_tags.json"])
def test_a_missing_file_is_answered_with_what_to_do(folder, file):
    (folder / "clipart" / file).unlink()
    message = load_error(CLIPART)
    assert f"clipart/{file} is missing" in message
    assert "MVAE_DATA" in message
    assert "python -m mvae data" in message


@pytest.mark.parametrize("keep", [0, 1000])
def test_half_a_file_of_pictures_is_told(folder, keep):
    path = folder / "clipart" / "pictorial_64.npz"
    path.write_bytes(path.read_bytes()[:keep])
    assert "clipart/pictorial_64.npz is damaged" in load_error(CLIPART)


class Trap:
    """What a pickle can do when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_a_pickle_is_refused_unopened(folder):
    trap = np.array([Trap(folder / "sprung")], dtype=object)
    np.savez(folder / "clipart" / "pictorial_64.npz", images=trap)
    assert "pictorial_64.npz is damaged" in load_error(CLIPART)
    assert not (folder / "sprung").exists()


@pytest.mark.parametrize(
    "pictures",
    [
        np.zeros((40, 32, 32, 3), np.uint8),
        np.zeros((40, 64, 64), np.uint8),
        np.zeros((40, 64, 64, 3), np.float32),
        np.array(0, np.uint8),
    ],
    ids=["small", "grey", "floats", "a number"],
)
def test_pictures_of_another_kind_are_refused(folder, pictures):
    write(folder, pictures, small_set()[1])
    assert "bytes (N, 64, 64, 3) are expected" in load_error(CLIPART)


def test_a_file_without_images_is_refused(folder):
    np.savez(folder / "clipart" / "pictorial_64.npz", pictures=small_set()[0])
    assert "has no images" in load_error(CLIPART)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'[\n {"tags": ["food"]},\n {"tags": [}\n]', "line 3"),
        (b"", "line 1"),
        (b"\xff\xfe\x80", "is not valid JSON"),
        (b"[" * 200_000, "is not valid JSON"),
        (b'{"tags": ["food"]}', "is not a list"),
    ],
    ids=["syntax", "empty", "bytes", "deep", "object"],
)
def test_tags_that_are_no_list_of_entries_are_refused(folder, content, problem):
    (folder / "clipart" / "pictorial_tags.json").write_bytes(content)
    message = load_error(CLIPART)
    assert "clipart/pictorial_tags.json" in message
    assert problem in message


@pytest.mark.parametrize(("n_pictures", "n_entries"), [(39, 40), (40, 39), (0, 40)])
def test_pictures_and_entries_that_do_not_pair_are_refused(folder, n_pictures, n_entries):
    # They pair by place: nothing says where one is lacking, so no pair can be trusted.
    pictures, entries = small_set()
    write(folder, pictures[:n_pictures], entries[:n_entries])
    message = load_error(CLIPART)
    assert f"pictorial_tags.json has {n_entries} entries" in message
    assert f"pictorial_64.npz has {n_pictures} pictures" in message


def test_no_picture_with_a_tag_is_told(folder):
    pictures, entries = small_set()
    write(folder, pictures, [entry | {"tags": ["seldom"]} for entry in entries])
    assert "has a known tag" in load_error(CLIPART)
    write(folder, pictures[:0], [])
    load_error(CLIPART)


@pytest.mark.skipif(
    not (data_folder() / "clipart").is_dir(),
    reason="clip art itself is not in the data folder: it cannot be fetched",
)
def test_the_real_set_is_as_the_module_and_its_facts_say():
    entries = json.loads((data_folder() / "clipart" / "pictorial_tags.json").read_text("utf-8"))
    with np.load(data_folder() / "clipart" / "pictorial_64.npz", allow_pickle=False) as file:
        pictures = file["images"]
    tags = [set(entry["tags"]) for entry in entries]
    series = [bool(t & {"card", "pattern"}) for t in tags]
    assert (len(entries), sum(series)) == (2292, 324)
    assert sum("card" in t for t in tags) == 228
    # By folder it is nearly the same: what is in one of a deck, and what is among the patterns.
    decks = ("bordered", "cardbacks", "ornamental", "simple", "white")
    by_folder = [
        entry["id"].startswith(
            (*(f"recreation/games/cards/{deck}/" for deck in decks), "special/patterns/")
        )
        for entry in entries
    ]
    differ = [e["id"] for e, s, f in zip(entries, series, by_folder, strict=True) if s != f]
    assert differ == [
        "recreation/games/cards/cartes_guillaume_boitel_",
        "recreation/games/cards/photo_rikva_01",
        "special/patterns/blokken_arjen_meijer_01",
        "unsorted/blots_jesper_zedlitz_01",
    ]
    counts = Counter(tag for t, s in zip(tags, series, strict=True) if not s for tag in t)
    frequent = [tag for tag, n in counts.items() if n >= 10]
    assert sorted(frequent, key=lambda tag: (-counts[tag], tag)) == list(TAGS)
    everywhere = Counter(tag for t in tags for tag in t)
    assert sum(n >= 10 for n in everywhere.values()) == 107

    batches = {split: CLIPART.load(split, False) for split in SPLITS}
    assert [len(batches[split]) for split in SPLITS] == [1475, 175, 196]
    whole = {image.numpy().tobytes() for b in batches.values() for image in b.values["image"]}
    assert len(whole) > 1840  # nearly all are different at a quarter of their pixels, too
    assert torch.cat([b.values["tags"] for b in batches.values()]).sum(0).min() >= 8
    assert (
        round(float(torch.cat([b.values["tags"] for b in batches.values()]).sum(1).mean()), 1)
        == 2.1
    )
    blank = [bool((p == p[0, 0]).all()) for p in pictures]
    shown = [p.tobytes() for p, s, b in zip(pictures, series, blank, strict=True) if not (s or b)]
    assert (sum(blank), len(shown) - len(set(shown))) == (4, 20)
    assert sum(map(len, batches.values())) == 2292 - 324 - 4 - 20 - 98
