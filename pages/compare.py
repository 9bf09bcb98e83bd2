"""Compare: what several models believe and generate, given the same evidence."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from mvae.analysis.comparison import DRAWS, Answer
from mvae.checkpoint import CheckpointError, ModelConfig
from mvae.evaluation.classifier import Classifier
from mvae.modality import Modality
from mvae.models.base import LatentModel, MultimodalModel
from pages.parts.code import compare_code, show_code
from pages.parts.colours import colours_of
from pages.parts.comparison import export
from pages.parts.comparison.answers import answers
from pages.parts.comparison.cards import Cards, choose, lay_out
from pages.parts.comparison.records import records, show_curves, show_records, show_ways
from pages.parts.comparison.shared import Shared
from pages.parts.comparison.spread import AXIS
from pages.parts.evidence import evidence_column, gather, supplied
from pages.parts.kinds.registry import VIEWS
from pages.parts.loading import classifier_of, load, samples_of
from pages.parts.pictures import ink
from pages.parts.plain import plain
from pages.parts.sentences import told
from pages.parts.view import View, compared

PROTOCOL = f"{DRAWS} draws, the same random numbers for every model"
Loaded = dict[str, tuple[MultimodalModel, ModelConfig]]


def page() -> None:
    """Show the evidence on the left, the models beside it, and what is on record below."""
    view: View = st.session_state["view"]
    names = compared(view)
    loaded, damaged = load_all(view.data, names)
    if not loaded:
        st.markdown("### Which models are to be compared?")
        choose(view, names)
        for problem in damaged.values():
            st.warning(plain(problem))
        return
    pinned = view.pinned if view.pinned in loaded else next(iter(loaded))
    modalities = loaded[pinned][1].modalities
    colours = colours_of(modalities)
    samples = samples_of(view.data, pinned)
    sample = gather(view, modalities, samples)
    evidence = supplied(view, sample)
    given = told(evidence)
    st.markdown(f"### Given {given}: what each model believes and generates")

    left, right = st.columns([1.15, 3.2], gap="medium")
    with left:
        evidence_column(view, modalities, samples, colours)
    classifier = naming(view.data, pinned)
    with right:
        choose(view, names)
        about = damaged | {name: config.summary for name, (_, config) in loaded.items()}
        places = lay_out(names, pinned, about)
        files = st.container(horizontal=True)
        explain(pinned, modalities, classifier is not None)
    widths = [m.latents for m, _ in loaded.values() if isinstance(m, LatentModel)]
    latents = min(AXIS, max(widths, default=1))
    shared = Shared(modalities, sample, evidence, colours, latents, ink(), pinned)
    cards = Cards(places, shared)

    def fill(chains: bool) -> None:
        models = {name: m for name, (m, _) in loaded.items() if m.sampler == chains}
        if chains:
            cards.wait(models)
        for ready in answers(models, pinned, sample, evidence, classifier, view.seed):
            if ready is None and chains:
                cards.wait(models)  # writing is when Streamlit sees what a visitor did meanwhile
            elif ready is not None:
                cards.take(*ready)

    # Whoever answers at once waits for no chain, nor does anything below.
    fill(chains=False)
    table = records(view.data, loaded)
    show_records(table)
    show_curves(view.data, list(loaded))
    show_ways(view.data)
    show_code(compare_code(view, modalities, tuple(loaded), pinned, evidence))
    fill(chains=True)

    found = {name: cards.found[name] for name in loaded}
    title = f"{view.data} given {given.replace('**', '')}; {PROTOCOL}"
    with files:
        offer(view.data, modalities, found, pinned, title, table)


def offer(
    data: str,
    modalities: tuple[Modality, ...],
    found: dict[str, Answer],
    pinned: str,
    title: str,
    table: pd.DataFrame,
) -> None:
    """Offer what the cards show as a picture and as a table."""
    st.download_button(
        "Picture (PNG)",
        lambda: export.picture(found, modalities, pinned, title),
        file_name=f"comparison-{data}.png",
        mime="image/png",
        on_click="ignore",
    )
    st.download_button(
        "Table (CSV)",
        lambda: export.table(found, pinned, table),
        file_name=f"comparison-{data}.csv",
        mime="text/csv",
        on_click="ignore",
    )


def load_all(data: str, names: tuple[str, ...]) -> tuple[Loaded, dict[str, str]]:
    """Load the models, and say of those that are damaged what is wrong."""
    loaded: Loaded = {}
    damaged = {}
    for name in names:
        try:
            loaded[name] = load(data, name)
        except CheckpointError as error:
            damaged[name] = str(error)
    return loaded, damaged


def naming(data: str, model: str) -> Classifier | None:
    """Give the classifier that names pictures; without one nothing is said of coherence."""
    try:
        return classifier_of(data, model)
    except CheckpointError:
        return None


def explain(pinned: str, modalities: tuple[Modality, ...], named: bool) -> None:
    """Say how to read the cards, and how coherence is judged if pictures are named."""
    kinds = {m.kind for m in modalities}
    coherence = (
        "**Coherence**: the share of the draws whose picture a separate classifier names as the "
        "label that is supplied, or else as the one that the same draw generates; draws that are "
        "all alike, a mean of the class, reach 100 %, so look at the draws too. "
    )
    st.caption(
        f"{PROTOCOL}. **Posterior**: σ of each latent, the {AXIS} sharpest from left to right, on "
        f"a logarithmic axis, the prior’s is 1; dashed: {plain(pinned)}’s. "
        + "".join(view.legend for kind, view in VIEWS.items() if kind in kinds)
        + (coherence if named else "")
        + "**log p**: predictive log-likelihood of what is held out, in nats. **KL to the prior**: "
        "in nats."
    )


page()
