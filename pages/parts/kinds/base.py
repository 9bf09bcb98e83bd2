"""What pages ask of a kind of modality."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, ClassVar

import streamlit as st
from torch import Tensor

from mvae.analysis.comparison import Prediction
from mvae.analysis.inference import Inference
from mvae.modality import Modality
from pages.parts.comparison.shared import Shared
from pages.parts.manual_values import Entry
from pages.parts.plain import plain
from pages.parts.view import View, change

if TYPE_CHECKING:
    from pages.parts.comparison.column import Column

__all__ = ["KindView", "probabilities", "some_of", "supply_entry"]

#: Largest number of things that are named; if there are more, their number is given.
MAX_NAMED = 4


class KindView(abc.ABC):
    """How pages show a kind of modality, and how a visitor supplies it.

    Pictures are put together of all image modalities, and many labels of two categories are shown
    at once; these are not asked for one by one.
    """

    #: Of the kind.
    name: ClassVar[str]
    #: How to read a generated modality of this kind on the page that compares models.
    legend: ClassVar[str] = ""

    @abc.abstractmethod
    def described(self, m: Modality) -> str:
        """Return what kind of data a modality is, in a few words."""

    @abc.abstractmethod
    def show_input(
        self, m: Modality, view: View, value: Tensor | None, own: Entry | None, small: bool
    ) -> None:
        """Show what is known of a modality, and a way to change it where there is one.

        Args:
            m: the modality.
            view: what is looked at.
            value: what is known of it, ``(*event shape)``, supplied or dropped; None if nothing is.
            own: what the test example's own is, in words.
            small: whether there is little room.
        """

    def read(self, text: str, m: Modality, problems: list[str]) -> Entry | None:
        """Read an entry from a link, or return None; add a sentence for each invalid part."""
        problems.append(f"The link sets {m.name}, which can come from examples only.")
        return None

    def inferred(self, m: Modality, inference: Inference, several: bool) -> str:
        """Return what is inferred of it for a headline; empty where that takes no words.

        Args:
            m: the modality.
            inference: the posterior.
            several: whether the model has several modalities in words.
        """
        return ""

    def generated(self, m: Modality, answer: Prediction, shared: Shared) -> str:
        """Return a generated modality as HTML."""
        return f"<p>{escape(self.words(m, answer.expected[m.name]))}</p>"

    def export(self, column: Column, m: Modality, answer: Prediction) -> None:
        """Draw a generated modality in a column of the exported picture."""
        column.write(f"{m.name}: {self.words(m, answer.expected[m.name])}")

    def words(self, m: Modality, p: Tensor) -> str:
        """Return what is likeliest by the mean ``(*expected shape)``, or what it is."""
        return self.described(m)

    def notes(self, m: Modality, p: Tensor, strip: bool) -> list[str]:
        """Return what is likeliest as lines below a picture, short ones unless it is in a strip."""
        return []

    def curves(self, m: Modality, path: Tensor) -> dict[str, Tensor]:
        """Return what is drawn as lines along a path of S steps, by title ``(S, n)``."""
        return {}


def supply_entry(m: Modality, entry: Entry, own: Entry | None) -> None:
    """Set a modality to a visitor's entry, and supply it."""
    view: View = st.session_state["view"]
    entries = {name: other for name, other in view.entries.items() if name != m.name}
    if entry != own:
        entries[m.name] = entry
    supply = view.supply or ()
    change(entries=entries, supply=supply if m.name in supply else (*supply, m.name))


def probabilities(m: Modality, inference: Inference) -> Tensor:
    """Return the mean over the posterior's draws, ``(*expected shape)``.

    Decode single modalities only: the browser decodes the pictures.
    """
    return m.distribution.expected(inference.model.decode(inference.draws, m.name)).mean(0)


def some_of(names: Sequence[str], none: str) -> str:
    """Return the first few names and the number of the others, or ``none`` if there are none."""
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return f"**{plain(', '.join(names[:MAX_NAMED]))}**{more}" if names else none
