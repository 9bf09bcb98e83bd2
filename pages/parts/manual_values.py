"""Entries: what a visitor says for a modality in words, as a tensor, in links and in code."""

from __future__ import annotations

from torch import Tensor

from mvae.errors import InputError
from mvae.kinds.registry import KINDS
from mvae.modality import Modality

__all__ = [
    "Entry",
    "expression_of",
    "is_attribute",
    "read_index",
    "tensor_of",
    "write",
]

#: A label's category; the tags that are on, in their order; a text as it was typed.
Entry = int | tuple[str, ...] | str

#: Characters that a text may have, whatever its vocabulary: more would fit into no link.
LONGEST = 1000


def is_attribute(m: Modality) -> bool:
    """Whether a modality says no or yes of something.

    Example:
        >>> Hat = Modality(
        ...     name="hat", kind="label", shape=(2,), likelihood="categorical",
        ...     categories=("no", "yes"),
        ... )
        >>> is_attribute(Hat)
        True
    """
    return m.is_category and m.categories == ("no", "yes")


def tensor_of(entry: Entry, m: Modality) -> Tensor:
    """Make a batch of one of an entry, ``(1, *event shape)``.

    Raises:
        InputError: if it is a text that cannot be written in the modality's tokens.
        ValueError: if it is of another kind than the modality, or out of its range.
    """
    if not isinstance(entry, KINDS[m.kind].value_type):
        raise ValueError(f"{m.name}, a {m.kind}, cannot be {entry!r}")
    if isinstance(entry, str) and len(entry) > LONGEST:
        raise InputError(
            f"This text has {len(entry):,} characters, and {m.name} takes {LONGEST:,} at "
            "most: shorten it."
        )
    return m.encode(entry).unsqueeze(0)


def write(entry: Entry) -> str:
    """Write an entry for a link; a comma in the name of a tag is escaped as links escape it.

    Example:
        >>> write(("hat", "red, or pink"))
        'hat,red%2C or pink'
    """
    if isinstance(entry, tuple):
        return ",".join(tag.replace("%", "%25").replace(",", "%2C") for tag in entry)
    return str(entry)


def read_index(text: str, count: int, what: str, problems: list[str]) -> int | None:
    """Read an index below a count from a link, or None; then a sentence is added."""
    if text.isdecimal() and text.isascii() and len(text) < 10 and int(text) < count:
        return int(text)
    problems.append(
        f"The link asks for {what} “{text[:40]}”, which is not here: "
        f"they are numbered 0 to {count - 1}."
    )
    return None


def expression_of(entry: Entry, m: Modality) -> str:
    """Write the expression of Python that gives the tensor of an entry."""
    return f'model.modality("{m.name}").encode({entry!r}).unsqueeze(0)'
