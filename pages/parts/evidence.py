"""The evidence column: where a picture comes from, and a card for each modality."""

from __future__ import annotations

import streamlit as st
import torch
from torch import Tensor

from mvae.intake import IntakeError, picture_from_upload, unpack_bits
from mvae.modality import Batch, Modality
from mvae.pictures import cut, picture_shape
from pages.parts.pad import pad
from pages.parts.pictures import as_image
from pages.parts.view import SOURCES, View, change

__all__ = ["evidence_column", "gather", "supplied", "switch"]

#: Width of a card's picture, and of a tile's, in pixels.
WHOLE, TILE = 140, 70


def own_picture(view: View, modalities: tuple[Modality, ...]) -> Tensor | None:
    """Give the visitor's drawing or upload, ``(1, C, H, W)``, or None."""
    shape = picture_shape(modalities)
    if shape is None:
        return None
    if view.source == "drawing" and view.drawing:
        return unpack_bits(view.drawing, shape).unsqueeze(0)
    if view.source == "upload":
        uploaded: Tensor | None = st.session_state.get(f"uploaded {view.data}")
        return uploaded
    return None


def gather(view: View, modalities: tuple[Modality, ...], samples: Batch) -> Batch:
    """Put together what the visitor has: one sample, without the modalities that are not there."""
    values = dict(samples[slice(view.sample, view.sample + 1)].values)
    if view.source != "example":
        picture = own_picture(view, modalities)
        # A label of the test example says nothing about one's own picture.
        for m in modalities:
            if m.kind in ("image", "label"):
                del values[m.name]
        if picture is not None:
            values |= cut(modalities, picture)
    for m in modalities:
        if m.kind == "label" and m.name in view.labels:
            values[m.name] = torch.tensor([view.labels[m.name]])
        if m.distribution.binary and m.name in values:
            values[m.name] = (values[m.name] > 0.5).to(m.dtype)
    return Batch.of(modalities, values) if values else Batch.empty(modalities)


def supplied(view: View, sample: Batch) -> tuple[str, ...]:
    """Name the modalities that are supplied and there, in the order of supply."""
    there = dict(zip(sample.names, sample.present[0].tolist(), strict=True))
    return tuple(name for name in view.supply or () if there[name])


def evidence_column(
    view: View, modalities: tuple[Modality, ...], samples: Batch, colours: dict[str, str]
) -> None:
    """Show the source of the picture and the cards, in the order of the model."""
    st.markdown("#### Evidence")
    if picture_shape(modalities) is not None:
        _source(view, modalities, len(samples))
    sample = gather(view, modalities, samples)
    there = dict(zip(sample.names, sample.present[0].tolist(), strict=True))
    _style(modalities, colours)
    tiles = [m for m in modalities if m.tile is not None]
    rows = sorted({m.tile[0] for m in tiles if m.tile})
    for row in rows:
        in_row = sorted(
            (m for m in tiles if m.tile and m.tile[0] == row), key=lambda m: m.tile or ()
        )
        for m, column in zip(in_row, st.columns(len(in_row), wrap=False), strict=True):
            with column:
                _card(m, view, sample, there[m.name])
    for m in modalities:
        if m.tile is None:
            _card(m, view, sample, there[m.name])
    with st.container(border=True, key="card-prior"):
        st.markdown("**prior** · always there")


def _source(view: View, modalities: tuple[Modality, ...], count: int) -> None:
    """Show how a picture is supplied: a test example, a drawing or an upload."""
    st.session_state["source"] = view.source
    st.segmented_control(
        "Picture from",
        list(SOURCES),
        format_func=SOURCES.get,
        key="source",
        required=True,
        label_visibility="collapsed",
        width="stretch",
        on_change=_choose_source,
        args=(modalities,),
    )
    if view.source == "example":
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.session_state["sample"] = view.sample
            st.number_input(
                f"Test example, 0 to {count - 1}",
                0,
                count - 1,
                key="sample",
                on_change=lambda: _choose_example(st.session_state["sample"]),
            )
            st.button(
                "Next", key="next", on_click=_choose_example, args=((view.sample + 1) % count,)
            )
    elif view.source == "drawing":
        _, height, width = picture_shape(modalities) or (1, 28, 28)
        drawn = pad(
            f"pad {view.data}",
            height=height,
            width=width,
            centred=_centred(modalities),
            value=view.drawing,
        )
        if drawn != view.drawing:
            change(drawing=drawn)
            st.rerun()
    else:
        st.file_uploader(
            "A picture: PNG, JPEG, GIF, BMP, WEBP or TIFF, up to 10 MB",
            key=f"upload {view.data}",
            on_change=_take_upload,
            args=(view.data, modalities),
        )
        if problem := st.session_state.get("upload problem"):
            st.warning(problem)
        st.caption(
            "Seen by this session only, never kept; the last good one stays until another comes."
        )


