"""Results: what was measured of every model, with error bars and the protocol."""

from __future__ import annotations

from collections import Counter
from urllib.parse import quote

import pandas as pd
import streamlit as st

from mvae.data import DATASETS
from mvae.modality import Modality
from mvae.peers import REPORTED
from mvae.results import KINDS, Figure, Kind, figures, kind_of, spoken, withheld
from mvae.runs import Record
from pages.parts.charts import intervals, ranks
from pages.parts.choices import choose_kind, offer_csv
from pages.parts.loading import peers_of, records_of
from pages.parts.plain import code, plain
from pages.parts.view import View

#: Columns until somebody chooses.
COLUMNS = 5


def page() -> None:
    """Show a table of one kind of figure, drawn and in numbers."""
    view: View = st.session_state["view"]
    records = records_of(view.data)
    found = figures(records)
    title = DATASETS[view.data].title if view.data in DATASETS else view.data
    st.markdown(f"### What was measured on **{plain(title)}**, on examples that no model has seen")
    others = withheld(records)
    if others:
        st.warning(
            f"Figures of {plain(', '.join(others))} are withheld: they were measured on other "
            "weights than those beside them. "
            f"{code(f'python -m mvae evaluate {view.data}/{others[0]}')} measures anew."
        )
    if not found:
        st.markdown("Nothing was measured yet: `python -m mvae evaluate` does it.")
        return
    modalities = records[0].config.modalities
    titles = {key: kind_of(key, modalities).title for key in KINDS}
    kind = choose_kind(view, "kind", titles, {f.kind for f in found})
    of_kind = [f for f in found if f.kind == kind]
    first = [record.name for record in records if not record.config.training.seed]
    shown = choose_rows(of_kind, first, modalities)
    st.caption(explain(kind_of(kind, modalities)))
    if not shown:
        st.markdown("No model of those chosen has such a figure.")
        return
    labels = {f: column(f, modalities) for f in shown}
    st.container(key="pictures intervals").plotly_chart(
        intervals(shown, [labels[f] for f in shown], KINDS[kind].digits),
        config={"displayModeBar": False},
        alt=f"{titles[kind]} of {len({f.model for f in shown})} models with 95 % intervals",
    )
    table(view, shown, labels)
    if kind.startswith("loglik"):
        beside_others(view.data)
    honesty(records, modalities)


def choose_rows(
    found: list[Figure], first: list[str], modalities: tuple[Modality, ...]
) -> list[Figure]:
    """Filter by model and by evidence; until somebody chooses, what tells most.

    Args:
        found: figures of one kind.
        first: runs with the first seed; those with further seeds are shown if asked for.
        modalities: of the data set.
    """
    columns = columns_of(found)
    left, right = st.columns(2)
    models = left.multiselect(
        "Models",
        list(dict.fromkeys(f.model for f in found)),
        placeholder="all but further seeds",
        key="results models",
    )
    evidence = right.multiselect(
        "Given",
        list(dict.fromkeys(given for given, _ in columns)),
        format_func=lambda key: spoken(key, modalities),
        placeholder="all" if len(columns) <= COLUMNS else "the usual",
        key="results given",
    )
    if evidence:
        columns = [c for c in columns if c[0] in evidence]
    elif len(columns) > COLUMNS:
        usual = sorted(columns, key=lambda c: usualness(c, modalities))[:COLUMNS]
        columns = [c for c in columns if c in usual]
    chosen = [f for f in found if f.model in (models or first) and (f.given, f.asked) in columns]
    sign = 1 if KINDS[found[0].kind].best == "low" else -1
    # Column by column, in each the best first: that of the first column is the order of the rows.
    return sorted(chosen, key=lambda f: (columns.index((f.given, f.asked)), sign * f.mean))


def columns_of(found: list[Figure]) -> list[tuple[str, str]]:
    """List what is given and asked, first what most models have: it ranks them."""
    columns = Counter((f.given, f.asked) for f in found)
    # What is generated from nothing stands last; a log p given nothing is the usual one.
    last = not KINDS[found[0].kind].title.startswith(("log p", "ELBO"))
    return sorted(columns, key=lambda column: (last and not column[0], -columns[column]))


