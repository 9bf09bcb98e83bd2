"""About a model and its data: what they are, and what was measured, with its protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from mvae.checkpoint import Metrics, ModelConfig
from mvae.data import DATASETS
from mvae.evaluation.keys import FigureKey
from mvae.evaluation.reliability import DISTRUSTED
from mvae.files import CheckpointError
from mvae.images.tiling import tiles
from mvae.modality import Modality
from mvae.results.runs import Record, measured
from pages.parts.loading import load, metrics_of
from pages.parts.measured import IN_PARENTHESES, figure_cell, title_of, titled
from pages.parts.plain import code, plain
from pages.parts.sentences import FEW, described, listing, told, with_error
from pages.parts.view import View

__all__ = ["about", "reached", "show_limitations"]

#: Kinds of figures that other pages show: likelihoods, and two that stand beside each other.
ELSEWHERE = ("loglik", "predictive", "coherence", "diversity")

#: What of the protocol bears on figures that may be shown, by their kind.
PROTOCOL = {
    "proposal": "loglik",
    "K": "loglik",
    "accuracy": "accuracy",
    "coherence": "coherence",
    "diversity": "diversity",
    "average_precision": "average_precision",
    "texts": "bleu",
}


def about(view: View) -> None:
    """Say what the model is, what was measured of it, and what data it was trained on."""
    try:
        _, config = load(view.data, view.model)
    except CheckpointError as error:
        st.markdown(plain(error))
        return
    st.markdown(f"**{plain(view.model)}** · {plain(config.summary)}")
    show_figures(view, config)
    likelihoods = alike(config, lambda m: f"{m.distribution.title}, λ = {m.weight:g}")
    said = "; ".join(f"{told(names).replace('**', '')}: {how}" for how, names in likelihoods)
    st.caption(
        f"{config.latents} latents · {config.training.epochs} epochs, {config.objective.name} "
        f"objective · {said}"
    )
    show_data(view, config)


def show_limitations(view: View, config: ModelConfig) -> None:
    """Say what a model does badly, and what was measured of that."""
    st.markdown("#### What this model does badly")
    found = [*config.limitations, *filter(None, [apart(config, metrics_of(view.data, view.model))])]
    st.markdown("\n".join(f"- {plain(text)}" for text in found))


def apart(config: ModelConfig, metrics: Metrics | None) -> str:
    """Say how far what is decoded from one latent of the prior fits together."""
    images = tuple(m.name for m, _, _ in tiles(config.modalities))
    key = FigureKey("coherence", (), images)
    figure = metrics.test.get(key.kind, {}).get(str(key)) if metrics else None
    if figure is None:
        return ""
    named = [m.name for m in config.modalities if m.is_annotation]
    what = listing(named) if len(named) <= FEW else f"{len(named)} labels"
    return (
        f"Measured, given nothing: a picture and the {plain(what)} of the same draw agree in "
        f"{100 * figure['mean']:.1f} ± {100 * figure['se']:.1f} % (a separate classifier looks at "
        "the picture)."
    )


def reached(name: str, records: Sequence[Record]) -> str:
    """Say what a model reaches where an answer is right or wrong, and who reaches most.

    Likelihoods are compared on Results; coherence without diversity is no merit.
    """
    tables = {run.name: measured(run.config, run.metrics) for run in records}
    found = []
    modalities = next((run.config.modalities for run in records if run.name == name), ())
    for key, x in tables.get(name, {}).items():
        if x is None or key.kind in ELSEWHERE:
            continue
        others = {n: y for n, table in tables.items() if (y := table.get(key)) and not y.doubt}
        if x.doubt or not others:
            continue
        best = max(others, key=lambda n: others[n].mean)
        theirs = with_error(others[best].mean, others[best].se)
        rank = "" if best == name else f" ({plain(best)}: {theirs})"
        title = title_of(key, modalities)
        found.append(f"{plain(title)} {with_error(x.mean, x.se)}{rank or ', the best here'}")
    return f"Measured on the test split: {'; '.join(found)}." if found else ""


def alike(config: ModelConfig, what: Callable[[Modality], str]) -> list[tuple[str, list[str]]]:
    """List what is said of modalities, each with the names of those of which it is said."""
    groups: dict[str, list[str]] = {}
    for m in config.modalities:
        groups.setdefault(what(m), []).append(m.name)
    return list(groups.items())


def show_data(view: View, config: ModelConfig) -> None:
    """Say what the data are: their modalities, how many there are, where they come from."""
    data = DATASETS.get(view.data)
    st.markdown(f"**{plain(data.title if data else view.data)}**")
    lines = [f"- {listing(names)}: {what}" for what, names in alike(config, described)]
    st.markdown("\n".join(lines))
    for sentence in (*data.facts, data.source) if data else ():
        st.caption(sentence)


def show_figures(view: View, config: ModelConfig) -> None:
    """Show the figures of metrics.json, if they are those of these weights."""
    try:
        metrics = metrics_of(view.data, view.model)
    except CheckpointError as error:
        st.markdown(plain(error))
        return
    if metrics is None:
        st.caption(
            "It has no figures measured on exactly these weights; "
            f"{code(f'python -m mvae evaluate {view.data}/{view.model}')} makes them."
        )
        return
    found = titled(config, metrics)
    st.dataframe(
        [
            {"measured": title, "test split": figure_cell(x)}
            for title, x in found.items()
            if x is not None
        ],
        hide_index=True,
    )
    protocol = metrics.protocol
    said = [
        f"{name.replace('_', ' ')}: {plain(protocol[name])}"
        for name, kind in PROTOCOL.items()
        if name in protocol and kind in metrics.test
    ]
    st.caption(
        "± standard error. "
        + (f"{IN_PARENTHESES} " if DISTRUSTED in {x.doubt for x in found.values() if x} else "")
        + f"{'; '.join(said)}. Measured on {plain(protocol['date'])} by "
        f"{code(protocol['command'])}; all figures stand on Results."
    )