def _centred(modalities: tuple[Modality, ...]) -> bool:
    """Whether pictures are centred by mass, as binary digits are; grey ones fill the frame."""
    return any(m.kind == "image" and m.distribution.binary for m in modalities)


def _choose_source(modalities: tuple[Modality, ...]) -> None:
    source = st.session_state["source"]
    supply: tuple[str, ...] = tuple(m.name for m in modalities)
    if source != "example":
        supply = tuple(m.name for m in modalities if m.kind != "label")
    change(source=source, supply=supply, labels={})


def _choose_example(number: int) -> None:
    change(sample=number, labels={})


def _take_upload(data: str, modalities: tuple[Modality, ...]) -> None:
    """Turn an upload into a picture; a bad one is explained, and the one before stays."""
    file = st.session_state[f"upload {data}"]
    if file is None:
        # Also the moment between two files: the last good picture stays until the next one.
        return
    st.session_state["upload problem"] = None
    shape = picture_shape(modalities)
    assert shape is not None
    try:
        picture = picture_from_upload(file.getvalue(), shape, _centred(modalities))
        st.session_state[f"uploaded {data}"] = picture.unsqueeze(0)
    except IntakeError as error:
        st.session_state["upload problem"] = str(error)


def _style(modalities: tuple[Modality, ...], colours: dict[str, str]) -> None:
    """Give each card its modality's colour."""
    rules = [
        f".st-key-card-{m.name.replace(' ', '-')}{{border-left:5px solid {colours[m.name]}}}"
        for m in modalities
    ]
    rules.append(".st-key-card-prior{border-left:5px dashed #8b919c}")
    rules.append("[class*=st-key-card-]{padding:.6rem .8rem;gap:.5rem}")
    rules.append("[class*=st-key-card-] label p{overflow-wrap:normal;word-break:keep-all}")
    st.html(f"<style>{''.join(rules)}</style>")


def _card(m: Modality, view: View, sample: Batch, there: bool) -> None:
    """Show one modality: its switch and its input."""
    with st.container(border=True, key=f"card-{m.name.replace(' ', '-')}"):
        st.session_state[f"supply {m.name}"] = there and m.name in (view.supply or ())
        st.toggle(
            f"**{m.name}**",
            key=f"supply {m.name}",
            disabled=not there,
            # A tile's card has no room for it.
            help=None if m.tile else "Supply it as evidence, or drop it.",
            on_change=switch,
            args=(m.name,),
        )
        if m.kind == "label":
            _label(m, view, int(sample.values[m.name][0]) if there else None)
        elif m.kind == "image" and there:
            st.image(
                as_image(sample.values[m.name][0], WHOLE if m.tile is None else TILE),
                output_format="PNG",
                alt=f"the {m.name} that is supplied or dropped",
            )


def switch(name: str) -> None:
    """Supply a modality as the last one, or drop it."""
    view: View = st.session_state["view"]
    supply = tuple(other for other in view.supply or () if other != name)
    change(supply=(*supply, name) if st.session_state[f"supply {name}"] else supply)


def _label(m: Modality, view: View, chosen: int | None) -> None:
    """Show the categories; the one that stands for the example is marked until another is taken."""
    st.session_state[f"label {m.name}"] = chosen
    st.pills(
        m.name,
        range(m.shape[0]),
        format_func=m.category,
        key=f"label {m.name}",
        required=chosen is not None,
        label_visibility="collapsed",
        on_change=_choose_label,
        args=(m.name,),
    )
    if m.name in view.labels and view.source == "example":
        st.caption(f"not necessarily the example's own {m.name}")


def _choose_label(name: str) -> None:
    view: View = st.session_state["view"]
    supply = view.supply or ()
    supply = supply if name in supply else (*supply, name)
    change(labels={**view.labels, name: int(st.session_state[f"label {name}"])}, supply=supply)
