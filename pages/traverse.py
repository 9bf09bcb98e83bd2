"""Traverse: how generated data change along one latent dimension, two, or between examples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import streamlit as st
import torch
from torch import Tensor

from mvae.analysis.inference import Inference, infer
from mvae.images.tiling import assemble, pictures, vector_as_image
from mvae.modality import Modality
from mvae.models.base import ExpertModel
from pages.parts.code import REACH, STEPS, show_code, traverse_code
from pages.parts.evidence import gather, supplied
from pages.parts.kinds.registry import VIEWS
from pages.parts.pictures import visible
from pages.parts.plain import chart_text
from pages.parts.plots import mosaic, vectors
from pages.parts.sentences import decided, name_modalities
from pages.parts.server.loading import load_experts, samples_of
from pages.parts.view import STARTS, View, change
from pages.parts.widget_sync import follow

#: Lines in a note below a picture of a strip; characters in a line there, and in a grid.
NOTES, STRIP, GRID = 4, 16, 11


def values() -> Tensor:
    """Return the values of a traversed latent dimension, ``(STEPS,)``."""
    return torch.linspace(-REACH, REACH, STEPS)


def plane(start: Tensor, across: int, down: int | None) -> Tensor:
    """Return latents that vary in one dimension or two around a start, ``(R, C, D)``."""
    rows = STEPS if down is not None else 1
    z = start.expand(rows, STEPS, -1).clone()
    z[..., across] = values()
    if down is not None:
        z[..., down] = values().unsqueeze(1)
    return z


@torch.no_grad()
def show(
    model: ExpertModel,
    z: Tensor,
    across: Sequence[str],
    down: Sequence[str],
    titles: tuple[str, str],
    mark: tuple[float, float] | None = None,
) -> None:
    """Decode latents ``(R, C, D)`` and show the means of all modalities."""
    expected = model.expected(z)
    strip = len(z) == 1
    named = [m for m in model.modalities if m.is_annotation]
    group = chosen_picture(model.modalities)
    grids = [m for m in model.modalities if m.grid]
    if group or grids:
        notes = [
            [note(named, expected, r, c, strip) for c in range(z.shape[1])] for r in range(len(z))
        ]
        if group:
            whole = visible(assemble(group, expected), group[0], model.modalities)
        else:
            whole = vector_as_image(grids[0], expected[grids[0].name])
        figure = mosaic(whole, across, down, notes, titles, mark)
        words = f"{len(z)} by {z.shape[1]} generated pictures; {titles[0]}"
        with st.container(key=f"pictures {titles[0]}"):
            st.plotly_chart(figure, config={"displayModeBar": False, "staticPlot": True}, alt=words)
    elif named:
        _table(named, expected, across, down, titles)
    paths: dict[str, Tensor] = {}
    for m in model.modalities:
        if group or not m.grid:
            paths |= VIEWS[m.kind].curves(m, expected[m.name][0])
    if paths and strip:
        words = f"{', '.join(paths)} at {len(across)} steps of {titles[0]}"
        st.plotly_chart(vectors(paths, across), config={"displayModeBar": False}, alt=words)
    elif paths:
        st.caption("Vectors are drawn only where a single latent dimension changes.")


def _table(
    named: Sequence[Modality],
    expected: dict[str, Tensor],
    across: Sequence[str],
    down: Sequence[str],
    titles: tuple[str, str],
) -> None:
    """Tabulate labels, tags and texts: a row for each step or, in a grid, a cell for each."""
    cells = [
        {
            m.name: VIEWS[m.kind].words(m, expected[m.name][r, c])
            for m in named
        }
        for r in range(len(down))
        for c in range(len(across))
    ]  # fmt: skip
    if len(down) == 1:
        rows = [{titles[0]: step} | cell for step, cell in zip(across, cells, strict=True)]
    else:
        joined = [" · ".join(cell.values()) for cell in cells]
        width = len(across)
        rows = [
            {f"{titles[1]} ↓ {titles[0]} →": step}
            | dict(zip(across, joined[r * width : (r + 1) * width], strict=True))
            for r, step in enumerate(down)
        ]
    st.dataframe(rows, hide_index=True)


def note(
    named: Sequence[Modality], expected: dict[str, Tensor], row: int, column: int, strip: bool
) -> str:
    """Return the note below a picture: a few lines in a strip, a word or two in a grid."""
    categories: list[str] = []
    lines: list[str] = []
    together = decided(named)
    same_category = len({m.category(1) for m in together}) == 1
    for m in named:
        p = expected[m.name][row, column]
        if m in together:
            # Of many binary labels, name only those whose second category is likelier.
            lines += (
                [m.name if same_category else f"{m.name}: {m.category(1)}"] if p[1] > 0.5 else []
            )
        else:
            # Categories share a line.
            found = VIEWS[m.kind].notes(m, p, strip)
            (categories if m.is_category else lines).extend(found)
    lines = [" · ".join(categories)] * bool(categories) + lines
    count, most = (NOTES, STRIP) if strip else (1, GRID)
    shown = [line if len(line) <= most else line[: most - 1] + "…" for line in lines]
    return "<br>".join(map(chart_text, shown[:count]))


def chosen_picture(modalities: Iterable[Modality]) -> tuple[Modality, ...]:
    """Return the image modalities of the chosen picture; empty if there are no pictures."""
    groups = {group[0].name: group for group in pictures(modalities)}
    view: View = st.session_state["view"]
    return groups.get(view.picture, next(iter(groups.values()), ()))


def choose_picture(modalities: Iterable[Modality]) -> None:
    """Show the chooser of one of several pictures."""
    groups = pictures(modalities)
    names = {group[0].name: group[0].name if len(group) == 1 else "picture" for group in groups}
    if len(names) > 1:
        shown = chosen_picture(modalities)[0].name
        st.segmented_control(
            "Picture",
            list(names),
            format_func=names.__getitem__,
            key="picture",
            required=True,
            on_change=follow("picture", shown, lambda picture: change(picture=picture)),
        )


def choose_dimensions(view: View, inference: Inference) -> tuple[int, int | None]:
    """Show the chooser of one dimension or two, listed by their KL to the prior."""
    nats = inference.posterior.information()
    order = inference.most_informative()

    def words(d: int | None) -> str:
        return "none (a strip)" if d is None else f"z{d} · {nats[d]:.1f} nats"

    across = view.across if view.across is not None else order[0]
    down = view.down if view.down != across else None
    with st.container(horizontal=True, vertical_alignment="top"):
        st.segmented_control(
            "Start from",
            list(STARTS),
            format_func=STARTS.__getitem__,
            key="start",
            required=True,
            on_change=follow("start", view.start, lambda start: change(start=start)),
        )
        st.selectbox(
            "Dimension across",
            order,
            format_func=words,
            key="across",
            on_change=follow("across", across, lambda d: change(across=d)),
            width=200,
        )
        st.selectbox(
            "Dimension down",
            [None, *(d for d in order if d != across)],
            format_func=words,
            placeholder="none (a strip)",
            key="down",
            on_change=follow("down", down, lambda d: change(down=d)),
            width=200,
        )
    return across, down


def page() -> None:
    """Show a strip or a grid around the posterior, and a path between two examples."""
    view: View = st.session_state["view"]
    model, config = load_experts(view.data, view.model)
    samples = samples_of(view.data, view.model)
    sample = gather(view, config.modalities, samples)
    evidence = supplied(view, sample)
    inference = infer(model, sample, evidence, seed=view.seed)
    q = inference.posterior
    st.markdown("### How generated data change along one latent dimension, or two")
    st.markdown(
        f"The posterior is given {name_modalities(evidence)}, as on the Experts page. A chosen "
        f"dimension runs from −{REACH:g} to {REACH:g}, while all others keep their value at the "
        "starting point. Each step shows the means generated from its latent."
    )
    choose_picture(config.modalities)
    across, down = choose_dimensions(view, inference)
    start = q.mean if view.start == "posterior" else torch.zeros_like(q.mean)
    ticks = [f"{value:+.2g}".replace("-", "−") if value else "0" for value in values().tolist()]
    interval = None
    if down is None:
        unit = (STEPS - 1) / (2 * REACH)
        low, high = (q.mean[across] + side * 2 * q.std[across] for side in (-1, 1))
        interval = ((low.item() + REACH) * unit, (high.item() + REACH) * unit)
    titles = (f"z{across}", "" if down is None else f"z{down}")
    show(
        model, plane(start, across, down), ticks, [""] if down is None else ticks, titles, interval
    )
    if down is None:
        st.caption("The grey bar above the strip spans 95 % of the posterior in this dimension.")

    st.markdown("### Between two examples")
    other = view.other
    st.number_input(
        f"From the posterior above to test example (0 to {len(samples) - 1})",
        0,
        len(samples) - 1,
        key="other",
        on_change=follow("other", other, lambda number: change(other=number)),
        width=380,
    )
    end = infer(model, samples[slice(other, other + 1)], samples.names).posterior.mean
    weights = torch.linspace(0, 1, STEPS).unsqueeze(-1)
    path = ((1 - weights) * q.mean + weights * end).unsqueeze(0)
    show(model, path, [f"{w:.0%}" for w in weights.flatten().tolist()], [""], ("of the way", ""))
    st.caption(
        "A straight line from the mean of the posterior above to the mean of the other example’s "
        "posterior, given all of its modalities."
    )
    show_code(traverse_code(view, config.modalities, evidence, across, down))


page()
