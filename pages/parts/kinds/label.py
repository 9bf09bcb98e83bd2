"""Labels on pages: buttons for the categories, and bars of their probabilities."""

from __future__ import annotations

from html import escape

import streamlit as st
from torch import Tensor

from mvae.analysis.comparison import Prediction
from mvae.analysis.inference import Inference
from mvae.modality import Modality
from pages.parts.comparison.export_column import Column
from pages.parts.comparison.shared import Shared, likeliest
from pages.parts.kinds.base import KindView, probabilities, supply_entry
from pages.parts.manual_values import Entry, is_attribute, read_index
from pages.parts.plain import plain
from pages.parts.view import View
from pages.parts.widget_sync import follow

__all__ = ["LabelView"]


class LabelView(KindView):
    """A label."""

    name = "label"

    def described(self, m: Modality) -> str:
        """Describe the number of categories."""
        return "no or yes" if is_attribute(m) else f"one of {m.shape[0]} categories"

    def show_input(
        self, m: Modality, view: View, value: Tensor | None, own: Entry | None, small: bool
    ) -> None:
        """Show the categories, with the label's own selected."""
        chosen = None if value is None else int(value)
        key = f"label {m.name}"
        st.pills(
            m.name,
            range(m.shape[0]),
            format_func=lambda category: plain(m.category(category)),
            key=key,
            required=chosen is not None,
            label_visibility="collapsed",
            on_change=follow(key, chosen, lambda category: supply_entry(m, int(category), own)),
        )

    def read(self, text: str, m: Modality, problems: list[str]) -> Entry | None:
        """Read the index of a category."""
        return read_index(text, m.shape[0], m.name, problems)

    def inferred(self, m: Modality, inference: Inference, several: bool) -> str:
        """Return the most probable category with its probability."""
        p = probabilities(m, inference)
        return f"**{plain(m.category(int(p.argmax())))}**, {100 * p.max():.0f}\u00a0%"

    def generated(self, m: Modality, answer: Prediction, shared: Shared) -> str:
        """Return a bar for each category, below the names of the most probable ones."""
        own, p = shared.own(m), answer.expected[m.name]
        short = all(len(m.category(c)) <= 2 for c in range(len(p)))
        columns = "".join(
            f'<span title="{escape(m.category(c))} {value:.0%}"'
            f"{' class=own' if own is not None and c == int(own) else ''}>"
            f'<i><i style="height:{100 * value:.0f}%;background:{shared.colours[m.name]}"></i></i>'
            f"{escape(m.category(c)) if short else ''}</span>"
            for c, value in enumerate(p.tolist())
        )
        words = likeliest(m, p)
        return (
            f'<p class="likeliest">{escape(words)}</p>'
            f'<div class="bars" role="img" aria-label="{escape(m.name)}: {escape(words)}">'
            f"{columns}</div>"
        )

    def export(self, column: Column, m: Modality, answer: Prediction) -> None:
        """Write the most probable categories."""
        column.write(f"{m.name}: {likeliest(m, answer.expected[m.name])}")

    def words(self, m: Modality, p: Tensor) -> str:
        """Return the most probable category with its probability."""
        return f"{m.category(int(p.argmax()))} {p.max():.0%}"

    def notes(self, m: Modality, p: Tensor, strip: bool) -> list[str]:
        """Return the most probable category; in a strip, with its probability."""
        return [self.words(m, p) if strip else m.category(int(p.argmax()))]
