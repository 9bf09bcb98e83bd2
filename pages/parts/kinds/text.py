"""Texts on pages: a text box, the tokens, and the most frequent texts of the draws."""

from __future__ import annotations

from html import escape

import streamlit as st
from torch import Tensor

from mvae.analysis.comparison import Prediction
from mvae.analysis.inference import Inference
from mvae.distributions.autoregressive import text_mask
from mvae.errors import InputError
from mvae.kinds.tokens import WORD
from mvae.modality import Modality
from pages.parts.comparison.export_column import Column
from pages.parts.comparison.shared import Shared
from pages.parts.kinds.base import KindView, supply_entry
from pages.parts.manual_values import Entry, tensor_of
from pages.parts.plain import plain
from pages.parts.view import View
from pages.parts.widget_sync import follow

__all__ = ["TextView"]

#: Largest number of generated texts shown.
SHOWN = 3


class TextView(KindView):
    """A text: a text box, and its tokens."""

    name = "text"
    legend = "**Texts**: the most frequent among the draws, with their shares. "

    def described(self, m: Modality) -> str:
        """Describe the maximum length and the size of the vocabulary."""
        return f"a text of up to {m.shape[0] - 1} tokens out of {len(m.categories) - 1:,}"

    def show_input(
        self, m: Modality, view: View, value: Tensor | None, own: Entry | None, small: bool
    ) -> None:
        """Show a text box, and below it the tokens that the model receives."""
        key, kept = f"text {m.name}", f"refused {m.name}"
        current = view.entries.get(m.name, own)
        # A refused text stays in the box until the evidence changes.
        identity = (view.data, view.model, view.source, view.sample, view.drawing, current)
        refused = st.session_state.get(kept)
        if refused is not None and refused[0] != identity:
            refused = None

        def apply_text(typed: str) -> None:
            try:
                tensor_of(typed, m)
            except InputError as error:
                st.session_state[kept] = (identity, typed, str(error))
            else:
                st.session_state[kept] = None
                supply_entry(m, typed, own)

        st.text_input(
            m.name,
            key=key,
            placeholder="Type a text",
            label_visibility="collapsed",
            autocomplete="off",
            on_change=follow(key, refused[1] if refused else current or "", apply_text),
        )
        if refused:
            known = "" if value is None else " The previous text is kept."
            st.warning(f"{plain(refused[2])}{known}")
        if value is not None:
            _tokens(m, value)

    def read(self, text: str, m: Modality, problems: list[str]) -> Entry | None:
        """Read the text as the visitor typed it."""
        try:
            tensor_of(text, m)
        except InputError as error:
            problems.append(f"The link sets a text for {m.name} that cannot be used. {error}")
            return None
        return text

    def inferred(self, m: Modality, inference: Inference, several: bool) -> str:
        """Return the text decoded from the posterior's mean."""
        p = inference.model.decode(inference.posterior.mean, m.name)
        text = m.decode(m.distribution.expected(p).argmax(-1))
        prefix = f"{plain(m.name)} " if several else ""
        return f"{prefix}**{plain(text)}**" if text else f"{prefix}nothing"

    def generated(self, m: Modality, answer: Prediction, shared: Shared) -> str:
        """Return the most frequent texts of the draws."""
        items = "".join(
            f'<li style="--share:{100 * share:.0f}%"><span>{escape(text) or "(empty)"}</span>'
            f"<span>{share:.0%}</span></li>"
            for text, share in answer.texts[m.name][:SHOWN]
        )
        return f'<ol class="texts" style="--colour:{shared.colours[m.name]}">{items}</ol>'

    def export(self, column: Column, m: Modality, answer: Prediction) -> None:
        """Write the most frequent texts of the draws."""
        column.write(f"{m.name}:")
        for text, share in answer.texts[m.name][:SHOWN]:
            column.write(f"“{text}” ({share:.0%})")

    def words(self, m: Modality, p: Tensor) -> str:
        """Return the text of the most probable tokens."""
        return m.decode(p.argmax(-1)) or "(empty)"

    def notes(self, m: Modality, p: Tensor, strip: bool) -> list[str]:
        """Return the text of the most probable tokens."""
        return [self.words(m, p)]


def _tokens(m: Modality, value: Tensor) -> None:
    """Show the tokens of a text in boxes and, if it is long, how many more are allowed."""
    tokens = [m.categories[token] for token in value[text_mask(value)].tolist() if token]
    marked = any(token.startswith(WORD) for token in tokens)
    boxes = "".join(
        f'<span class="within">{escape(token)}</span>'
        if marked and not token.startswith(WORD)
        else f"<span>{escape(token.removeprefix(WORD) or '␣')}</span>"
        for token in tokens
    )
    room = m.shape[0] - 1
    left = f"{room - len(tokens)} more fit" if len(tokens) < room else "no more fit"
    end = f"<em>{left}</em>" if 2 * len(tokens) > room else ""
    st.html(f'<div class="tokens" aria-label="tokens" role="group">{boxes}{end}</div>')
