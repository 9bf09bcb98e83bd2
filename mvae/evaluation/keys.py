"""Keys of figures in metrics.json: the kind, the evidence, and the modalities asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["LIKELIHOODS", "FigureKey", "count_of", "joined", "names_of"]

#: Kinds of figures about log p(asked|given) or an estimate of it.
LIKELIHOODS = ("loglik", "loglik_above", "variance_of_log_weights", "elbo", "log_partition")


def joined(names: Iterable[str]) -> str:
    """Join names of modalities by "+"; empty for none."""
    return "+".join(names)


def names_of(text: str) -> tuple[str, ...]:
    """Split a text into the names that :func:`joined` joined."""
    return tuple(text.split("+")) if text else ()


def count_of(given: tuple[str, ...]) -> tuple[int, int] | None:
    """Return (m, M) if only the number m of given modalities out of M is known, else None.

    Example:
        >>> count_of(("3 of 20",)), count_of(("image", "label")), count_of(())
        ((3, 20), None, None)
    """
    found = re.fullmatch(r"(\d+) of (\d+)", joined(given))
    return (int(found[1]), int(found[2])) if found else None


@dataclass(frozen=True)
class FigureKey:
    """The key of a measured figure.

    Its text is the key of the figure among those of its kind in metrics.json: ``asked|given`` for a
    likelihood, ``given->asked`` for generated modalities, and ``given`` for a posterior.

    Args:
        kind: the kind of figure, a key of metrics.json.
        given: the names of the supplied modalities, or their number in the form "3 of 20".
        asked: the names of the modalities that are scored or generated; empty for a posterior.

    Example:
        >>> str(FigureKey("coherence", ("label",), ("image",)))
        'label->image'
        >>> str(FigureKey("loglik", ("label",), ("image",)))
        'image|label'
        >>> str(FigureKey("entropy", ("image", "label")))
        'image+label'
        >>> FigureKey.parse("loglik", "image+label").asked
        ('image', 'label')
    """

    kind: str
    given: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()

    @staticmethod
    def parse(kind: str, text: str) -> FigureKey:
        """Parse the text of a key."""
        if kind in LIKELIHOODS:
            asked, _, given = text.partition("|")
        else:
            given, _, asked = text.partition("->")
        return FigureKey(kind, names_of(given), names_of(asked))

    def __str__(self) -> str:
        """Return the text of the key."""
        given, asked = joined(self.given), joined(self.asked)
        if self.kind in LIKELIHOODS:
            return f"{asked}|{given}" if given else asked
        return f"{given}->{asked}" if asked else given
