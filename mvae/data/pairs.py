"""Pairs of sentences in two languages: any such files as a data set of two texts."""

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
from mvae.data.dataset import Dataset, DatasetError, Split, data_folder, few
from mvae.errors import InputError
from mvae.kinds.tokens import TooLongError, encode
from mvae.modality import Modality

__all__ = ["learn", "pairs", "read_pairs"]

Pair = tuple[str, str]
#: What is to be read as one: the paths of a table, or of two files, in the data folder.
Files = Sequence[tuple[str | Path, ...]]

#: Tokens a text may have, its end included.
LENGTH = 24
#: Share of the pairs that is for validation, and for reporting.
HELD_OUT = 0.05
SEED = 20181205


def pairs(
    name: str,
    title: str,
    source: str,
    files: Files,
    vocabularies: Mapping[str, tuple[str, ...]],
    facts: tuple[str, ...] = (),
) -> Dataset:
    r"""Make a data set of pairs of sentences.

    Of all pairs, 5 % are for validation and 5 % for reporting, by a fixed seed; no sentence is in
    two splits, in either language, letters and digits being all that is compared. Pairs are left
    out where a text is too long or has a character that its vocabulary has not; a warning says
    how many, and which of the two it was.

    Args:
        name: as in paths and links.
        title: as people know it.
        source: origin and licence.
        files: for each table of pairs its path, for each two files that are aligned line by line
            their paths; relative to the data folder or absolute.
        vocabularies: tokens of each language, by the name of its modality, the first to the left;
            `learn` finds some.
        facts: sentences on what is in it.

    Example:
        >>> from tempfile import mkdtemp
        >>> table = Path(mkdtemp()) / "words.tsv"
        >>> _ = table.write_text("".join(f"{n}\t-{n}\n" for n in range(40)), "utf-8")
        >>> words = dict(zip(("number", "opposite"), learn([(table,)]), strict=True))
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
            # Without it a decoder learns the language and does not listen to z at all.
            dropout=0.3,
            categories=words,
        )
        for language, words in vocabularies.items()
    )

    def load(split: Split, download: bool = False) -> Batch:
        """Load a split; there is nothing to fetch."""
        found = divide(files)[split]
        rows, long, strange = [], [], []
        for pair in found:
            try:
                rows.append([encode(text, m) for text, m in zip(pair, modalities, strict=True)])
            except TooLongError:
                long.append(" – ".join(pair))
            except InputError as error:
                strange.append(str(error).partition(":")[0])
        left_out = _left_out(split, title, len(found), long, strange)
        if not rows:
            raise DatasetError(
                f"No {split} pair of {title} is left: there have to be more, of at most "
                f"{LENGTH - 1} tokens, in the characters of their vocabularies.{left_out}"
            )
        if left_out:
            warnings.warn(left_out.strip(), stacklevel=2)
        columns = zip(modalities, zip(*rows, strict=True), strict=True)
        return Batch.of(modalities, {m.name: torch.stack(column) for m, column in columns})

    return Dataset(name, title, modalities, source, load, facts)


def read_pairs(first: Path, second: Path | None = None) -> tuple[list[Pair], list[str]]:
    r"""Read the pairs of a table, a tab between the two texts of a line, or of two aligned files.

    Args:
        first: the table; or the file of one language.
        second: that of the other.

    Returns:
        tuple: the pairs, and what is wrong with each line that is none and was left out. Empty
        lines are no pairs and no problem.

    Raises:
        DatasetError: if a file can't be read, is not UTF-8 or holds no pair at all, or if aligned
            files have not as many lines each: somewhere all that follows is paired wrongly.

    Example:
        >>> from tempfile import mkdtemp
        >>> table = Path(mkdtemp()) / "words.tsv"
        >>> _ = table.write_text("Open\tMở\nClose\n", "utf-8")
        >>> found, problems = read_pairs(table)
        >>> found, len(problems)
        ([('Open', 'Mở')], 1)
    """
    lines, where, how = _lines(first), str(first), "write one a line, with a tab between"
    if second is None:
        rows = [line.split("\t") for line in lines]
    else:
        others = _lines(second)
        if len(lines) != len(others):
            raise DatasetError(
                f"{first} has {len(lines):,} lines and {second} has {len(others):,}: give each "
                f"line of one its translation on the same line of the other."
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
                f"{where}, line {number}: there are {len(row)} columns, not two; keep those of the "
                "two texts"
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
    split: Split, title: str, count: int, long: Sequence[str], strange: Sequence[str]
) -> str:
    """Say of how many pairs what is wrong; empty where nothing is."""
    reasons = []
    if long:
        longest = max(long, key=len)
        shown = longest if len(longest) <= 80 else f"{longest[:79]}…"
        reasons.append(
            f"{len(long):,} with a text of more than {LENGTH - 1} tokens, the longest “{shown}”"
        )
    if strange:
        said = few(list(dict.fromkeys(strange)), "; ")
        reasons.append(f"{len(strange):,} with a character that no token has ({said})")
    if not reasons:
        return ""
    n = len(long) + len(strange)
    return (
        f" Of the {count:,} {split} pairs of {title} {n:,} are left out: {', and '.join(reasons)}. "
        "Split or shorten long texts; vocabularies of these texts know their characters."
    )


def learn(files: Files, size: int = 2000) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Find vocabularies of words and parts of words for both languages of the training pairs.

    By byte-pair encoding: at first every character is a token, then what most often stands side
    by side becomes one. Sennrich et al. 2016, https://arxiv.org/abs/1508.07909, in the
    implementation of Kudo & Richardson 2018, https://arxiv.org/abs/1808.06226.

    Args:
        files: as of `pairs`.
        size: tokens in each at most, the end included.

    Returns:
        tuple: two vocabularies, whose first token is the end. Every character that the training
        texts have is a token; digits are only by themselves.

    Raises:
        DatasetError: as of `read_pairs`, or if there are more characters than tokens, or too few
            pairs.
    """
    train = divide(files)["train"]
    if not train:
        raise DatasetError(
            "No pair is left to learn from: there are too few, or all share a text. Give it more."
        )
    one, other = ([pair[side] for pair in train] for side in (0, 1))
    return _subwords(one, size), _subwords(other, size)


