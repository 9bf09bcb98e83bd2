"""Traverse: what changes in the pictures when one latent changes, or two, or the example."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
import torch
from torch import Tensor

from mvae.inference import Belief, believe
from mvae.modality import Modality
from mvae.model import ExpertModel
from mvae.pictures import assemble, picture_shape
from pages.parts.code import REACH, STEPS, show_code, traverse_code
from pages.parts.evidence import gather, supplied
from pages.parts.figures import mosaic
from pages.parts.loading import load, samples_of
from pages.parts.view import STARTS, View, change
from pages.parts.words import listing


def values() -> Tensor:
    """Give the values that a latent takes."""
    return torch.linspace(-REACH, REACH, STEPS)


def plane(start: Tensor, across: int, down: int | None) -> Tensor:
    """Vary one latent or two around a start: ``(R, C, D)``."""
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
    """Decode latents ``(R, C, D)`` and show the pictures with their labels."""
    expected = model.expected(z)
    labels = [m for m in model.modalities if m.kind == "label"]
    notes = [
        [_note(labels, expected, r, c, len(z)) for c in range(z.shape[1])] for r in range(len(z))
    ]
    if picture_shape(model.modalities) is None:
        st.dataframe([dict(zip(across, row, strict=True)) for row in notes])
        return
    figure = mosaic(assemble(model.modalities, expected), across, down, notes, titles, mark)
    words = f"{len(z)} by {z.shape[1]} generated pictures; {titles[0]}"
    with st.container(key=f"pictures {titles[0]}"):
        st.plotly_chart(figure, config={"displayModeBar": False, "staticPlot": True}, alt=words)


def _note(
    labels: list[Modality], expected: dict[str, Tensor], row: int, column: int, rows: int
) -> str:
    """Name the likeliest category, and in a strip how likely it is."""
    parts = []
    for m in labels:
        p, c = expected[m.name][row, column].max(-1)
        parts.append(m.category(int(c)) + (f" {p:.0%}" if rows == 1 else ""))
    return " · ".join(parts)


def choose_dimensions(view: View, belief: Belief) -> tuple[int, int | None]:
    """Let a visitor pick one dimension or two, sorted by what the evidence told about them."""
    nats = belief.posterior.information()
    order = belief.informative()

    def words(d: int | None) -> str:
        return "none: a strip" if d is None else f"z{d} · {nats[d]:.1f} nats"

    across = view.across if view.across is not None else order[0]
    down = view.down if view.down != across else None
    st.session_state["across"], st.session_state["down"] = across, down
    st.session_state["start"] = view.start
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            "Start from",
            list(STARTS),
            format_func=STARTS.get,
            key="start",
            required=True,
            on_change=lambda: change(start=st.session_state["start"]),
        )
        st.selectbox(
            "Dimension across",
            order,
            format_func=words,
            key="across",
            on_change=lambda: change(across=st.session_state["across"]),
            width=200,
        )
        st.selectbox(
            "Dimension down",
            [None, *(d for d in order if d != across)],
            format_func=words,
            placeholder="none: a strip",
            key="down",
            on_change=lambda: change(down=st.session_state["down"]),
            width=200,
        )
    return across, down


def page() -> None:
    """Show a strip or a grid around the belief, and a path between two examples."""
    view: View = st.session_state["view"]
    model, config = load(view.data, view.model)
    samples = samples_of(view.data, view.model)
    sample = gather(view, config.modalities, samples)
    evidence = supplied(view, sample)
    belief = believe(model, sample, evidence, seed=view.seed)
    q = belief.posterior
    given = (
        f"given {listing([f'**{name}**' for name in evidence])}" if evidence else "given nothing"
    )

    st.markdown("### Change one latent, or two, and see what follows")
    st.markdown(
        f"The belief is that of the Experts page, {given}. Everything else stays where the start "
        "puts it; each picture is the mean that its latents decode to."
    )
    across, down = choose_dimensions(view, belief)
    start = q.mean if view.start == "posterior" else torch.zeros_like(q.mean)
    ticks = [f"{value:+.2g}" if value else "0" for value in values().tolist()]
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
        st.caption("The grey mark above the strip is where the belief holds 95 % of its mass.")

    st.markdown("### Between two examples")
    other = st.session_state["other"] = view.other
    st.number_input(
        f"From the evidence above to test example, 0 to {len(samples) - 1}",
        0,
        len(samples) - 1,
        key="other",
        on_change=lambda: change(other=st.session_state["other"]),
        width=380,
    )
    end = believe(model, samples[slice(other, other + 1)], samples.names).posterior.mean
    weights = torch.linspace(0, 1, STEPS).unsqueeze(-1)
    path = ((1 - weights) * q.mean + weights * end).unsqueeze(0)
    show(model, path, [f"{w:.0%}" for w in weights.flatten().tolist()], [""], ("of the way", ""))
    st.caption(
        "A straight line from the mean of the belief above to the mean of the other example's, "
        "which is given everything."
    )
    show_code(traverse_code(view, config.modalities, evidence, across, down))


page()
