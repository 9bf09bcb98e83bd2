"""What models answer to the same evidence: how sharp a belief, which pictures, how good."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Distribution

from mvae.evaluation.agreement import coherence, likeliest
from mvae.evaluation.classifier import Classifier
from mvae.gaussian import Gaussian
from mvae.mixture import Mixture
from mvae.modality import Batch, Modality
from mvae.model import LatentModel, MultimodalModel, noise
from mvae.pictures import assemble
from mvae.tokens import tally

__all__ = ["DRAWS", "SHOWN", "Answer", "answer", "differences"]

#: Draws of what is hidden behind every number, and how many of them are shown as pictures.
DRAWS, SHOWN = 64, 5
#: With more labels than this, one number stands for all of them.
FEW = 4


@dataclass(frozen=True)
class Answer:
    """What one model makes of one sample's evidence.

    Args:
        spread: standard deviations of the posterior, the sharpest dimension first, ``(D,)``; the
            prior's are 1. None where there is no posterior.
        no_spread: why not.
        expected: the mean over the draws of every modality that it generates, ``(*shape)``.
        texts: of every text that it generates, what the draws say: the different texts, and which
            share of the draws makes each the likeliest, most frequent first.
        picture: the generated picture, averaged over the draws, ``(C, H, W)``; a tile that is not
            generated stands as it was supplied. None where no image is generated.
        drawn: the same for the first few draws, ``(SHOWN, C, H, W)``.
        cannot: why it does not generate the other modalities.
        numbers: the same for every model, in the same order; None where it has no such number.
    """

    spread: Tensor | None
    no_spread: str
    expected: dict[str, Tensor]
    texts: dict[str, list[tuple[str, float]]]
    picture: Tensor | None
    drawn: Tensor | None
    cannot: dict[str, str]
    numbers: dict[str, float | None]


@torch.no_grad()
def answer(
    model: MultimodalModel,
    sample: Batch,
    evidence: Sequence[str],
    classifier: Classifier | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Answer:
    r"""Ask a model what it believes and generates, given some modalities of one sample.

    A modality that the sample has and that is not supplied is *held out*; its predictive
    log-likelihood, in nats, is

    .. math:: \log \frac1N \sum_{n=1}^N p(x_j|h_n), \qquad h_n \sim p(h|X_S)

    *Coherence* is the share of the draws whose picture, named by a classifier that is no part of
    the model, has the label that is supplied or, where none is, that the same draw generates; of
    tags it is the share that agrees.

    Args:
        model: any.
        sample: a batch of one.
        evidence: names of the supplied modalities.
        classifier: names pictures; without it there is no coherence.
        draws: N.
        seed: of the draws; the same one gives every model the same random numbers.

    Raises:
        ValueError: if the batch is not of one sample.

    Example:
        >>> from mvae.checkpoint import load_model, load_samples
        >>> model, _ = load_model("mnist", "mvae-cover")
        >>> sample = load_samples("mnist", model.modalities)[slice(3, 4)]
        >>> list(answer(model, sample, ["image"]).numbers)
        ['p(label 3)', 'log p(label | image)', 'KL to the prior']
    """
    if len(sample) != 1:
        raise ValueError(f"answer takes a batch of one sample, not of {len(sample)}")
    sample = sample.align(model.modalities)
    given = sample.supply(evidence)
    generated = model.generate(given, draws, seed)
    means = {
        name: model.modality(name).distribution.expected(p)[:, 0] for name, p in generated.items()
    }
    pictures, whole = _pictures(model, given, means)
    q, no_spread = _posterior(model, given)
    coherent = {}
    if classifier is not None:
        coherent = {"coherence": _coherence(classifier, given, means, pictures if whole else None)}
    return Answer(
        spread=None if q is None else q.std[0].sort().values,
        no_spread=no_spread,
        expected={name: x.mean(0) for name, x in means.items()},
        texts={
            m.name: tally(means[m.name], m)
            for m in model.modalities
            if m.kind == "text" and m.name in means
        },
        picture=None if pictures is None else pictures.mean(0),
        drawn=None if pictures is None else pictures[:SHOWN].clone(),
        cannot={
            m.name: model.cannot(evidence, m.name)
            for m in model.modalities
            if m.name not in generated
        },
        numbers={
            **coherent,
            **_scores(model, sample, given, generated, means),
            "KL to the prior": None if q is None else _divergence(q, draws, seed),
        },
    )


def differences(ours: Answer, reference: Answer) -> dict[str, float]:
    """Subtract a reference's numbers from a model's, where both have them."""
    return {
        name: value - other
        for name, value in ours.numbers.items()
        if value is not None and (other := reference.numbers.get(name)) is not None
    }


def _posterior(model: MultimodalModel, given: Batch) -> tuple[Gaussian | Mixture | None, str]:
    """Give q(z|X_S), or None and a sentence."""
    if not isinstance(model, LatentModel):
        return None, model.no_posterior
    try:
        return model.posterior(given), ""
    except ValueError as error:
        return None, str(error)


def _divergence(q: Gaussian | Mixture, draws: int, seed: int) -> float:
    """Give KL(q ‖ p) in nats: exactly for a Gaussian, for a mixture from the draws themselves."""
    if isinstance(q, Gaussian):
        return q.kl_to_prior().item()
    z = q.at(noise(draws, 1, q.shape[-1], seed))
    return (q.log_prob(z) - Gaussian.standard(tuple(q.shape)).log_prob(z)).mean().item()


def _pictures(
    model: MultimodalModel, given: Batch, means: Mapping[str, Tensor]
) -> tuple[Tensor | None, bool]:
    """Put each draw's picture together, ``(N, C, H, W)``; and whether no tile of it is lacking."""
    images = [m.name for m in model.modalities if m.kind == "image"]
    made = [name for name in images if name in means]
    if not made:
        return None, False
    there = dict(zip(given.names, given.present[0].tolist(), strict=True))
    like = means[made[0]]
    tiles = {
        name: means.get(name, given.filled(name).expand(len(like), -1, -1, -1)) for name in images
    }
    return assemble(model.modalities, tiles), all(name in means or there[name] for name in images)


