"""About a model and its data: what they are, and what was measured, with its protocol."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from mvae import checkpoint
from mvae.checkpoint import ModelConfig
from mvae.data import DATASETS
from mvae.modality import Modality
from mvae.runs import measured
from pages.parts.loading import load, metrics_of
from pages.parts.plain import code, plain
from pages.parts.view import View
from pages.parts.words import described, listing, told, with_error

__all__ = ["about", "show_limitations"]

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
    except checkpoint.CheckpointError as error:
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


def show_limitations(config: ModelConfig) -> None:
    """Say what a model does badly."""
    st.markdown("#### What this model does badly")
    st.markdown("\n".join(f"- {plain(text)}" for text in config.limitations))


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
    except checkpoint.CheckpointError as error:
        st.markdown(plain(error))
        return
    if metrics is None:
        st.caption(
            "It has no figures measured on exactly these weights; "
            f"{code(f'python -m mvae evaluate {view.data}/{view.model}')} makes them."
        )
        return
    st.dataframe(
        [
            {"measured": title, "test split": with_error(x), "n": x["n"]}
            for title, x in measured(config, metrics).items()
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
        f"± standard error. {'; '.join(said)}. Measured on {plain(protocol['date'])} by "
        f"{code(protocol['command'])}; all figures stand on Results."
    )
