"""Pairs of sentences in two languages: a data set of two texts, from files of such pairs."""

from __future__ import annotations

import codecs
import io
import re
import unicodedata
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch

from mvae.batch import Batch
from mvae.data.dataset import SEED, Dataset, DatasetError, Split, data_folder, first_few
from mvae.errors import InputError
from mvae.kinds.tokens import TooLongError, encode
from mvae.modality import Modality

__all__ = ["learn_vocabularies", "pairs", "read_pairs"]

Pair = tuple[str, str]
#: For each source of pairs, the path of one table or of two aligned files, in the data folder.
Files = Sequence[tuple[str | Path, ...]]

#: The largest number of tokens in a text, including its end.
LENGTH = 24
#: The share of pairs in the validation split, and in the test split.
HELD_OUT = 0.05


def pairs(
    name: str,
    title: str,
    source: str,
    files: Files,
    vocabularies: Mapping[str, tuple[str, ...]],
    facts: tuple[str, ...] = (),
) -> Dataset:
    r"""Make a data set of pairs of sentences.

    Of all pairs, 5 % are for validation and 5 % for testing, chosen with a fixed seed. No sentence
    is in two splits, in either language, comparing only letters and digits. Pairs are left out if
    a text is too long or has a character that is not in its vocabulary; a warning states how many,
    and for which reason.

    Args:
        name: the name used in paths and links.
        title: the name shown to users.
        source: origin and licence.
        files: for each table of pairs, its path; for two files that are aligned line by line, both
            paths; relative to the data folder or absolute.
        vocabularies: the tokens of each language, by the name of its modality, in the order of the
            columns; `learn_vocabularies` finds them.
        facts: sentences on its contents.

    Example:
        >>> from tempfile import mkdtemp
        >>> table = Path(mkdtemp()) / "words.tsv"
        >>> _ = table.write_text("".join(f"{n}\t-{n}\n" for n in range(40)), "utf-8")
        >>> words = dict(zip(("number", "opposite"), learn_vocabularies([(table,)]), strict=True))
        >>> numbers = pairs("numbers", "Numbers", "made up", [(table,)], words)
        >>> [len(numbers.load(split, False)) for split in ("train", "valid", "test")]
        [36, 2, 2]
    """
    modalities = tuple(
        Modality(
            name=language,
            kind="text",
            shape=(LENGTH,),
            likelihood="autoregressive",
            hidden=(256,),
            # Without dropout, the decoder learns the language but ignores z.
            dropout=0.3,
            categories=words,
        )
        for language, words in vocabularies.items()
    )

    def load(split: Split, download: bool = False) -> Batch:
        """Load a split; there is nothing to download."""
        all_pairs = split_pairs(files)[split]
        rows, too_long, unknown = [], [], []
        for pair in all_pairs:
            try:
                rows.append([encode(text, m) for text, m in zip(pair, modalities, strict=True)])
            except TooLongError:
                too_long.append(" – ".join(pair))
            except InputError as error:
                unknown.append(str(error).partition(":")[0])
        left_out = _left_out(split, title, len(all_pairs), too_long, unknown)
        if not rows:
            raise DatasetError(
                f"No {split} pair of {title} is left: provide more pairs, of at most "
                f"{LENGTH - 1} tokens, in the characters of their vocabularies.{left_out}"
            )
        if left_out:
            warnings.warn(left_out.strip(), stacklevel=2)
        columns = zip(modalities, zip(*rows, strict=True), strict=True)
        return Batch.of(modalities, {m.name: torch.stack(column) for m, column in columns})

    return Dataset(name, title, modalities, source, load, facts)


def read_pairs(first: Path, second: Path | None = None) -> tuple[list[Pair], list[str]]:
    r"""Read pairs from a table, with a tab between the two texts of a line, or two aligned files.

    Args:
        first: the table, or the file of one language.
        second: the file of the other language.

    Returns:
        tuple: the pairs, and a problem for each line that was left out because it is not a pair.
        Empty lines are ignored.

    Raises:
        DatasetError: if a file can't be read, is not UTF-8 or has no pair at all, or if aligned
            files have different numbers of lines, so that some of their lines must be mismatched.

    Example:
        >>> from tempfile import mkdtemp
        >>> table = Path(mkdtemp()) / "words.tsv"
        >>> _ = table.write_text("Open\tMở\nClose\n", "utf-8")
        >>> found, problems = read_pairs(table)
        >>> found, len(problems)
        ([('Open', 'Mở')], 1)
    """
    lines, where, how = _lines(first), str(first), "write one per line, with a tab in between"
    if second is None:
        rows = [line.split("\t") for line in lines]
    else:
        others = _lines(second)
        if len(lines) != len(others):
            raise DatasetError(
                f"{first} has {len(lines):,} lines and {second} has {len(others):,}: put the "
                "translation of each line on the same line of the other file."
            )
        rows, where = [[*line] for line in zip(lines, others, strict=True)], f"{first} and {second}"
        how = "write each text and its translation on the same line of both"
    found, problems = [], []
    for number, row in enumerate(rows, 1):
        texts = [text.strip() for text in row]
        if len(row) == 2 and all(texts):
            found.append((texts[0], texts[1]))
        elif len(row) != 2 and any(texts):
            problems.append(
                f"{where}, line {number}: there are {len(row)} columns, not two; keep only those "
                "with the two texts"
                if len(row) > 2
                else f"{where}, line {number}: there is no tab between two texts"
            )
        elif any(texts):
            problems.append(f"{where}, line {number}: one of the two texts is empty")
    if not found:
        first_of_all = f" ({problems[0]})" if problems else ""
        raise DatasetError(f"There is no pair of texts in {where}: {how}.{first_of_all}")
    return found, problems


