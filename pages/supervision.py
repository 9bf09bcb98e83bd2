"""Supervision: how well the label is told when few training images come with theirs."""

from __future__ import annotations

import statistics

import pandas as pd
import streamlit as st

from mvae.data import DATASETS
from mvae.results.runs import Record
from mvae.training.weak_supervision import METHODS, PASSES, RATE, Point
from pages.parts.charts import supervision
from pages.parts.choices import offer_csv
from pages.parts.loading import records_of, supervision_of
from pages.parts.plain import code, plain
from pages.parts.view import View


def page() -> None:
    """Show the curves, the numbers, and what each method does with images without a label."""
    view: View = st.session_state["view"]
    points = supervision_of(view.data)
    title = DATASETS[view.data].title if view.data in DATASETS else view.data
    st.markdown(f"### How many labels does it take to tell those of **{plain(title)}**?")
    if not points:
        st.markdown(
            "This was not measured on this data set; "
            f"{code(f'python -m mvae supervise {view.data}')} does, where it is one image and its "
            "label."
        )
        return
    st.plotly_chart(
        supervision(points),
        config={"displayModeBar": False},
        alt=f"Accuracy by the number of labelled images, for {', '.join(METHODS)}",
    )
    seeds = len({p.seed for p in points})
    st.caption(
        f"Dots: one run each, of {'one seed' if seeds == 1 else f'up to {seeds} seeds'}; lines: "
        "their mean. Of all training images each number has its label, the others are images "
        "alone; the smaller budgets are part of the larger ones of a seed. Measured on the test "
        f"split by {code(f'python -m mvae supervise {view.data}')}."
    )
    few = min(points, key=lambda p: p.fraction)
    st.markdown(
        "Early stopping sees the same share of the validation labels and no more: at "
        f"{few.fraction:.1%} of them {few.valid_labels} images choose when to stop, by accuracies "
        f"in steps of {100 / few.valid_labels:.0f} %."
    )
    st.markdown("#### What becomes of images without a label")
    there = [name for name in METHODS if any(p.method == name for p in points)]
    st.markdown(
        "\n".join(f"- **{name}**: {METHODS[name]}; {passes(*PASSES[name])}." for name in there)
    )
    if found := elsewhere(points, records_of(view.data)):
        st.markdown("#### Why Results has other figures")
        st.markdown("\n".join(f"- {sentence}" for sentence in found))
        st.markdown("Which of the differences costs how much was not measured.")
    if len({sum(PASSES[name]) for name in there}) > 1:
        st.caption("The budgets are not equal: a curve that is lower may have been trained less.")
    st.markdown("#### In numbers")
    st.dataframe(table(points), hide_index=True)
    offer_csv([vars(p) for p in points], f"supervision-{view.data}.csv")


def passes(alone: int, labelled: int) -> str:
    """Say how often a method sees the training images."""
    if not labelled:
        return f"{alone} passes over all images without labels; the probe learns until it settles"
    if not alone:
        return f"{labelled} passes with labels alone"
    return f"{alone} passes over all images without labels, then {labelled} with"


def elsewhere(points: list[Point], records: list[Record]) -> list[str]:
    """Say why a model that is given all labels does not reach here what it does on Results."""
    sentences = []
    for run in records:
        here = [p.accuracy for p in points if p.method == run.name and p.fraction == 1]
        measured = run.metrics.test.get("accuracy", {}) if run.metrics else {}
        if here and len(measured) == 1:
            (there,) = measured.values()
            alone, labelled = PASSES[run.name]
            training = run.config.training
            sentences.append(
                f"With all labels **{plain(run.name)}** names {100 * statistics.mean(here):.1f} % "
                f"here and {100 * there['mean']:.1f} % on Results. There it learned from labels "
                f"in each of {training.epochs} passes, at a rate of {training.learning_rate:g}; "
                f"here in the last {labelled} of {alone + labelled} passes, at {RATE:g}."
            )
    return sentences


def table(points: list[Point]) -> pd.DataFrame:
    """Tabulate means over the seeds, with the standard deviation where there are several."""
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
