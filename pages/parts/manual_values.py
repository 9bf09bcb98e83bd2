"""Entries: what a visitor says for a modality in words, as a tensor, in links and in code."""

from __future__ import annotations

import torch
from torch import Tensor

from mvae.errors import InputError
from mvae.kinds.tokens import decode, encode
from mvae.modality import Modality

__all__ = [
    "Entry",
    "entry_of",
    "expression_of",
    "is_attribute",
    "read",
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
    return m.kind == "label" and m.categories == ("no", "yes")


def tensor_of(entry: Entry, m: Modality) -> Tensor:
    """Make a batch of one of an entry, ``(1, *event shape)``.

    Raises:
        InputError: if it is a text that cannot be written in the modality's tokens.
        ValueError: if it is of another kind than the modality, or out of its range.
    """
    match m.kind, entry:
        case "label", int() if 0 <= entry < m.shape[0]:
            return torch.tensor([entry])
        case "tags", tuple() if set(entry) <= set(m.categories):
            return torch.tensor([[float(tag in entry) for tag in m.categories]])
        case "text", str():
            if len(entry) > LONGEST:
                raise InputError(
                    f"This text has {len(entry):,} characters, and {m.name} takes {LONGEST:,} at "
                    "most: shorten it."
                )
            return encode(entry, m).unsqueeze(0)
    raise ValueError(f"{m.name}, a {m.kind}, cannot be {entry!r}")


def entry_of(value: Tensor, m: Modality) -> Entry:
    """Say in words what a datum is, ``(*event shape)``.

    Example:
        >>> hats = Modality(
        ...     name="hats", kind="tags", shape=(2,), likelihood="bernoulli",
        ...     categories=("hat", "cap"),
        ... )
        >>> entry_of(torch.tensor([0.0, 1.0]), hats)
        ('cap',)
    """
    if m.kind == "label":
        return int(value)
    if m.kind == "tags":
        return tuple(tag for tag, on in zip(m.categories, value > 0.5, strict=True) if on)
    return decode(value, m)


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


def read(text: str, m: Modality, problems: list[str]) -> Entry | None:
    """Read an entry from a link, or None; a sentence is added for what cannot be followed."""
    if m.kind == "label":
        return read_index(text, m.shape[0], m.name, problems)
    if m.kind == "tags":
        wanted = {tag.replace("%2C", ",").replace("%25", "%") for tag in text.split(",") if tag}
        problems += [
            f"The link sets a tag “{tag[:40]}” of {m.name}, which is not here."
            for tag in sorted(wanted - set(m.categories))
        ]
        return tuple(tag for tag in m.categories if tag in wanted)
    try:
        tensor_of(text, m)
    except InputError as error:
        problems.append(f"The link sets a text of {m.name} that cannot be used. {error}")
        return None
    return text


def expression_of(entry: Entry, m: Modality) -> str:
    """Write the expression of Python that gives the tensor of an entry."""
    if isinstance(entry, int):
        return f"torch.tensor([{entry}])"
    own = f'model.modality("{m.name}")'
    if isinstance(entry, str):
        return f"encode({entry!r}, {own}).unsqueeze(0)"
    return f"torch.tensor([[float(tag in {list(entry)}) for tag in {own}.categories]])"
