"""Values that a visitor enters for labels, tags and texts: as tensors, in links and in code."""

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
    return m.kind == "label" and m.categories == ("no", "yes")


def tensor_of(entry: Entry, m: Modality) -> Tensor:
    """Return an entry as a batch of one, ``(1, *event shape)``.

    Raises:
        InputError: if it is a text that the modality's tokens cannot represent.
        ValueError: if it does not fit the modality's kind, or is out of range.
    """
    match m.kind, entry:
        case "label", int() if 0 <= entry < m.shape[0]:
            return torch.tensor([entry])
        case "tags", tuple() if set(entry) <= set(m.categories):
            return torch.tensor([[float(tag in entry) for tag in m.categories]])
        case "text", str():
            if len(entry) > LONGEST:
                raise InputError(
                    f"This text has {len(entry):,} characters, but {m.name} takes at most "
                    f"{LONGEST:,}: shorten it."
                )
            return encode(entry, m).unsqueeze(0)
    raise ValueError(f"{m.name}, a {m.kind}, cannot be {entry!r}")


def entry_of(value: Tensor, m: Modality) -> Entry:
    """Return a value, ``(*event shape)``, as an entry.

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


def read(text: str, m: Modality, problems: list[str]) -> Entry | None:
    """Read an entry from a link, or return None; add a sentence for each invalid part."""
    if m.kind == "label":
        return read_index(text, m.shape[0], m.name, problems)
    if m.kind == "tags":
        wanted = {tag.replace("%2C", ",").replace("%25", "%") for tag in text.split(",") if tag}
        problems += [
            f"The link sets a tag “{tag[:40]}” of {m.name}, which does not exist."
            for tag in sorted(wanted - set(m.categories))
        ]
        return tuple(tag for tag in m.categories if tag in wanted)
    try:
        tensor_of(text, m)
    except InputError as error:
        problems.append(f"The link sets a text for {m.name} that cannot be used. {error}")
        return None
    return text


def expression_of(entry: Entry, m: Modality) -> str:
    """Return the Python expression that evaluates to the tensor of an entry."""
    if isinstance(entry, int):
        return f"torch.tensor([{entry}])"
    own = f'model.modality("{m.name}")'
    if isinstance(entry, str):
        return f"encode({entry!r}, {own}).unsqueeze(0)"
    return f"torch.tensor([[float(tag in {list(entry)}) for tag in {own}.categories]])"
