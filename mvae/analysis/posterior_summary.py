"""A posterior told in a terminal: in words, or as plain data."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from mvae.analysis.inference import Inference
from mvae.kinds.registry import KINDS

__all__ = ["as_dict", "tell"]

#: How many dimensions, the most informative first.
DIMENSIONS = 8


def tell(inference: Inference, place: float | Tensor | None = None) -> Iterator[str]:
    """Say line by line how sharp a posterior is, who decided it, and what follows.

    Args:
        inference: of any model and one sample.
        place: the percentage of matched samples that disagree less, if it is known.

    Raises:
        ValueError: if the posterior is not of one sample.

    Example:
        >>> from mvae.checkpoint import load_model, load_samples
        >>> from mvae.analysis.inference import infer
        >>> model, _ = load_model("mnist", "mvae-cover")
        >>> sample = load_samples("mnist", model.modalities)[slice(3, 4)]
        >>> next(tell(infer(model, sample, [])))
        'entropy of the posterior: 90.812 nats'
    """
    if inference.posterior.mean.ndim != 1:
        raise ValueError(f"one sample is told at a time, not {len(inference.posterior.mean)}")
    yield f"entropy of the posterior: {inference.entropy:.3f} nats"
    for step, nats in enumerate(inference.sharpness):
        added = f"+ {inference.evidence[step - 1]}" if step else "prior"
        yield f"  {added:<16}{nats:8.3f} nats sharper than the prior"
    if place is not None:
        prior = inference.conflict - inference.disagreement
        yield (
            f"conflict: {inference.disagreement:.2f} between the modalities ({place:.1f} % of "
            f"matched samples have less), {prior:.2f} with the prior"
        )
    yield "most informative dimensions: mean, standard deviation, shares of precision"
    q = inference.posterior
    for d in inference.informative(DIMENSIONS):
        shares = "  ".join(f"{who} {share[d]:.3f}" for who, share in inference.shares.items())
        yield f"  z{d:<4}{q.mean[d]:8.3f} ±{q.std[d]:6.3f}   {shares}"
    for m in inference.model.modalities:
        for line in KINDS[m.kind].describe(m, inference.samples[m.name]):
            yield f"generated {m.name}: {line}"


def as_dict(inference: Inference) -> dict[str, object]:
    """Return a posterior as plain lists and numbers, of one sample or of several."""

    def plain(x: float | Tensor) -> object:
        return x if isinstance(x, float) else x.tolist()

    return {
        "evidence": list(inference.evidence),
        "experts": {
            name: {"mean": q.mean.tolist(), "logvar": q.logvar.tolist()}
            for name, q in inference.experts.items()
        },
        "posterior": {
            "mean": inference.posterior.mean.tolist(),
            "logvar": inference.posterior.logvar.tolist(),
        },
        "entropy": plain(inference.entropy),
        "sharpness": [plain(x) for x in inference.sharpness],
        "shares": {name: share.tolist() for name, share in inference.shares.items()},
        "conflict": plain(inference.conflict),
        "disagreement": plain(inference.disagreement),
        "generated": {name: x.tolist() for name, x in inference.expected.items()},
    }
