"""Links: a view is written to query parameters and read from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from mvae import checkpoint
from mvae.analysis.theory import DIVERGENCES, NOISE, PAIRS
from mvae.errors import InputError
from mvae.files import CheckpointError
from mvae.images.preprocessing import unpack_bits
from mvae.images.tiling import picture_shape, pictures
from mvae.modality import Modality
from mvae.results.figures import HEAT_MAP_KINDS, KINDS
from pages.parts.kinds.registry import VIEWS
from pages.parts.lesson import STEPS
from pages.parts.manual_values import Entry, read_index, write
from pages.parts.server.loading import load, samples_of
from pages.parts.source import uploaded
from pages.parts.training_step_table import METHODS
from pages.parts.view import (
    COLOURINGS,
    FARTHEST,
    MAX_DIMS,
    MAX_MODELS,
    SOURCES,
    STARTS,
    View,
    colourable,
    compared,
    read_coordinates,
    repair,
    sources,
)

__all__ = ["open_view", "parse", "url_of"]

#: Largest number of characters of a lesson's state.
LONGEST = 200
#: Fields of a view that are written to the URL as they are, under their own names.
SIMPLE = (
    *("source", "sample", "drawing", "seed", "start", "across", "down", "other"),
    *("step", "lesson", "training", "given", "colour", "shade", "picture"),
    *("pair", "best", "noise", "method", "count", "pinned", "kind", "shown"),
)
#: Fields that are written as comma-separated numbers.
LISTS = ("dims", "plane", "at")


def open_view() -> tuple[View, list[str]]:
    """Return the current view, and a sentence for each part of the link that is invalid.

    The URL is read when a session begins, and whenever it differs from the one this session wrote
    last, because the visitor followed a link or went back. An action on the page takes precedence,
    since the browser may have sent it before it received the previous URL.
    """
    params = st.query_params.to_dict()
    state = st.session_state
    problems: list[str] = []
    acted = state.pop("acted", False)
    if "view" not in state or (params and params != state.get("written") and not acted):
        state["view"], problems = parse(params)
    if checkpoint_missing(state["view"]):
        # Parse the view like a link, so that a sentence tells what is missing and what replaces it.
        state["view"], problems = parse(url_of(state["view"]))
    state["view"] = repair(state["view"])
    written = url_of(state["view"])
    if params != written:
        st.query_params.from_dict(written)
    state["written"] = written
    return state["view"], problems


def checkpoint_missing(view: View) -> bool:
    """Whether a checkpoint of the view no longer exists."""
    there = checkpoint.available().get(view.data, [])
    return not {view.model, *(view.models or ())} <= set(there)


def url_of(view: View) -> dict[str, str]:
    """Return a view as query parameters, without fields that have their default value."""
    usual = View("", "")
    params = {"data": view.data, "model": view.model}
    if view.supply is not None:
        params["supply"] = ",".join(view.supply)
    if view.models is not None:
        params["models"] = ",".join(view.models)
    for name in SIMPLE:
        value = getattr(view, name)
        if value is not None and value != getattr(usual, name):
            params[name] = str(value)
    for name in LISTS:
        if numbers := getattr(view, name):
            params[name] = ",".join(f"{number:g}" for number in numbers)
    for name, entry in view.entries.items():
        params[f"set-{name}"] = write(entry)
    return params


def parse(params: Mapping[str, str]) -> tuple[View, list[str]]:
    """Read a view from query parameters; invalid values are replaced, with a sentence for each."""
    problems: list[str] = []
    there = checkpoint.available()
    if not there:
        return View("", ""), ["There are no checkpoints; the README explains how to train one."]
    data = _choice(params, "data", list(there), "data set", problems)
    model = _choice(params, "model", there[data], f"model of {data}", problems)
    view = View(data, model)
    try:
        modalities = load(data, model)[1].modalities
        count = len(samples_of(data, model))
    except CheckpointError:
        return view, problems  # the page shows what is wrong with the checkpoint
    latents = load(data, model)[1].latents

    across = _number(params, "across", latents, "latent dimension", problems)
    down = _number(params, "down", latents, "latent dimension", problems)
    if down is not None and down == across:
        problems.append(f"A grid needs two different dimensions, not z{across} twice.")
        down = None
    source = _choice(params, "source", list(SOURCES), "source of pictures", problems)
    if source not in sources(modalities):
        problems.append(
            f"The link asks for a picture from “{SOURCES[source]}”, which {data} does not accept; "
            "a test example is shown instead."
        )
        source = "example"
    view = View(
        data,
        model,
        source=source,
        sample=_number(params, "sample", count, "test example", problems) or 0,
        drawing=_drawing(params.get("drawing"), modalities, problems),
        entries=_entries(params, modalities, problems),
        supply=_supply(params.get("supply"), modalities, problems),
        seed=_number(params, "seed", 1_000_000, "seed", problems) or 0,
        start=_choice(params, "start", list(STARTS), "start of a traversal", problems),
        across=across,
        down=down,
        other=_number({"other": "1"} | dict(params), "other", count, "test example", problems) or 0,
        dims=_dimensions(params, "dims", latents, problems)[:MAX_DIMS],
        plane=_dimensions(params, "plane", latents, problems),
        at=_held_latent(params.get("at"), problems),
        step=_step(params, problems),
        lesson=params.get("lesson", "")[:LONGEST] if "lesson" in params else None,
        training=int(number) if (number := params.get("training")) in ("1", "2") else 0,
        given=_given(params.get("given", ""), modalities, problems),
        colour=_choice(params, "colour", list(COLOURINGS), "colouring", problems),
        shade=_other(params, "shade", colourable(modalities), "colouring", problems),
        picture=_other(
            params, "picture", [g[0].name for g in pictures(modalities)], "picture", problems
        ),
        kind=_choice(params, "kind", list(KINDS), "kind of figure", problems),
        shown=_choice(params, "shown", list(HEAT_MAP_KINDS), "figure in the cells", problems),
        models=_models(params.get("models"), there[data], problems),
    )
    view = replace(view, pinned=_pinned(params.get("pinned", ""), view, problems))
    if params.get("plane") and len(view.plane) != 2:
        problems.append("A plane needs two different dimensions; the default plane is shown.")
        view = replace(view, plane=(), at=None)
    if view.source == "upload" and uploaded(data) is None:
        problems.append(
            "This link was made with an uploaded picture, which links do not contain; "
            "a test example is shown instead."
        )
        view = replace(view, source="example")
    return replace(view, **_theory(params, problems)), problems


def _theory(params: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    noise = _number(params, "noise", len(NOISE), "noise level", problems)
    return {
        "pair": _choice(params, "pair", list(PAIRS), "pair of modalities", problems),
        "best": _choice(params, "best", list(DIVERGENCES), "meaning of best", problems),
        "noise": View.noise if noise is None else noise,
        "method": _choice(params, "method", list(METHODS), "training step", problems),
        "count": int(_choice(params, "count", ["2", "3"], "number of modalities", problems)),
    }


def _choice(
    params: Mapping[str, str], name: str, options: list[str], what: str, problems: list[str]
) -> str:
    value = params.get(name, options[0])
    if value in options:
        return value
    problems.append(
        f"The link asks for a {what} called “{value[:40]}”, which does not exist; "
        f"{options[0]} is shown instead (available: {', '.join(options)})."
    )
    return options[0]


def _number(
    params: Mapping[str, str], name: str, count: int, what: str, problems: list[str]
) -> int | None:
    value = params.get(name)
    return None if value is None else read_index(value, count, what, problems)


def _dimensions(
    params: Mapping[str, str], name: str, latents: int, problems: list[str]
) -> tuple[int, ...]:
    wanted = [text for text in dict.fromkeys(params.get(name, "").split(",")) if text]
    found = [_number({name: d}, name, latents, "latent dimension", problems) for d in wanted]
    return tuple(d for d in found if d is not None)


def _other(
    params: Mapping[str, str], name: str, options: list[str], what: str, problems: list[str]
) -> str:
    """Return the chosen option, or an empty string for the first one."""
    found = _choice(params, name, options or [""], what, problems)
    return "" if found in options[:1] else found


def _held_latent(text: str | None, problems: list[str]) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        found = read_coordinates([float(part) for part in text.split(",")])
    except ValueError:
        found = None
    if found is None:
        problems.append(
            f"The link holds a latent at “{text[:40]}”, which is not a pair of numbers "
            f"between −{FARTHEST} and {FARTHEST}; the posterior is shown instead."
        )
    return found


def _step(params: Mapping[str, str], problems: list[str]) -> int:
    text = params.get("step", "1")
    if text in map(str, range(1, len(STEPS) + 1)):
        return int(text)
    problems.append(
        f"The link asks for step “{text[:40]}” of the lesson, which has {len(STEPS)} steps; "
        "the first one is shown instead."
    )
    return 1


def _drawing(text: str | None, modalities: tuple[Modality, ...], problems: list[str]) -> str | None:
    shape = picture_shape(modalities)
    if text is None or shape is None or "drawing" not in sources(modalities):
        return None
    try:
        unpack_bits(text, shape)
    except InputError as error:
        problems.append(f"The drawing in the link could not be read. {error}")
        return None
    return text


def _entries(
    params: Mapping[str, str], modalities: tuple[Modality, ...], problems: list[str]
) -> dict[str, Entry]:
    found = {
        m.name: VIEWS[m.kind].read(params[f"set-{m.name}"], m, problems)
        for m in modalities
        if m.is_annotation and f"set-{m.name}" in params
    }
    return {name: entry for name, entry in found.items() if entry is not None}


def _supply(
    text: str | None, modalities: tuple[Modality, ...], problems: list[str]
) -> tuple[str, ...] | None:
    names = [m.name for m in modalities]
    if text is None:
        return None
    wanted = [name for name in dict.fromkeys(text.split(",")) if name]
    for name in wanted:
        if name not in names:
            problems.append(
                f"The link supplies a modality called “{name[:40]}”, which this model does not "
                f"have (available: {', '.join(names)})."
            )
    return tuple(name for name in wanted if name in names)


def _given(text: str, modalities: tuple[Modality, ...], problems: list[str]) -> str:
    names = [m.name for m in modalities]
    if not text or text in names:
        return text
    problems.append(
        f"The link asks for a map given “{text[:40]}”, which this model does not have "
        f"(available: {', '.join(names)}); the map given all of them together is shown instead."
    )
    return ""


def _models(text: str | None, there: list[str], problems: list[str]) -> tuple[str, ...] | None:
    if text is None:
        return None
    wanted = [name for name in dict.fromkeys(text.split(",")) if name]
    found = [name for name in wanted if name in there]
    problems += [
        f"The link compares a model called “{name[:40]}”, which does not exist "
        f"(available: {', '.join(there)})."
        for name in wanted
        if name not in there
    ]
    if len(found) > MAX_MODELS:
        problems.append(
            f"The link compares {len(found)} models; only the first {MAX_MODELS} are shown."
        )
    return tuple(found[:MAX_MODELS])


def _pinned(name: str, view: View, problems: list[str]) -> str:
    if not name or name in compared(view):
        return name
    problems.append(
        f"The link pins “{name[:40]}”, which is not among the models that it compares; "
        "the first of them is pinned instead."
    )
    return ""
