"""About a model: its description, its data, and its measured figures with their protocol."""

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
from mvae.results.runs import Record, headline_figures
from pages.parts.measured import IN_PARENTHESES, figure_cell, title_of, titled
from pages.parts.plain import code, plain
from pages.parts.sentences import MAX_NAMED, described, listing, name_modalities, with_error
from pages.parts.server.loading import load, metrics_of
from pages.parts.view import View

__all__ = ["about", "best_figures", "introduction", "show_limitations"]

#: Kinds of figures that other pages show: likelihoods, and two that are shown together.
ELSEWHERE = ("loglik", "predictive", "coherence", "diversity")

#: Entries of the protocol that are shown, and the kind of figure that each belongs to.
PROTOCOL = {
    "proposal": "loglik",
    "K": "loglik",
    "accuracy": "accuracy",
    "coherence": "coherence",
    "diversity": "diversity",
    "average_precision": "average_precision",
    "texts": "bleu",
}


def introduction(config: ModelConfig) -> str:
    """Return Markdown that introduces a model: its title, its paper and its summary.

    Without a link: in the grey of captions one has too little contrast.

    Example:
        >>> from mvae.training.recipes import config_for
        >>> introduction(config_for("mnist", "rbm")).split(":")[0]
        '**Restricted Boltzmann machine** (Tieleman 2008)'
    """
    network = config.objective.network
    paper, _, _ = network.reference.rpartition(", ")
    return f"**{plain(network.title)}** ({plain(paper)}): {plain(config.summary)}"


def about(view: View) -> None:
    """Show what the model is, its measured figures, and the data it was trained on."""
    try:
        _, config = load(view.data, view.model)
    except CheckpointError as error:
        st.markdown(plain(error))
        return
    _, _, link = config.objective.network.reference.rpartition(", ")
    st.markdown(f"**{plain(view.model)}** · {introduction(config)} [Paper]({link})")
    show_figures(view, config)
    likelihoods = grouped_by(config, lambda m: f"{m.distribution.title}, λ = {m.weight:g}")
    settings = "; ".join(
        f"{name_modalities(names).replace('**', '')}: {how}" for how, names in likelihoods
    )
    st.caption(
        f"{config.latents} latents · {config.training.epochs} epochs, {config.objective.name} "
        f"objective · {settings}"
    )
    show_data(view, config)


def show_limitations(view: View, config: ModelConfig) -> None:
    """List a model's limitations, with a measured figure where there is one."""
    st.markdown("#### Limitations of this model")
    found = [
        *config.limitations,
        *filter(None, [decoder_agreement(config, metrics_of(view.data, view.model))]),
    ]
    st.markdown("\n".join(f"- {plain(text)}" for text in found))


def decoder_agreement(config: ModelConfig, metrics: Metrics | None) -> str:
    """Describe how often the modalities decoded from one draw of the prior agree."""
    images = tuple(m.name for m, _, _ in tiles(config.modalities))
    key = FigureKey("coherence", (), images)
    figure = metrics.test.get(key.kind, {}).get(str(key)) if metrics else None
    if figure is None:
        return ""
    named = [m.name for m in config.modalities if m.is_annotation]
    what = listing(named) if len(named) <= MAX_NAMED else f"{len(named)} labels"
    return (
        f"Measured without evidence: the picture and the {plain(what)} of the same draw agree in "
        f"{100 * figure['mean']:.1f} ± {100 * figure['se']:.1f} % of the draws (a separate "
        "classifier judges the picture)."
    )


def best_figures(name: str, records: Sequence[Record]) -> str:
    """Describe a model's accuracy, beside that of the best model if it is another one.

    Likelihoods are left to Results, and so is coherence, which means little without diversity.
    """
    tables = {run.name: headline_figures(run.config, run.metrics) for run in records}
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


def grouped_by(config: ModelConfig, what: Callable[[Modality], str]) -> list[tuple[str, list[str]]]:
    """Group the modalities by a description; return each with the names it applies to."""
    groups: dict[str, list[str]] = {}
    for m in config.modalities:
        groups.setdefault(what(m), []).append(m.name)
    return list(groups.items())


def show_data(view: View, config: ModelConfig) -> None:
    """Describe a data set: its modalities, its size, its source."""
    data = DATASETS.get(view.data)
    st.markdown(f"**{plain(data.title if data else view.data)}**")
    lines = [f"- {listing(names)}: {what}" for what, names in grouped_by(config, described)]
    st.markdown("\n".join(lines))
    for sentence in (*data.facts, data.source) if data else ():
        st.caption(sentence)


def show_figures(view: View, config: ModelConfig) -> None:
    """Show the figures of metrics.json, if they were measured on these weights."""
    try:
        metrics = metrics_of(view.data, view.model)
    except CheckpointError as error:
        st.markdown(plain(error))
        return
    if metrics is None:
        st.caption(
            "There are no figures for exactly these weights. To measure them, run "
            f"{code(f'python -m mvae evaluate {view.data}/{view.model}')}."
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
    protocols = [
        f"{name.replace('_', ' ')}: {plain(protocol[name])}"
        for name, kind in PROTOCOL.items()
        if name in protocol and kind in metrics.test
    ]
    st.caption(
        "± standard error. "
        + (f"{IN_PARENTHESES} " if DISTRUSTED in {x.doubt for x in found.values() if x} else "")
        + f"{'; '.join(protocols)}. Measured on {plain(protocol['date'])} by "
        f"{code(protocol['command'])}. Results shows all figures."
    )
