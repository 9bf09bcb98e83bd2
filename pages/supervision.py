"""Supervision: how well labels are predicted when few training images are labelled."""

from __future__ import annotations

import statistics

import pandas as pd
import streamlit as st

from mvae.data import DATASETS
from mvae.results.runs import Record
from mvae.training.weak_supervision import LEARNING_RATE, METHODS, PASSES, Point
from pages.parts.charts import supervision
from pages.parts.figure_widgets import offer_csv
from pages.parts.plain import code, plain
from pages.parts.server.loading import records_of, supervision_of
from pages.parts.view import View


def page() -> None:
    """Show the curves, the numbers, and how each method uses unlabelled images."""
    view: View = st.session_state["view"]
    points = supervision_of(view.data)
    title = DATASETS[view.data].title if view.data in DATASETS else view.data
    st.markdown(f"### How many labels does it take to predict those of **{plain(title)}**?")
    if not points:
        st.markdown(
            "This was not measured on this data set. If its modalities are one image and one "
            f"label, {code(f'python -m mvae supervise {view.data}')} measures it."
        )
        return
    st.plotly_chart(
        supervision(points),
        config={"displayModeBar": False},
        alt=f"Accuracy by the number of labelled images, for {', '.join(METHODS)}",
    )
    seeds = len({p.seed for p in points})
    st.caption(
        f"Each dot is one run, of {'one seed' if seeds == 1 else f'up to {seeds} seeds'}; lines "
        "show the mean. All training images are used, of which only the given number is labelled. "
        "For each seed, the labelled images of a smaller budget are among those of a larger one. "
        "Measured on the test split by "
        f"{code(f'python -m mvae supervise {view.data}')}."
    )
    few = min(points, key=lambda p: p.fraction)
    st.markdown(
        "Early stopping, too, uses only this share of the validation labels: at "
        f"{few.fraction:.1%}, {few.valid_labels} images decide when to stop, and their accuracy "
        f"changes in steps of {100 / few.valid_labels:.0f} %."
    )
    st.markdown("#### How each method uses unlabelled images")
    there = [name for name in METHODS if any(p.method == name for p in points)]
    st.markdown(
        "\n".join(f"- **{name}**: {METHODS[name]}; {passes(*PASSES[name])}." for name in there)
    )
    if found := differences_from_results(points, records_of(view.data)):
        st.markdown("#### Why the figures on Results differ")
        st.markdown("\n".join(f"- {sentence}" for sentence in found))
        st.markdown("How much each of these differences matters was not measured.")
    if len({sum(PASSES[name]) for name in there}) > 1:
        st.caption(
            "The budgets are not equal: a method with a lower curve may have been trained less."
        )
    st.markdown("#### In numbers")
    st.dataframe(table(points), hide_index=True)
    offer_csv([vars(p) for p in points], f"supervision-{view.data}.csv")


def passes(alone: int, labelled: int) -> str:
    """Describe how often a method sees the training images."""
    if not labelled:
        return (
            f"{alone} passes over all images without labels, then the probe is trained to "
            "convergence"
        )
    if not alone:
        return f"{labelled} passes over the labelled images alone"
    return f"{alone} passes over all images without labels, then {labelled} with labels"


def differences_from_results(points: list[Point], records: list[Record]) -> list[str]:
    """Explain why a model trained with all labels scores differently here and on Results."""
    sentences = []
    for run in records:
        here = [p.accuracy for p in points if p.method == run.name and p.fraction == 1]
        measured = run.metrics.test.get("accuracy", {}) if run.metrics else {}
        if here and len(measured) == 1:
            (there,) = measured.values()
            alone, labelled = PASSES[run.name]
            training = run.config.training
            sentences.append(
                f"With all labels, **{plain(run.name)}** predicts "
                f"{100 * statistics.mean(here):.1f} % correctly here and "
                f"{100 * there['mean']:.1f} % on Results. There it learned from labels in each of "
                f"{training.epochs} passes, at a learning rate of {training.learning_rate:g}; here "
                f"in the last {labelled} of {alone + labelled} passes, at {LEARNING_RATE:g}."
            )
    return sentences


def table(points: list[Point]) -> pd.DataFrame:
    """Tabulate the mean over seeds, with the standard deviation where there are several."""
    rows = []
    for fraction in sorted({p.fraction for p in points}):
        here = [p for p in points if p.fraction == fraction]
        row: dict[str, object] = {
            "share": f"{fraction:.1%}",
            "labelled images": here[0].labels,
            "for early stopping": here[0].valid_labels,
        }
        for method in METHODS:
            found = [p.accuracy for p in here if p.method == method]
            if found:
                spread = f" ± {statistics.stdev(found):.4f}" if len(found) > 1 else ""
                row[method] = f"{statistics.mean(found):.4f}{spread}"
        rows.append(row)
    return pd.DataFrame(rows)


page()
