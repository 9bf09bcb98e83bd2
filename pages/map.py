"""Map: where the examples' posteriors lie in latent space, and the current one among them."""

from __future__ import annotations

import streamlit as st

from mvae.analysis.embedding import posterior_means
from mvae.batch import Batch
from mvae.modality import Modality
from pages.parts.code import map_code, show_code
from pages.parts.evidence import gather, supplied, switch
from pages.parts.map import Shade, describe, nearest_samples, shades, show_map
from pages.parts.plain import plain
from pages.parts.sentences import name_modalities, neighbourhood
from pages.parts.server.loading import load_experts, map_of, samples_of
from pages.parts.view import COLOURINGS, View, change
from pages.parts.widget_sync import follow, show_number

#: How many of the nearest examples are counted.
NEAREST = 10
TOGETHER = "all modalities together"


def choose(view: View, modalities: tuple[Modality, ...], found: dict[str, Shade]) -> Shade | None:
    """Show the chooser of which posteriors are shown, and how they are coloured."""
    names = [m.name for m in modalities]
    st.selectbox(
        "Dots: posteriors given",
        ["", *names],
        format_func=lambda name: name or TOGETHER,
        key="given",
        on_change=follow("given", view.given, lambda given: change(given=given)),
        width=230,
    )
    if not found:
        return None
    shade = found.get(view.shade, next(iter(found.values())))
    st.segmented_control(
        "Colour by",
        list(COLOURINGS),
        format_func=(COLOURINGS | {"label": plain(shade.name)}).__getitem__,
        key="colour",
        required=True,
        on_change=follow("colour", view.colour, lambda colour: change(colour=colour)),
    )
    if len(found) > 1:
        st.selectbox(
            "Categories",
            list(found),
            key="shade",
            on_change=follow("shade", shade.name, lambda name: change(colour="label", shade=name)),
            width=200,
        )
    return shade


def switches(view: View, sample: Batch) -> None:
    """Show a switch for each modality, the same ones as on the Experts page."""
    for name, there in zip(sample.names, sample.present[0].tolist(), strict=True):
        switch(name, view, there)


def page() -> None:
    """Show the two layouts, and describe in words where the posterior lies."""
    view: View = st.session_state["view"]
    model, config = load_experts(view.data, view.model)
    samples = samples_of(view.data, view.model)
    chart = map_of(view.data, view.model)
    sample = gather(view, config.modalities, samples)
    evidence = supplied(view, sample)
    mean = posterior_means(model, sample, evidence)[0]

    own = view.sample if view.source == "example" and not view.entries else None
    nearest = nearest_samples(chart, mean, NEAREST, own)
    st.markdown("### Where the examples lie in latent space")
    sentence = st.empty()
    with st.container(horizontal=True, vertical_alignment="top"):
        shade = choose(view, config.modalities, shades(config.modalities, samples))
    if label := next((m for m in config.modalities if shade and m.name == shade.name), None):
        known = samples.values[label.name][nearest].tolist()
        sentence.markdown(neighbourhood(evidence, label, known))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("Crosshair: the posterior given", width="content")
        switches(view, sample)
    show_number("evidence")
    words = (view.given or TOGETHER, name_modalities(evidence).replace("**", ""))
    data = describe(view, config.modalities, samples, chart, mean, words, shade)
    opened = show_map(view, data)
    if opened is not None:
        change(sample=opened, source="example", entries={})
        st.switch_page("experts.py")
    st.caption(
        "Each dot is the posterior mean of a bundled test example. A single UMAP was fitted to the "
        "means given each modality alone and given all together, so positions can be compared "
        "between these views; the sizes of groups and the distances between them mean little. "
        "UMAP places the current posterior among its nearest neighbours; PCA places it exactly. "
        "The nearest examples are found in all latent dimensions, with all of each example’s "
        "modalities supplied."
    )
    show_code(map_code(view, config.modalities, evidence))


page()
