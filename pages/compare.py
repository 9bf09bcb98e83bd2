"""Compare: what several models infer and generate from the same evidence."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from mvae.analysis.comparison import Prediction
from mvae.checkpoint import ModelConfig
from mvae.evaluation.classifier import Classifier
from mvae.files import CheckpointError
from mvae.modality import Modality
from mvae.models.base import DRAWS, LatentModel, MultimodalModel
from pages.parts.about import introduction
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
from pages.parts.pictures import ink
from pages.parts.plain import plain
from pages.parts.sentences import name_modalities
from pages.parts.server.loading import classifier_of, load, samples_of
from pages.parts.view import View, compared

PROTOCOL = f"{DRAWS} draws, the same random numbers for every model"
Loaded = dict[str, tuple[MultimodalModel, ModelConfig]]


def page() -> None:
    """Show the evidence on the left, the models beside it, and their recorded figures below."""
    view: View = st.session_state["view"]
    names = compared(view)
    loaded, damaged = load_all(view.data, names)
    if not loaded:
        st.markdown("### Choose models to compare")
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
    given = name_modalities(evidence)
    st.markdown(f"### Given {given}: what each model infers and generates")

    left, right = st.columns([1.15, 3.2], gap="medium")
    with left:
        evidence_column(view, modalities, samples, sample, colours)
    classifier = picture_classifier(view.data, pinned)
    with right:
        choose(view, names)
        about = {name: plain(problem) for name, problem in damaged.items()}
        about |= {name: introduction(config) for name, (_, config) in loaded.items()}
        slots = lay_out(names, pinned, about)
        files = st.container(horizontal=True)
        explain(pinned, modalities, classifier is not None)
    widths = [m.latents for m, _ in loaded.values() if isinstance(m, LatentModel)]
    latents = min(AXIS, max(widths, default=1))
    shared = Shared(modalities, sample, evidence, colours, latents, ink(), pinned)
    cards = Cards(slots, shared)

    def fill(chains: bool) -> None:
        models = {name: m for name, (m, _) in loaded.items() if m.uses_gibbs_chains == chains}
        if chains:
            cards.wait(models)
        for ready in answers(models, pinned, sample, evidence, classifier, view.seed):
            if ready is None and chains:
                cards.wait(models)  # a write lets Streamlit notice that the visitor has moved on
            elif ready is not None:
                cards.fill(*ready)

    # Models without Markov chains come first, and the rest of the page before the chains.
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
    found: dict[str, Prediction],
    pinned: str,
    title: str,
    table: pd.DataFrame,
) -> None:
    """Offer the contents of the cards as a picture and as a table."""
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
    """Load the models; return those that load, and the error message of each that does not."""
    loaded: Loaded = {}
    damaged = {}
    for name in names:
        try:
            loaded[name] = load(data, name)
        except CheckpointError as error:
            damaged[name] = str(error)
    return loaded, damaged


def picture_classifier(data: str, model: str) -> Classifier | None:
    """Return the classifier that judges coherence; without one (None), coherence is not shown."""
    try:
        return classifier_of(data, model)
    except CheckpointError:
        return None


def explain(pinned: str, modalities: tuple[Modality, ...], named: bool) -> None:
    """Explain how to read the cards and, if there is a classifier, what coherence means."""
    kinds = {m.kind for m in modalities}
    coherence = (
        "**Coherence**: the share of the draws whose picture a separate classifier assigns to the "
        "supplied label or, where none is supplied, to the label generated by the same draw. "
        "Draws that all show the mean of a class reach 100 %, so look at the draws too. "
    )
    st.caption(
        f"{PROTOCOL}. **Posterior**: σ of each latent, sharpest first, at most {AXIS} of them, on "
        f"a logarithmic axis where the prior is at 1; dashed: {plain(pinned)}. "
        + "".join(view.legend for kind, view in VIEWS.items() if kind in kinds)
        + (coherence if named else "")
        + "**log p**: predictive log-likelihood of the held-out modalities, in nats. "
        "**KL to the prior**: in nats."
    )


page()
