"""What models infer and generate from the same evidence: how sharp, which pictures, how good."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from mvae.batch import Batch
from mvae.distributions.gaussian import Gaussian
from mvae.distributions.mixture import Mixture
from mvae.evaluation.accuracy import coherence, likeliest
from mvae.evaluation.classifier import Classifier
from mvae.images.tiling import assemble
from mvae.kinds.tokens import tally
from mvae.modality import Modality
from mvae.models.base import LatentModel, MultimodalModel, noise

__all__ = ["DRAWS", "SHOWN", "Answer", "answer", "differences"]

#: Draws of what is hidden behind every number, and how many of them are shown as pictures.
DRAWS, SHOWN = 64, 5
#: With more labels than this, one number stands for all of them.
FEW = 4


@dataclass(frozen=True)
class Answer:
    """What one model infers and generates from some modalities of one sample, or of several.

    Of one sample, shapes are as they stand here and numbers are floats. Of B samples there is a
    dimension B more, first or after the draws, numbers are tensors ``(B,)``, NaN for a sample that
    lacks what is asked, and texts are a list for each.

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
    texts: dict[str, list[Any]]
    picture: Tensor | None
    drawn: Tensor | None
    cannot: dict[str, str]
    numbers: dict[str, Any]


@torch.no_grad()
def answer(
    model: MultimodalModel,
    sample: Batch,
    evidence: Sequence[str],
    classifier: Classifier | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Answer:
    r"""Infer and generate from some modalities of one or several samples, and score the result.

    A modality that the sample has and that is not supplied is *held out*; its predictive
    log-likelihood, in nats, is

    .. math:: \log \frac1N \sum_{n=1}^N p(x_j|h_n), \qquad h_n \sim p(h|X_S)

    *Coherence* is the share of the draws whose picture, named by a classifier that is no part of
    the model, has the label that is supplied or, where none is, that the same draw generates; of
    tags it is the share that agrees.

    Args:
        model: any.
        sample: a batch of at least one.
        evidence: names of the supplied modalities.
        classifier: names pictures; without it there is no coherence.
        draws: N.
        seed: of the draws; the same one gives every model the same random numbers. Each sample of
            several has its own.

    Raises:
        ValueError: if there is no sample or no draw, evidence is unknown, or a sample lacks it.

    Example:
        >>> from mvae.checkpoint import load_model, load_samples
        >>> model, _ = load_model("mnist", "mvae-cover")
        >>> samples = load_samples("mnist", model.modalities)
        >>> list(answer(model, samples[3:4], ["image"]).numbers)
        ['p(label 3)', 'log p(label | image)', 'KL to the prior']
        >>> answer(model, samples[:5], ["image"]).numbers["p(label)"].shape
        torch.Size([5])
    """
    if not len(sample) or draws < 1:
        raise ValueError(
            f"there must be at least one sample and one draw, not {len(sample)} and {draws}"
        )
    sample = sample.align(model.modalities)
    sample.require(evidence)
    given = sample.supply(evidence)
    generated = model.generate(given, draws, seed)
    means = {
        name: model.modality(name).distribution.expected(p) for name, p in generated.items()
    }  # (N, B, *shape)
    pictures, whole = _pictures(model, given, means)
    q, no_spread = _posterior(model, given)
    numbers: dict[str, Tensor | None] = {}
    if classifier is not None:
        numbers["coherence"] = _coherence(classifier, given, means, pictures if whole else None)
    numbers |= _scores(model, sample, given, generated, means)
    numbers["KL to the prior"] = None if q is None else _divergence(q, draws, seed)
    one = len(sample) == 1
    at: int | slice = 0 if one else slice(None)
    texts = {
        m.name: [tally(p, m) for p in means[m.name].unbind(1)]
        for m in model.modalities
        if m.is_text and m.name in means
    }
    return Answer(
        spread=None if q is None else q.std.sort(-1).values[at],
        no_spread=no_spread,
        expected={name: x.mean(0)[at] for name, x in means.items()},
        texts={name: found[0] if one else found for name, found in texts.items()},
        picture=None if pictures is None else pictures.mean(0)[at],
        drawn=None if pictures is None else pictures[:SHOWN, at].clone(),
        cannot={
            m.name: model.cannot(evidence, m.name)
            for m in model.modalities
            if m.name not in generated
        },
        numbers={n: x.item() if one and x is not None else x for n, x in numbers.items()},
    )


def differences(ours: Answer, reference: Answer) -> dict[str, Any]:
    """Subtract a reference's numbers from a model's, where both have them."""
    return {
        name: value - other
        for name, value in ours.numbers.items()
        if value is not None and (other := reference.numbers.get(name)) is not None
    }


def _posterior(model: MultimodalModel, given: Batch) -> tuple[Gaussian | Mixture | None, str]:
    """Return q(z|X_S), or None and a sentence."""
    if not isinstance(model, LatentModel):
        return None, model.no_posterior
    try:
        return model.posterior(given), ""
    except ValueError as error:
        return None, str(error)


def _divergence(q: Gaussian | Mixture, draws: int, seed: int) -> Tensor:
    """Return KL(q ‖ p) in nats, ``(B,)``: exact for a Gaussian, else estimated from the draws."""
    if isinstance(q, Gaussian):
        return q.kl_to_prior()
    z = q.at(noise(draws, 1, q.shape[-1], seed))
    return (q.log_prob(z) - Gaussian.standard(tuple(q.shape)).log_prob(z)).mean(0)


def _pictures(
    model: MultimodalModel, given: Batch, means: Mapping[str, Tensor]
) -> tuple[Tensor | None, bool]:
    """Put each draw's picture together, ``(N, B, C, H, W)``; and whether no tile is lacking."""
    images = [m.name for m in model.modalities if m.is_image]
    made = [name for name in images if name in means]
    if not made:
        return None, False
    n = len(means[made[0]])
    tiles = {
        name: means[name] if name in means else given.filled(name).expand(n, -1, -1, -1, -1)
        for name in images
    }
    known = all(name in means or bool(given.there(name).all()) for name in images)
    return assemble(model.modalities, tiles), known


def _coherence(
    classifier: Classifier, given: Batch, means: Mapping[str, Tensor], pictures: Tensor | None
) -> Tensor | None:
    """Compare what a classifier sees in each draw with what is supplied or generated, ``(B,)``."""
    if pictures is None:
        return None
    named = classifier.annotations
    there = {m.name: given.there(m.name) for m in named}
    if not any(x.any() for x in there.values()):
        if any(m.name not in means for m in named):
            return None
        there = {m.name: torch.ones(len(given), dtype=torch.bool) for m in named}
        wanted = {m.name: likeliest(m, means[m.name]) for m in named}
    else:
        wanted = {m.name: given.filled(m.name) for m in named}
    n = len(pictures)
    seen = {
        name: x.unflatten(0, (n, -1)) for name, x in classifier.name(pictures.flatten(0, 1)).items()
    }
    return coherence(named, seen, wanted, there).mean(0)


def _scores(
    model: MultimodalModel,
    sample: Batch,
    given: Batch,
    generated: Mapping[str, Distribution],
    means: Mapping[str, Tensor],
) -> dict[str, Tensor | None]:
    """Score what the samples say in words, and every modality that is held out, ``(B,)`` each.

    Where there are many labels, there is one row for all of them.
    """
    scores: dict[str, Tensor | None] = {}
    known = [m for m in model.modalities if sample.there(m.name).any()]
    supplied = [name for name in given.names if given.there(name).all()]
    labels = [m for m in known if m.is_category]

    def of_those_that_have(m: Modality, x: Tensor) -> Tensor:
        return x.masked_fill(~sample.there(m.name), torch.nan)

    for m in labels if len(labels) <= FEW else ():
        own = sample.filled(m.name)
        name = f"{m.name} {m.category(int(own[0]))}" if len(sample) == 1 else m.name
        scores[f"p({name})"] = (
            of_those_that_have(m, means[m.name].mean(0).gather(-1, own.unsqueeze(-1)).squeeze(-1))
            if m.name in means
            else None
        )
    if len(labels) > FEW:
        right = [
            of_those_that_have(
                m, (means[m.name].mean(0).argmax(-1) == sample.filled(m.name)).double()
            )
            for m in labels
            if m.name in means
        ]
        scores["labels right"] = torch.stack(right).nanmean(0) if right else None

    def log_p(m: Modality) -> Tensor | None:
        if m.name not in generated:
            return None
        each = generated[m.name].log_prob(sample.filled(m.name))  # (N, B)
        return of_those_that_have(m, each.logsumexp(0) - math.log(len(each)))

    def title(what: str, exact: bool) -> str:
        of = " | ".join(filter(None, (what, ", ".join(supplied))))
        return f"log p({of})" if exact else f"score of {of}"

    hidden = [m for m in known if m.name not in supplied]
    many = [m for m in hidden if m.is_category] if len(labels) > FEW else []
    for m in hidden:
        if m not in many:
            scores[title(m.name, m.distribution.exact)] = log_p(m)
    if many:
        found = [value for m in many if (value := log_p(m)) is not None]
        scores[title(f"{len(many)} labels", True)] = torch.stack(found).nansum(0) if found else None
    return scores
