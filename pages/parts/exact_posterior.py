"""The exact posterior behind a posterior, for models that allow it: a heat map, a gap, a check."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import streamlit as st
import torch
from torch import Tensor

from mvae.analysis.inference import Inference
from mvae.batch import Batch
from mvae.distributions.gaussian import Gaussian
from mvae.evaluation.exact_posterior import ExactInference, ExactPosterior, possible
from mvae.evaluation.product_check import ProductComparison, compare_products
from pages.parts.loading import load, load_experts, version_of
from pages.parts.sentences import listing
from pages.parts.stage.planes import ASPECT, plane_of
from pages.parts.versions import kept

__all__ = ["exact_of", "show_products"]

#: Pixels along each side of the heat map over the plane, and of the magnified one.
SIZE, INSET_SIZE = 112, 72
#: Below this width, in standard deviations of the prior, a posterior is magnified.
SHARP = 0.3


@kept(version_of, max_entries=2)
def _exact_inference(dataset: str, model: str) -> ExactInference | None:
    """Decode a model's coarse grid once; each holds some 25 MB, so only a few are kept."""
    experts, _ = load_experts(dataset, model)
    return ExactInference(experts) if possible(experts) else None


def _remember(what: str, key: object, work: Callable[[], Any]) -> Any:
    """Keep the last result in this session: what a visitor drew is nobody else's."""
    kept = st.session_state.get(what)
    if kept is None or kept[0] != key:
        kept = st.session_state[what] = (key, work())
    return kept[1]


def _key(data: str, name: str, sample: Batch, evidence: tuple[str, ...]) -> object:
    values = [sample.values[n].numpy().tobytes() for n in evidence]
    return (version_of(data, name), evidence, values)


def exact_of(data: str, name: str, sample: Batch, inference: Inference) -> dict[str, Any] | None:
    """Describe p(z|X_S) for the evidence of a posterior, or None where it cannot be known.

    Args:
        data: the data set.
        name: the model.
        sample: whose evidence it is, a batch of one.
        inference: the model's own posterior, from which the gap is measured.
    """
    infer_exactly, plane = _exact_inference(data, name), plane_of(data, name, ())
    if infer_exactly is None or plane is None:
        return None

    def work() -> dict[str, Any]:
        found = infer_exactly(sample, inference.evidence)
        reach = (plane.reach * ASPECT, plane.reach)
        model, _ = load(data, name)
        exact = all(model.modality(n).distribution.exact for n in inference.evidence)
        given = ", ".join(inference.evidence)
        return {
            "evidence": list(inference.evidence),
            "sharpness": (Gaussian.standard((2,)).entropy() - found.entropy()).item(),
            "gap": found.kl_from(inference.posterior),
            "evidenceNats": found.log_evidence,
            "title": f"log p({given})" if exact else f"score of {given} by cross-entropy",
            "inset": _inset(found, inference),
            **_heat(found, (-reach[0], -reach[1]), reach, SIZE),
        }

    result: dict[str, Any] = _remember("exact", _key(data, name, sample, inference.evidence), work)
    return result


def _heat(
    found: ExactPosterior, low: tuple[float, float], high: tuple[float, float], size: int
) -> dict[str, Any]:
    """Pack a heat map: bytes from 0 to 255 at the highest density, the top row first."""
    log_p = found.heat(low, high, size)
    shade = (log_p - log_p.max()).exp().sqrt()  # the root, so that a lesser lobe is seen as well
    packed = (shade.flip(0) * 255).round().byte().numpy().tobytes()
    return {
        "low": list(low),
        "high": list(high),
        "size": size,
        "bytes": base64.b64encode(packed).decode(),
    }


def _inset(found: ExactPosterior, inference: Inference) -> dict[str, Any] | None:
    """Magnify where the exact posterior and the posterior are, if that is small."""
    q, p = inference.posterior, found.moments()
    if max(p.std.max().item(), q.std.max().item()) > SHARP:
        return None
    ends = torch.stack(
        [m + side * 4 * g.std for g, m in ((q, q.mean), (p, p.mean)) for side in (-1, 1)]
    )
    low, high = ends.amin(0), ends.amax(0)
    middle, half = (low + high) / 2, (high - low).max() / 2
    corners: list[Tensor] = [middle - half, middle + half]
    a, b = ((round(c[0].item(), 5), round(c[1].item(), 5)) for c in corners)
    return _heat(found, a, b, INSET_SIZE)


def show_products(data: str, name: str, sample: Batch, inference: Inference) -> None:
    """Check on this example what a product does exactly, and what Gaussians miss."""
    infer_exactly = _exact_inference(data, name)
    if infer_exactly is None or len(inference.evidence) < 2:
        return
    *first, last = inference.evidence
    title = "Is the product right here? Checked against the exact posterior"
    # The check takes a third of a second, so it waits until somebody looks.
    with st.expander(title, key="products", on_change="rerun") as look:
        if not look.open:
            return
        key = _key(data, name, sample, inference.evidence)
        found: ProductComparison = _remember(
            "products checked", key, lambda: compare_products(infer_exactly, sample, first, [last])
        )
        x, y = listing(first), last
        st.markdown(
            f"Given z, the modalities are independent, so the exact posteriors do multiply: "
            f"p(z|{x}) · p(z|{y}) / p(z), normalised, differs from p(z|{x}, {y}) in "
            f"**{100 * found.total_variation:.2f} %** of its mass, and the evidence by "
            f"**{abs(found.evidence_error):.3f} nats**: the error of quadrature. No Gaussian has "
            "to follow from that:"
        )
        candidates = {
            "the best Gaussian to the joint, by KL(p‖q): its mean and variances": found.best,
            "the best Gaussians to each, multiplied, the prior divided out once": found.product,
            "the model’s product of experts": found.q,
        }
        st.dataframe(
            [
                {
                    "Gaussian": title,
                    "KL(q‖p), nats": None if c is None else round(c.kl_from, 3),
                    "KL(p‖q), nats": None if c is None else round(c.kl_to, 3),
                }
                for title, c in candidates.items()
            ],
            hide_index=True,
        )
        if found.product is None:
            st.caption("Dividing the prior out leaves no precision here: there is no such product.")
