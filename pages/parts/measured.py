"""Measured figures as the text of a table cell, with their error and n."""

from __future__ import annotations

from mvae.evaluation.reliability import DISTRUSTED, EARLIER
from mvae.results.runs import HeadlineFigure, Spread
from pages.parts.sentences import with_error

__all__ = ["IN_PARENTHESES", "figure_cell", "spread_cell"]

#: The text of a cell without a figure.
NOTHING = "—"
#: The note below a table that has figures in parentheses.
IN_PARENTHESES = f"A figure in parentheses is not reliable: {DISTRUSTED}."


def figure_cell(x: HeadlineFigure | None) -> str:
    """Write a figure, its standard error and n, in parentheses if its diagnostics failed.

    Example:
        >>> figure_cell(HeadlineFigure(-69.75, 0.218, 1000, "")), figure_cell(None)
        ('−69.75 ± 0.22, n 1,000', '—')
        >>> figure_cell(HeadlineFigure(-2.31, 0.002, 1000, DISTRUSTED))
        '(−2.310 ± 0.002, n 1,000)'
        >>> figure_cell(HeadlineFigure(-70.66, 0.24, 10000, EARLIER))
        'scored by an earlier estimator'
    """
    if x is None:
        return NOTHING
    if x.doubt == EARLIER:
        return EARLIER
    text = f"{with_error(x.mean, x.se)}, n {x.n:,}"
    return f"({text})" if x.doubt else text


def spread_cell(x: Spread | None, seeds: int) -> str:
    """Write a mean over seeds, their standard deviation, and their number if some are missing.

    Example:
        >>> spread_cell(Spread(-70.1234, 0.1, 1000, (1, 2)), 3), spread_cell(None, 3)
        ('−70.123 ± 0.100, n 1,000, 2 of 3 seeds', '—')
    """
    if x is None:
        return NOTHING
    text = f"{x.mean:.3f}" + ("" if x.sd is None else f" ± {x.sd:.3f}") + f", n {x.n:,}"
    part = "" if len(x.seeds) == seeds else f", {len(x.seeds)} of {seeds} seeds"
    return text.replace("-", "−") + part
