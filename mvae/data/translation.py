"""Translation: sentences of an office suite in English and in Vietnamese."""

from __future__ import annotations

from pathlib import Path

from mvae.data.pairs import learn, pairs

__all__ = ["TRANSLATION", "write_vocabularies"]

FILES = (("en-vi/ui_strings.tsv",), ("en-vi/help_pairs.tsv",))
LANGUAGES = ("english", "vietnamese")
#: The vocabularies, a token a line; the first of all, which ends a text, has none.
VOCABULARIES = Path(__file__).parent / "vocabularies"


def write_vocabularies(folder: Path = VOCABULARIES) -> None:
    """Learn both vocabularies anew from the training pairs, always the same, and write them.

    ``python -c "from mvae.data import translation; translation.write_vocabularies()"`` does it.
    Models that were trained before keep their own.
    """
    for language, words in zip(LANGUAGES, learn(FILES), strict=True):
        (folder / f"{language}.txt").write_text("".join(f"{word}\n" for word in words[1:]), "utf-8")


def read_vocabulary(path: Path) -> tuple[str, ...]:
    """Read what `write_vocabularies` wrote."""
    return ("", *path.read_text("utf-8").removesuffix("\n").split("\n"))


TRANSLATION = pairs(
    "translation",
    "English and Vietnamese",
    "LibreOffice's interface and help, https://www.libreoffice.org, MPL-2.0",
    FILES,
    {language: read_vocabulary(VOCABULARIES / f"{language}.txt") for language in LANGUAGES},
    (
        "12,463 pairs of an English and a Vietnamese text: 11,218 to learn from, 625 to choose "
        "settings by, 620 to report on. No text is in two of the parts, in either language, "
        "whatever its case and punctuation.",
        "6,178 pairs are from the interface of an office suite, 10,749 from its help. Left out "
        "were 626 that came twice, 3,837 longer than 23 tokens (31 of them from the interface) "
        "and one with a character that those to learn from never have.",
        "A text is cut into words and parts of words, 2,000 tokens for each language, found by "
        "byte-pair encoding of the pairs to learn from. Every character of these is a token; "
        "other characters can't be written.",
        "In 1,850 pairs characters were composed, or spaces before a full stop or a comma removed. "
        "Formulas, placeholders and mistakes of the translators were left in.",
    ),
)