def divide(files: Files) -> dict[Split, list[Pair]]:
    """Read the pairs of all files, tidy them, and divide them into the three splits."""
    found: dict[Pair, None] = {}  # in the order of the files, each once
    for paths in files:
        some, problems = read_pairs(*(data_folder() / path for path in paths))
        if problems:
            warnings.warn(
                f"Of {len(some) + len(problems):,} lines {len(problems):,} are left out: "
                f"{few(problems, '; ')}.",
                stacklevel=2,
            )
        found |= dict.fromkeys((tidy(one), tidy(other)) for one, other in some)
    groups = _groups(found)
    parts: dict[Split, list[Pair]] = {"test": [], "valid": [], "train": []}
    for i in torch.randperm(len(groups), generator=torch.Generator().manual_seed(SEED)).tolist():
        lacking = (split for split, part in parts.items() if len(part) < HELD_OUT * len(found))
        parts[next(lacking, "train")] += groups[i]
    return parts


def tidy(text: str) -> str:
    """Compose characters, and leave out spaces that are too many or before a full stop or comma.

    Example:
        >>> tidy("Click  OK , then Close .")
        'Click OK, then Close.'
    """
    return re.sub(r" (?=[.,]( |$))", "", " ".join(unicodedata.normalize("NFC", text).split()))


def _lines(path: Path) -> list[str]:
    try:
        content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        raise DatasetError(
            f"{path} can't be read ({error.strerror}). Put it there, or set MVAE_DATA to the "
            f"folder that holds it; `python -m mvae data` says which it is now."
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


def _groups(found: Iterable[Pair]) -> list[list[Pair]]:
    """Put pairs together that share a text in either language, be it by way of others."""
    leaders: dict[tuple[int, str], tuple[int, str]] = {}

    def leader(text: tuple[int, str]) -> tuple[int, str]:
        leaders.setdefault(text, text)
        while leaders[text] != text:
            leaders[text] = text = leaders[leaders[text]]
        return text

    for one, other in found:
        leaders[leader((0, _bare(one)))] = leader((1, _bare(other)))
    groups: dict[tuple[int, str], list[Pair]] = {}
    for one, other in found:
        groups.setdefault(leader((0, _bare(one))), []).append((one, other))
    return list(groups.values())


def _bare(text: str) -> str:
    """Keep what tells sentences apart: "Left margin:" and "left margin" are the same."""
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
            hard_vocab_limit=False,  # of few texts there are fewer
            character_coverage=1.0,
            split_digits=True,
            normalization_rule_name="identity",
            max_sentence_length=100_000,  # longer ones it would leave out
            unk_id=0,
            bos_id=-1,
            eos_id=-1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise DatasetError(
            f"A vocabulary of {size} tokens can't be learned ({' '.join(str(error).split())}). "
            f"Give it more tokens, or more texts."
        ) from None
    learned = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return ("", *(learned.id_to_piece(i) for i in range(1, learned.get_piece_size())))
