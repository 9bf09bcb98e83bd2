"""Pairs of sentences: reading people's files, dividing them, vocabularies, and both as tokens."""

from __future__ import annotations

import random
import re
import unicodedata
from itertools import chain
from pathlib import Path

import pytest
import torch

from mvae.data import DatasetError
from mvae.data import translation as translation_module
from mvae.data.pairs import learn_vocabularies, pairs, read_pairs, split_pairs
from mvae.data.translation import LANGUAGES, TRANSLATION, read_vocabulary, write_vocabularies
from mvae.errors import InputError
from mvae.kinds.tokens import UNKNOWN, WORD, decode, encode, split
from mvae.modality import Modality

SPLITS = ("train", "valid", "test")
ENGLISH = ("open", "close", "save", "the", "a", "file", "page", "cell", "new", "old", "in", "table")
VIETNAMESE = ("mở", "đóng", "lưu", "tệp", "trang", "ô", "mới", "cũ", "của", "trong", "bảng", "ảnh")


def sentences(n: int, seed: int = 0) -> list[tuple[str, str]]:
    """Make up pairs, of which many share a text with another one."""
    source = random.Random(seed)
    made = []
    for _ in range(n):
        length = source.randint(1, 6)
        made.append(
            tuple(" ".join(source.choices(words, k=length)) for words in (ENGLISH, VIETNAMESE))
        )
    return made


