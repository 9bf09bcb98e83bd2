"""The source of the data: a test example, a drawing or an upload."""

from __future__ import annotations

from functools import partial

import streamlit as st
from torch import Tensor

from mvae.data import DATASETS
from mvae.errors import InputError
from mvae.images.preprocessing import picture_from_upload, unpack_bits
from mvae.images.tiling import Framing, cut, picture_shape
from mvae.modality import Modality
from pages.parts.pad import pad
from pages.parts.plain import plain
from pages.parts.view import SOURCES, View, change, sources
from pages.parts.widget_sync import follow

__all__ = ["choose_source", "framing_of", "from_picture", "own_picture", "uploaded"]


def framing_of(data: str) -> Framing:
    """Return how pictures are framed in a data set."""
    return DATASETS[data].framing if data in DATASETS else "free"


def own_picture(view: View, modalities: tuple[Modality, ...]) -> Tensor | None:
    """Return the visitor's drawing or upload, ``(1, C, H, W)``, or None."""
    shape = picture_shape(modalities)
    if shape is None:
        return None
    if view.source == "drawing" and view.drawing:
        return unpack_bits(view.drawing, shape).unsqueeze(0)
    if view.source == "upload":
        return uploaded(view.data)
    return None


def uploaded(data: str) -> Tensor | None:
    """Return the picture uploaded last in this session, ``(1, C, H, W)``, or None."""
    picture: Tensor | None = st.session_state.get(f"uploaded {data}")
    return picture


def from_picture(data: str, modalities: tuple[Modality, ...], picture: Tensor) -> dict[str, Tensor]:
    """Return the modalities of a picture: its tiles, and those that its data set derives."""
    values = cut(modalities, picture)
    derive = DATASETS[data].derive if data in DATASETS else None
    return values if derive is None else values | derive(picture)


def choose_source(view: View, modalities: tuple[Modality, ...], count: int) -> None:
    """Show the chooser of an example, a drawing or an upload."""
    there = sources(modalities)
    if len(there) > 1:
        st.segmented_control(
            "Picture from",
            there,
            format_func=SOURCES.__getitem__,
            key="source",
            required=True,
            label_visibility="collapsed",
            width="stretch",
            on_change=follow("source", view.source, partial(_choose, modalities)),
        )
    if view.source == "example":
        _example(view, count)
    elif view.source == "drawing":
        _drawing(view, modalities)
    else:
        _upload(view, modalities)


def _example(view: View, count: int) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input(
            f"Test example, 0 to {count - 1}",
            0,
            count - 1,
            key="sample",
            on_change=follow(
                "sample", view.sample, lambda number: change(sample=number, entries={})
            ),
        )
        st.button("Next", key="next", on_click=_choose_next, args=(count,))


def _drawing(view: View, modalities: tuple[Modality, ...]) -> None:
    _, height, width = picture_shape(modalities) or (1, 28, 28)
    drawn = pad(
        f"pad {view.data}",
        height=height,
        width=width,
        framing=framing_of(view.data),
        value=view.drawing,
    )
    if drawn == view.drawing:
        return
    try:
        if drawn is not None:
            unpack_bits(drawn, (1, height, width))
    except InputError as error:
        st.warning(plain(error))
        return
    change(drawing=drawn)
    st.rerun()


def _upload(view: View, modalities: tuple[Modality, ...]) -> None:
    st.file_uploader(
        "A picture: PNG, JPEG, WebP, GIF or BMP, up to 10 MB",
        key=f"upload {view.data}",
        on_change=_take_upload,
        args=(view.data, modalities),
    )
    if problem := st.session_state.get(f"upload problem {view.data}"):
        st.warning(plain(problem))
    st.caption(
        "Only this session sees your picture, and it is never stored. The last valid picture stays "
        "until you upload another."
    )


def _choose(modalities: tuple[Modality, ...], source: str) -> None:
    """Change the source; labels, tags and texts are not supplied for a visitor's picture."""
    supply = tuple(m.name for m in modalities if source == "example" or not m.is_annotation)
    change(source=source, supply=supply, entries={})


def _choose_next(count: int) -> None:
    """Choose the example after the session's current one, which the browser may not show yet."""
    view: View = st.session_state["view"]
    change(sample=(view.sample + 1) % count, entries={})


def _take_upload(data: str, modalities: tuple[Modality, ...]) -> None:
    """Read an uploaded picture; if it is invalid, show why and keep the previous one."""
    file = st.session_state[f"upload {data}"]
    if file is None:
        # This also happens between two files: the last valid picture stays until the next one.
        return
    change()  # so that an outdated address from the browser is not taken for a link
    st.session_state[f"upload problem {data}"] = None
    shape = picture_shape(modalities)
    assert shape is not None
    try:
        picture = picture_from_upload(file.getvalue(), shape, framing_of(data))
        st.session_state[f"uploaded {data}"] = picture.unsqueeze(0)
    except InputError as error:
        st.session_state[f"upload problem {data}"] = str(error)
