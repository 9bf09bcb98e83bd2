"""Predictions of models from the same evidence, and the scores by which they are compared."""

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
from mvae.evaluation.accuracy import coherence, most_probable
from mvae.evaluation.classifier import Classifier
from mvae.images.tiling import assemble
from mvae.kinds.tokens import tally
from mvae.modality import Modality
from mvae.models.base import DRAWS, LatentModel, MultimodalModel, noise

__all__ = ["MAX_LABELS", "PICTURE_DRAWS", "Prediction", "differences", "predict"]

#: Number of draws whose pictures are returned.
PICTURE_DRAWS = 5
#: Largest number of labels that are scored one by one; if there are more, they are summarised.
MAX_LABELS = 4


@dataclass(frozen=True)
class Prediction:
    """What a model infers and generates from some modalities of one sample, or of several.

    For one sample, shapes are as stated here and scores are floats. For B samples, tensors have a
    further dimension B, first or after the draws; scores are tensors ``(B,)``, NaN for a sample
    that lacks the modality; and texts are a list per sample.

    Args:
        posterior_std: standard deviations of the posterior, in ascending order, ``(D,)``; those of
            the prior are 1. None if there is no posterior.
        no_posterior: the reason why there is no posterior.
        expected: mean over the draws of every generated modality, ``(*shape)``.
        texts: for every generated text, the distinct texts of the draws with the fraction of draws
            for which each is the most probable, most frequent first.
        picture: the generated picture, averaged over the draws, ``(C, H, W)``; tiles that are not
            generated are those supplied. None if no image is generated.
        picture_draws: the pictures of the first few draws, ``(PICTURE_DRAWS, C, H, W)``.
        not_generated: the reason why a modality is not generated, by modality.
        scores: scores by title, with the same titles in the same order for every model; None if the
            model has no such score.
    """

    posterior_std: Tensor | None
    no_posterior: str
    expected: dict[str, Tensor]
    texts: dict[str, list[Any]]
    picture: Tensor | None
    picture_draws: Tensor | None
    not_generated: dict[str, str]
    scores: dict[str, Any]


