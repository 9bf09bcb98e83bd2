"""About a model: what it is, and the figures measured on the test split with their protocol."""

from __future__ import annotations

import streamlit as st

from mvae import checkpoint
from mvae.checkpoint import ModelConfig
from mvae.data import DATASETS
from pages.parts.loading import load, metrics_of
from pages.parts.view import View

__all__ = ["about"]


def about(view: View) -> None:
    """Say what the model is, what it does badly, and what it was trained with."""
    try:
        _, config = load(view.data, view.model)
    except checkpoint.CheckpointError as error:
        st.markdown(str(error))
        return
    st.markdown(f"**{view.model}** · {config.summary}")
    measured(view, config)
    likelihoods = "; ".join(
        f"{m.name}: {m.distribution.title}, λ = {m.weight:g}" for m in config.modalities
    )
    st.caption(
        f"{config.latents} latents · {config.training.epochs} epochs, {config.objective.name} "
        f"objective · {likelihoods}"
    )
    if view.data in DATASETS:
        st.caption(DATASETS[view.data].source)


def measured(view: View, config: ModelConfig) -> None:
    """Show the figures of metrics.json, if they are those of these weights."""
    metrics = metrics_of(view.data, view.model)
    if metrics is None:
        st.caption(
            "It has no figures measured on exactly these weights; "
            f"`python -m mvae evaluate {view.data}/{view.model}` makes them."
        )
        return
    test = metrics.test
    images = sum(m.kind == "image" for m in config.modalities)
    exact = all(m.distribution.exact for m in config.modalities)
    title = "log p" if exact else "score by cross-entropy, not a log p"
    figures = [(f"{title} · {what}", x) for what, x in test.get("loglik", {}).items()]
    figures += [
        (f"label's accuracy, {count} of {images} image parts given", x)
        for count, x in test["accuracy_by_number"].items()
    ]
    for name in ("coherence", "diversity"):
        figures += [(f"{name} · {what}", x) for what, x in test.get(name, {}).items()]
    figures.append(("accuracy of the classifier that names", test["classifier_accuracy"]))
    table = [
        {"measured": name, "test split": f"{x['mean']:.3f} ± {x['se']:.3f}"} for name, x in figures
    ]
    for what, x in test.get("coherence", {}).items():
        relative = x["mean"] / test["classifier_accuracy"]["mean"]
        table.append(
            {"measured": f"coherence relative to it · {what}", "test split": f"{relative:.3f}"}
        )
    st.dataframe(table, hide_index=True)
    protocol = metrics.protocol
    st.caption(
        f"± standard error; n = {protocol['n']}, log p on {protocol['n_loglik']} with K = "
        f"{protocol['K']}, {protocol['proposal']}; accuracy: {protocol['accuracy']}; "
        f"coherence: {protocol['coherence']}; diversity: {protocol['diversity']}. "
        f"Measured on {protocol['date']} by `{protocol['command']}`."
    )