def _coherence(
    classifier: Classifier, given: Batch, means: Mapping[str, Tensor], pictures: Tensor | None
) -> float | None:
    """Compare what a classifier sees in each draw with what is supplied, or else said by it."""
    if pictures is None:
        return None
    named = classifier.named
    there = {m.name: given.there(m.name) for m in named}
    if not any(x.any() for x in there.values()):
        if any(m.name not in means for m in named):
            return None
        there = {m.name: torch.ones(1, dtype=torch.bool) for m in named}
        wanted = {m.name: likeliest(m, means[m.name]).unsqueeze(1) for m in named}
    else:
        wanted = {m.name: given.filled(m.name) for m in named}
    seen = {name: x.unsqueeze(1) for name, x in classifier.name(pictures).items()}
    return coherence(named, seen, wanted, there).mean().item()


def _scores(
    model: MultimodalModel,
    sample: Batch,
    given: Batch,
    generated: Mapping[str, Distribution],
    means: Mapping[str, Tensor],
) -> dict[str, float | None]:
    """Score what the sample says in words, and every modality that is held out.

    Where there are many labels, there is one row for all of them.
    """
    scores: dict[str, float | None] = {}
    there = dict(zip(sample.names, sample.present[0].tolist(), strict=True))
    known = [m for m in model.modalities if there[m.name]]
    supplied = [n for n, x in zip(given.names, given.present[0].tolist(), strict=True) if x]
    labels = [m for m in known if m.kind == "label"]
    for m in labels if len(labels) <= FEW else ():
        own = int(sample.values[m.name][0])
        p = means[m.name].mean(0)[own].item() if m.name in means else None
        scores[f"p({m.name} {m.category(own)})"] = p
    if len(labels) > FEW:
        right = [
            (means[m.name].mean(0).argmax(-1) == sample.values[m.name]).double()
            for m in labels
            if m.name in means
        ]
        scores["labels right"] = torch.cat(right).mean().item() if right else None

    def log_p(m: Modality) -> float | None:
        if m.name not in generated:
            return None
        each = generated[m.name].log_prob(sample.values[m.name])[:, 0]
        return (each.logsumexp(0) - math.log(len(each))).item()

    def title(what: str, exact: bool) -> str:
        of = " | ".join(filter(None, (what, ", ".join(supplied))))
        return f"log p({of})" if exact else f"score of {of}"

    hidden = [m for m in known if m.name not in supplied]
    many = [m for m in hidden if m.kind == "label"] if len(labels) > FEW else []
    for m in hidden:
        if m not in many:
            scores[title(m.name, m.distribution.exact)] = log_p(m)
    if many:
        found = [value for m in many if (value := log_p(m)) is not None]
        scores[title(f"{len(many)} labels", True)] = sum(found) if found else None
    return scores
