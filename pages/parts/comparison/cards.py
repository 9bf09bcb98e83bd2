"""The cards of the compared models: their choice, their order and their contents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from mvae import checkpoint
from mvae.analysis.comparison import Prediction
from pages.parts.comparison.card import card
from pages.parts.comparison.shared import Shared
from pages.parts.plain import identifier, plain
from pages.parts.server.loading import titles_of
from pages.parts.view import MAX_MODELS, View, change
from pages.parts.widget_sync import follow, show_number

__all__ = ["Cards", "choose", "lay_out"]

CSS = Path(__file__).with_name("card.css")
#: Largest number of cards in one row; more are laid out in two rows.
ABREAST = 4
WAITING = '<div class="answer"><p class="waiting">Its Markov chains are running …</p></div>'


def choose(view: View, names: tuple[str, ...]) -> None:
    """Show the chooser of the models."""
    titles = titles_of(view.data)
    st.multiselect(
        f"Models, up to {MAX_MODELS}",
        checkpoint.available()[view.data],
        format_func=lambda name: titles.get(name, name),
        key="models",
        max_selections=MAX_MODELS,
        on_change=follow("models", list(names), lambda models: change(models=tuple(models))),
    )
    show_number("models")


def lay_out(
    names: tuple[str, ...], pinned: str, about: Mapping[str, str]
) -> dict[str, DeltaGenerator]:
    """Show each model's name, buttons and a note, and return a slot for each answer.

    Args:
        names: of the models, in order.
        pinned: the model that the others are compared with.
        about: by model, an introduction or an error, as Markdown.
    """
    mark = f".st-key-model-{identifier(pinned)} {{ border: 2px solid currentColor; }}"
    st.html(f"<style>{CSS.read_text('utf-8')}{mark}</style>")
    slots = {}
    abreast = len(names) if len(names) <= ABREAST else -(-len(names) // 2)
    for row in (names[i : i + abreast] for i in range(0, len(names), abreast)):
        for name, column in zip(row, st.columns(abreast), strict=False):
            with column, st.container(border=True, key=f"model-{name}", height="stretch"):
                st.markdown(f"#### {plain(name)}")
                _events(name, names, pinned)
                st.caption(about[name])
                slots[name] = st.container()
    return slots


def _events(name: str, names: tuple[str, ...], pinned: str) -> None:
    """Offer buttons to pin, move or remove a model."""
    i = names.index(name)
    others = (*names[:i], *names[i + 1 :])

    def move_to(index: int) -> None:
        change(models=(*others[:index], name, *others[index:]))

    with st.container(horizontal=True, gap=None, key=f"events-{name}"):
        for words, icon, event, possible in (
            (f"Pin {name} as the reference", "keep", lambda: change(pinned=name), name != pinned),
            (f"Move {name} forward", "arrow_back", partial(move_to, i - 1), i > 0),
            (f"Move {name} back", "arrow_forward", partial(move_to, i + 1), i < len(others)),
            (f"Remove {name}", "close", lambda: change(models=others), True),
        ):
            st.button(
                plain(words),
                key=f"{icon} {name}",
                icon=f":material/{icon}:",
                help=plain(words),
                type="tertiary",
                disabled=not possible,
                on_click=event,
            )


@dataclass
class Cards:
    """The slots of the cards, and the answers received so far.

    Args:
        slots: by model; each is overwritten when its answer changes.
        shared: what all cards have in common.
        found: the answers by model.
    """

    slots: dict[str, DeltaGenerator]
    shared: Shared
    found: dict[str, Prediction] = field(default_factory=dict)

    def wait(self, names: Iterable[str]) -> None:
        """Show that some models are still computing."""
        for name in names:
            if name not in self.found:
                self.slots[name] = self.slots[name].html(WAITING)

    def fill(self, name: str, answer: Prediction) -> None:
        """Fill a model's card; if it is the reference, update the others' differences too."""
        self.found[name] = answer
        if name == self.shared.pinned:
            self.shared = replace(self.shared, reference=answer)
        for each in self.found if name == self.shared.pinned else (name,):
            html = card(each, self.found[each], self.shared)
            self.slots[each] = self.slots[each].html(html)
