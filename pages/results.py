"""Results: what was measured of every model, with error bars and the protocol."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import streamlit as st

from mvae.data import DATASETS
from mvae.evaluation.calibration import USED
from mvae.modality import Modality
from mvae.results.figures import BESIDE, KINDS, Figure, Kind, figures, kind_of, spoken, withheld
from mvae.results.ranking import ranking
from mvae.results.runs import Record
from pages.parts.charts import intervals, ranks
from pages.parts.choices import choose_kind, offer_csv
from pages.parts.external_models import show_peers
from pages.parts.loading import records_of
from pages.parts.plain import code, plain
from pages.parts.ranked import Columns, remarks, show_ranked
from pages.parts.view import View

#: Columns until somebody chooses.
COLUMNS = 5
#: A column before it has a name: the kind of figure, what is given, what is asked.
Key = tuple[str, str, str]


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
    titles = {
        key: " and ".join(kind_of(k, modalities).title for k in (key, BESIDE.get(key)) if k)
        for key in KINDS
        if key not in BESIDE.values()
    }
    kind = choose_kind(view, "kind", titles, {f.kind for f in found})
    by_name = {record.name: record for record in records}
    columns = choose(kind, found, by_name, modalities)
    st.caption(explain(kind_of(kind, modalities)))
    if not columns:
        st.markdown("No model of those chosen has such a figure.")
        return
    draw(columns, titles[kind])
    show_ranked(view, columns, by_name)
    for sentence in remarks(view, columns, by_name):
        st.caption(sentence)
    offer_csv(
        [place.figure for places in columns.values() for place in places],
        f"results-{view.data}-{kind.rstrip('%')}.csv",
    )
    if kind.startswith("loglik"):
        show_peers(view.data, by_name)
    honesty(records, modalities)


def choose(
    kind: str,
    found: list[Figure],
    records: Mapping[str, Record],
    modalities: tuple[Modality, ...],
) -> Columns:
    """Filter by model and by evidence, and rank; until somebody chooses, what tells most.

    Args:
        kind: of figures; those that belong beside it come along.
        found: all figures.
        records: by name; those with further seeds are shown if asked for.
        modalities: of the data set.
    """
    of_kind = [f for f in found if f.kind == kind]
    keys = keys_of(of_kind)
    left, right = st.columns(2)
    models = left.multiselect(
        "Models",
        list(dict.fromkeys(f.model for f in of_kind)),
        placeholder="all but further seeds",
        key="results models",
    ) or [name for name, record in records.items() if not record.config.training.seed]
    evidence = right.multiselect(
        "Given",
        list(dict.fromkeys(given for _, given, _ in keys)),
        format_func=lambda key: spoken(key, modalities),
        placeholder="all" if len(keys) <= COLUMNS else "the usual",
        key="results given",
    )
    if evidence:
        keys = [key for key in keys if key[1] in evidence]
    elif len(keys) > COLUMNS:
        usual = sorted(keys, key=lambda key: usualness(key[1:], modalities))[:COLUMNS]
        keys = [key for key in keys if key in usual]
    keys = [key for first in keys for key in (first, beside(first)) if key]
    columns = {
        name_of(key, modalities): ranking(
            (f for f in found if (f.kind, f.given, f.asked) == key and f.model in models), records
        )
        for key in keys
    }
    return {name: places for name, places in columns.items() if places}


def beside(key: Key) -> Key | None:
    """Return the column that belongs beside another one, if any does."""
    kind, given, asked = key
    return (BESIDE[kind], given, asked) if kind in BESIDE else None


def keys_of(found: list[Figure]) -> list[Key]:
    """List what is given and asked, first what most models have: it ranks them."""
    columns = Counter((f.kind, f.given, f.asked) for f in found)
    # What is generated from nothing stands last; a log p given nothing is the usual one.
    last = bool(found) and not likelihood(found[0].kind)
    return sorted(columns, key=lambda key: (last and not key[1], -columns[key]))


def likelihood(kind: str) -> bool:
    """Whether a kind is of something given something else, and not of what is generated."""
    return KINDS[kind].title.startswith(("log p", "log Z", "ELBO"))


def usualness(column: tuple[str, str], modalities: tuple[Modality, ...]) -> tuple[int, int]:
    """Rank a column: whole pictures, labels, everything and nothing come before some tiles.

    Where only the number supplied is known, all modalities come first, all but one, then one.
    """
    count, _, of = (column[0] or column[1]).partition(" of ")
    if of.isdecimal() and count.isdecimal():
        missing = int(of) - int(count)
        return 0, {0: 0, 1: 1, int(of) - 1: 2}.get(missing, 3 + abs(missing - int(of) // 2))
    tiles = {m.name for m in modalities if m.is_image}
    parts = [set(side.split("+")) & tiles for side in column]
    return sum(0 < len(part) < len(tiles) for part in parts), len(column[0])


def name_of(key: Key, modalities: tuple[Modality, ...]) -> str:
    """Name a column: "image | label" for a log p, "label → image" for what is generated."""
    kind, *names = key
    given, asked = (spoken(name, modalities) for name in names)
    if likelihood(kind):
        return f"{asked} | {given}" if names[0] else asked
    name = f"{given} → {asked}" if names[1] else f"given {given}"
    return f"{name}, {KINDS[kind].title}" if kind in BESIDE.values() else name


def explain(kind: Kind) -> str:
    """Say what a kind of figure is and what is good."""
    best = {"high": "Higher is better.", "low": "Lower is better.", "": ""}[kind.best]
    return (
        f"{kind.means} {best} Bars are 95 % intervals over the samples, not over training runs; "
        "the protocol shows on hover."
    )


def draw(columns: Columns, title: str) -> None:
    """Draw what is a result; what is in doubt stands in the table only."""
    sound = [
        (place.figure, name)
        for name, places in columns.items()
        for place in places
        if not place.figure.doubt
    ]
    if not sound:
        return
    shown, titles = zip(*sound, strict=True)
    st.container(key="pictures intervals").plotly_chart(
        intervals(shown, titles, KINDS[shown[0].kind].digits),
        config={"displayModeBar": False},
        alt=f"{title} of {len({f.model for f in shown})} models with 95 % intervals",
    )


def honesty(records: list[Record], modalities: tuple[Modality, ...]) -> None:
    """Show where true latents lie within the posterior that their own data give."""
    there = {
        r.name: r.metrics.test for r in records if r.metrics and r.metrics.test.get("rank_band")
    }
    if not there:
        return
    st.markdown("#### Is the posterior calibrated?")
    name = st.selectbox("Model", list(there), key="honest model", width=240)
    counts, bands, used = (there[name][key] for key in ("ranks", "rank_band", "used_latents"))
    keys = sorted(counts, key=lambda key: usualness((key, ""), modalities))[:3]
    shown = {spoken(key, modalities): key for key in counts if key in keys}
    st.container(key="pictures ranks").plotly_chart(
        ranks(
            {title: counts[key] for title, key in shown.items()},
            {title: bands[key] for title, key in shown.items()},
        ),
        config={"displayModeBar": False},
        alt=f"Rank histograms of {name}",
    )
    latents = next(r.config.latents for r in records if r.name == name)
    in_use = ", ".join(f"{used[key]['mean']:.0f} given {title}" for title, key in shown.items())
    st.caption(
        "Latents are drawn from the prior, data from them, and the posterior given those data is "
        "asked how many of its draws would lie below the true latent. A calibrated posterior has "
        "them spread evenly (dashed; the band holds 99 % of such bars if latents depend on one "
        "another as these do). A valley with walls at both ends: the posterior is too narrow. A "
        f"hill: it is too wide. All latents in use together, of {latents}: {in_use}. The others "
        f"are within {USED} nats of the prior on average and are left out: a posterior that "
        "ignores the data is calibrated too. No test data enter."
    )


page()
