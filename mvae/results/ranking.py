"""Models in the order of a figure, each with its difference to the best and that one's error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mvae.results.figures import KINDS, Figure
from mvae.results.runs import Record

__all__ = ["Difference", "RankedFigure", "difference", "ranking"]

#: Standard errors within which a difference is a tie.
TIE = 2.0
#: Kinds whose differences are those of another kind: a common reference cancels out.
SAME = {"loglik_above": "loglik"}


@dataclass(frozen=True)
class Difference:
    """By how much one figure lies above another.

    Args:
        mean: of the difference.
        se: its standard error.
        paired: whether it is that of the differences of the same samples. If not, the two figures
            are taken for independent, which overstates it where they move together.
    """

    mean: float
    se: float
    paired: bool

    @property
    def tied(self) -> bool:
        """Whether it is within two standard errors of nothing."""
        return abs(self.mean) <= TIE * self.se


@dataclass(frozen=True)
class RankedFigure:
    """A figure in a ranking.

    Args:
        figure: what is ranked.
        behind: its difference to the best; None for the best itself and for what is not ranked.
        tied: whether it is the best, or as good as can be told.
    """

    figure: Figure
    behind: Difference | None
    tied: bool


def difference(ours: Figure, theirs: Figure, records: Mapping[str, Record]) -> Difference:
    """Return the difference of two models' figures of the same kind, paired where that is known.

    Args:
        ours: one.
        theirs: what is subtracted.
        records: by name, with what was paired when they were measured.
    """
    mean = ours.mean - theirs.mean
    if ours.n == theirs.n:
        for one, other in ((ours, theirs), (theirs, ours)):
            se = _paired(one, records[one.model], records[other.model])
            if se is not None:
                return Difference(mean, se, True)
    return Difference(mean, (ours.se**2 + theirs.se**2) ** 0.5, False)


def ranking(column: Iterable[Figure], records: Mapping[str, Record]) -> list[RankedFigure]:
    """Rank figures of one kind, given the same and asked for the same, the best first.

    What is in doubt is not ranked and comes last. Of a kind of which neither high nor low is good
    nothing is ranked: models keep their order.

    Args:
        column: of several models.
        records: of these models, by name.
    """
    figures = list(column)
    sound = [f for f in figures if not f.doubt]
    doubted = [RankedFigure(f, None, False) for f in figures if f.doubt]
    best = KINDS[figures[0].kind].best if figures else ""
    if not best:
        return [RankedFigure(f, None, False) for f in sound] + doubted
    sound = sorted(sound, key=lambda f: f.mean, reverse=best == "high")
    ranked = [RankedFigure(f, None, True) for f in sound[:1]]
    for f in sound[1:]:
        behind = difference(f, sound[0], records)
        ranked.append(RankedFigure(f, behind, behind.tied))
    return ranked + doubted


def _paired(figure: Figure, record: Record, other: Record) -> float | None:
    """Return the standard error of the paired difference to another model's same weights."""
    if record.metrics is None or other.metrics is None:
        return None
    test, weights = record.metrics.test, other.metrics.protocol.get("weights_sha256")
    if test.get("paired_with", {}).get(other.name) != weights:
        return None
    kind = test.get("paired", {}).get(SAME.get(figure.kind, figure.kind), {})
    se: float | None = kind.get(str(figure.key), {}).get(other.name)
    return se
