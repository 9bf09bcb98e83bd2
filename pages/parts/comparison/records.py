"""Recorded facts about models: size, training, measured figures, and ways to train an MVAE."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

import pandas as pd
import streamlit as st

from mvae.checkpoint import ModelConfig
from mvae.files import CheckpointError
from mvae.models.base import MultimodalModel
from mvae.results.runs import (
    TrainingVariant,
    annotation_weight,
    headline_keys,
    load_history,
    training_variants,
)
from pages.parts.measured import IN_PARENTHESES, figure_cell, spread_cell, title_of, titled
from pages.parts.plain import plain
from pages.parts.plots import curves
from pages.parts.sentences import MAX_NAMED
from pages.parts.server.loading import files_of, metrics_of, records_of
from pages.parts.server.versions import cached_by, stamps

__all__ = ["records", "show_curves", "show_records", "show_ways"]

#: The column of sentences on missing capabilities.
CANNOT = "limitations"


def _of_history(dataset: str, model: str) -> Hashable:
    return stamps(*files_of(dataset, f"{model}/history.csv"))


@cached_by(_of_history, max_entries=32)
def history_of(dataset: str, model: str) -> dict[str, list[float]]:
    """Return a model's training curves."""
    return load_history(dataset, model)


def records(
    dataset: str, models: Mapping[str, tuple[MultimodalModel, ModelConfig]]
) -> pd.DataFrame:
    """Tabulate what is known about each model independently of the evidence."""
    rows = {}
    for name, (model, config) in models.items():
        seconds = history_of(dataset, name).get("seconds", [None])[-1]
        rows[name] = (
            {
                "parameters": f"{sum(w.numel() for w in model.parameters()):,}",
                "training time": "—" if seconds is None else duration(seconds),
                "epochs": config.training.epochs,
                "λ": annotation_weight(config) or "—",
                "objective": config.objective.name,
            }
            | {
                title: figure_cell(x)
                for title, x in titled(config, metrics_of(dataset, name)).items()
            }
            | {CANNOT: " ".join(limitations(model))}
        )
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    return table.loc[:, (table != "—").any()]


def duration(seconds: float) -> str:
    """Return a duration in seconds or minutes.

    Example:
        >>> duration(41.2), duration(595.6)
        ('41 s', '10 min')
    """
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def limitations(model: MultimodalModel) -> list[str]:
    """Return sentences that explain why some of a model's figures do not exist."""
    labels = [m.name for m in model.modalities if m.is_category]
    images = [m.name for m in model.modalities if m.is_image]
    asked = [(images, name) for name in labels if images]
    # One tile of a picture stands for all.
    asked += [(labels, name) for name in images[:1] if labels]
    found = (model.no_likelihood, *(model.cannot(given, name) for given, name in asked))
    return [text for text in dict.fromkeys(found) if text]


def show_records(table: pd.DataFrame) -> None:
    """Show the recorded figures, with sentences below the table, where there is more room."""
    st.markdown("#### Recorded figures")
    st.dataframe(table.drop(columns=CANNOT))
    texts = [f"- **{plain(name)}**: {plain(text)}" for name, text in table[CANNOT].items() if text]
    if texts:
        st.markdown("\n".join(texts))
    cells = table.drop(columns=CANNOT).to_numpy().ravel()
    distrusted = any(isinstance(cell, str) and cell.startswith("(") for cell in cells)
    st.caption(
        "Measured on the test split, ± standard error. λ is the weight of labels, tags and texts. "
        "A dash marks what a model cannot do, or what was not measured on these weights. "
        + (f"{IN_PARENTHESES} " if distrusted else "")
        + "The rows are not ranked: Results ranks models by paired differences. Training times "
        "were measured on a machine that was also doing other work."
    )


def show_curves(dataset: str, models: Iterable[str]) -> None:
    """Draw the training curves, once their section is open."""
    with st.expander("Training curves", key="curves", on_change="rerun") as look:
        if not look.open:
            return
        histories = {name: history_of(dataset, name) for name in models}
        histories = {name: columns for name, columns in histories.items() if columns}
        if not histories:
            st.markdown("There are no training curves for these models.")
            return
        words = f"Validation score and training loss by epoch of {', '.join(histories)}"
        st.plotly_chart(curves(histories), config={"displayModeBar": False}, alt=words)
        st.caption(
            "Each objective has its own validation score, usually the ELBO of the validation split "
            "with λ = 1 and β = 1. The loss is the quantity that was minimised, with the "
            "objective's λ and the annealed β. Losses of different objectives are not comparable."
        )


def show_ways(dataset: str) -> None:
    """Tabulate the ways to train the MVAE's network, once their section is open."""
    with st.expander("Ways to train an MVAE", key="ways", on_change="rerun") as look:
        if not look.open:
            return
        try:
            ways = training_variants(records_of(dataset))
        except CheckpointError as error:
            st.warning(plain(error))
            return
        if not ways:
            st.markdown("No training run of an MVAE has been measured.")
            return
        st.dataframe([_row(way) for way in ways], hide_index=True)
        st.caption(
            "One network, trained in different ways, measured on the test split. Figures are the "
            "mean over seeds ± the standard deviation between seeds, which does not include the "
            "error over samples; only seeds measured on the same samples by the same protocol "
            "count. Budgets differ: each row shows its epochs and λ, the weight of labels, tags "
            "and texts in the objective. "
            "Decodings: how often a training step decodes each modality of a sample. Coherence: "
            "the share of generated pictures that a separate classifier assigns to the label they "
            "were generated from. Diversity: the distance between such pictures, relative to that "
            "between real ones. Each means little without the other: a model that always generates "
            "the mean of a class is coherent, but its diversity is 0."
        )


def decodings(evaluations: Mapping[str, float]) -> str:
    """Return how often each modality is decoded; for many modalities, only the range.

    Example:
        >>> decodings({"image": 2.0, "label": 2.5})
        'image 2, label 2.5'
    """
    if len(evaluations) > MAX_NAMED:
        return f"{min(evaluations.values()):.3g} to {max(evaluations.values()):.3g} each"
    return ", ".join(f"{name} {n:g}" for name, n in evaluations.items()) or "—"


def _row(way: TrainingVariant) -> dict[str, str | int]:
    return {
        "run": way.config.model,
        "objective": way.config.objective.name,
        "λ": annotation_weight(way.config),
        "latents": way.config.latents,
        "epochs": way.config.training.epochs,
        "seeds": len(way.seeds),
        **{
            title_of(key, way.config.modalities): spread_cell(way.figures.get(key), len(way.seeds))
            for key in headline_keys(way.config)
        },
        "decodings": decodings(way.evaluations),
    }
