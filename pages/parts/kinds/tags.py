"""Tags on pages: chips or a search box, and bars of the most probable tags."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from torch import Tensor

from mvae.analysis.comparison import Prediction
from mvae.analysis.inference import Inference
from mvae.modality import Modality
from pages.parts.chips import NO, YES, Chip, chips
from pages.parts.comparison.export_column import Column
from pages.parts.comparison.html import rows_of
from pages.parts.comparison.shared import Shared, likeliest
from pages.parts.kinds.base import KindView, probabilities, some_of, supply_entry
from pages.parts.manual_values import Entry
from pages.parts.plain import plain
from pages.parts.view import View
from pages.parts.widget_sync import follow

__all__ = ["TagsView"]

#: Largest number of tags shown as chips; if there are more, a search box replaces the chips.
MAX_CHIPS = 24
#: Largest number of generated tags shown.
SHOWN = 8


class TagsView(KindView):
    """Tags: chips, or a search box."""

    name = "tags"
    legend = "**Tags**: the likeliest; the example’s own are underlined. "

    def described(self, m: Modality) -> str:
        """Describe the number of tags."""
        return f"any of {m.shape[0]} tags"

    def show_input(
        self, m: Modality, view: View, value: Tensor | None, own: Entry | None, small: bool
    ) -> None:
        """Show all tags as chips if there are few, otherwise the tags present in a search box."""
        on: tuple[str, ...] = () if value is None else m.decode(value)
        if len(m.categories) > MAX_CHIPS:
            key = f"tags {m.name}"
            st.multiselect(
                m.name,
                m.categories,
                key=key,
                placeholder=f"Search {len(m.categories)} tags",
                label_visibility="collapsed",
                on_change=follow(
                    key, list(on), lambda tags: supply_entry(m, _in_order(m, tags), own)
                ),
            )
            return

        def apply_event(changed: dict[str, str]) -> None:
            now = dict.fromkeys(on, YES) | changed
            chosen = [tag for tag, state in now.items() if state == YES]
            supply_entry(m, _in_order(m, chosen), own)

        row = [Chip(tag, YES if tag in on else NO, (YES, NO)) for tag in m.categories]
        dropped = value is None or m.name not in (view.supply or ())
        chips(f"tags {view.data} {m.name}", m.name, row, apply_event, dropped=dropped)

    def read(self, text: str, m: Modality, problems: list[str]) -> Entry | None:
        """Read the names of the tags present, separated by commas."""
        wanted = {tag.replace("%2C", ",").replace("%25", "%") for tag in text.split(",") if tag}
        problems += [
            f"The link sets a tag “{tag[:40]}” of {m.name}, which does not exist."
            for tag in sorted(wanted - set(m.categories))
        ]
        return _in_order(m, wanted)

    def inferred(self, m: Modality, inference: Inference, several: bool) -> str:
        """Return the tags with a probability above ½."""
        p = probabilities(m, inference)
        return some_of(_likely(m, p), f"none of the {len(p)} {plain(m.name)}")

    def generated(self, m: Modality, answer: Prediction, shared: Shared) -> str:
        """Return bars of the most probable tags."""
        own, p = shared.own(m), answer.expected[m.name]
        best = p.topk(min(SHOWN, len(p))).indices.tolist()
        rows = [
            (m.category(i), p[i].item(), shared.colours[m.name], own is not None and bool(own[i]))
            for i in best
        ]
        return rows_of(rows, f"{m.name}: {likeliest(m, p, SHOWN)}")

    def export(self, column: Column, m: Modality, answer: Prediction) -> None:
        """Write the most probable tags."""
        column.write(f"{m.name}: {likeliest(m, answer.expected[m.name], SHOWN)}")

    def words(self, m: Modality, p: Tensor) -> str:
        """Return the tags with a probability above ½, separated by commas."""
        return ", ".join(_likely(m, p)) or "none"

    def notes(self, m: Modality, p: Tensor, strip: bool) -> list[str]:
        """Return the tags with a probability above ½, one per line."""
        return _likely(m, p)


def _in_order(m: Modality, tags: Sequence[str] | set[str]) -> tuple[str, ...]:
    return tuple(tag for tag in m.categories if tag in tags)


def _likely(m: Modality, p: Tensor) -> list[str]:
    """List the tags with a probability above ½, the most probable first."""
    return [m.category(int(i)) for i in p.argsort(descending=True) if p[i] > 0.5]
