"""What a visitor is looking at: one immutable value, kept in the session and in the URL."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

from mvae import checkpoint
from mvae.checkpoint import load_config
from mvae.errors import InputError
from mvae.images.tiling import picture_shape
from mvae.kinds.registry import KINDS
from mvae.modality import Modality
from mvae.models.base import MultimodalModel
from pages.parts.loading import CONFIG, files_of, load
from pages.parts.manual_values import Entry, tensor_of
from pages.parts.versions import kept, stamps

__all__ = [
    "COLOURINGS",
    "MAX_DIMS",
    "MAX_MODELS",
    "SOURCES",
    "STARTS",
    "View",
    "change",
    "compared",
    "place",
    "show",
    "sources",
]

#: Where a picture comes from: value in the URL to words on the page.
SOURCES = {"example": "Example", "drawing": "Draw", "upload": "Upload"}
#: How many dimensions' curves may be asked for.
MAX_DIMS = 12
#: How many models may stand beside each other, and how many do until somebody chooses.
MAX_MODELS, USUAL_MODELS = 6, 4
#: How far on a plane a latent may be held.
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
        entries: what is said for modalities in words; where there is none, the example's own.
        supply: the modalities that are supplied, in their order; None for all that there are,
            until the model is known.
        seed: of the draws.
        start: where a traversal starts, a key of STARTS.
        across: the latent dimension that a traversal follows; None is the most informative.
        down: a second dimension, for a grid; None is a strip.
        other: number of the test example to interpolate to.
        dims: latent dimensions whose curves are shown; empty for the most informative.
        plane: the two latent dimensions of the plane; empty for the principal directions.
        at: the latent held, in coordinates of the plane.
        step: of the lesson, from 1.
        lesson: how the stage of that step was left; None as it begins.
        training: which of the trainings that a step compares.
        given: the modality whose posteriors a map shows; empty for all modalities together.
        colour: what colours the examples on a map, a key of COLOURINGS.
        shade: the label or the tag whose categories are those colours; empty for the first.
        picture: the one that a traversal shows, by its first modality; empty for the first.
        pair: of the theory page, a key of PAIRS.
        best: what "best" means there, one of BESTS.
        noise: index of its noise level in NOISE.
        method: whose training step it draws, a key of METHODS.
        count: how many modalities that step has.
        models: those compared, in their order; None for the current one and some others.
        pinned: the one of them that the others are compared with; empty for the first.
        kind: of the figures on the results page, a key of KINDS.
        shown: what the cells of the missing page show, a key of CELLS.
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
    best: str = "reverse"
    noise: int = 10
    method: str = "sub-sampled"
    count: int = 2
    models: tuple[str, ...] | None = None
    pinned: str = ""
    kind: str = "loglik"
    shown: str = "coherence"


#: Changes of these let go of the latent that is held.
LETTING_GO = {
    *("data", "model", "source", "sample", "drawing", "entries", "supply", "plane"),
    *("step", "lesson", "training"),
}


def change(**updates: Any) -> None:
    """Change what is looked at; for callbacks of widgets, which run before the page."""
    if updates.keys() & LETTING_GO:
        updates = {"at": None} | updates
    show(replace(st.session_state["view"], **updates))


def show(view: View) -> None:
    """Look at something else; for callbacks of widgets, which run before the page."""
    st.session_state["view"] = view
    st.session_state["acted"] = True


def compared(view: View) -> tuple[str, ...]:
    """Name the models that stand beside each other, in their order."""
    if view.models is not None:
        return view.models
    there = checkpoint.available(checkpoint.CHECKPOINTS).get(view.data, [])
    return tuple(dict.fromkeys((view.model, *different(view.data, tuple(there)))))[:USUAL_MODELS]


def _of_configs(data: str, names: tuple[str, ...]) -> Hashable:
    return stamps(*files_of(data, *(f"{name}/{CONFIG}" for name in names)))


@kept(_of_configs, max_entries=8)
def different(data: str, names: tuple[str, ...]) -> list[str]:
    """Put the first model of each kind before the others, and those with a posterior before all."""

    def kind(name: str) -> type[MultimodalModel]:
        return load_config(checkpoint.CHECKPOINTS / data / name).objective.network

    try:
        kinds = {name: kind(name) for name in names}
    except checkpoint.CheckpointError:
        return list(names)  # one is damaged; the page says so
    first = {network: name for name, network in reversed(kinds.items())}
    return sorted(
        names,
        key=lambda name: (first[kinds[name]] != name, bool(kinds[name].no_posterior)),
    )


def sources(modalities: tuple[Modality, ...]) -> tuple[str, ...]:
    """List where data may come from: a picture can be uploaded, and drawn if it is of ink.

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


def shaded(modalities: Iterable[Modality]) -> list[str]:
    """List what may colour the examples on a map: every label, and every tag."""
    return [name for m in modalities for name in KINDS[m.kind].grouped_by(m)]


def repair(view: View) -> View:
    """Fit a view to the models that it compares and to the modalities of its own."""
    if view.pinned and view.pinned not in compared(view):
        view = replace(view, pinned="")
    try:
        _, config = load(view.data, view.model)
    except checkpoint.CheckpointError:
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
    shade = view.shade if view.shade in shaded(config.modalities) else ""
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


def place(values: object) -> tuple[float, float] | None:
    """Read two coordinates on a plane, rounded as links have them; None if they are none."""
    match values:
        case (int() | float() as u, int() | float() as v) if (
            abs(u) <= FARTHEST and abs(v) <= FARTHEST  # one by one: max(1, NaN) is 1
        ):
            return round(float(u), 3), round(float(v), 3)
    return None
