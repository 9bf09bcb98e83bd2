"""The table that ranks models: figures with n, paired differences to the best, and budgets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

import pandas as pd
import streamlit as st

from mvae.evaluation.importance import MAX_K_HAT
from mvae.evaluation.reliability import DISTRUSTED, EARLIER
from mvae.evaluation.report import REFERENCE
from mvae.results.figures import KINDS, Figure
from mvae.results.ranking import TIE, RankedFigure, difference, ranking
from mvae.results.runs import Record, annotation_weight
from pages.parts.plain import code, plain
from pages.parts.sentences import listing
from pages.parts.view import View

__all__ = ["Columns", "remarks", "show_ranked"]

#: The ranked figures of each column, by its name, the best first.
Columns = Mapping[str, list[RankedFigure]]
#: Colour of figures that are not ranked, legible on either theme.
GREY = "color: #8b919c"
BEST, UNPAIRED = "best", "unpaired"
#: The column that explains why a row has no figure.
NOTE = "note"


def show_ranked(view: View, columns: Columns, records: Mapping[str, Record]) -> None:
    """Show the models, their budgets and their figures, sortable by each column.

    Args:
        view: the current view; a click on a model compares it with the current one.
        columns: the columns by name; the first one orders the rows.
        records: the models' runs, by name.
    """
    models = dict.fromkeys(rank.figure.model for ranks in columns.values() for rank in ranks)
    rows = {name: _budget(view, name, records[name]) for name in models}
    config: dict[str, Any] = {
        "model": st.column_config.LinkColumn("model", display_text=r"models=([^,&]*)", pinned=True),
        "λ": st.column_config.TextColumn("λ", help="weight of labels, tags and texts in training"),
        NOTE: st.column_config.TextColumn(NOTE, width=210),
    }
    cells: dict[tuple[str, str], str] = {}
    greyed: list[tuple[str, str]] = []
    for name, ranks in columns.items():
        kind = KINDS[ranks[0].figure.kind]
        config[name] = st.column_config.NumberColumn(name, help=_protocols(ranks))
        for rank in ranks:
            f = rank.figure
            row = rows[f.model]
            if f.doubt == EARLIER:
                row[NOTE], row[name] = EARLIER, None
                continue
            row[name] = f.mean
            cells[f.model, name] = _cell(f, kind.digits)
            if f.doubt:
                greyed.append((f.model, name))
            if kind.best:
                row[f"to the best, {name}"] = difference_cell(rank, kind.digits)
            if f.unreliable is not None:
                row[f"k̂ {name}"] = f.unreliable
        wide = max(len(difference_cell(rank, kind.digits)) for rank in ranks)
        config[f"to the best, {name}"] = st.column_config.TextColumn(
            "to the best", help=HOW, width=max(7 * wide + 24, 110)
        )
        config[f"k̂ {name}"] = st.column_config.NumberColumn(
            f"k̂ > {MAX_K_HAT}", help="number of points whose estimates are unreliable"
        )
    table = pd.DataFrame.from_dict(rows, orient="index")
    table = table.loc[:, (table.notna() & (table != "")).any() | table.columns.isin(columns)]
    if table["seed"].nunique() == 1:
        table = table.drop(columns="seed")
    if NOTE in table and not all(table[NOTE]):  # if it concerns only some rows, show it last
        table = table[[*table.columns.drop(NOTE), NOTE]]
    counts: list[Hashable] = [name for name in table.columns if name.startswith("k̂ ")]
    style = table.style.format("{:.0f}", subset=counts, na_rep="—")
    for (model, name), text in cells.items():
        style = style.format(partial(_instead, text), subset=(model, name))
    for model, name in greyed:
        style = style.map(lambda _: GREY, subset=(model, name))
    st.dataframe(style, column_config=config, hide_index=True, placeholder="—")


def _instead(text: str, _: object) -> str:
    """Write a text whatever the value is."""
    return text


#: How differences are computed.
HOW = (
    "Mean difference to the best of the column ± its standard error, on the same samples. Tied: "
    f"within {TIE:g} standard errors of the best. {UNPAIRED.capitalize()}: the two were not "
    "measured on the same samples, and their errors are taken as independent."
)


def difference_cell(rank: RankedFigure, digits: int) -> str:
    """Write the difference of a figure to the best one; empty if it is not ranked.

    Example:
        >>> from mvae.results.ranking import Difference
        >>> from mvae.evaluation.keys import FigureKey
        >>> key = FigureKey("loglik", asked=("a",))
        >>> figure = Figure("a model", key, -71.0, 0.2, 1000, 0, "", "")
        >>> difference_cell(RankedFigure(figure, Difference(-0.913, 0.0571, True), False), 2)
        '−0.91 ± 0.06'
        >>> difference_cell(RankedFigure(figure, Difference(-0.2, 0.31, False), True), 2)
        '−0.20 ± 0.31, tied, unpaired'
    """
    if rank.behind is None:
        return BEST if rank.tied else ""
    x = rank.behind
    text = f"{x.mean + 0.0:+.{digits}f} ± {x.se:.{digits}f}".replace("-", "−")
    return text + ", tied" * rank.tied + f", {UNPAIRED}" * (not x.paired)


def remarks(view: View, columns: Columns, records: Mapping[str, Record]) -> Iterator[str]:
    """Yield notes on a table: unreliable figures, the ranking, and unequal budgets.

    Args:
        view: the current view.
        columns: the table's columns.
        records: the runs of its models.
    """
    ranks = [rank for each in columns.values() for rank in each]
    if any(rank.figure.doubt == DISTRUSTED for rank in ranks):
        yield f"A grey figure is not reliable: {DISTRUSTED}. It is neither ranked nor drawn."
    earlier = list(dict.fromkeys(p.figure.model for p in ranks if p.figure.doubt == EARLIER))
    if earlier:
        yield (
            f"{EARLIER.capitalize()}, so not comparable with the current figures: "
            f"{_names(earlier)}. To score again, run "
            f"{code(f'python -m mvae evaluate {view.data}/{earlier[0]}')}."
        )
    if crossed := _crossed(ranks, records):
        yield (
            f"For {_names(crossed)} the forward estimate lies above the reverse one, which is "
            "impossible for bounds: the chains did not reach the model’s distribution, so there is "
            "no bound on log Z or log p."
        )
    if chance := _by_chance(columns, records):
        reached = [f"{mean:.3f} ({plain(name)})" for name, mean in chance.items()]
        yield f"A random ranking reaches {listing(reached)} on average."
    if any(rank.tied for rank in ranks):
        yield f"Column “to the best”: {HOW[0].lower()}{HOW[1:]}"
        first, ranked = next((name, x) for name, x in columns.items() if x[0].tied)
        yield from _budgets(first, ranked, records)


def _budgets(name: str, ranks: list[RankedFigure], records: Mapping[str, Record]) -> Iterator[str]:
    """Yield sentences on the best model at the most common number of epochs, if epochs differ."""
    epochs = {p.figure.model: records[p.figure.model].config.training.epochs for p in ranks}
    sound = [p.figure for p in ranks if not p.figure.doubt]
    ((common, _),) = Counter(epochs[f.model] for f in sound).most_common(1)
    others = [f.model for f in sound if epochs[f.model] != common]
    if not others:
        return
    same_budget = ranking([f for f in sound if epochs[f.model] == common], records)
    tied = [p.figure.model for p in same_budget[1:] if p.tied]
    yield (
        f"Budgets differ: {listing([f'**{plain(m)}** had {epochs[m]} epochs' for m in others])}, "
        f"most models {common}. Among the models with {common} epochs, "
        f"**{plain(same_budget[0].figure.model)}** is the best in **{plain(name)}**"
        f"{f' (tied: {_names(tied)})' if tied else ''}."
    )
    theirs = {f.model: f for f in sound}
    for model in others:
        short = _same(records[model], [records[p.figure.model] for p in same_budget])
        if short and REFERENCE in theirs and REFERENCE not in (short, model):
            found = difference(theirs[short], theirs[REFERENCE], records)
            side = "above" if found.mean > 0 else "below"
            digits = KINDS[theirs[short].kind].digits
            yield (
                f"With the objective of **{plain(model)}** and {common} epochs, "
                f"**{plain(short)}** is "
                f"{abs(found.mean):.{digits}f} ± {found.se:.{digits}f} {side} **{REFERENCE}**"
                + (", a tie" if found.tied else "")
                + ("." if found.paired else f" ({UNPAIRED}).")
            )


def _names(models: Iterable[str]) -> str:
    return listing([plain(name) for name in models])


def _crossed(ranks: list[RankedFigure], records: Mapping[str, Record]) -> list[str]:
    """Return the models whose lower estimate of log Z exceeds the upper one beyond its error."""
    models = dict.fromkeys(p.figure.model for p in ranks if p.figure.kind.startswith("log"))
    return [
        name
        for name in models
        if (metrics := records[name].metrics)
        and metrics.test.get("log_partition", {}).get("crossed")
    ]


def _by_chance(columns: Columns, records: Mapping[str, Record]) -> dict[str, float]:
    """Return the expected score of a random ranking, by column."""
    return {
        name: metrics.test["average_precision_chance"][str(rank.figure.key)]["mean"]
        for name, ranks in columns.items()
        for rank in ranks
        if rank.figure.kind == "average_precision"
        and (metrics := records[rank.figure.model].metrics)
        and str(rank.figure.key) in metrics.test.get("average_precision_chance", {})
    }


def _same(wanted: Record, records: list[Record]) -> str:
    """Return the name of a run with the same objective and number of latents, or ``""``."""
    config = wanted.config
    return next(
        (
            record.name
            for record in records
            if record.config.objective.name == config.objective.name
            and record.config.latents == config.latents
        ),
        "",
    )


def _budget(view: View, name: str, record: Record) -> dict[str, float | str | None]:
    training, models = record.config.training, quote(f"{name},{view.model}", safe=",")
    return {
        "model": f"compare?data={quote(view.data)}&models={models}",
        NOTE: "",
        "epochs": training.epochs,
        "λ": annotation_weight(record.config),
        "seed": training.seed,
    }


def _cell(figure: Figure, digits: int) -> str:
    text = f"{figure.mean:.{digits}f} ± {figure.se:.{digits}f}, n {figure.n:,}"
    return text.replace("-", "−")


def _protocols(ranks: list[RankedFigure]) -> str:
    """Return the distinct protocols of a column."""
    return "  \n".join(dict.fromkeys(plain(rank.figure.protocol) for rank in ranks))
