"""Summaries of a posterior, as lines of text or as plain data."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from mvae.analysis.inference import Inference
from mvae.kinds.registry import KINDS

__all__ = ["as_dict", "summary_lines"]

#: Number of dimensions to list, the most informative first.
DIMENSIONS = 8


def summary_lines(inference: Inference, percentile: float | Tensor | None = None) -> Iterator[str]:
    """Yield lines that describe a posterior: its entropy, the experts' shares, and samples.

    Args:
        inference: the posterior of any model given one sample.
        percentile: percentage of matched samples that disagree less, if known.

    Raises:
        ValueError: if there is more than one sample.

    Example:
        >>> from mvae.checkpoint import load_model, load_samples
        >>> from mvae.analysis.inference import infer
        >>> model, _ = load_model("mnist", "mvae-cover")
        >>> sample = load_samples("mnist", model.modalities)[slice(3, 4)]
        >>> next(summary_lines(infer(model, sample, [])))
        'entropy of the posterior: 90.812 nats'
    """
    if inference.posterior.mean.ndim != 1:
        raise ValueError(
            f"only one sample can be summarised at a time, not {len(inference.posterior.mean)}"
        )
    yield f"entropy of the posterior: {inference.entropy:.3f} nats"
    for step, nats in enumerate(inference.sharpness):
        added = f"+ {inference.evidence[step - 1]}" if step else "prior"
        yield f"  {added:<16}{nats:8.3f} nats sharper than the prior"
    if percentile is not None:
        prior = inference.conflict - inference.disagreement
        yield (
            f"conflict: {inference.disagreement:.2f} between the modalities ({percentile:.1f} % of "
            f"matched samples have less), {prior:.2f} with the prior"
        )
    yield "most informative dimensions: mean, standard deviation, shares of precision"
    q = inference.posterior
    for d in inference.most_informative(DIMENSIONS):
        shares = "  ".join(f"{name} {share[d]:.3f}" for name, share in inference.shares.items())
        yield f"  z{d:<4}{q.mean[d]:8.3f} ±{q.std[d]:6.3f}   {shares}"
    for m in inference.model.modalities:
        for line in KINDS[m.kind].describe(m, inference.samples[m.name]):
            yield f"generated {m.name}: {line}"


def as_dict(inference: Inference) -> dict[str, object]:
    """Convert an inference for one or several samples to plain lists and numbers."""

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
