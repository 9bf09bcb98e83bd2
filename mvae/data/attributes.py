"""Binary attributes of a picture: as the tags of one modality, or each as a label of its own."""

from __future__ import annotations

from collections.abc import Iterable

from mvae.data.dataset import tags
from mvae.modality import Modality

__all__ = ["as_labels", "as_tags"]


def as_tags(names: Iterable[str]) -> Modality:
    """Describe attributes as one modality, called ``attributes``, with a tag for each."""
    return tags("attributes", names)


def as_labels(names: Iterable[str]) -> tuple[Modality, ...]:
    """Describe attributes as a modality each, called by its name, that is "no" or "yes".

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
