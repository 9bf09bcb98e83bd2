"""Models trained by other libraries and scored in the same way, and published figures."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from mvae.evaluation.log_likelihood import ESTIMATOR
from mvae.evaluation.reliability import EARLIER
from mvae.results.external_models import REPORTED, ExternalModel
from mvae.results.runs import Record, annotation_weight, headline_figures
from pages.parts.server.loading import external_models_of

__all__ = ["show_external_models"]


def show_external_models(dataset: str, records: Mapping[str, Record]) -> None:
    """Show models of other libraries beside this project's, and published figures.

    The joint log p of a bundled model is the same here as in the other tables.

    Args:
        dataset: the name of the data set.
        records: this project's runs, by name.
    """
    every = external_models_of(dataset)
    if not every:
        return
    scored = [peer for peer in every if peer.estimator == ESTIMATOR]
    st.markdown("#### Compared with other libraries")
    if len(scored) < len(every):
        st.caption(
            f"{len(every) - len(scored)} of {len(every)} were {EARLIER} and are not shown. "
            "To score them again, run `python tests/benchmarks/peers.py`."
        )
    if scored:
        first = scored[0]
        st.caption(
            f"Joint log p of the same {first.n:,} test samples by the same estimator, K = "
            f"{first.k:,}, for every model. Models trained by another library have the same "
            "networks, λ, epochs, batches, optimiser and schedule as this project’s model of that "
            "name. Differences are paired, to the first model with the same pixels. To repeat the "
            "comparison, run `python tests/benchmarks/peers.py`."
        )
    others = REPORTED.get(dataset, ())
    rows = [_row(peer, records) for peer in scored]
    rows += [
        {"model": other.model, "trained by": "reported", "pixels": "unknown", "log p": other.mean}
        for other in others
    ]
    if not rows:
        return
    number = st.column_config.NumberColumn(format="%.2f")
    columns = dict.fromkeys(("log p", "± s.e.", "above the first", "± s.e. of that"), number)
    st.dataframe(pd.DataFrame(rows), column_config=columns, hide_index=True, placeholder="—")
    if others:
        st.caption(
            f"Reported by [{others[0].source}]({others[0].link}). Not stated there: "
            f"{others[0].not_stated}. The binarisation of the pixels alone changes log p by "
            "many nats."
        )


def _row(peer: ExternalModel, records: Mapping[str, Record]) -> dict[str, object]:
    mean: float | None = peer.mean
    se: float | None = peer.se
    n: int | None = peer.n
    if run := records.get(peer.run):
        joint = next(iter(headline_figures(run.config, run.metrics).values()))
        sound = joint if joint and not joint.doubt else None
        mean, se, n = (sound.mean, sound.se, sound.n) if sound else (None, None, None)
    budget: dict[str, object] = {}
    if like := records.get(peer.model):  # the settings are the same for both trainers
        budget = {"epochs": like.config.training.epochs, "λ": annotation_weight(like.config)}
    return {
        "model": peer.model,
        "trained by": peer.trained_by,
        "pixels": peer.pixels,
        **budget,
        "log p": mean,
        "± s.e.": se,
        "n": n,
        "above the first": peer.above,
        "± s.e. of that": peer.above_se,
    }
