"""Texts and their tokens: what is written is read, and what can't be written is said so."""

from __future__ import annotations

import re
import unicodedata

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mvae.errors import InputError
from mvae.kinds.tokens import UNKNOWN, WORD, decode, encode, split
from mvae.modality import Modality

LETTERS = "abeươ.\u0301"  # among them one that composes with those before
SPACES = " \t\n\u00a0"


def text_of(*vocabulary: str, length: int = 40) -> Modality:
    return Modality(
        name="words",
        kind="text",
        shape=(length,),
        likelihood="autoregressive",
        categories=("", *vocabulary),
    )


DIGITS = text_of(*"0123456789", length=5)


def composed(text: str) -> str:
    return unicodedata.normalize("NFC", " ".join(text.split()))


#: All letters, alone and composed, so that every text of them can be written.
ALONE = sorted(
    set(LETTERS) | set(unicodedata.normalize("NFC", "".join(c + "\u0301" for c in "aeươ")))
)
pieces = st.lists(
    st.text(ALONE, min_size=2, max_size=4).map(lambda t: unicodedata.normalize("NFC", t))
)
texts = st.text(LETTERS + SPACES, max_size=30)


@st.composite
def marked(draw: st.DrawFn, *others: str) -> Modality:
    """Draw a vocabulary that marks words."""
    longer = draw(pieces)
    begins = draw(st.lists(st.sampled_from([*ALONE, *longer])))
    words = dict.fromkeys([*others, WORD, *ALONE, *longer, *(WORD + word for word in begins)])
    return text_of(*draw(st.permutations(list(words))), length=80)


@given(texts, marked())
def test_what_is_written_is_read(text, modality):
    tokens = encode(text, modality)
    assert tokens.shape == modality.shape
    assert decode(tokens, modality) == composed(text)
    assert tokens[len(split(text, modality)) :].tolist() == [0] * (80 - len(split(text, modality)))
    assert torch.equal(encode(decode(tokens, modality), modality), tokens)


@given(texts, marked())
def test_each_token_is_the_longest_that_fits(text, modality):
    rest = "".join(WORD + word for word in composed(text).split())
    for token in split(text, modality):
        fitting = [word for word in modality.categories if word and rest.startswith(word)]
        assert token == max(fitting, key=len)
        rest = rest.removeprefix(token)
    assert rest == ""


@given(texts, pieces)
def test_vocabularies_that_mark_no_words_leave_spaces_out(text, longer):
    modality = text_of(*dict.fromkeys([*ALONE, *longer]))
    assert decode(encode(text, modality), modality) == composed("".join(text.split()))


@given(texts, pieces)
def test_or_write_them_as_characters(text, longer):
    modality = text_of(*dict.fromkeys([" ", *ALONE, *longer]))
    assert decode(encode(text, modality), modality) == composed(text)


@given(st.text("abxyz" + SPACES, max_size=30), marked(UNKNOWN))
def test_unknown_characters_are_one_token_and_stay_unknown(text, modality):
    tokens = encode(text, modality)
    read = decode(tokens, modality)
    assert read == re.sub("[xyz]", "�", composed(text))
    assert torch.equal(encode(read, modality), tokens)
    assert split(text, modality).count(UNKNOWN) == read.count("�")


def test_the_name_of_the_unknown_is_written_as_any_text():
    modality = text_of(UNKNOWN, *"<unk>")
    assert split("<unk>?", modality) == [*"<unk>", UNKNOWN]
    assert decode(encode("<unk>", modality), modality) == "<unk>"


@given(st.text("0123456789", max_size=4))
def test_digits(text):
    assert encode(text, DIGITS).tolist() == [int(c) + 1 for c in text] + [0] * (5 - len(text))
    assert decode(encode(text, DIGITS), DIGITS) == text


@pytest.mark.parametrize(
    ("text", "modality", "sentence"),
    [
        ("12a", DIGITS, "'a' is not in the vocabulary of words: use 0–9."),
        ("▁1", DIGITS, "'▁' is not in the vocabulary of words: use 0–9."),
        ("٣", DIGITS, "'٣' is not in the vocabulary of words: use 0–9."),
        (
            "x a",
            text_of("▁", "▁a", *"bcd-./", "▁ba", "é"),
            "'x' is not in the vocabulary of words: use - . / a–d é.",
        ),
        (
            "red green",
            text_of("▁red", "▁blue"),
            "'g' is not in the vocabulary of words: use blue, red.",
        ),
        ("1 2 345", DIGITS, "This text has 5 tokens, but words may have 4 at most: shorten it."),
    ],
)
def test_what_cannot_be_written_is_said(text, modality, sentence):
    with pytest.raises(InputError) as caught:
        encode(text, modality)
    assert str(caught.value) == sentence


def test_a_text_may_fill_all_but_the_last_place():
    assert encode("1234", DIGITS).tolist() == [2, 3, 4, 5, 0]
    assert decode(torch.tensor([2, 3, 4, 5, 6]), DIGITS) == "12345"  # as a model may say it


def test_nothing_is_read_after_the_end():
    assert decode(torch.tensor([2, 0, 4, 5, 6]), DIGITS) == "1"
    assert decode(encode(" ", DIGITS), DIGITS) == ""


@given(st.lists(st.integers(0, 9), min_size=1, max_size=9))
def test_whatever_a_model_says_is_a_tidy_text(tokens):
    modality = text_of(WORD, "▁a", "▁e", "▁▁", "a", "e", "\u0301", ".", UNKNOWN, length=9)
    text = decode(torch.tensor(tokens), modality)
    assert text == composed(text)
    assert WORD not in text


def test_a_mark_in_a_text_is_a_space():
    modality = text_of(WORD, "▁a", "a")
    assert decode(encode("▁a▁▁a ", modality), modality) == "a a"