@torch.no_grad()
def predict(
    model: MultimodalModel,
    sample: Batch,
    evidence: Sequence[str],
    classifier: Classifier | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Prediction:
    r"""Infer and generate from some modalities of one or several samples, and score the results.

    A modality is *held out* if the sample has it but it is not supplied. Its predictive
    log-likelihood, in nats, is

    .. math:: \log \frac1N \sum_{n=1}^N p(x_j|h_n), \qquad h_n \sim p(h|X_S)

    *Coherence* is the fraction of draws whose picture a separate classifier assigns to the supplied
    label or, if none is supplied, to the label that the same draw generates. For tags it is the
    fraction that agrees.

    Args:
        model: any model.
        sample: a batch of at least one sample.
        evidence: names of the supplied modalities.
        classifier: predicts annotations from pictures; without it there is no coherence.
        draws: N, the number of draws.
        seed: seed of the draws; with the same seed, every model gets the same random numbers, which
            differ between the samples of a batch.

    Raises:
        ValueError: if there is no sample or no draw, or if a modality in the evidence is unknown or
            missing from a sample.

    Example:
        >>> from mvae.checkpoint import load_model, load_samples
        >>> model, _ = load_model("mnist", "mvae-cover")
        >>> samples = load_samples("mnist", model.modalities)
        >>> list(predict(model, samples[3:4], ["image"]).scores)
        ['p(label 3)', 'log p(label | image)', 'KL to the prior']
        >>> predict(model, samples[:5], ["image"]).scores["p(label)"].shape
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
    pictures, complete = _pictures(model, given, means)
    q, no_posterior = _posterior(model, given)
    scores: dict[str, Tensor | None] = {}
    if classifier is not None:
        scores["coherence"] = _coherence(classifier, given, means, pictures if complete else None)
    scores |= _scores(model, sample, given, generated, means)
    scores["KL to the prior"] = None if q is None else _divergence(q, draws, seed)
    single = len(sample) == 1
    index: int | slice = 0 if single else slice(None)
    texts = {
        m.name: [tally(p, m) for p in means[m.name].unbind(1)]
        for m in model.modalities
        if m.is_text and m.name in means
    }
    return Prediction(
        posterior_std=None if q is None else q.std.sort(-1).values[index],
        no_posterior=no_posterior,
        expected={name: x.mean(0)[index] for name, x in means.items()},
        texts={name: found[0] if single else found for name, found in texts.items()},
        picture=None if pictures is None else pictures.mean(0)[index],
        picture_draws=None if pictures is None else pictures[:PICTURE_DRAWS, index].clone(),
        not_generated={
            m.name: model.cannot(evidence, m.name)
            for m in model.modalities
            if m.name not in generated
        },
        scores={n: x.item() if single and x is not None else x for n, x in scores.items()},
    )


def differences(ours: Prediction, reference: Prediction) -> dict[str, Any]:
    """Subtract the scores of a reference from those of a model, where both have them."""
    return {
        name: value - other
        for name, value in ours.scores.items()
        if value is not None and (other := reference.scores.get(name)) is not None
    }


def _posterior(model: MultimodalModel, given: Batch) -> tuple[Gaussian | Mixture | None, str]:
    """Return q(z|X_S) and an empty string, or None and the reason why there is none."""
    if not isinstance(model, LatentModel):
        return None, model.no_posterior
    try:
        return model.posterior(given), ""
    except ValueError as error:
        return None, str(error)


def _divergence(q: Gaussian | Mixture, draws: int, seed: int) -> Tensor:
    """Return KL(q‖p) in nats, ``(B,)``, exact for a Gaussian, else estimated from draws."""
    if isinstance(q, Gaussian):
        return q.kl_to_prior()
    z = q.from_noise(noise(draws, 1, q.shape[-1], seed))
    return (q.log_prob(z) - Gaussian.standard(tuple(q.shape)).log_prob(z)).mean(0)


def _pictures(
    model: MultimodalModel, given: Batch, means: Mapping[str, Tensor]
) -> tuple[Tensor | None, bool]:
    """Return the picture of each draw, ``(N, B, C, H, W)``, and whether all its tiles are known."""
    images = [m.name for m in model.modalities if m.is_image]
    generated_images = [name for name in images if name in means]
    if not generated_images:
        return None, False
    n = len(means[generated_images[0]])
    tiles = {
        name: means[name] if name in means else given.filled(name).expand(n, -1, -1, -1, -1)
        for name in images
    }
    complete = all(name in means or bool(given.there(name).all()) for name in images)
    return assemble(model.modalities, tiles), complete


def _coherence(
    classifier: Classifier, given: Batch, means: Mapping[str, Tensor], pictures: Tensor | None
) -> Tensor | None:
    """Compute the coherence of pictures with supplied or generated annotations, ``(B,)``."""
    if pictures is None:
        return None
    annotations = classifier.annotations
    included = {m.name: given.there(m.name) for m in annotations}
    if not any(x.any() for x in included.values()):
        if any(m.name not in means for m in annotations):
            return None
        included = {m.name: torch.ones(len(given), dtype=torch.bool) for m in annotations}
        target = {m.name: most_probable(m, means[m.name]) for m in annotations}
    else:
        target = {m.name: given.filled(m.name) for m in annotations}
    n = len(pictures)
    predicted = {
        name: x.unflatten(0, (n, -1))
        for name, x in classifier.predict(pictures.flatten(0, 1)).items()
    }
    return coherence(annotations, predicted, target, included).mean(0)


def _scores(
    model: MultimodalModel,
    sample: Batch,
    given: Batch,
    generated: Mapping[str, Distribution],
    means: Mapping[str, Tensor],
) -> dict[str, Tensor | None]:
    """Compute the probability of each label, and a score of each held-out modality, ``(B,)``.

    If there are many labels, one score summarises all of them.
    """
    scores: dict[str, Tensor | None] = {}
    known = [m for m in model.modalities if sample.there(m.name).any()]
    supplied = [name for name in given.names if given.there(name).all()]
    labels = [m for m in known if m.is_category]

    def nan_if_missing(m: Modality, x: Tensor) -> Tensor:
        return x.masked_fill(~sample.there(m.name), torch.nan)

    for m in labels if len(labels) <= MAX_LABELS else ():
        own = sample.filled(m.name)
        name = f"{m.name} {m.category(int(own[0]))}" if len(sample) == 1 else m.name
        scores[f"p({name})"] = (
            nan_if_missing(m, means[m.name].mean(0).gather(-1, own.unsqueeze(-1)).squeeze(-1))
            if m.name in means
            else None
        )
    if len(labels) > MAX_LABELS:
        correct = [
            nan_if_missing(m, (means[m.name].mean(0).argmax(-1) == sample.filled(m.name)).double())
            for m in labels
            if m.name in means
        ]
        scores["labels right"] = torch.stack(correct).nanmean(0) if correct else None

    def log_p(m: Modality) -> Tensor | None:
        if m.name not in generated:
            return None
        each = generated[m.name].log_prob(sample.filled(m.name))  # (N, B)
        return nan_if_missing(m, each.logsumexp(0) - math.log(len(each)))

    def score_title(what: str, exact: bool) -> str:
        of = " | ".join(filter(None, (what, ", ".join(supplied))))
        return f"log p({of})" if exact else f"score of {of}"

    held_out = [m for m in known if m.name not in supplied]
    many_labels = [m for m in held_out if m.is_category] if len(labels) > MAX_LABELS else []
    for m in held_out:
        if m not in many_labels:
            scores[score_title(m.name, m.distribution.exact)] = log_p(m)
    if many_labels:
        parts = [value for m in many_labels if (value := log_p(m)) is not None]
        total = torch.stack(parts).nansum(0) if parts else None
        scores[score_title(f"{len(many_labels)} labels", True)] = total
    return scores