def _left_out(
    split: Split, title: str, count: int, too_long: Sequence[str], unknown: Sequence[str]
) -> str:
    """Describe how many pairs are left out and why; empty if there are none."""
    reasons = []
    if too_long:
        longest = max(too_long, key=len)
        shown = longest if len(longest) <= 80 else f"{longest[:79]}…"
        reasons.append(
            f"{len(too_long):,} with a text of more than {LENGTH - 1} tokens, the longest “{shown}”"
        )
    if unknown:
        examples = first_few(list(dict.fromkeys(unknown)), "; ")
        reasons.append(f"{len(unknown):,} with a character that no token has ({examples})")
    if not reasons:
        return ""
    n = len(too_long) + len(unknown)
    return (
        f" Of the {count:,} {split} pairs of {title} {n:,} are left out: {', and '.join(reasons)}. "
        "Split or shorten long texts; learn vocabularies from these texts to include their "
        "characters."
    )


def learn_vocabularies(files: Files, size: int = 2000) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Learn vocabularies of words and parts of words for both languages of the training pairs.

    The method is byte-pair encoding: at first every character is a token, then the most frequent
    pair of adjacent tokens is merged, again and again. Sennrich et al. 2016,
    https://arxiv.org/abs/1508.07909, in the implementation of Kudo & Richardson 2018,
    https://arxiv.org/abs/1808.06226.

    Args:
        files: the files of pairs, as in `pairs`.
        size: the largest number of tokens in each vocabulary, including the end.

    Returns:
        tuple: two vocabularies, whose first token is the end. Every character of the training texts
        is a token; a digit is always a token by itself.

    Raises:
        DatasetError: as in `read_pairs`, or if there are more characters than tokens, or too few
            pairs.
    """
    train = split_pairs(files)["train"]
    if not train:
        raise DatasetError(
            "No pair is left to learn from: there are too few, or all share a text. Provide more "
            "pairs."
        )
    one, other = ([pair[side] for pair in train] for side in (0, 1))
    return _subwords(one, size), _subwords(other, size)


def split_pairs(files: Files) -> dict[Split, list[Pair]]:
    """Read the pairs of all files, normalise them, and divide them into the three splits."""
    unique: dict[Pair, None] = {}  # in the order of the files, each once
    for paths in files:
        found, problems = read_pairs(*(data_folder() / path for path in paths))
        if problems:
            warnings.warn(
                f"Of {len(found) + len(problems):,} lines {len(problems):,} are left out: "
                f"{first_few(problems, '; ')}.",
                stacklevel=2,
            )
        unique |= dict.fromkeys((normalise(one), normalise(other)) for one, other in found)
    groups = _linked_groups(unique)
    parts: dict[Split, list[Pair]] = {"test": [], "valid": [], "train": []}
    for i in torch.randperm(len(groups), generator=torch.Generator().manual_seed(SEED)).tolist():
        not_full = (split for split, part in parts.items() if len(part) < HELD_OUT * len(unique))
        parts[next(not_full, "train")] += groups[i]
    return parts


def normalise(text: str) -> str:
    """Compose characters, and remove repeated spaces and those before a full stop or comma.

    Example:
        >>> normalise("Click  OK , then Close .")
        'Click OK, then Close.'
    """
    return re.sub(r" (?=[.,]( |$))", "", " ".join(unicodedata.normalize("NFC", text).split()))


def _lines(path: Path) -> list[str]:
    try:
        content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        raise DatasetError(
            f"{path} can't be read ({error.strerror}). Put it there, or set MVAE_DATA to the "
            "folder that contains it; `python -m mvae data` prints the current one."
        ) from None
    lines = []
    for number, line in enumerate(content.splitlines(), 1):
        try:
            lines.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            raise DatasetError(
                f"{path}, line {number}, is not UTF-8. Save the file in that encoding."
            ) from None
    return lines


def _linked_groups(found: Iterable[Pair]) -> list[list[Pair]]:
    """Group pairs that share a text in either language, directly or through other pairs."""
    leaders: dict[tuple[int, str], tuple[int, str]] = {}

    def leader(text: tuple[int, str]) -> tuple[int, str]:
        leaders.setdefault(text, text)
        while leaders[text] != text:
            leaders[text] = text = leaders[leaders[text]]
        return text

    for one, other in found:
        leaders[leader((0, _comparison_key(one)))] = leader((1, _comparison_key(other)))
    groups: dict[tuple[int, str], list[Pair]] = {}
    for one, other in found:
        groups.setdefault(leader((0, _comparison_key(one))), []).append((one, other))
    return list(groups.values())


def _comparison_key(text: str) -> str:
    """Return a text's letters and digits in lower case, to compare texts by."""
    return "".join(c for c in text.casefold() if c.isalnum()) or text


def _subwords(texts: Iterable[str], size: int) -> tuple[str, ...]:
    import sentencepiece

    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=model,
            model_type="bpe",
            vocab_size=size,
            hard_vocab_limit=False,  # few texts may have fewer tokens
            character_coverage=1.0,
            split_digits=True,
            normalization_rule_name="identity",
            max_sentence_length=100_000,  # longer sentences would be ignored
            unk_id=0,
            bos_id=-1,
            eos_id=-1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise DatasetError(
            f"A vocabulary of {size} tokens can't be learned ({' '.join(str(error).split())}). "
            "Allow more tokens, or provide more texts."
        ) from None
    learned = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return ("", *(learned.id_to_piece(i) for i in range(1, learned.get_piece_size())))
