"""The lines of Python that give the numbers on a page."""

from __future__ import annotations

import streamlit as st

from mvae.modality import Modality
from mvae.pictures import picture_shape
from pages.parts.view import View

__all__ = ["REACH", "STEPS", "experts_code", "map_code", "show_code", "traverse_code"]

#: Steps of a traversal, from −REACH to REACH standard deviations of the prior.
STEPS, REACH = 9, 3.0


def belief_lines(
    view: View, modalities: tuple[Modality, ...], evidence: tuple[str, ...]
) -> list[str]:
    """Write the lines that compute the belief of a view.

    An uploaded picture cannot stand in the lines; a file of that name stands in its place.
    """
    lines = [
        "import torch",
        "",
        "from mvae.checkpoint import load_model, load_samples",
        "from mvae.inference import believe",
    ]
    own = view.source != "example"
    if own:
        lines += [
            f"from mvae.intake import {_intake(view)}",
            "from mvae.modality import Batch",
            "from mvae.pictures import cut",
        ]
    lines += ["", f'model, _ = load_model("{view.data}", "{view.model}")']
    labels = dict(view.labels)
    if own:
        lines += [
            f"picture = {_picture(view, modalities)}",
            "values = cut(model.modalities, picture.unsqueeze(0))",
            *(f'values["{name}"] = torch.tensor([{index}])' for name, index in labels.items()),
            "sample = Batch.of(model.modalities, values)",
        ]
    else:
        lines += [
            f'samples = load_samples("{view.data}", model.modalities)',
            f"sample = samples[slice({view.sample}, {view.sample + 1})]",
            *(f'sample.values["{name}"][:] = {index}' for name, index in labels.items()),
        ]
    lines.append(f"belief = believe(model, sample, {list(evidence)}, seed={view.seed})")
    return lines


def experts_code(view: View, modalities: tuple[Modality, ...], evidence: tuple[str, ...]) -> str:
    """Write the lines behind the Experts page."""
    return "\n".join(
        [
            *belief_lines(view, modalities, evidence),
            "",
            "print(belief.entropy, belief.sharpness, belief.conflict)",
            "print(belief.posterior.mean, belief.posterior.std, belief.shares)",
            "print(belief.expected)  # the mean of every modality, supplied or not",
        ]
    )


def traverse_code(
    view: View,
    modalities: tuple[Modality, ...],
    evidence: tuple[str, ...],
    across: int,
    down: int | None,
) -> str:
    """Write the lines behind the Traverse page's strip or grid."""
    mean = "belief.posterior.mean"
    start = mean if view.start == "posterior" else f"torch.zeros_like({mean})"
    values = f"torch.linspace(-{REACH}, {REACH}, {STEPS})"
    lines = [
        *belief_lines(view, modalities, evidence),
        "",
        f"z = ({start}).expand({STEPS if down is not None else 1}, {STEPS}, -1).clone()",
        f"z[..., {across}] = {values}",
    ]
    if down is not None:
        lines.append(f"z[..., {down}] = {values}.unsqueeze(1)")
    lines += [
        "print(model.expected(z))",
        "",
        "# between two examples",
        f'samples = load_samples("{view.data}", model.modalities)',
        f"other = samples[slice({view.other}, {view.other + 1})]",
        "end = believe(model, other, other.names).posterior.mean",
        f"weights = torch.linspace(0, 1, {STEPS}).unsqueeze(-1)",
        "path = (1 - weights) * belief.posterior.mean + weights * end",
        "print(model.expected(path))",
    ]
    return "\n".join(lines)


def map_code(view: View, modalities: tuple[Modality, ...], evidence: tuple[str, ...]) -> str:
    """Write the lines that place the belief on the Map page, and all its dots."""
    lines = belief_lines(view, modalities, evidence)
    lines.insert(
        lines.index("from mvae.inference import believe"), "from mvae.embedding import load_map"
    )
    subset = f'("{view.given}",)' if view.given else "sample.names"
    return "\n".join(
        [
            *lines,
            "",
            f'chart = load_map("{view.data}", "{view.model}")',
            "umap, pca = chart.place(belief.posterior.mean.unsqueeze(0))",
            "print(umap, pca)  # where the belief stands",
            "",
            "# where the examples lie, and how broad the beliefs about them are, in nats",
            f"rows = chart.pool.rows[chart.pool.subsets.index({subset})]",
            "print(chart.umap[rows], chart.pca[rows], chart.pool.beliefs.entropy()[rows])",
        ]
    )


def _intake(view: View) -> str:
    return "unpack_bits" if view.source == "drawing" else "picture_from_upload"


def _picture(view: View, modalities: tuple[Modality, ...]) -> str:
    shape = picture_shape(modalities)
    if view.source == "drawing":
        return f'unpack_bits("{view.drawing}", {shape})'
    return f'picture_from_upload(open("your picture.png", "rb").read(), {shape})'


def show_code(code: str) -> None:
    """Offer the lines, folded away."""
    with st.expander("Show code"):
        st.code(code, language="python")