def write_table(path: Path, rows: list[tuple[str, str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{one}\t{other}\n" for one, other in rows), "utf-8")
    return path


@pytest.fixture
def office(tmp_path, monkeypatch) -> list[tuple[str, str]]:
    """Set the data folder to one with the two tables of translation."""
    made = sentences(300)
    write_table(tmp_path / "en-vi" / "ui_strings.tsv", made[:100])
    write_table(tmp_path / "en-vi" / "help_pairs.tsv", made[80:])
    monkeypatch.setenv("MVAE_DATA", str(tmp_path))
    return made


def bare(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum())


# Reading files


def test_a_table_and_two_aligned_files_are_read_alike(tmp_path):
    rows = sentences(9)
    table = write_table(tmp_path / "both.tsv", rows)
    files = [tmp_path / "one.txt", tmp_path / "other.txt"]
    for path, texts in zip(files, zip(*rows, strict=True), strict=True):
        path.write_text("\n".join(texts), "utf-8")  # no end of the last line
    assert read_pairs(table) == read_pairs(*files) == (rows, [])


def test_files_of_other_systems_are_read(tmp_path):
    path = tmp_path / "both.tsv"
    path.write_bytes("\ufeffOpen\tMở\r\n\r\nA\u2028b \t c\x0b\r\n \r\n".encode())
    # neither a byte order mark nor any other sign that ends a line for Python belongs to a text
    assert read_pairs(path) == ([("Open", "Mở"), ("A\u2028b", "c")], [])


def test_lines_that_are_no_pair_are_listed_and_the_others_read(tmp_path):
    path = tmp_path / "both.tsv"
    path.write_text("Open\tMở\nClose\n\nSave\tLưu\tx\nCell\t\nFile\tTệp\n", "utf-8")
    found, problems = read_pairs(path)
    assert found == [("Open", "Mở"), ("File", "Tệp")]
    assert problems == [
        f"{path}, line 2: there is no tab between two texts",
        f"{path}, line 4: there are 3 columns, not two; keep only those with the two texts",
        f"{path}, line 5: one of the two texts is empty",
    ]


def test_aligned_lines_of_which_one_is_empty_are_listed(tmp_path):
    one, other = tmp_path / "one.txt", tmp_path / "other.txt"
    one.write_text("Open\n\nSave\tas\n\n", "utf-8")
    other.write_text("Mở\n\nLưu\nTệp\n", "utf-8")
    found, problems = read_pairs(one, other)
    assert found == [("Open", "Mở"), ("Save\tas", "Lưu")]
    assert problems == [f"{one} and {other}, line 4: one of the two texts is empty"]


def test_files_that_do_not_pair_up_are_refused(tmp_path):
    one, other = tmp_path / "one.txt", tmp_path / "other.txt"
    one.write_text("Open\nClose\nSave\n", "utf-8")
    other.write_text("Mở\nĐóng\n", "utf-8")
    with pytest.raises(DatasetError) as caught:
        read_pairs(one, other)
    assert f"{one} has 3 lines and {other} has 2:" in str(caught.value)


@pytest.mark.parametrize("encoding", ["cp1258", "utf-16"])
def test_other_encodings_are_refused_with_the_line(tmp_path, encoding):
    path = tmp_path / "both.tsv"
    path.write_bytes("Open\tok\nDelete\tXóa\n".encode(encoding))
    line = 1 if encoding == "utf-16" else 2
    with pytest.raises(DatasetError, match=f"both.tsv, line {line}, is not UTF-8"):
        read_pairs(path)
    other = write_table(tmp_path / "other.txt", sentences(2))
    with pytest.raises(DatasetError, match=f"both.tsv, line {line}, is not UTF-8"):
        read_pairs(other, path)


@pytest.mark.parametrize("content", ["", "\n\n", "Open,Mở\nClose,Đóng\n"])
def test_files_without_a_pair_are_refused(tmp_path, content):
    path = tmp_path / "both.tsv"
    path.write_text(content, "utf-8")
    with pytest.raises(DatasetError, match=r"no pair of texts in .*both\.tsv"):
        read_pairs(path)


def test_aligned_files_without_a_pair_are_told_how_pairs_are_written(tmp_path):
    one, other = tmp_path / "en.txt", tmp_path / "vi.txt"
    one.write_text("Open\n\n", "utf-8")
    other.write_text("\n\n", "utf-8")
    with pytest.raises(DatasetError, match="on the same line of both"):
        read_pairs(one, other)


def test_there_has_to_be_a_pair_to_learn_from(tmp_path):
    path = write_table(tmp_path / "both.tsv", [("Open", f"Mở {n}") for n in range(5)])
    with pytest.raises(DatasetError, match="No pair is left to learn from"):
        learn_vocabularies([(path,)])


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DatasetError, match=r"missing\.tsv can't be read \(No such file"):
        read_pairs(tmp_path / "missing.tsv")
    with pytest.raises(DatasetError, match="can't be read"):
        read_pairs(tmp_path)


# Dividing pairs


@pytest.mark.parametrize("seed", range(2))
def test_no_text_is_in_two_splits_and_none_is_lost(tmp_path, seed):
    rows = sentences(600, seed)
    source = random.Random(seed)
    styled = [
        tuple(source.choice((text, text.upper(), f"{text}...", f"({text})")) for text in row)
        for row in rows
    ]
    parts = split_pairs([(write_table(tmp_path / "both.tsv", styled + styled[:50]),)])
    assert sorted(chain.from_iterable(parts.values())) == sorted(set(styled))
    for side in (0, 1):
        texts = [{bare(pair[side]) for pair in parts[part]} for part in SPLITS]
        assert len(set().union(*texts)) == sum(map(len, texts))
    assert len(set(map(bare, (one for one, _ in rows)))) < 550  # there was something to tell apart


def test_a_twentieth_is_held_out_twice_always_the_same(tmp_path):
    rows = [(f"text {n}", f"văn bản {n}") for n in range(1000)]
    path = write_table(tmp_path / "both.tsv", rows)
    torch.manual_seed(1)
    parts = split_pairs([(path,)])
    assert {part: len(parts[part]) for part in SPLITS} == {"train": 900, "valid": 50, "test": 50}
    torch.manual_seed(2)
    assert split_pairs([(path,)]) == parts
    # not the first ones, nor the last
    for part in ("valid", "test"):
        places = [rows.index(pair) for pair in parts[part]]
        assert 300 < sum(places) / 50 < 700


def test_texts_of_signs_alone_are_told_apart(tmp_path):
    rows = [("+" * n, "-" * n) for n in range(1, 101)]
    parts = split_pairs([(write_table(tmp_path / "both.tsv", rows),)])
    assert {part: len(parts[part]) for part in SPLITS} == {"train": 90, "valid": 5, "test": 5}


def test_texts_are_tidied(tmp_path):
    rows = [("Click  OK , then \u00a0Close .", "e\u0302\u0301m ( .. ) .5"), ("«!»", "?")]
    parts = split_pairs([(write_table(tmp_path / "both.tsv", rows),)])
    assert sorted(chain.from_iterable(parts.values())) == [
        ("Click OK, then Close.", "\u1ebfm ( .. ) .5"),
        ("«!»", "?"),
    ]


# Vocabularies


def test_vocabularies_are_learned_from_training_pairs_alone(tmp_path):
    rows = [
        ("open the file " * length + chr(0x4E00 + n), "mở tệp " * length + chr(0x5E00 + n))
        for n, length in enumerate([1, 600] * 100)  # some longer than sentencepiece takes by itself
    ]
    files = [(write_table(tmp_path / "both.tsv", rows),)]
    parts, words = split_pairs(files), learn_vocabularies(files, 400)
    for side in (0, 1):
        assert words[side][0] == ""
        assert len(set(words[side])) == len(words[side]) <= 400
        characters = {c for pair in parts["train"] for c in pair[side]}
        assert {" " if c == WORD else c for c in words[side] if len(c) == 1} == characters
        assert UNKNOWN not in words[side]
    assert "▁open" in words[0]
    assert "▁tệp" in words[1]
    assert learn_vocabularies(files, 400) == words


def test_frequent_words_are_tokens_and_digits_stay_single(tmp_path):
    rows = [(f"page {n} of {2 * n}", f"trang {n} của {2 * n}") for n in range(200)]
    words = learn_vocabularies([(write_table(tmp_path / "both.tsv", rows),)])
    assert {"▁page", "▁of"} < set(words[0])
    assert {"▁trang", "▁của"} < set(words[1])
    assert not any(len(word) > 1 and any(c.isdigit() for c in word) for word in words[0])


def test_too_small_a_vocabulary_is_refused(tmp_path):
    path = write_table(tmp_path / "both.tsv", sentences(50))
    with pytest.raises(DatasetError, match="of 5 tokens can't be learned"):
        learn_vocabularies([(path,)], 5)


# A data set of one's own files


def test_ones_own_files_become_a_data_set(tmp_path, monkeypatch):
    rows = [(f"page {n} of the file", f"trang {n} của tệp") for n in range(100)]
    english, vietnamese = tmp_path / "own.en", tmp_path / "own.vi"
    english.write_text("".join(f"{one}\n" for one, _ in rows), "utf-8")
    vietnamese.write_text("".join(f"{other}\n" for _, other in rows), "utf-8")
    table = write_table(
        tmp_path / "more" / "more.tsv", [(f"old {n}", f"cũ {n}") for n in range(20)]
    )
    monkeypatch.setenv("MVAE_DATA", str(tmp_path))
    files = [("own.en", "own.vi"), (table,)]
    words = dict(zip(("english", "vietnamese"), learn_vocabularies(files), strict=True))
    own = pairs("own", "My pairs", "me, CC0", files, words, ("Made up.",))
    assert own.facts == ("Made up.",)
    read = []
    for part in SPLITS:
        batch = own.load(part, False)
        assert batch.present.all()
        assert batch.names == ("english", "vietnamese")
        texts = [[decode(x, m) for x in batch.values[m.name]] for m in own.modalities]
        read += zip(*texts, strict=True)
    assert sorted(read) == sorted(rows + [(f"old {n}", f"cũ {n}") for n in range(20)])


@pytest.mark.filterwarnings("ignore:Of the")
def test_pairs_that_do_not_fit_are_left_out(tmp_path):
    rows = [(f"page {n}", f"trang {n}") for n in range(40)]
    long = [("page " * n, "trang") for n in range(22, 26)]
    rare = [("page", "trang ¶"), ("page ¶", "trang")]
    files = [(write_table(tmp_path / "both.tsv", rows),)]
    words = dict(zip(("english", "vietnamese"), learn_vocabularies(files), strict=True))
    write_table(tmp_path / "both.tsv", rows + long + rare)
    own = pairs("own", "My pairs", "me", files, words)
    texts = {
        decode(x, own.modalities[0])
        for part in SPLITS
        for x in own.load(part, False).values["english"]
    }
    # 23 tokens and the end fit
    assert texts == {one for one, _ in rows} | {"page " * 21 + "page", "page " * 22 + "page"}


def test_how_many_pairs_do_not_fit_is_said_and_why(tmp_path):
    rows = [(f"page {n}", f"trang {n}") for n in range(180)]
    files = [(write_table(tmp_path / "both.tsv", rows),)]
    words = dict(zip(("english", "vietnamese"), learn_vocabularies(files), strict=True))
    long = [(f"page {n} " + "page " * 24, f"trang {n}") for n in range(200, 350)]
    rare = [(f"¶ {n}", f"trang ¶ {n}") for n in range(30)]
    write_table(tmp_path / "both.tsv", rows + long + rare)
    own = pairs("own", "My pairs", "me", files, words)
    left_out = 0
    for part in SPLITS:
        with pytest.warns(UserWarning, match=f"{part} pairs of My pairs") as caught:
            own.load(part, False)
        (said,) = [str(w.message) for w in caught]
        count, lost = map(int, re.match(r"Of the (\d+) .* pairs .*? (\d+) are left", said).groups())
        with pytest.warns(UserWarning, match="are left out"):
            assert len(own.load(part, False)) == count - lost
        assert "more than 23 tokens, the longest “page" in said
        left_out += lost
    assert left_out == 180


def test_a_file_of_three_columns_is_refused_with_what_to_do(tmp_path):
    path = tmp_path / "both.tsv"
    path.write_text("".join(f"page {n}\ttrang {n}\tCC-BY\n" for n in range(9)), "utf-8")
    with pytest.raises(
        DatasetError, match=r"line 1: there are 3 columns, not two; keep only those"
    ):
        read_pairs(path)


def test_nothing_left_is_said(tmp_path):
    path = write_table(tmp_path / "both.tsv", [(f"page {n}", f"trang {n}") for n in range(40)])
    words = {"english": ("", "x"), "vietnamese": ("", "y")}
    with pytest.raises(DatasetError, match="No train pair of My pairs is left"):
        pairs("own", "My pairs", "me", [(path,)], words).load("train", False)


def test_lines_that_are_left_out_are_warned_of(tmp_path):
    path = write_table(tmp_path / "both.tsv", sentences(200))
    files = [(path,)]
    words = dict(zip(("english", "vietnamese"), learn_vocabularies(files), strict=True))
    path.write_text(path.read_text("utf-8") + "no tab\nnor here\n", "utf-8")
    with pytest.warns(
        UserWarning,
        match="Of 202 lines 2 are left out: .*line 201: there is no tab.*line 202: there is no tab",
    ):
        pairs("own", "My pairs", "me", files, words).load("train", False)


# English and Vietnamese


def test_office_texts_are_loaded_and_read_back(office):
    read = []
    for part in SPLITS:
        batch = TRANSLATION.load(part, False)
        for m in TRANSLATION.modalities:
            assert batch.values[m.name].shape == (len(batch), *m.shape)
        texts = [[decode(x, m) for x in batch.values[m.name]] for m in TRANSLATION.modalities]
        read += zip(*texts, strict=True)
    assert sorted(read) == sorted(set(office))


def test_vocabularies_are_written_as_they_are_read(office, tmp_path):
    write_vocabularies(tmp_path)
    learned = learn_vocabularies(translation_module.FILES)
    assert tuple(read_vocabulary(tmp_path / f"{name}.txt") for name in LANGUAGES) == learned


@pytest.mark.parametrize("m", TRANSLATION.modalities, ids=LANGUAGES)
def test_packaged_vocabularies_write_anything_ordinary(m):
    words = m.categories
    assert len(words) == len(set(words)) == 2000
    assert words[0] == ""
    assert UNKNOWN not in words
    for word in words[1:]:
        assert word == unicodedata.normalize("NFC", word)
        assert not any(c.isspace() for c in word)
        assert WORD not in word[1:]
        assert set(word) <= set(words)  # every character is a token
    alphabet = {chr(c) for c in range(ord("a"), ord("z") + 1)}
    assert alphabet | {c.upper() for c in alphabet} | set("0123456789.,:;!?()'\"-/%&") <= set(words)


@pytest.mark.parametrize(
    ("english", "vietnamese"),
    [
        ("Select the name of the file to open.", "Chọn tên của tập tin cần mở."),
        ("My cat didn't sleep 8 hours!", "Con mèo của tôi không ngủ 8 tiếng!"),
    ],
)
def test_sentences_are_written_in_words_and_parts_of_words(english, vietnamese):
    for text, m in zip((english, vietnamese), TRANSLATION.modalities, strict=True):
        assert decode(encode(text, m), m) == text
        assert "".join(split(text, m)).replace(WORD, " ").strip() == text
        assert len(split(text, m)) < 0.7 * len(text)


def test_rare_characters_are_refused_rather_than_lost():
    english, vietnamese = TRANSLATION.modalities
    for text, m in (("naïve", english), ("日本", vietnamese)):
        with pytest.raises(InputError, match="is not in the vocabulary of") as caught:
            encode(text, m)
        assert "a–z" in str(caught.value)


def test_missing_tables_are_answered_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("MVAE_DATA", str(tmp_path))
    with pytest.raises(DatasetError, match="MVAE_DATA") as caught:
        TRANSLATION.load("train", False)
    message = str(caught.value)
    assert str(tmp_path / "en-vi" / "ui_strings.tsv") in message
    assert message.endswith(".")
    assert "\n" not in message


def test_a_language_is_a_text_that_a_model_can_have():
    for m in TRANSLATION.modalities:
        assert isinstance(m, Modality)
        assert Modality.model_validate_json(m.model_dump_json()) == m
        assert m.shape == (24,)
