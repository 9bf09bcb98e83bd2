"""Modalities that annotate a picture: a label, tags, and binary attributes as either."""

from __future__ import annotations

from collections.abc import Iterable

from mvae.modality import Modality

__all__ = ["as_labels", "as_tags", "label", "tags"]


def label(categories: Iterable[str]) -> Modality:
    """Return the label modality of a data set, given the names of its categories."""
    names = tuple(categories)
    return Modality(
        name="label",
        kind="label",
        shape=(len(names),),
        likelihood="categorical",
        hidden=(128, 128),
        categories=names,
    )


def tags(name: str, words: Iterable[str]) -> Modality:
    """Return a modality of tags: which of the given words apply to a sample."""
    words = tuple(words)
    return Modality(
        name=name,
        kind="tags",
        shape=(len(words),),
        likelihood="bernoulli",
        hidden=(128, 128),
        categories=words,
    )


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
