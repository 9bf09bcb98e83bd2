"""The exact posterior of models with two latents: its heat map, its gap to q, a product check."""

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
from mvae.evaluation.exact_posterior import ExactInference, ExactPosterior, has_exact_posterior
from mvae.evaluation.product_check import ProductComparison, compare_products
from pages.parts.sentences import listing
from pages.parts.server.loading import load, load_experts, version_of
from pages.parts.server.versions import cached_by
from pages.parts.stage.planes import ASPECT, plane_of

__all__ = ["exact_of", "show_products"]

#: Pixels along each side of the heat map over the plane, and of the magnified one.
SIZE, INSET_SIZE = 112, 72
#: Below this width, in standard deviations of the prior, a posterior is magnified.
SHARP = 0.3


@cached_by(version_of, max_entries=2)
def _exact_inference(dataset: str, model: str) -> ExactInference | None:
    """Decode a model's coarse grid once; each takes about 25 MB, so only a few are cached."""
    experts, _ = load_experts(dataset, model)
    return ExactInference(experts) if has_exact_posterior(experts) else None


def _remember(what: str, key: object, work: Callable[[], Any]) -> Any:
    """Keep the last result in this session only, since a visitor's drawing is private."""
    kept = st.session_state.get(what)
    if kept is None or kept[0] != key:
        kept = st.session_state[what] = (key, work())
    return kept[1]


def _key(data: str, name: str, sample: Batch, evidence: tuple[str, ...]) -> object:
    values = [sample.values[n].numpy().tobytes() for n in evidence]
    return (version_of(data, name), evidence, values)


def exact_of(data: str, name: str, sample: Batch, inference: Inference) -> dict[str, Any] | None:
    """Return p(z|X_S) for the same evidence as plain data; None where it cannot be computed.

    Args:
        data: the data set.
        name: the model.
        sample: the evidence, a batch of one.
        inference: the model's posterior q, whose gap KL(q‖p) is reported.
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
    """Return a heat map as bytes, 255 at the highest density, the top row first."""
    log_p = found.heat_map(low, high, size)
    shade = (log_p - log_p.max()).exp().sqrt()  # the root makes a lesser mode visible
    packed = (shade.flip(0) * 255).round().byte().numpy().tobytes()
    return {
        "low": list(low),
        "high": list(high),
        "size": size,
        "bytes": base64.b64encode(packed).decode(),
    }


def _inset(found: ExactPosterior, inference: Inference) -> dict[str, Any] | None:
    """Return a magnified heat map around both posteriors; None unless both are small."""
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
    """Show, for this example, that exact posteriors multiply, and how far Gaussians are off."""
    infer_exactly = _exact_inference(data, name)
    if infer_exactly is None or len(inference.evidence) < 2:
        return
    *first, last = inference.evidence
    title = "Is the product right here? A check against the exact posterior"
    # The check takes a third of a second, so it runs only once the section is open.
    with st.expander(title, key="products", on_change="rerun") as look:
        if not look.open:
            return
        key = _key(data, name, sample, inference.evidence)
        found: ProductComparison = _remember(
            "products checked", key, lambda: compare_products(infer_exactly, sample, first, [last])
        )
        x, y = listing(first), last
        st.markdown(
            f"Given z, the modalities are independent, so the exact posteriors multiply: "
            f"p(z|{x}) · p(z|{y}) / p(z), normalised, differs from p(z|{x}, {y}) in "
            f"**{100 * found.total_variation:.2f} %** of its mass, and the log evidence by "
            f"**{abs(found.evidence_error):.3f} nats**, which is the error of the quadrature. "
            "The same need not hold for Gaussian approximations:"
        )
        candidates = {
            "the best for the joint posterior, by KL(p‖q): its mean and variances": found.best,
            "the product of the best for each posterior, divided once by the prior": found.product,
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
            st.caption(
                "Dividing by the prior leaves no positive precision here, so there is no such "
                "product."
            )
