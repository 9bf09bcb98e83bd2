"""What is on record about models: size, training, measured figures; and the ways to train."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

import pandas as pd
import streamlit as st

from mvae import checkpoint
from mvae.checkpoint import CheckpointError, ModelConfig
from mvae.model import MultimodalModel
from mvae.runs import FEW, Way, load_history, measured, ways_to_train
from pages.parts.figures import curves
from pages.parts.loading import files_of, metrics_of, records_of
from pages.parts.plain import plain
from pages.parts.versions import kept, stamps
from pages.parts.words import with_error

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
                "objective": config.objective.name,
            }
            | {
                title: "—" if x is None else with_error(x)
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
    labels = [m.name for m in model.modalities if m.kind == "label"]
    images = [m.name for m in model.modalities if m.kind == "image"]
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
    st.caption(
        "Measured on the test split, ± standard error; — stands for what a model cannot do or "
        "nobody measured on these weights. Training times passed on a machine that was busy with "
        "other things too."
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
            "the seeds ± their standard deviation. λ: the weight of what is said in words in the "
            "objective. "
            "Decodings: how often a training step decodes each modality of a sample. Coherence: "
            "whether a separate classifier names a picture as the label that it was generated "
            "from; diversity: the distance between such pictures, relative to that between real "
            "ones."
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
        "λ": ", ".join({f"{m.weight:g}": None for m in way.config.modalities if m.named}),
        "latents": way.config.latents,
        "epochs": way.config.training.epochs,
        "seeds": len(way.seeds),
        **{
            title: f"{mean:.3f}" + ("" if sd is None else f" ± {sd:.3f}")
            for title, (mean, sd) in way.figures.items()
        },
        "decodings": decodings(way.evaluations),
    }
