"""The Python code that reproduces the numbers on a page."""

from __future__ import annotations

import streamlit as st

from mvae.data import DATASETS
from mvae.images.tiling import picture_shape
from mvae.modality import Modality
from pages.parts.lesson import DraggableExperts
from pages.parts.manual_values import expression_of
from pages.parts.source import framing_of
from pages.parts.view import View

__all__ = [
    "REACH",
    "STEPS",
    "compare_code",
    "draggable_experts_code",
    "experts_code",
    "map_code",
    "show_code",
    "theory_code",
    "traverse_code",
]

#: Steps of a traversal, from −REACH to REACH standard deviations of the prior.
STEPS, REACH = 9, 3.0


def inference_lines(
    view: View, modalities: tuple[Modality, ...], evidence: tuple[str, ...]
) -> list[str]:
    """Return the lines that compute the posterior of a view."""
    return [
        *sample_lines(view, modalities, view.model, "from mvae.analysis.inference import infer"),
        f"inference = infer(model, sample, {list(evidence)}, seed={view.seed})",
    ]


def sample_lines(
    view: View, modalities: tuple[Modality, ...], model: str, *imports: str
) -> list[str]:
    """Return the lines that load a model and build the sample.

    An uploaded picture cannot be written as code, so the lines read a file instead.
    """
    named = {m.name: m for m in modalities}
    entries = {name: expression_of(entry, named[name]) for name, entry in view.entries.items()}
    needed = [*imports, "from mvae.checkpoint import load_model, load_samples"]
    if view.source == "example":
        lines = [
            f'samples = load_samples("{view.data}", model.modalities)',
            f"sample = samples[slice({view.sample}, {view.sample + 1})]",
            *(f'sample.values["{name}"][:] = {value}' for name, value in entries.items()),
        ]
    else:
        more, lines = _picture_lines(view, modalities)
        needed += ["from mvae.batch import Batch", *more]
        lines += [f'values["{name}"] = {value}' for name, value in entries.items()]
        lines.append(
            "sample = Batch.of(model.modalities, values)"
            if entries or (view.drawing or view.source == "upload")
            else "sample = Batch.empty(model.modalities)"
        )
    start = f'model, _ = load_model("{view.data}", "{model}")'
    return ["import torch", "", *sorted(needed), "", start, *lines]


def _picture_lines(view: View, modalities: tuple[Modality, ...]) -> tuple[list[str], list[str]]:
    """Return the imports and lines that compute the modalities of a drawn or uploaded picture."""
    shape = picture_shape(modalities)
    if view.source == "drawing":
        if not view.drawing:
            return [], ["values = {}"]
        taken, intake = f'unpack_bits("{view.drawing}", {shape})', "unpack_bits"
    else:
        framing = framing_of(view.data)
        asked = "" if framing == "centred" else f', "{framing}"'
        file = 'open("your picture.png", "rb").read()'
        taken, intake = f"picture_from_upload({file}, {shape}{asked})", "picture_from_upload"
    needed = [
        f"from mvae.images.preprocessing import {intake}",
        "from mvae.images.tiling import cut",
    ]
    lines = [f"picture = {taken}.unsqueeze(0)", "values = cut(model.modalities, picture)"]
    derived = view.data in DATASETS and DATASETS[view.data].derive is not None
    if derived:
        needed.append("from mvae.data import DATASETS")
        lines.append(f'values |= DATASETS["{view.data}"].derive(picture)')
    if derived or view.source == "upload":
        lines += [
            "for m in model.modalities:",
            "    if m.distribution.binary and m.name in values:",
            "        values[m.name] = (values[m.name] > 0.5).float()",
        ]
    return needed, lines


def experts_code(
    view: View, modalities: tuple[Modality, ...], evidence: tuple[str, ...], exact: bool = False
) -> str:
    """Return the code of the Experts page, and of the lesson's steps that show a model."""
    lines = [
        *inference_lines(view, modalities, evidence),
        "",
        "print(inference.entropy, inference.sharpness, inference.conflict)",
        "print(inference.posterior.mean, inference.posterior.std, inference.shares)",
        "print(inference.expected)  # the mean of every modality, supplied or not",
    ]
    if exact:
        lines += [
            "",
            "from mvae.evaluation.exact_posterior import ExactInference",
            "",
            f"exact = ExactInference(model)(sample, {list(evidence)})",
            "print(exact.log_evidence, exact.entropy(), exact.kl_from(inference.posterior))",
        ]
    return "\n".join(lines)


