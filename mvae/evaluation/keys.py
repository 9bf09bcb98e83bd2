"""What a figure is of: its kind, what is given and what is asked, as metrics.json writes it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["LIKELIHOODS", "FigureKey", "count_of", "joined", "names_of"]

#: Kinds of figures of log p(asked|given), or of an estimate of it.
LIKELIHOODS = ("loglik", "loglik_above", "variance_of_log_weights", "elbo", "log_partition")


def joined(names: Iterable[str]) -> str:
    """Return names of modalities as one, joined by "+"; empty for none."""
    return "+".join(names)


def names_of(text: str) -> tuple[str, ...]:
    """Return the names that :func:`joined` has joined."""
    return tuple(text.split("+")) if text else ()


def count_of(given: tuple[str, ...]) -> tuple[int, int] | None:
    """Return how many modalities of how many are given; None where it is known which.

    Example:
        >>> count_of(("3 of 20",)), count_of(("image", "label")), count_of(())
        ((3, 20), None, None)
    """
    found = re.fullmatch(r"(\d+) of (\d+)", joined(given))
    return (int(found[1]), int(found[2])) if found else None


@dataclass(frozen=True)
class FigureKey:
    """What a measured figure is of.

    As text it is the key below its kind in metrics.json: ``asked|given`` of a likelihood,
    ``given->asked`` of what is generated, and what is given of a posterior.

    Args:
        kind: of figure, the key in metrics.json that it stands below.
        given: names of the modalities that are supplied; "3 of 20" where their number stands for
            them.
        asked: names of what is scored or generated; empty for a figure of the posterior.

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
        """Return the key that is written as a text."""
        if kind in LIKELIHOODS:
            asked, _, given = text.partition("|")
        else:
            given, _, asked = text.partition("->")
        return FigureKey(kind, names_of(given), names_of(asked))

    def __str__(self) -> str:
        """Return the key below its kind in metrics.json."""
        given, asked = joined(self.given), joined(self.asked)
        if self.kind in LIKELIHOODS:
            return f"{asked}|{given}" if given else asked
        return f"{given}->{asked}" if asked else given
