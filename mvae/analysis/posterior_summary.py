"""A belief told in a terminal: in words, or as plain data."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from mvae.analysis.inference import Belief
from mvae.kinds.tokens import tally
from mvae.modality import Modality

__all__ = ["as_dict", "tell"]

#: How many dimensions, and how many of the categories, tags and texts, the likeliest first.
DIMENSIONS = 8
LIKELIEST = {"label": 3, "tags": 5, "text": 3}


def tell(belief: Belief, place: float | Tensor | None = None) -> Iterator[str]:
    """Say line by line how sharp a belief is, who decided it, and what follows.

    Args:
        belief: of any model and one sample.
        place: the percentage of matched samples that disagree less, if it is known.

    Raises:
        ValueError: if the belief is not of one sample.

    Example:
        >>> from mvae.checkpoint import load_model, load_samples
        >>> from mvae.analysis.inference import believe
        >>> model, _ = load_model("mnist", "mvae-cover")
        >>> sample = load_samples("mnist", model.modalities)[slice(3, 4)]
        >>> next(tell(believe(model, sample, [])))
        'entropy of the belief: 90.812 nats'
    """
    if belief.posterior.mean.ndim != 1:
        raise ValueError(f"one sample is told at a time, not {len(belief.posterior.mean)}")
    yield f"entropy of the belief: {belief.entropy:.3f} nats"
    for step, nats in enumerate(belief.sharpness):
        added = f"+ {belief.evidence[step - 1]}" if step else "prior"
        yield f"  {added:<16}{nats:8.3f} nats sharper than the prior"
    if place is not None:
        prior = belief.conflict - belief.disagreement
        yield (
            f"conflict: {belief.disagreement:.2f} between the modalities ({place:.1f} % of matched "
            f"samples have less), {prior:.2f} with the prior"
        )
    yield "most informative dimensions: mean, standard deviation, shares of precision"
    q = belief.posterior
    for d in belief.informative(DIMENSIONS):
        shares = "  ".join(f"{who} {share[d]:.3f}" for who, share in belief.shares.items())
        yield f"  z{d:<4}{q.mean[d]:8.3f} ±{q.std[d]:6.3f}   {shares}"
    for m in belief.model.modalities:
        for line in _generated(m, belief.samples[m.name]):
            yield f"generated {m.name}: {line}"


def _generated(m: Modality, samples: Tensor) -> list[str]:
    """Say what is likeliest of a modality, and how likely; of what has no words, only its size."""
    mean = samples.mean(0)
    if m.kind == "text":
        found = tally(samples, m)[: LIKELIEST["text"]]
        return [f"{text or '(nothing)'} ({share:.0%} of the draws)" for text, share in found]
    if m.kind in LIKELIEST:
        order = mean.argsort(descending=True)[: LIKELIEST[m.kind]]
        return [", ".join(f"{m.category(int(c))} {mean[c]:.1%}" for c in order)]
    return [f"mean of {tuple(mean.shape)}, average value {mean.mean():.3f}"]


def as_dict(belief: Belief) -> dict[str, object]:
    """Return a belief as plain lists and numbers, of one sample or of several."""

    def plain(x: float | Tensor) -> object:
        return x if isinstance(x, float) else x.tolist()

    return {
        "evidence": list(belief.evidence),
        "experts": {
            name: {"mean": q.mean.tolist(), "logvar": q.logvar.tolist()}
            for name, q in belief.experts.items()
        },
        "posterior": {
            "mean": belief.posterior.mean.tolist(),
            "logvar": belief.posterior.logvar.tolist(),
        },
        "entropy": plain(belief.entropy),
        "sharpness": [plain(x) for x in belief.sharpness],
        "shares": {name: share.tolist() for name, share in belief.shares.items()},
        "conflict": plain(belief.conflict),
        "disagreement": plain(belief.disagreement),
        "generated": {name: x.tolist() for name, x in belief.expected.items()},
    }
