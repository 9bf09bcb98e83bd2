"""Results: every model's measured figures, with error bars and their protocol."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from mvae.data import DATASETS
from mvae.evaluation.calibration import MIN_INFORMATION
from mvae.evaluation.keys import LIKELIHOODS, FigureKey, count_of, joined, names_of
from mvae.modality import Modality
from mvae.results.figures import (
    KINDS,
    SHOWN_WITH,
    Figure,
    Kind,
    figures,
    kind_of,
    spoken,
    stale_runs,
)
from mvae.results.ranking import ranking
from mvae.results.runs import Record
from pages.parts.charts import intervals, rank_histograms
from pages.parts.external_models import show_external_models
from pages.parts.figure_widgets import choose_kind, offer_csv
from pages.parts.plain import code, plain
from pages.parts.ranked import Columns, remarks, show_ranked
from pages.parts.server.loading import records_of
from pages.parts.view import View

#: Number of columns shown until a visitor chooses.
COLUMNS = 5


def page() -> None:
    """Show one kind of figure for all models, as a chart and as a table."""
    view: View = st.session_state["view"]
    records = records_of(view.data)
    found = figures(records)
    title = DATASETS[view.data].title if view.data in DATASETS else view.data
    st.markdown(f"### Figures measured on held-out examples of **{plain(title)}**")
    others = stale_runs(records)
    if others:
        st.warning(
            f"The figures of {plain(', '.join(others))} are withheld: they were measured on other "
            "weights than the bundled ones. To measure again, run "
            f"{code(f'python -m mvae evaluate {view.data}/{others[0]}')}."
        )
    if not found:
        st.markdown("Nothing has been measured yet. To measure, run `python -m mvae evaluate`.")
        return
    modalities = records[0].config.modalities
    titles = {
        key: " and ".join(kind_of(k, modalities).title for k in (key, SHOWN_WITH.get(key)) if k)
        for key in KINDS
        if key not in SHOWN_WITH.values()
    }
    kind = choose_kind(view, "kind", titles, {f.kind for f in found})
    by_name = {record.name: record for record in records}
    columns = choose(kind, found, by_name, modalities)
    st.caption(explain(kind_of(kind, modalities)))
    if not columns:
        st.markdown("None of the chosen models has such a figure.")
        return
    draw(columns, titles[kind])
    show_ranked(view, columns, by_name)
    for sentence in remarks(view, columns, by_name):
        st.caption(sentence)
    offer_csv(
        [rank.figure.row() for ranks in columns.values() for rank in ranks],
        f"results-{view.data}-{kind.rstrip('%')}.csv",
    )
    if kind.startswith("loglik"):
        show_external_models(view.data, by_name)
    show_calibration(records, modalities)


def choose(
    kind: str,
    found: list[Figure],
    records: Mapping[str, Record],
    modalities: tuple[Modality, ...],
) -> Columns:
    """Show the chooser of models and evidence, and return the columns, each ranked.

    Without a choice, all runs of seed 0 and the most informative columns are shown.

    Args:
        kind: the kind of figure; figures that belong beside it are included.
        found: all figures.
        records: the runs by name.
        modalities: those of the data set.
    """
    of_kind = [f for f in found if f.kind == kind]
    keys = keys_of(of_kind)
    left, right = st.columns(2)
    models = left.multiselect(
        "Models",
        list(dict.fromkeys(f.model for f in of_kind)),
        placeholder="all, without repeated seeds",
        key="results models",
    ) or [name for name, record in records.items() if not record.config.training.seed]
    evidence = right.multiselect(
        "Given",
        list(dict.fromkeys(joined(key.given) for key in keys)),
        format_func=lambda given: spoken(names_of(given), modalities),
        placeholder="all" if len(keys) <= COLUMNS else "the usual ones",
        key="results given",
    )
    if evidence:
        keys = [key for key in keys if joined(key.given) in evidence]
    elif len(keys) > COLUMNS:
        usual = sorted(keys, key=lambda key: column_order(key, modalities))[:COLUMNS]
        keys = [key for key in keys if key in usual]
    keys = [key for first in keys for key in (first, beside(first)) if key]
    columns = {
        name_of(key, modalities): ranking(
            (f for f in found if f.key == key and f.model in models), records
        )
        for key in keys
    }
    return {name: ranks for name, ranks in columns.items() if ranks}


def beside(key: FigureKey) -> FigureKey | None:
    """Return the column that accompanies another one, or None."""
    return replace(key, kind=SHOWN_WITH[key.kind]) if key.kind in SHOWN_WITH else None


def keys_of(found: list[Figure]) -> list[FigureKey]:
    """List the columns; the one that most models have comes first and orders the rows."""
    columns = Counter(f.key for f in found)
    # Generation given nothing comes last; but log p given nothing is the joint likelihood.
    last = bool(found) and not likelihood(found[0].kind)
    return sorted(columns, key=lambda key: (last and not key.given, -columns[key]))


def likelihood(kind: str) -> bool:
    """Whether a kind of figure is a likelihood rather than a property of generated data."""
    return kind in (*LIKELIHOODS, "per_token")


def column_order(key: FigureKey, modalities: tuple[Modality, ...]) -> tuple[int, int]:
    """Return a sort key: columns of whole pictures, labels, all or none precede single tiles.

    Where only the number supplied is known, the order is: all modalities, all but one, one.
    """
    if count := count_of(key.given or key.asked):
        some, every = count
        missing = every - some
        return 0, {0: 0, 1: 1, every - 1: 2}.get(missing, 3 + abs(missing - every // 2))
    tiles = {m.name for m in modalities if m.is_image}
    parts = [tiles.intersection(side) for side in (key.given, key.asked)]
    return sum(0 < len(part) < len(tiles) for part in parts), len(joined(key.given))


def name_of(key: FigureKey, modalities: tuple[Modality, ...]) -> str:
    """Return a column's name: "image | label" for log p, "label → image" for generation."""
    given, asked = (spoken(names, modalities) for names in (key.given, key.asked))
    if likelihood(key.kind):
        return f"{asked} | {given}" if key.given else asked
    name = f"{given} → {asked}" if key.asked else f"given {given}"
    return f"{name}, {KINDS[key.kind].title}" if key.kind in SHOWN_WITH.values() else name


