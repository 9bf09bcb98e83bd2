"""The view: all that a visitor has chosen, as one immutable value kept in session and URL."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

from mvae import checkpoint
from mvae.analysis.theory import Divergence
from mvae.checkpoint import load_config
from mvae.errors import InputError
from mvae.files import CheckpointError
from mvae.images.tiling import picture_shape
from mvae.kinds.registry import KINDS
from mvae.modality import Modality
from mvae.models.base import MultimodalModel
from mvae.search_path import folder_of
from pages.parts.manual_values import Entry, tensor_of
from pages.parts.server.loading import CONFIG, files_of, load
from pages.parts.server.versions import cached_by, stamps

__all__ = [
    "COLOURINGS",
    "MAX_DIMS",
    "MAX_MODELS",
    "SOURCES",
    "STARTS",
    "View",
    "change",
    "compared",
    "read_coordinates",
    "show",
    "sources",
]

#: Sources of a picture: from the value in the URL to the words on the page.
SOURCES = {"example": "Example", "drawing": "Draw", "upload": "Upload"}
#: Largest number of dimensions whose densities may be drawn.
MAX_DIMS = 12
#: Largest number of models that can be compared, and the number before a visitor chooses.
MAX_MODELS, USUAL_MODELS = 6, 4
#: Largest coordinate of a latent held on a plane.
FARTHEST = 20
#: Where a traversal starts.
STARTS = {"posterior": "the posterior", "prior": "the prior"}
#: What colours the examples on a map.
COLOURINGS = {"label": "label", "entropy": "entropy"}


@dataclass(frozen=True)
class View:
    """Everything that a link restores.

    Args:
        data: the data set.
        model: the model.
        source: where the picture comes from, a key of SOURCES.
        sample: number of the test example.
        drawing: a packed drawing, or None.
        entries: labels, tags and texts that the visitor has set; the others are the example's own.
        supply: the supplied modalities, in order; None for all, until the model is known.
        seed: seed of the draws.
        start: where a traversal starts, a key of STARTS.
        across: the latent dimension that a traversal follows; None for the most informative.
        down: a second dimension, for a grid; None for a strip.
        other: number of the test example to interpolate to.
        dims: latent dimensions whose densities are drawn; empty for the most informative.
        plane: the two latent dimensions of the plane; empty for the principal directions.
        at: the latent held on the plane, in its coordinates; None if none is held.
        step: step of the lesson, from 1.
        lesson: state in which the visitor left that step's stage; None for its initial state.
        training: index of the training objective that a step shows.
        given: the modality whose posteriors a map shows; empty for all modalities together.
        colour: what colours the examples on a map, a key of COLOURINGS.
        shade: the label or tag whose categories give those colours; empty for the first.
        picture: the one that a traversal shows, by its first modality; empty for the first.
        pair: pair of modalities on the Theory page, a key of PAIRS.
        best: meaning of "best" there, one of DIVERGENCES.
        noise: index of the noise level there, in NOISE.
        method: training method whose step is shown there, a key of METHODS.
        count: number of modalities in that step.
        models: the compared models, in order; None for the current one and some others.
        pinned: the model that the others are compared with; empty for the first.
        kind: kind of the figures on the Results page, a key of KINDS.
        shown: kind of the figures on the Missing page, a key of HEAT_MAP_KINDS.
    """

    data: str
    model: str
    source: str = "example"
    sample: int = 0
    drawing: str | None = None
    entries: Mapping[str, Entry] = field(default_factory=dict)
    supply: tuple[str, ...] | None = None
    seed: int = 0
    start: str = "posterior"
    across: int | None = None
    down: int | None = None
    other: int = 1
    dims: tuple[int, ...] = ()
    plane: tuple[int, ...] = ()
    at: tuple[float, float] | None = None
    step: int = 1
    lesson: str | None = None
    training: int = 0
    given: str = ""
    colour: str = "label"
    shade: str = ""
    picture: str = ""
    pair: str = "linear"
    best: Divergence = "reverse"
    noise: int = 10
    method: str = "sub-sampled"
    count: int = 2
    models: tuple[str, ...] | None = None
    pinned: str = ""
    kind: str = "loglik"
    shown: str = "coherence"


#: Changing one of these fields releases the held latent.
RELEASES_LATENT = {
    *("data", "model", "source", "sample", "drawing", "entries", "supply", "plane"),
    *("step", "lesson", "training"),
}


def change(**updates: Any) -> None:
    """Change fields of the view; called by widgets' callbacks, which run before the page."""
    if updates.keys() & RELEASES_LATENT:
        updates = {"at": None} | updates
    show(replace(st.session_state["view"], **updates))


