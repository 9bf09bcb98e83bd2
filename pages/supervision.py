"""Supervision: how well the label is told when few training images come with theirs."""

from __future__ import annotations

import statistics

import pandas as pd
import streamlit as st

from mvae.data import DATASETS
from mvae.evaluation.supervision import METHODS, Point
from pages.parts.charts import supervision
from pages.parts.choices import offer_csv
from pages.parts.loading import supervision_of
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
        "alone; the smaller budgets are part of the larger ones of a seed. Early stopping sees the "
        "same share of the validation labels and no more. Measured on the test split by "
        f"{code(f'python -m mvae supervise {view.data}')}."
    )
    st.markdown("#### What becomes of images without a label")
    there = [name for name in METHODS if any(p.method == name for p in points)]
    st.markdown("\n".join(f"- **{name}**: {METHODS[name]}." for name in there))
    st.markdown("#### In numbers")
    st.dataframe(table(points), hide_index=True)
    offer_csv(points, f"supervision-{view.data}.csv")


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
