"""Texts as people write them, and as tokens of a modality's vocabulary."""

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

#: The first character of tokens that begin a word, where a vocabulary marks them (U+2581).
WORD = "▁"
#: The token of every character that has none, where a vocabulary has it; it is read as "�".
UNKNOWN = "<unk>"


class TooLongError(InputError):
    """A text takes more tokens than a modality has room for."""


def split(text: str, modality: Modality) -> list[str]:
    """Cut a text into tokens: from left to right, the longest that fits, as WordPiece does.

    Wu et al. 2016, https://arxiv.org/abs/1609.08144. Beforehand characters are composed
    (Unicode's NFC) and white space becomes one space, or nothing if no token begins a word or
    holds a space. Where words are marked, a "▁" of the text is white space.

    Args:
        text: any.
        modality: a text; its categories are the vocabulary, composed likewise.

    Raises:
        InputError: if a character can't be written in this vocabulary.

    Example:
        >>> from mvae.modality import Modality
        >>> words = ("", "▁", "▁the", "▁them", "e", "h", "m", "t")
        >>> m = Modality(
        ...     name="text", kind="text", shape=(9,), likelihood="autoregressive", categories=words
        ... )
        >>> split(" them  theme met ", m)
        ['▁them', '▁them', 'e', '▁', 'm', 'e', 't']
    """
    return [modality.categories[token] for token in _cut(text, modality)]


def encode(text: str, modality: Modality) -> Tensor:
    """Write a text as token ids, its end after them, ``(L,)``.

    Args:
        text: any.
        modality: a text.

    Raises:
        TooLongError: if the text takes more tokens than there is room for.
        InputError: if a character can't be written in this vocabulary.

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
    tokens, room = _cut(text, modality), modality.shape[0]
    if len(tokens) >= room:
        raise TooLongError(
            f"This text takes {len(tokens)} tokens, and {modality.name} has {room - 1} at most: "
            f"shorten it."
        )
    return torch.tensor(tokens + [END] * (room - len(tokens)))


def decode(tokens: Tensor, modality: Modality) -> str:
    """Read token ids ``(L,)`` as a text, up to its end.

    What `encode` wrote is read as it was, but composed and spaced as for `split`, and with "�" for
    each unknown character. A model may also say what `encode` never writes: a text in other
    tokens, or one that fills its places and has no end.

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
    """Count what draws say, each its likeliest tokens: texts and their shares, the largest first.

    Args:
        p: probabilities of each draw's tokens, ``(N, L, V)``.
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
    ids: dict[str, int]  # of what a text can be cut into: neither the end nor the unknown
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
    """Put the same between all words, and compose characters."""
    return unicodedata.normalize("NFC", space.join(text.split()))


def _cut(text: str, modality: Modality) -> list[int]:
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
                f"use {_listed(word.removeprefix(WORD) for word in ids)}."
            )
        place = end
    return tokens


def _listed(words: Iterable[str]) -> str:
    """List those of some words that are characters, from a–z where it can; else the words."""
    words = sorted(set(words) - {""})
    characters = enumerate(word for word in words if len(word) == 1)
    listed: list[str] = []
    for (_, range_), run in groupby(characters, lambda e: (ord(e[1]) - e[0], e[1].isalnum())):
        each = [character for _, character in run]
        listed += [f"{each[0]}–{each[-1]}"] if range_ and len(each) > 2 else each
    return " ".join(listed) or ", ".join(words)
