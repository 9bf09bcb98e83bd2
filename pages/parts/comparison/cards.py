"""The row of cards: which models stand in it, in which order, and what fills them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from mvae import checkpoint
from mvae.analysis.comparison import Answer
from pages.parts.comparison.card import card
from pages.parts.comparison.shared import Shared
from pages.parts.plain import identifier, plain
from pages.parts.view import MAX_MODELS, View, change
from pages.parts.widget_sync import follow, show_number

__all__ = ["Cards", "choose", "lay_out"]

CSS = Path(__file__).with_name("card.css")
#: Cards in one row; more of them stand in two.
ABREAST = 4
WAITING = '<div class="answer"><p class="waiting">Its chains are running …</p></div>'


def choose(view: View, names: tuple[str, ...]) -> None:
    """Let a visitor choose the models."""
    st.multiselect(
        f"Models, up to {MAX_MODELS}",
        checkpoint.available()[view.data],
        key="models",
        max_selections=MAX_MODELS,
        on_change=follow("models", list(names), lambda models: change(models=tuple(models))),
    )
    show_number("models")


def lay_out(
    names: tuple[str, ...], pinned: str, about: Mapping[str, str]
) -> dict[str, DeltaGenerator]:
    """Show each model's name, buttons and a sentence; give the places where answers will stand."""
    mark = f".st-key-model-{identifier(pinned)} {{ border: 2px solid currentColor; }}"
    st.html(f"<style>{CSS.read_text('utf-8')}{mark}</style>")
    places = {}
    abreast = len(names) if len(names) <= ABREAST else -(-len(names) // 2)
    for row in (names[i : i + abreast] for i in range(0, len(names), abreast)):
        for name, column in zip(row, st.columns(abreast), strict=False):
            with column, st.container(border=True, key=f"model-{name}", height="stretch"):
                st.markdown(f"#### {plain(name)}")
                _events(name, names, pinned)
                st.caption(plain(about[name]))
                places[name] = st.container()
    return places


def _events(name: str, names: tuple[str, ...], pinned: str) -> None:
    """Offer to pin a model, to move it, and to take it away."""
    i = names.index(name)
    others = (*names[:i], *names[i + 1 :])

    def put(place: int) -> None:
        change(models=(*others[:place], name, *others[place:]))

    with st.container(horizontal=True, gap=None, key=f"events-{name}"):
        for words, icon, event, possible in (
            (f"Pin {name} as the reference", "keep", lambda: change(pinned=name), name != pinned),
            (f"Move {name} forward", "arrow_back", partial(put, i - 1), i > 0),
            (f"Move {name} back", "arrow_forward", partial(put, i + 1), i < len(others)),
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
    """The places of the cards, and the answers that have come so far.

    Args:
        places: by model; each is written over when there is more to say.
        shared: what all cards have in common.
        found: the answers.
    """

    places: dict[str, DeltaGenerator]
    shared: Shared
    found: dict[str, Answer] = field(default_factory=dict)

    def wait(self, names: Iterable[str]) -> None:
        """Say that some models are still at it."""
        for name in names:
            if name not in self.found:
                self.places[name] = self.places[name].html(WAITING)

    def take(self, name: str, answer: Answer) -> None:
        """Fill the card of a model; the reference's answer fills in the others' differences."""
        self.found[name] = answer
        if name == self.shared.pinned:
            self.shared = replace(self.shared, reference=answer)
        for each in self.found if name == self.shared.pinned else (name,):
            html = card(each, self.found[each], self.shared)
            self.places[each] = self.places[each].html(html)
