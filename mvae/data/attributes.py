"""Binary attributes of a picture, as the tags of one modality or as one label each."""

from __future__ import annotations

from collections.abc import Iterable

from mvae.data.dataset import tags
from mvae.modality import Modality

__all__ = ["as_labels", "as_tags"]


def as_tags(names: Iterable[str]) -> Modality:
    """Return one modality, called ``attributes``, with a tag for each attribute."""
    return tags("attributes", names)


def as_labels(names: Iterable[str]) -> tuple[Modality, ...]:
    """Return one modality per attribute, of the same name, whose value is "no" or "yes".

    Example:
        >>> [m.name for m in as_labels(["glasses", "long hair"])]
        ['glasses', 'long hair']
    """
    return tuple(
        Modality(
            name=name,
            kind="label",
            shape=(2,),
            likelihood="categorical",
            hidden=(32,),
            categories=("no", "yes"),
        )
        for name in names
    )
