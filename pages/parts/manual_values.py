"""Values that a visitor enters for labels, tags and texts: as tensors, in links and in code."""

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

#: A label's category, the tags that are present in their order, or a text as typed.
Entry = int | tuple[str, ...] | str

#: Largest number of characters of a text: a longer one would not fit into a link.
LONGEST = 1000


def is_attribute(m: Modality) -> bool:
    """Whether a modality is a label with the categories no and yes.

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
    """Return an entry as a batch of one, ``(1, *event shape)``.

    Raises:
        InputError: if it is a text that the modality's tokens cannot represent.
        ValueError: if it does not fit the modality's kind, or is out of range.
    """
    if not isinstance(entry, KINDS[m.kind].value_type):
        raise ValueError(f"{m.name}, a {m.kind}, cannot be {entry!r}")
    if isinstance(entry, str) and len(entry) > LONGEST:
        raise InputError(
            f"This text has {len(entry):,} characters, but {m.name} takes at most "
            f"{LONGEST:,}: shorten it."
        )
    return m.encode(entry).unsqueeze(0)


def write(entry: Entry) -> str:
    """Write an entry for a link; commas and percent signs in tags are percent-encoded.

    Example:
        >>> write(("hat", "red, or pink"))
        'hat,red%2C or pink'
    """
    if isinstance(entry, tuple):
        return ",".join(tag.replace("%", "%25").replace(",", "%2C") for tag in entry)
    return str(entry)


def read_index(text: str, count: int, what: str, problems: list[str]) -> int | None:
    """Read an index below a count from a link; if invalid, add a sentence and return None."""
    if text.isdecimal() and text.isascii() and len(text) < 10 and int(text) < count:
        return int(text)
    problems.append(
        f"The link asks for {what} “{text[:40]}”, which does not exist: "
        f"they are numbered 0 to {count - 1}."
    )
    return None


def expression_of(entry: Entry, m: Modality) -> str:
    """Return the Python expression that evaluates to the tensor of an entry."""
    return f'model.modality("{m.name}").encode({entry!r}).unsqueeze(0)'
