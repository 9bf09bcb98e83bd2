"""Conversion between texts and the tokens of a modality's vocabulary."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from mvae.distributions.autoregressive import END, text_mask
from mvae.errors import InputError

if TYPE_CHECKING:
    from mvae.modality import Modality

__all__ = ["UNKNOWN", "WORD", "TooLongError", "decode", "encode", "split", "tally"]

#: The first character of tokens that begin a word, in vocabularies that mark them (U+2581).
WORD = "▁"
#: The token of all characters outside the vocabulary, if there is one; it is decoded as "�".
UNKNOWN = "<unk>"


class TooLongError(InputError):
    """A text has more tokens than a modality allows."""


def split(text: str, modality: Modality) -> list[str]:
    """Split a text into tokens, from left to right, always taking the longest match.

    This is the algorithm of WordPiece (Wu et al. 2016, https://arxiv.org/abs/1609.08144). Before
    that, characters are composed (Unicode's NFC), and white space is replaced by a single space, or
    removed if no token begins a word or contains a space. In vocabularies that mark words, a "▁" in
    the text counts as white space.

    Args:
        text: any string.
        modality: a text; its categories are the vocabulary, whose characters are composed.

    Raises:
        InputError: if a character is not in the vocabulary.

    Example:
        >>> from mvae.modality import Modality
        >>> words = ("", "▁", "▁the", "▁them", "e", "h", "m", "t")
        >>> m = Modality(
        ...     name="text", kind="text", shape=(9,), likelihood="autoregressive", categories=words
        ... )
        >>> split(" them  theme met ", m)
        ['▁them', '▁them', 'e', '▁', 'm', 'e', 't']
    """
    return [modality.categories[token] for token in _token_ids(text, modality)]


def encode(text: str, modality: Modality) -> Tensor:
    """Encode a text as token ids, followed by the end token, ``(L,)``.

    Args:
        text: any string.
        modality: a text.

    Raises:
        TooLongError: if the text has more tokens than the modality allows.
        InputError: if a character is not in the vocabulary.

    Example:
        >>> from mvae.modality import Modality
        >>> m = Modality(
        ...     name="digits",
        ...     kind="text",
        ...     shape=(5,),
        ...     likelihood="autoregressive",
        ...     categories=("", *"0123456789"),
        ... )
        >>> encode("307", m).tolist()
        [4, 1, 8, 0, 0]
    """
    tokens, length = _token_ids(text, modality), modality.shape[0]
    if len(tokens) >= length:
        raise TooLongError(
            f"This text has {len(tokens)} tokens, but {modality.name} may have {length - 1} at "
            f"most: shorten it."
        )
    return torch.tensor(tokens + [END] * (length - len(tokens)))


def decode(tokens: Tensor, modality: Modality) -> str:
    """Decode token ids ``(L,)`` up to the first end token.

    This inverts `encode`, except that characters and white space are normalised as described at
    `split`, and that unknown characters become "�". A model may also generate sequences that
    `encode` never returns: another tokenisation of a text, or a text without an end token.

    Example:
        >>> from mvae.modality import Modality
        >>> words = ("", "▁", "▁the", "▁them", "e", "h", "m", "t")
        >>> m = Modality(
        ...     name="text", kind="text", shape=(9,), likelihood="autoregressive", categories=words
        ... )
        >>> decode(encode(" them  theme met ", m), m)
        'them theme met'
    """
    words = [modality.categories[token] for token in tokens[text_mask(tokens)].tolist()]
    text = "".join("\N{REPLACEMENT CHARACTER}" if word == UNKNOWN else word for word in words)
    if _vocabulary(modality.categories).marked:
        text = text.replace(WORD, " ")
    return _spaced(text, " ")


def tally(p: Tensor, modality: Modality) -> list[tuple[str, float]]:
    """Return the distinct texts of N draws with their frequencies, the most frequent first.

    The text of a draw consists of its most probable tokens.

    Args:
        p: probabilities of the tokens of each draw, ``(N, L, V)``.
        modality: a text.

    Example:
        >>> from mvae.modality import Modality
        >>> m = Modality(
        ...     name="text",
        ...     kind="text",
        ...     shape=(2,),
        ...     likelihood="autoregressive",
        ...     categories=("", "a", "b"),
        ... )
        >>> tally(torch.eye(3)[torch.tensor([[1, 0], [2, 0], [1, 0], [1, 0]])], m)
        [('a', 0.75), ('b', 0.25)]
    """
    counts = Counter(decode(tokens, modality) for tokens in p.argmax(-1))
    return [(text, n / len(p)) for text, n in counts.most_common()]


class _Vocabulary(NamedTuple):
    ids: dict[str, int]  # without the end token and the unknown token
    longest: int
    marked: bool
    space: str


@cache
def _vocabulary(words: tuple[str, ...]) -> _Vocabulary:
    ids = {word: token for token, word in enumerate(words) if word not in ("", UNKNOWN)}
    marked = any(word.startswith(WORD) for word in ids)
    space = " " if marked or any(" " in word for word in ids) else ""
    return _Vocabulary(ids, max(map(len, ids), default=0), marked, space)


def _spaced(text: str, space: str) -> str:
    """Separate all words by ``space``, and compose characters."""
    return unicodedata.normalize("NFC", space.join(text.split()))


def _token_ids(text: str, modality: Modality) -> list[int]:
    ids, longest, marked, space = _vocabulary(modality.categories)
    text = _spaced(text.replace(WORD, " ") if marked else text, space)
    if marked and text:
        text = WORD + text.replace(" ", WORD)
    tokens, place = [], 0
    while place < len(text):
        ends = range(place + longest, place, -1)
        end = next((e for e in ends if text[place:e] in ids), place + 1)
        if text[place:end] in ids:
            tokens.append(ids[text[place:end]])
        elif UNKNOWN in modality.categories:
            tokens.append(modality.categories.index(UNKNOWN))
        else:
            character = text[place:].lstrip(WORD if marked else "")[0]
            raise InputError(
                f"{character!r} is not in the vocabulary of {modality.name}: "
                f"use {_as_ranges(word.removeprefix(WORD) for word in ids)}."
            )
        place = end
    return tokens


def _as_ranges(words: Iterable[str]) -> str:
    """List the single characters, in ranges such as a–z; all words if there are none."""
    words = sorted(set(words) - {""})
    characters = enumerate(word for word in words if len(word) == 1)
    listed: list[str] = []
    for (_, range_), run in groupby(characters, lambda e: (ord(e[1]) - e[0], e[1].isalnum())):
        each = [character for _, character in run]
        listed += [f"{each[0]}–{each[-1]}"] if range_ and len(each) > 2 else each
    return " ".join(listed) or ", ".join(words)
