"""What is on record about models: size, training, measured figures; and the ways to train."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

import pandas as pd
import streamlit as st

from mvae import checkpoint
from mvae.checkpoint import CheckpointError, ModelConfig
from mvae.models.base import MultimodalModel
from mvae.results.runs import FEW, Way, load_history, measured, ways_to_train, weight_of
from pages.parts.figures import curves
from pages.parts.loading import files_of, metrics_of, records_of
from pages.parts.measured import IN_PARENTHESES, figure_cell, spread_cell
from pages.parts.plain import plain
from pages.parts.versions import kept, stamps

__all__ = ["records", "show_curves", "show_records", "show_ways"]

#: The column that holds sentences.
CANNOT = "what it cannot do"


def _of_history(dataset: str, model: str) -> Hashable:
    return stamps(*files_of(dataset, f"{model}/history.csv"))


@kept(_of_history, max_entries=32)
def history_of(dataset: str, model: str) -> dict[str, list[float]]:
    """Read a model's training curves."""
    return load_history(dataset, model, checkpoint.CHECKPOINTS)


def records(
    dataset: str, models: Mapping[str, tuple[MultimodalModel, ModelConfig]]
) -> pd.DataFrame:
    """Tabulate what is known of models apart from any evidence, a row each."""
    rows = {}
    for name, (model, config) in models.items():
        seconds = history_of(dataset, name).get("seconds", [None])[-1]
        rows[name] = (
            {
                "parameters": f"{sum(w.numel() for w in model.parameters()):,}",
                "training time": "—" if seconds is None else duration(seconds),
                "epochs": config.training.epochs,
                "λ": weight_of(config) or "—",
                "objective": config.objective.name,
            }
            | {
                title: figure_cell(x)
                for title, x in measured(config, metrics_of(dataset, name)).items()
            }
            | {CANNOT: " ".join(sentences(model))}
        )
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    return table.loc[:, (table != "—").any()]


def duration(seconds: float) -> str:
    """Write how long something took.

    Example:
        >>> duration(41.2), duration(595.6)
        ('41 s', '10 min')
    """
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def sentences(model: MultimodalModel) -> list[str]:
    """Say why some of a model's figures do not exist."""
    labels = [m.name for m in model.modalities if m.is_category]
    images = [m.name for m in model.modalities if m.is_image]
    asked = [(images, name) for name in labels if images]
    # Of the tiles of a picture one speaks for all.
    asked += [(labels, name) for name in images[:1] if labels]
    found = (model.no_likelihood, *(model.cannot(given, name) for given, name in asked))
    return [text for text in dict.fromkeys(found) if text]


def show_records(table: pd.DataFrame) -> None:
    """Show what is on record; sentences stand below, where there is room for them."""
    st.markdown("#### On record")
    st.dataframe(table.drop(columns=CANNOT))
    texts = [f"- **{plain(name)}**: {plain(text)}" for name, text in table[CANNOT].items() if text]
    if texts:
        st.markdown("\n".join(texts))
    cells = table.drop(columns=CANNOT).to_numpy().ravel()
    distrusted = any(isinstance(cell, str) and cell.startswith("(") for cell in cells)
    st.caption(
        "Measured on the test split, ± standard error; λ is the weight of what is said in words; "
        "— stands for what a model cannot do or nobody measured on these weights. "
        + (f"{IN_PARENTHESES} " if distrusted else "")
        + "The rows are in no order of merit: Results ranks, by paired differences. Training times "
        "passed on a machine that was busy with other things too."
    )


def show_curves(dataset: str, models: Iterable[str]) -> None:
    """Draw the training curves once somebody looks."""
    with st.expander("Training curves", key="curves", on_change="rerun") as look:
        if not look.open:
            return
        histories = {name: history_of(dataset, name) for name in models}
        histories = {name: columns for name, columns in histories.items() if columns}
        if not histories:
            st.markdown("No training curves were kept of these models.")
            return
        words = f"Validation score and training loss by epoch of {', '.join(histories)}"
        st.plotly_chart(curves(histories), config={"displayModeBar": False}, alt=words)
        st.caption(
            "The validation score is each objective's own, usually its ELBO with λ = 1 and β = 1, "
            "of the validation split; the loss is what was minimised, with its λ and while β "
            "rises. Losses of different objectives cannot be compared."
        )


def show_ways(dataset: str) -> None:
    """Tabulate the ways to train the MVAE's network once somebody looks."""
    with st.expander("Ways to train an MVAE", key="ways", on_change="rerun") as look:
        if not look.open:
            return
        try:
            ways = ways_to_train(records_of(dataset))
        except CheckpointError as error:
            st.warning(plain(error))
            return
        if not ways:
            st.markdown("No run that trains an MVAE was measured.")
            return
        st.dataframe([_row(way) for way in ways], hide_index=True)
        st.caption(
            "One network, trained in different ways, measured on the test split: the mean over "
            "the seeds ± their standard deviation, which says how far another seed may lie, and "
            "nothing of the error over the samples; only seeds that were measured on the same "
            "samples by the same protocol count. Budgets differ: epochs and λ, the weight of what "
            "is said in words in the objective, stand in each row. "
            "Decodings: how often a training step decodes each modality of a sample. Coherence: "
            "whether a separate classifier names a picture as the label that it was generated "
            "from; diversity: the distance between such pictures, relative to that between real "
            "ones. One counts for little without the other: who always paints the mean of a class "
            "is coherent, at a diversity of 0."
        )


def decodings(evaluations: Mapping[str, float]) -> str:
    """Write how often each modality is decoded; of many the fewest and the most.

    Example:
        >>> decodings({"image": 2.0, "label": 2.5})
        'image 2, label 2.5'
    """
    if len(evaluations) > FEW:
        return f"{min(evaluations.values()):.3g} to {max(evaluations.values()):.3g} each"
    return ", ".join(f"{name} {n:g}" for name, n in evaluations.items()) or "—"


def _row(way: Way) -> dict[str, str | int]:
    return {
        "run": way.config.model,
        "objective": way.config.objective.name,
        "λ": weight_of(way.config),
        "latents": way.config.latents,
        "epochs": way.config.training.epochs,
        "seeds": len(way.seeds),
        **{
            title: spread_cell(way.figures.get(title), len(way.seeds))
            for title in measured(way.config, None)
        },
        "decodings": decodings(way.evaluations),
    }
