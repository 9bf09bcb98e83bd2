"""About a model: what it is, and the figures measured on the test split with their protocol."""

from __future__ import annotations

import streamlit as st

from mvae import checkpoint
from mvae.checkpoint import ModelConfig
from mvae.data import DATASETS
from mvae.runs import measured
from pages.parts.loading import load, metrics_of
from pages.parts.view import View

__all__ = ["about"]

#: What of the protocol bears on the figures shown.
PROTOCOL = ("proposal", "K", "accuracy", "coherence", "diversity")


def about(view: View) -> None:
    """Say what the model is, what it does badly, and what it was trained with."""
    try:
        _, config = load(view.data, view.model)
    except checkpoint.CheckpointError as error:
        st.markdown(str(error))
        return
    st.markdown(f"**{view.model}** · {config.summary}")
    show_figures(view, config)
    likelihoods = "; ".join(
        f"{m.name}: {m.distribution.title}, λ = {m.weight:g}" for m in config.modalities
    )
    st.caption(
        f"{config.latents} latents · {config.training.epochs} epochs, {config.objective.name} "
        f"objective · {likelihoods}"
    )
    if view.data in DATASETS:
        st.caption(DATASETS[view.data].source)


def show_figures(view: View, config: ModelConfig) -> None:
    """Show the figures of metrics.json, if they are those of these weights."""
    metrics = metrics_of(view.data, view.model)
    if metrics is None:
        st.caption(
            "It has no figures measured on exactly these weights; "
            f"`python -m mvae evaluate {view.data}/{view.model}` makes them."
        )
        return
    st.dataframe(
        [
            {"measured": title, "test split": f"{x['mean']:.3f} ± {x['se']:.3f}", "n": x["n"]}
            for title, x in measured(config, metrics).items()
            if x is not None
        ],
        hide_index=True,
    )
    protocol = metrics.protocol
    told = [f"{name}: {protocol[name]}" for name in PROTOCOL if name in protocol]
    st.caption(
        f"± standard error. {'; '.join(told)}. Measured on {protocol['date']} by "
        f"`{protocol['command']}`; all figures stand on Results."
    )
