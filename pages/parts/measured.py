"""Measured figures as text: their titles, and table cells with their error and n."""

from __future__ import annotations

from collections.abc import Sequence

from mvae.checkpoint import Metrics, ModelConfig
from mvae.evaluation.keys import FigureKey, count_of
from mvae.evaluation.reliability import DISTRUSTED, EARLIER
from mvae.images.tiling import tiles
from mvae.modality import Modality
from mvae.results.figures import KINDS, kind_of
from mvae.results.runs import HeadlineFigure, Spread, headline_figures
from pages.parts.sentences import MAX_NAMED, with_error

__all__ = ["IN_PARENTHESES", "figure_cell", "spread_cell", "title_of", "titled"]

#: The text of a cell without a figure.
NOTHING = "—"
#: The note below a table that has figures in parentheses.
IN_PARENTHESES = f"A figure in parentheses is not reliable: {DISTRUSTED}."


def title_of(key: FigureKey, modalities: Sequence[Modality]) -> str:
    """Return a title that names what a figure is given and asked for.

    Example:
        >>> from mvae.data import DATASETS
        >>> mnist, views = DATASETS["mnist"].modalities, DATASETS["views"].modalities
        >>> title_of(FigureKey("coherence", ("label",), ("image",)), mnist)
        'label→image coherence'
        >>> title_of(FigureKey("loglik", (), ("image", "label")), mnist)
        'log p(image, label)'
        >>> title_of(FigureKey("loglik", ("1 of 7",), ("the next",)), views)
        'log p(the next | one)'
    """
    given, asked = (_several(names, modalities) for names in (key.given, key.asked))
    log_p = kind_of("loglik", modalities).title
    if key.kind == "loglik":
        return f"{log_p}({asked} | {given})" if given else f"{log_p}({asked})"
    if key.kind == "predictive":
        return f"{log_p} of {asked} | {given}"
    return f"{given}→{asked}" + ("" if key.kind == "accuracy" else f" {KINDS[key.kind].title}")


def _several(names: tuple[str, ...], modalities: Sequence[Modality]) -> str:
    """Return names of modalities, or their number if many; the tiles of a picture are one."""
    count = count_of(names)
    if count and count[0] < len(modalities):
        return {1: "one", len(modalities) - 1: "all others"}.get(count[0], names[0])
    names = tuple(m.name for m in modalities) if count else names
    images = [m.name for m, _, _ in tiles(modalities)]
    if len(images) > 1 and {*images} <= {*names}:
        names = ("picture", *(name for name in names if name not in images))
    return ", ".join(names) if len(names) <= MAX_NAMED else f"{len(names)} modalities"


def titled(config: ModelConfig, metrics: Metrics | None) -> dict[str, HeadlineFigure | None]:
    """Return the figures by which models are compared, by their titles."""
    found = headline_figures(config, metrics)
    return {title_of(key, config.modalities): x for key, x in found.items()}


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
