"""The interface by which pages show a kind of modality."""

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
    from pages.parts.comparison.export_column import Column

__all__ = ["KindView", "probabilities", "some_of", "supply_entry"]

#: Largest number of names that are listed; of the others, only the number is given.
MAX_NAMED = 4


class KindView(abc.ABC):
    """How pages show a modality of some kind, and how a visitor supplies it.

    A picture is assembled from all image modalities, and many labels with two categories are shown
    together; the parts are then not shown one by one.
    """

    #: The name of the kind.
    name: ClassVar[str]
    #: A legend for generated modalities of this kind on the page that compares models.
    legend: ClassVar[str] = ""

    @abc.abstractmethod
    def described(self, m: Modality) -> str:
        """Describe the data of a modality in a few words."""

    @abc.abstractmethod
    def show_input(
        self, m: Modality, view: View, value: Tensor | None, own: Entry | None, small: bool
    ) -> None:
        """Show the value of a modality, with a widget to change it if there is one.

        Args:
            m: the modality.
            view: the current view.
            value: the value, ``(*event shape)``, whether it is supplied or dropped; None if it is
                unknown.
            own: the value of the test example itself, as an entry.
            small: whether there is little space.
        """

    def read(self, text: str, m: Modality, problems: list[str]) -> Entry | None:
        """Read an entry from a link, or return None; add a sentence for each invalid part."""
        problems.append(f"The link sets {m.name}, which can come from examples only.")
        return None

    def inferred(self, m: Modality, inference: Inference, several: bool) -> str:
        """Return the inferred value for a headline; empty if it cannot be put into words.

        Args:
            m: the modality.
            inference: the posterior.
            several: whether the model has several modalities that are described in words.
        """
        return ""

    def generated(self, m: Modality, answer: Prediction, shared: Shared) -> str:
        """Return a generated modality as HTML."""
        return f"<p>{escape(self.words(m, answer.expected[m.name]))}</p>"

    def export(self, column: Column, m: Modality, answer: Prediction) -> None:
        """Draw a generated modality in a column of the exported picture."""
        column.write(f"{m.name}: {self.words(m, answer.expected[m.name])}")

    def words(self, m: Modality, p: Tensor) -> str:
        """Describe the most probable value, given the mean ``(*expected shape)``."""
        return self.described(m)

    def notes(self, m: Modality, p: Tensor, strip: bool) -> list[str]:
        """Return lines for below a picture with the most probable value, longer ones in a strip."""
        return []

    def curves(self, m: Modality, path: Tensor) -> dict[str, Tensor]:
        """Return the lines to draw for a path of S steps, by title, ``(S, n)`` each."""
        return {}


def supply_entry(m: Modality, entry: Entry, own: Entry | None) -> None:
    """Set a modality to the visitor's entry, and supply it."""
    view: View = st.session_state["view"]
    entries = {name: other for name, other in view.entries.items() if name != m.name}
    if entry != own:
        entries[m.name] = entry
    supply = view.supply or ()
    change(entries=entries, supply=supply if m.name in supply else (*supply, m.name))


def probabilities(m: Modality, inference: Inference) -> Tensor:
    """Return the expected value over the draws of the posterior, ``(*expected shape)``.

    Only this modality is decoded on the server, since the browser decodes the pictures.
    """
    return m.distribution.expected(inference.model.decode(inference.draws, m.name)).mean(0)


def some_of(names: Sequence[str], none: str) -> str:
    """Return the first names and the number of the others, or ``none`` if there are no names."""
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return f"**{plain(', '.join(names[:MAX_NAMED]))}**{more}" if names else none
