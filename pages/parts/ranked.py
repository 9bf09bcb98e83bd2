"""A table that ranks models: figures with n, paired differences to the best, ties, and budgets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

import pandas as pd
import streamlit as st

from mvae.evaluation.reliability import DISTRUSTED, EARLIER
from mvae.evaluation.report import REFERENCE
from mvae.results.figures import KINDS, Figure
from mvae.results.ranking import TIE, RankedFigure, difference, ranking
from mvae.results.runs import Record, weight_of
from pages.parts.plain import code, plain
from pages.parts.sentences import listing
from pages.parts.view import View

__all__ = ["Columns", "remarks", "show_ranked"]

#: By the column's name, the best first.
Columns = Mapping[str, list[RankedFigure]]
#: Colour of what is not ranked, legible on either theme.
GREY = "color: #8b919c"
BEST, UNPAIRED = "best", "unpaired"
#: The column that says why a row has no figure.
NOTE = "note"


def show_ranked(view: View, columns: Columns, records: Mapping[str, Record]) -> None:
    """Show the models, their budgets and their figures, sortable by each column.

    Args:
        view: what is looked at; a click on a model compares it with the current one.
        columns: by name; the order of the first one is that of the rows.
        records: of the models, by name.
    """
    models = dict.fromkeys(entry.figure.model for column in columns.values() for entry in column)
    rows = {name: _budget(view, name, records[name]) for name in models}
    config: dict[str, Any] = {
        "model": st.column_config.LinkColumn("model", display_text=r"models=([^,&]*)", pinned=True),
        "λ": st.column_config.TextColumn("λ", help="weight of what is said in words in training"),
        NOTE: st.column_config.TextColumn(NOTE, width=210),
    }
    cells: dict[tuple[str, str], str] = {}
    greyed: list[tuple[str, str]] = []
    for name, column in columns.items():
        kind = KINDS[column[0].figure.kind]
        config[name] = st.column_config.NumberColumn(name, help=_protocols(column))
        for entry in column:
            f = entry.figure
            row = rows[f.model]
            if f.doubt == EARLIER:
                row[NOTE], row[name] = EARLIER, None
                continue
            row[name] = f.mean
            cells[f.model, name] = _cell(f, kind.digits)
            if f.doubt:
                greyed.append((f.model, name))
            if kind.best:
                row[f"to the best, {name}"] = behind(entry, kind.digits)
            if f.unreliable is not None:
                row[f"k̂ {name}"] = f.unreliable
        wide = max(len(behind(entry, kind.digits)) for entry in column)
        config[f"to the best, {name}"] = st.column_config.TextColumn(
            "to the best", help=HOW, width=max(7 * wide + 24, 110)
        )
        config[f"k̂ {name}"] = st.column_config.NumberColumn(
            "k̂ > 0.7", help="points whose estimates are not to be trusted"
        )
    table = pd.DataFrame.from_dict(rows, orient="index")
    table = table.loc[:, (table.notna() & (table != "")).any() | table.columns.isin(columns)]
    if table["seed"].nunique() == 1:
        table = table.drop(columns="seed")
    if NOTE in table and not all(table[NOTE]):  # of few rows it need not stand before the figures
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


#: How differences come about.
HOW = (
    f"Mean difference to the best of the column ± its standard error, of the same samples; {BEST} "
    f"and tied: within {TIE:g} of these of it. {UNPAIRED.capitalize()}: the two were not measured "
    "side by side, and their errors are taken for independent."
)


def behind(entry: RankedFigure, digits: int) -> str:
    """Write how far a figure is from the best one; empty where it is not ranked.

    Example:
        >>> from mvae.results.ranking import Difference
        >>> from mvae.evaluation.keys import FigureKey
        >>> key = FigureKey("loglik", asked=("a",))
        >>> figure = Figure("mvae", key, -71.0, 0.2, 1000, 0, "", "")
        >>> behind(RankedFigure(figure, Difference(-0.913, 0.0571, True), False), 2)
        '−0.91 ± 0.06'
        >>> behind(RankedFigure(figure, Difference(-0.2, 0.31, False), True), 2)
        '−0.20 ± 0.31, tied, unpaired'
    """
    if entry.behind is None:
        return BEST if entry.tied else ""
    x = entry.behind
    text = f"{x.mean + 0.0:+.{digits}f} ± {x.se:.{digits}f}".replace("-", "−")
    return text + ", tied" * entry.tied + f", {UNPAIRED}" * (not x.paired)


def remarks(view: View, columns: Columns, records: Mapping[str, Record]) -> Iterator[str]:
    """Say of a table what is no result in it, how it ranks, and what other budgets change.

    Args:
        view: what is looked at.
        columns: of the table.
        records: of its models.
    """
    entries = [entry for column in columns.values() for entry in column]
    if any(entry.figure.doubt == DISTRUSTED for entry in entries):
        yield f"Grey: no result, as {DISTRUSTED}; it is neither ranked nor drawn."
    earlier = list(dict.fromkeys(x.figure.model for x in entries if x.figure.doubt == EARLIER))
    if earlier:
        yield (
            f"{EARLIER.capitalize()}, whose figures cannot stand beside those of the present one: "
            f"{_names(earlier)}. {code(f'python -m mvae evaluate {view.data}/{earlier[0]}')} "
            "scores anew."
        )
    if crossed := _crossed(entries, records):
        yield (
            f"Of {_names(crossed)} the forward estimate lies above the reverse one, which bounds "
            "cannot do: the chains did not reach the machine, and no bound of log Z or log p "
            "follows."
        )
    if chance := _by_chance(columns, records):
        reached = [f"{mean:.3f} ({plain(name)})" for name, mean in chance.items()]
        yield f"A random ranking reaches {listing(reached)} on average."
    if any(entry.tied for entry in entries):
        yield f"To the best: {HOW[0].lower()}{HOW[1:]}"
        first, ranked = next((name, x) for name, x in columns.items() if x[0].tied)
        yield from _budgets(first, ranked, records)


def _budgets(name: str, column: list[RankedFigure], records: Mapping[str, Record]) -> Iterator[str]:
    """Say who is the best with as many epochs as most models had, where some had more."""
    epochs = {x.figure.model: records[x.figure.model].config.training.epochs for x in column}
    sound = [x.figure for x in column if not x.figure.doubt]
    ((common, _),) = Counter(epochs[f.model] for f in sound).most_common(1)
    others = [f.model for f in sound if epochs[f.model] != common]
    if not others:
        return
    alike = ranking([f for f in sound if epochs[f.model] == common], records)
    tied = [p.figure.model for p in alike[1:] if p.tied]
    yield (
        f"Budgets differ: {listing([f'**{plain(m)}** had {epochs[m]} epochs' for m in others])}, "
        f"most models {common}. Of **{plain(name)}** with {common} epochs the best is "
        f"**{plain(alike[0].figure.model)}**{f' (tied: {_names(tied)})' if tied else ''}."
    )
    theirs = {f.model: f for f in sound}
    for model in others:
        short = _same(records[model], [records[p.figure.model] for p in alike])
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


def _crossed(entries: list[RankedFigure], records: Mapping[str, Record]) -> list[str]:
    """Name the models whose lower estimate of log Z lies above the upper one beyond its error."""
    models = dict.fromkeys(x.figure.model for x in entries if x.figure.kind.startswith("log"))
    return [
        name
        for name in models
        if (metrics := records[name].metrics)
        and metrics.test.get("log_partition", {}).get("crossed")
    ]


def _by_chance(columns: Columns, records: Mapping[str, Record]) -> dict[str, float]:
    """Return what a random ranking is expected to reach, by column."""
    return {
        name: metrics.test["average_precision_chance"][str(entry.figure.key)]["mean"]
        for name, column in columns.items()
        for entry in column
        if entry.figure.kind == "average_precision"
        and (metrics := records[entry.figure.model].metrics)
        and str(entry.figure.key) in metrics.test.get("average_precision_chance", {})
    }


def _same(wanted: Record, records: list[Record]) -> str:
    """Name a run with the same kind of objective and as many latents; empty if there is none."""
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
        "λ": weight_of(record.config),
        "seed": training.seed,
    }


def _cell(figure: Figure, digits: int) -> str:
    text = f"{figure.mean:.{digits}f} ± {figure.se:.{digits}f}, n {figure.n:,}"
    return text.replace("-", "−")


def _protocols(column: list[RankedFigure]) -> str:
    """Return the protocols of a column, each once."""
    return "  \n".join(dict.fromkeys(plain(entry.figure.how) for entry in column))
