"""Models that other libraries trained, scored alike, and what others report."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from mvae.evaluation.log_likelihood import ESTIMATOR
from mvae.evaluation.reliability import EARLIER
from mvae.results.external_models import REPORTED, ExternalModel
from mvae.results.runs import Record, annotation_weight, headline_figures
from pages.parts.loading import peers_of

__all__ = ["show_peers"]


def show_peers(dataset: str, records: Mapping[str, Record]) -> None:
    """Show other libraries' models beside this project's, and what others report.

    A bundled model has one joint log p: what stands in the other tables stands here.

    Args:
        dataset: its name.
        records: of this project's runs, by name.
    """
    every = peers_of(dataset)
    if not every:
        return
    scored = [peer for peer in every if peer.estimator == ESTIMATOR]
    st.markdown("#### Beside other libraries")
    if len(scored) < len(every):
        st.caption(
            f"{len(every) - len(scored)} of {len(every)} were {EARLIER} and are not shown. "
            "`python tests/benchmarks/peers.py` scores them anew."
        )
    if scored:
        first = scored[0]
        st.caption(
            f"Joint log p of the same {first.n:,} test samples by the same estimator, K = "
            f"{first.k:,}, whoever's trainer the model comes from: with the same networks, λ, "
            "epochs, batches, optimiser and schedule as this project's of that name. Differences "
            "are of the same samples, to the first model of the same pixels. "
            "`python tests/benchmarks/peers.py` repeats it."
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
            f"Reported: [{others[0].source}]({others[0].link}). What is not told of them: "
            f"{others[0].not_stated}. How pixels become black or white alone moves log p by many "
            "nats."
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
    if like := records.get(peer.model):  # the same settings, whoever trains
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