def draggable_experts_code(scene: DraggableExperts) -> str:
    """Return the code of a scene of draggable Gaussians."""
    supplied = [expert for expert in scene.experts if expert.on]
    dims = len(scene.experts[0].mean)
    mean = [list(expert.mean) for expert in supplied]
    std = [list(expert.std) for expert in supplied]
    lines = [
        "import torch",
        "",
        f"mean = torch.tensor({mean}).reshape(-1, {dims})",
        f"precision = torch.tensor({std}).reshape(-1, {dims}) ** -2",
        f"T = {'1 + ' if scene.prior else ''}precision.sum(0)",
        "print(T, (precision * mean).sum(0) / T, T**-0.5)  # precision, mean, standard deviation",
    ]
    if scene.prior:
        lines += [
            "",
            "from mvae.distributions.conflict import conflict",
            "from mvae.distributions.gaussian import Gaussian, product_of_experts",
            "",
            "experts = Gaussian(mean.unsqueeze(1), -precision.log().unsqueeze(1))  # (M, 1, D)",
            "product = product_of_experts(experts, torch.ones(1, len(mean), dtype=torch.bool))",
            "print(product.posterior.mean, product.posterior.std, product.shares)",
            "print(conflict(experts, product))",
        ]
    return "\n".join(lines)


def theory_code(view: View) -> str:
    """Return the code behind the curves and numbers of the Theory page."""
    return "\n".join(
        [
            "from mvae.distributions.gaussian import Gaussian",
            "from mvae.analysis.theory import GRID, NOISE, PAIRS, entropy, kl, solve",
            "",
            f'solution = solve(PAIRS["{view.pair}"], "{view.best}")  # at every noise level',
            f"print(NOISE[{view.noise}])",
            f"print(entropy(solution.posteriors)[:, {view.noise}])"
            "  # prior, p(z|x1), p(z|x2), joint",
            "",
            "def on_grid(q):",
            "    wide = Gaussian(q.mean.unsqueeze(-2), q.logvar.unsqueeze(-2))",
            "    return wide.log_prob(GRID.unsqueeze(-1))",
            "",
            "joint = solution.posteriors[3]",
            "for q in (solution.product, solution.joint):  # the product, and the best Gaussian",
            "    log_q = on_grid(q)",
            f"    print(kl(log_q, joint)[..., {view.noise}], kl(joint, log_q)[..., {view.noise}])",
        ]
    )


def traverse_code(
    view: View,
    modalities: tuple[Modality, ...],
    evidence: tuple[str, ...],
    across: int,
    down: int | None,
) -> str:
    """Return the code behind the Traverse page's strip or grid."""
    mean = "inference.posterior.mean"
    start = mean if view.start == "posterior" else f"torch.zeros_like({mean})"
    values = f"torch.linspace(-{REACH}, {REACH}, {STEPS})"
    lines = [
        *inference_lines(view, modalities, evidence),
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
        "end = infer(model, other, other.names).posterior.mean",
        f"weights = torch.linspace(0, 1, {STEPS}).unsqueeze(-1)",
        "path = (1 - weights) * inference.posterior.mean + weights * end",
        "print(model.expected(path))",
    ]
    return "\n".join(lines)


def map_code(view: View, modalities: tuple[Modality, ...], evidence: tuple[str, ...]) -> str:
    """Return the code that places the posterior and the dots of the Map page."""
    lines = inference_lines(view, modalities, evidence)
    lines.insert(
        lines.index("from mvae.analysis.inference import infer"),
        "from mvae.analysis.embedding import load_map",
    )
    subset = f'("{view.given}",)' if view.given else "sample.names"
    return "\n".join(
        [
            *lines,
            "",
            f'chart = load_map("{view.data}", "{view.model}")',
            "umap, pca = chart.place(inference.posterior.mean.unsqueeze(0))",
            "print(umap, pca)  # where the posterior lies",
            "",
            "# where the examples lie, and the entropies of their posteriors, in nats",
            f"rows = chart.pool.rows[chart.pool.subsets.index({subset})]",
            "print(chart.umap[rows], chart.pca[rows], chart.pool.posteriors.entropy()[rows])",
        ]
    )


def compare_code(
    view: View,
    modalities: tuple[Modality, ...],
    models: tuple[str, ...],
    pinned: str,
    evidence: tuple[str, ...],
) -> str:
    """Return the code behind the numbers of every model on the Compare page."""
    imports = (
        "from mvae.analysis.comparison import differences, predict",
        "from mvae.evaluation.classifier import load_classifier",
    )
    lines = [
        *sample_lines(view, modalities, pinned, *imports),
        f'classifier = load_classifier("{view.data}", model.modalities)',
        "predictions = {}",
        f"for name in {list(models)}:",
        f'    model, _ = load_model("{view.data}", name)',
        f"    predictions[name] = predict(model, sample, {list(evidence)}, classifier, "
        f"seed={view.seed})",
        "for name, found in predictions.items():",
        f'    print(name, found.scores, differences(found, predictions["{pinned}"]))',
    ]
    return "\n".join(lines)


def show_code(code: str) -> None:
    """Show code in a collapsed section."""
    with st.expander("Show code"):
        st.code(code, language="python")
