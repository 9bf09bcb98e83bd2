"""Rankings of models by a figure, with differences from the best and their standard errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mvae.results.figures import KINDS, Figure
from mvae.results.runs import Record

__all__ = ["Difference", "RankedFigure", "difference", "ranking"]

#: Number of standard errors within which a difference counts as a tie.
TIE = 2.0
#: Kinds whose differences equal those of another kind, as a common reference cancels.
SAME = {"loglik_above": "loglik"}


@dataclass(frozen=True)
class Difference:
    """By how much one figure lies above another.

    Args:
        mean: the difference of the means.
        se: standard error of the difference.
        paired: whether the error is that of paired differences over the same samples. If not, the
            figures are treated as independent, which overstates the error if they correlate.
    """

    mean: float
    se: float
    paired: bool

    @property
    def tied(self) -> bool:
        """Whether the difference is within two standard errors of zero."""
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
    """Return the difference of two models' figures, with the paired error if it is known.

    Args:
        ours: a figure of one model.
        theirs: the figure to subtract.
        records: the runs by name, with the paired errors found when they were measured.
    """
    mean = ours.mean - theirs.mean
    if ours.n == theirs.n:
        for one, other in ((ours, theirs), (theirs, ours)):
            se = _paired(one, records[one.model], records[other.model])
            if se is not None:
                return Difference(mean, se, True)
    return Difference(mean, (ours.se**2 + theirs.se**2) ** 0.5, False)


def ranking(column: Iterable[Figure], records: Mapping[str, Record]) -> list[RankedFigure]:
    """Rank figures of the same kind, evidence and target, the best first.

    Figures in doubt are not ranked and come last. If neither high nor low values of a kind are
    better, nothing is ranked, and models keep their order.

    Args:
        column: figures of several models.
        records: the runs of these models, by name.
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
    """Return the standard error of a paired difference, if the other model's weights match."""
    if record.metrics is None or other.metrics is None:
        return None
    test, weights = record.metrics.test, other.metrics.protocol.get("weights_sha256")
    if test.get("paired_with", {}).get(other.name) != weights:
        return None
    kind = test.get("paired", {}).get(SAME.get(figure.kind, figure.kind), {})
    se: float | None = kind.get(str(figure.key), {}).get(other.name)
    return se
