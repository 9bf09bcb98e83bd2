"""Experts: each modality's expert, the posterior as their product, and what it generates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from mvae.analysis.inference import Inference, infer
from pages.parts.about import best_figures, show_limitations
from pages.parts.code import experts_code, show_code
from pages.parts.colours import colours_of
from pages.parts.evidence import evidence_column, gather, supplied
from pages.parts.exact_posterior import exact_of, show_products
from pages.parts.sentences import NATS, about_conflict, agreement, headline, what_changed
from pages.parts.server.assets import decoders_path
from pages.parts.server.loading import load, load_experts, metrics_of, records_of, samples_of
from pages.parts.stage import describe, show_stage
from pages.parts.stage.planes import plane_of
from pages.parts.view import MAX_DIMS, View, change, read_coordinates
from pages.parts.widget_sync import follow


def page() -> None:
    """Show the evidence, the posterior and the generated modalities, from left to right."""
    view: View = st.session_state["view"]
    model, config = load_experts(view.data, view.model)
    samples, metrics = samples_of(view.data, view.model), metrics_of(view.data, view.model)
    colours = colours_of(config.modalities)
    sample = gather(view, config.modalities, samples)
    evidence = supplied(view, sample)
    inference = infer(model, sample, evidence, seed=view.seed)

    remarks = [
        agreement(inference, metrics.test if metrics else {}),
        _describe_change(view, evidence, float(inference.sharpness[-1])),
    ]
    st.markdown(f"### {headline(inference)}", help=NATS)
    st.markdown(
        " ".join(filter(None, remarks)) or "Use the switches to supply or drop evidence.",
        help=about_conflict(inference) if len(evidence) > 1 else None,
    )
    if words := best_figures(view.model, records_of(view.data)):
        st.caption(words)

    left, right = st.columns([1.15, 3], gap="medium")
    with left:
        evidence_column(view, config.modalities, samples, sample, colours)
    with right:
        plane = plane_of(view.data, view.model, view.plane)
        decoders = decoders_path(view.data, view.model)
        exact = exact_of(view.data, view.model, sample, inference)
        data = describe(
            inference, model, decoders, view.seed, view.dims, plane, view.at, exact=exact
        )
        show_stage("stage", data, _apply_event)
        with st.container(horizontal=True):
            with st.popover("Choose dimensions"):
                _choose_dimensions(view, inference)
            if config.latents > 2:
                with st.popover("Choose the plane"):
                    _choose_plane(view, inference)
            st.button("Draw other samples", key="draw", on_click=lambda: change(seed=view.seed + 1))
        show_products(view.data, view.model, sample, inference)
        show_code(experts_code(view, config.modalities, evidence, exact is not None))
        show_limitations(view, config)


def _apply_event(event: Mapping[str, Any]) -> None:
    """Apply an event of the stage: evidence supplied or dropped, a latent held or released."""
    view: View = st.session_state["view"]
    at, supply = read_coordinates(event.get("at")), event.get("supply")
    if isinstance(supply, list):
        names = [m.name for m in load(view.data, view.model)[1].modalities]
        wanted = [name for name in dict.fromkeys(map(str, supply)) if name in names]
        change(supply=tuple(wanted), at=at)
    else:
        change(at=at)


def _choose_plane(view: View, inference: Inference) -> None:
    """Show the chooser of the two dimensions of the plane."""
    nats = inference.posterior.information()
    # One dimension is not yet a plane: it stays in the box until a second one is chosen.
    identity = (view.data, view.model, view.plane)
    of, half = st.session_state.get("half a plane", (None, None))

    def chosen(dims: list[int]) -> None:
        st.session_state["half a plane"] = (identity, dims if len(dims) == 1 else None)
        if len(dims) != 1:
            change(plane=tuple(dims))

    st.multiselect(
        "Two latent dimensions, or none for the directions in which the examples vary most",
        inference.most_informative(),
        format_func=lambda d: f"z{d} · {nats[d]:.1f} nats",
        placeholder="the principal directions",
        max_selections=2,
        key="plane",
        on_change=follow("plane", (of == identity and half) or list(view.plane), chosen),
    )


def _choose_dimensions(view: View, inference: Inference) -> None:
    """Show the chooser of the latent dimensions whose densities are drawn."""
    nats = inference.posterior.information()
    st.multiselect(
        "Latent dimensions, by their KL to the prior",
        inference.most_informative(),
        format_func=lambda d: f"z{d} · {nats[d]:.1f} nats",
        placeholder="the most informative",
        max_selections=MAX_DIMS,
        key="dims",
        on_change=follow("dims", list(view.dims), lambda dims: change(dims=tuple(dims))),
    )


def _describe_change(view: View, evidence: tuple[str, ...], nats: float) -> str:
    """Describe the change since the previous run, if only the supplied modalities differ."""
    identity = (view.data, view.model, view.source, view.sample, view.drawing)
    before = st.session_state.get("before")
    st.session_state["before"] = (identity, view.entries, evidence, nats)
    if before is None or before[0] != identity:
        return ""
    _, entries, supplied_before, nats_before = before
    both = set(evidence) & set(supplied_before)
    if any(entries.get(name) != view.entries.get(name) for name in both):
        return ""
    return what_changed(supplied_before, evidence, nats - nats_before)


page()