def usualness(column: tuple[str, str], modalities: tuple[Modality, ...]) -> tuple[int, int]:
    """Rank a column: whole pictures, labels, everything and nothing come before some tiles.

    Where situations are told apart by number, all modalities come first, all but one, then one.
    """
    count, _, of = (column[0] or column[1]).partition(" of ")
    if of.isdecimal() and count.isdecimal():
        missing = int(of) - int(count)
        return 0, {0: 0, 1: 1, int(of) - 1: 2}.get(missing, 3 + abs(missing - int(of) // 2))
    tiles = {m.name for m in modalities if m.kind == "image"}
    parts = [set(side.split("+")) & tiles for side in column]
    return sum(0 < len(part) < len(tiles) for part in parts), len(column[0])


def column(figure: Figure, modalities: tuple[Modality, ...]) -> str:
    """Name a column: "image | label" for a log p, "label → image" for what is generated."""
    given, asked = spoken(figure.given, modalities), spoken(figure.asked, modalities)
    if KINDS[figure.kind].title.startswith(("log p", "ELBO")):
        return f"{asked} | {given}" if figure.given else asked
    return f"{given} → {asked}" if figure.asked else f"given {given}"


def explain(kind: Kind) -> str:
    """Say what a kind of figure is and what is good."""
    best = {"high": "Higher is better.", "low": "Lower is better.", "": ""}[kind.best]
    return f"{kind.means} {best} Bars are 95 % intervals; the protocol shows on hover."


def table(view: View, shown: list[Figure], labels: dict[Figure, str]) -> None:
    """Show the numbers, sortable, and offer them as CSV."""
    digits = KINDS[shown[0].kind].digits
    rows: dict[str, dict[str, float | str | int]] = {}
    config: dict[str, object] = {
        "model": st.column_config.LinkColumn("model", display_text=r"models=([^,&]*)", pinned=True)
    }
    for f in shown:
        models = quote(f"{f.model},{view.model}", safe=",")
        link = f"compare?data={quote(view.data)}&models={models}"
        row = rows.setdefault(f.model, {"model": link})
        name = labels[f]
        row[name], row[f"± {name}"] = f.mean, f.se
        number = f"%.{digits}f"
        config[name] = st.column_config.NumberColumn(name, format=number, help=plain(f.how))
        config[f"± {name}"] = st.column_config.NumberColumn(
            "± s.e.", format=number, help=f"standard error over {f.n:,} samples"
        )
        if f.unreliable is not None:
            row[f"k̂ {name}"] = f.unreliable
            config[f"k̂ {name}"] = st.column_config.NumberColumn(
                "k̂ > 0.7", help=f"of {f.n:,} samples; their estimates are not to be trusted"
            )
    st.dataframe(
        pd.DataFrame(list(rows.values())), column_config=config, hide_index=True, placeholder="—"
    )
    offer_csv(shown, f"results-{view.data}-{shown[0].kind.rstrip('%')}.csv")


def beside_others(dataset: str) -> None:
    """Show models that other libraries trained, scored alike, and what others report."""
    scored = peers_of(dataset)
    if not scored:
        return
    first = scored[0]
    st.markdown("#### Beside other libraries")
    st.caption(
        f"Joint log p of the same {first.n:,} test samples by the same estimator, K = {first.k:,}, "
        "whoever's trainer the model comes from: with the same networks, λ, epochs, batches, "
        "optimiser and schedule as this project's of that name. Differences are of the same "
        "samples, to this project's `mvae` with the same pixels. "
        "`python tests/benchmarks/peers.py` repeats it."
    )
    rows: list[dict[str, object]] = [
        {
            "model": peer.model,
            "trained by": peer.trained_by,
            "pixels": peer.pixels,
            "log p": peer.mean,
            "± s.e.": peer.se,
            "above mvae": peer.above,
            "± s.e. of that": peer.above_se,
        }
        for peer in scored
    ]
    others = REPORTED.get(dataset, ())
    rows += [
        {"model": other.model, "trained by": "reported", "pixels": "unknown", "log p": other.mean}
        for other in others
    ]
    number = st.column_config.NumberColumn(format="%.2f")
    columns = dict.fromkeys(("log p", "± s.e.", "above mvae", "± s.e. of that"), number)
    st.dataframe(pd.DataFrame(rows), column_config=columns, hide_index=True, placeholder="—")
    if others:
        st.caption(
            f"Reported: [{others[0].by}]({others[0].link}). What is not told of them: "
            f"{others[0].unknown}. How pixels become black or white alone moves log p by many nats."
        )


def honesty(records: list[Record], modalities: tuple[Modality, ...]) -> None:
    """Show where true latents lie within the belief that their own data give."""
    there = {r.name: r.metrics.test for r in records if r.metrics and "ranks" in r.metrics.test}
    if not there:
        return
    st.markdown("#### Is the belief honest?")
    name = st.selectbox("Model", list(there), key="honest model", width=240)
    counts, coverage = there[name]["ranks"], there[name]["coverage_90%"]
    keys = sorted(counts, key=lambda key: usualness((key, ""), modalities))[:3]
    st.container(key="pictures ranks").plotly_chart(
        ranks(
            {spoken(key, modalities): counts[key] for key in counts if key in keys},
            coverage[keys[0]]["n"],
        ),
        config={"displayModeBar": False},
        alt=f"Rank histograms of {name}",
    )
    st.caption(
        "Latents are drawn from the prior, data from them, and the belief given those data is "
        "asked how many of its draws would lie below the true latent. An honest belief has them "
        "spread evenly (dashed; the band holds 99 % of honest bars). A valley with walls at both "
        "ends: the belief is too sure. A hill: it is too wide. All dimensions together; no test "
        "data enter."
    )


page()