def show(view: View) -> None:
    """Replace the view; called by widgets' callbacks, which run before the page."""
    st.session_state["view"] = view
    st.session_state["acted"] = True


def compared(view: View) -> tuple[str, ...]:
    """Return the names of the compared models, in order."""
    if view.models is not None:
        return view.models
    there = checkpoint.available().get(view.data, [])
    return tuple(dict.fromkeys((view.model, *distinct_kinds_first(view.data, tuple(there)))))[
        :USUAL_MODELS
    ]


def _of_configs(data: str, names: tuple[str, ...]) -> Hashable:
    return stamps(*files_of(data, *(f"{name}/{CONFIG}" for name in names)))


@cached_by(_of_configs, max_entries=8)
def distinct_kinds_first(data: str, names: tuple[str, ...]) -> list[str]:
    """Sort models: one of each class first; among these and the rest, those with a posterior."""

    def kind(name: str) -> type[MultimodalModel]:
        return load_config(folder_of(data, name)).objective.network

    try:
        kinds = {name: kind(name) for name in names}
    except CheckpointError:
        return list(names)  # one is damaged; the page shows why
    first = {network: name for name, network in reversed(kinds.items())}
    return sorted(
        names,
        key=lambda name: (first[kinds[name]] != name, bool(kinds[name].no_posterior)),
    )


def sources(modalities: tuple[Modality, ...]) -> tuple[str, ...]:
    """Return the sources of data: pictures can be uploaded, and drawn if they have one channel.

    Example:
        >>> m = Modality(name="image", kind="image", shape=(1, 9, 9), likelihood="bernoulli")
        >>> sources((m,))
        ('example', 'drawing', 'upload')
    """
    shape = picture_shape(modalities)
    if shape is None:
        return ("example",)
    return tuple(SOURCES) if shape[0] == 1 else ("example", "upload")


def _fits(entry: Entry, m: Modality) -> bool:
    try:
        tensor_of(entry, m)
    except (ValueError, InputError):
        return False
    return True


def colourable(modalities: Iterable[Modality]) -> list[str]:
    """Return the names of all labels and tags, by which a map can colour its examples."""
    return [name for m in modalities for name in KINDS[m.kind].grouped_by(m)]


def repair(view: View) -> View:
    """Remove from a view what its models and modalities do not have."""
    if view.pinned and view.pinned not in compared(view):
        view = replace(view, pinned="")
    try:
        _, config = load(view.data, view.model)
    except CheckpointError:
        return view
    named = {m.name: m for m in config.modalities}
    names = list(named)
    entries = {
        name: entry
        for name, entry in view.entries.items()
        if name in named and _fits(entry, named[name])
    }
    supply = tuple(
        name for name in (names if view.supply is None else view.supply) if name in names
    )
    across, down = (
        d if d is not None and d < config.latents else None for d in (view.across, view.down)
    )
    dims = tuple(d for d in view.dims if d < config.latents)
    # With two latents there is one plane only.
    plane = view.plane if all(d < config.latents != 2 for d in view.plane) else ()
    given = view.given if view.given in names else ""
    shade = view.shade if view.shade in colourable(config.modalities) else ""
    picture = view.picture if view.picture in names else ""
    return replace(
        view,
        entries=entries,
        supply=supply,
        across=across,
        down=down,
        dims=dims,
        plane=plane,
        given=given,
        shade=shade,
        picture=picture,
    )


def read_coordinates(values: object) -> tuple[float, float] | None:
    """Return two coordinates on a plane, rounded as in links; None if the values are invalid."""
    match values:
        case (int() | float() as u, int() | float() as v) if (
            abs(u) <= FARTHEST and abs(v) <= FARTHEST  # separately, because max(1, NaN) is 1
        ):
            return round(float(u), 3), round(float(v), 3)
    return None
