"""All kinds of modalities, by name."""

from __future__ import annotations

from mvae.kinds import image, label, series, tags, text, vector
from mvae.kinds.base import Annotation, Kind

__all__ = ["KINDS", "annotation_of"]

#: Every kind, by the name that a modality stores.
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        image.Image(),
        label.Label(),
        vector.Vector(),
        tags.Tags(),
        text.Text(),
        series.Series(),
    )
}


def annotation_of(name: str) -> Annotation:
    """Return the kind of that name, which must describe a sample in words.

    Raises:
        ValueError: if the kind is scored by its log-likelihood alone.

    Example:
        >>> annotation_of("label").name
        'label'
    """
    kind = KINDS[name]
    if not isinstance(kind, Annotation):
        raise ValueError(f"a prediction of a {name} is scored by its log-likelihood alone")
    return kind
