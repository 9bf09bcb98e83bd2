"""Translation: sentences from an office suite, in English and in Vietnamese."""

from __future__ import annotations

from pathlib import Path

from mvae.data.pairs import learn_vocabularies, pairs

__all__ = ["TRANSLATION", "write_vocabularies"]

FILES = (("en-vi/ui_strings.tsv",), ("en-vi/help_pairs.tsv",))
LANGUAGES = ("english", "vietnamese")
#: The vocabularies, one token per line, without the first token, which ends a text.
VOCABULARIES = Path(__file__).parent / "vocabularies"


def write_vocabularies(folder: Path = VOCABULARIES) -> None:
    """Learn both vocabularies from the training pairs, deterministically, and write them.

    Run ``python -c "from mvae.data import translation; translation.write_vocabularies()"``.
    Models that were trained before keep their own vocabularies.
    """
    for language, words in zip(LANGUAGES, learn_vocabularies(FILES), strict=True):
        (folder / f"{language}.txt").write_text("".join(f"{word}\n" for word in words[1:]), "utf-8")


def read_vocabulary(path: Path) -> tuple[str, ...]:
    """Read a vocabulary written by `write_vocabularies`."""
    return ("", *path.read_text("utf-8").removesuffix("\n").split("\n"))


TRANSLATION = pairs(
    "translation",
    "English and Vietnamese",
    "LibreOffice's interface and help, https://www.libreoffice.org, MPL-2.0",
    FILES,
    {language: read_vocabulary(VOCABULARIES / f"{language}.txt") for language in LANGUAGES},
    (
        "12,463 pairs of an English and a Vietnamese text: 11,218 for training, 625 for choosing "
        "settings, and 620 for testing. No text occurs in two of these parts, in either language, "
        "regardless of case and punctuation.",
        "6,178 pairs are from the interface of an office suite, 10,749 from its help. Left out "
        "were 626 duplicates, 3,837 pairs longer than 23 tokens (31 of them from the interface) "
        "and one with a character that does not occur in the training pairs.",
        "A text is split into words and parts of words, 2,000 tokens for each language, found by "
        "byte-pair encoding of the training pairs. Every character in these is a token; other "
        "characters cannot be written.",
        "In 1,850 pairs, characters were composed or spaces before a full stop or comma removed. "
        "Formulas, placeholders and the translators' mistakes were left in.",
    ),
)