def explain(kind: Kind) -> str:
    """Explain a kind of figure, and whether higher or lower is better."""
    best = {"high": "Higher is better.", "low": "Lower is better.", "": ""}[kind.best]
    return (
        f"{kind.explanation} {best} Bars are 95 % intervals over the samples, not over training "
        "runs. Hover over a point to see its protocol."
    )


def draw(columns: Columns, title: str) -> None:
    """Draw the reliable figures; doubtful ones appear in the table only."""
    sound = [
        (rank.figure, name)
        for name, ranks in columns.items()
        for rank in ranks
        if not rank.figure.doubt
    ]
    if not sound:
        return
    shown, titles = zip(*sound, strict=True)
    st.container(key="pictures intervals").plotly_chart(
        intervals(shown, titles, KINDS[shown[0].kind].digits),
        config={"displayModeBar": False},
        alt=f"{title} of {len({f.model for f in shown})} models with 95 % intervals",
    )


def show_calibration(records: list[Record], modalities: tuple[Modality, ...]) -> None:
    """Show rank histograms: where true latents lie within the posterior given their data."""
    there = {
        r.name: r.metrics.test for r in records if r.metrics and r.metrics.test.get("rank_band")
    }
    if not there:
        return
    st.markdown("#### Is the posterior calibrated?")
    name = st.selectbox("Model", list(there), key="calibration model", width=240)
    counts, bands, used = (there[name][key] for key in ("ranks", "rank_band", "used_latents"))
    found = {key: FigureKey.parse("ranks", key) for key in counts}
    keys = sorted(counts, key=lambda key: column_order(found[key], modalities))[:3]
    shown = {spoken(found[key].given, modalities): key for key in counts if key in keys}
    st.container(key="pictures ranks").plotly_chart(
        rank_histograms(
            {title: counts[key] for title, key in shown.items()},
            {title: bands[key] for title, key in shown.items()},
        ),
        config={"displayModeBar": False},
        alt=f"Rank histograms of {name}",
    )
    latents = next(r.config.latents for r in records if r.name == name)
    in_use = ", ".join(f"{used[key]['mean']:.0f} given {title}" for title, key in shown.items())
    st.caption(
        "Latents are drawn from the prior and data are drawn from the latents. The rank of a true "
        "latent is the share of the draws from the posterior given its data that lie below it. For "
        "a calibrated posterior the ranks are uniform (dashed; the band holds 99 % of such bars if "
        "latents depend on one another as these do). A U shape means that the posterior is too "
        "narrow, a hump that it is too wide. The histogram pools the latents in use, out of "
        f"{latents}: {in_use}. The others are within {MIN_INFORMATION} nats of the prior on "
        "average and are left out, since a posterior that ignores the data is calibrated too. No "
        "test data are used."
    )


page()
