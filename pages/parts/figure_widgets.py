"""Widgets shared by the pages of figures: a choice of kind, and a download of the rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from pages.parts.view import View, change
from pages.parts.widget_sync import follow

__all__ = ["choose_kind", "offer_csv"]


def choose_kind(view: View, name: str, titles: Mapping[str, str], kinds: Collection[str]) -> str:
    """Show the chooser of one of the available kinds of figure; the link keeps it.

    Args:
        view: the current view.
        name: the view's field, which is also the widget's key.
        titles: by kind, in the order shown.
        kinds: the available kinds, at least one of which has a title.
    """
    there = [kind for kind in titles if kind in kinds]
    wanted = getattr(view, name)
    kind = st.pills(
        "Figure",
        there,
        format_func=titles.__getitem__,
        key=name,
        required=True,
        on_change=follow(
            name, wanted if wanted in there else there[0], lambda kind: change(**{name: kind})
        ),
        label_visibility="collapsed",
    )
    assert kind is not None  # as one is required
    return kind


def offer_csv(rows: Sequence[Mapping[str, Any]], file_name: str) -> None:
    """Offer the rows of a table as a CSV file, which is written only when downloaded."""
    st.download_button(
        "Table (CSV)",
        lambda: pd.DataFrame(rows).to_csv(index=False).encode(),
        file_name=file_name,
        mime="text/csv",
        on_click="ignore",
    )
