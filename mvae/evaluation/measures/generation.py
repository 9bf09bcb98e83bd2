"""What a model generates from each situation: coherent, diverse, and likely what is missing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from mvae.batch import Batch
from mvae.distributions.gaussian import Gaussian
from mvae.evaluation.accuracy import coherence, likeliest
from mvae.evaluation.measures.base import Measure, Situation, Subject, figure
from mvae.evaluation.step_cache import Step, Work
from mvae.images.tiling import completed
from mvae.models.base import LatentModel

__all__ = ["Generated"]

#: Draws whose pictures are judged; and real pictures of a label that their distances are set
#: beside.
PICTURES, REAL = 8, 100


class Generated(Measure):
    r"""For every situation S and every missing modality t, by what the model itself believes.

    - *predictive*: :math:`\log\frac1N\sum_n p(x_t|h_n)` with :math:`h_n` drawn given x_S, in nats;
    - *coherence*: the share of the generated pictures that a separate classifier names as the
      label that is supplied, or as the sample's own, or, where nothing is supplied, as the label
      that the same draw generates; of tags and of several labels the share that agrees;
    - *diversity*: mean pairwise distance of the pictures of one sample, over that of real ones;
    - *entropy* of the belief, in nats.
    """

    kinds = ("predictive", "coherence", "diversity", "entropy", "classifier_accuracy")

    def steps(self, subject: Subject) -> Iterator[Step]:
        """Take some samples in parts, each situation by itself."""
        for situation in subject.situations:
            if situation.supplied.all() and not subject.believes(situation):
                continue  # nothing is missing, and there is no belief: no chains for nothing
            for part, rows in enumerate(subject.parts(subject.some)):
                run = partial(generate, subject, situation, rows, part)
                size = subject.draws * subject.steps // 4
                yield Step(f"generated {situation.key}", part, size, run)
        if subject.classifier is not None:
            yield Step("classifier", 0, 10, partial(name_real, subject))

    def figures(self, subject: Subject, work: Work) -> dict[str, Any]:
        """Give the figures of every pair of what is given and what is asked."""
        result: dict[str, Any] = {}
        for situation in subject.situations:
            for name, values in work.of(f"generated {situation.key}").items():
                kind, _, wanted = name.partition(" ")
                if (~values.isnan()).sum() > 1:
                    key = f"{situation.key}->{wanted}" if wanted else situation.key
                    result.setdefault(kind, {})[key] = figure(values)
        if right := work.of("classifier"):
            result["classifier_accuracy"] = figure(right["value"])
        return result

    def protocol(self, subject: Subject) -> dict[str, str | int | float]:
        """Say how many samples and draws there are."""
        return {
            "n_generated": subject.some,
            "predictive": f"log mean of p(x|hidden) over {subject.draws} draws of the model's own "
            "belief, in nats",
            "coherence": f"{PICTURES} draws a sample, pixel means, named by a separate classifier: "
            "the share with the sample's label, or given nothing with the label of the same draw"
            + ("" if subject.label else "; of tags and several labels the share that agrees"),
            "diversity": "mean pairwise pixel distance of a sample's draws over that of "
            f"{REAL} real images of its label, or given nothing of any label",
        }


@torch.no_grad()
def generate(
    subject: Subject, situation: Situation, rows: slice, part: int, _: torch.Generator
) -> dict[str, Tensor]:
    """Measure some samples; NaN stands where a modality was supplied."""
    model, whole = subject.model, subject.test[rows]
    given = situation[rows].of(whole)
    drawn = model.generate(given, subject.draws, subject.seed + part)
    results = {"entropy": entropy(subject, situation[rows], whole)}
    for i, m in enumerate(model.modalities):
        if m.name in drawn and not given.present[:, i].all():
            log_p = drawn[m.name].log_prob(whole.values[m.name])  # (N, B)
            score = log_p.logsumexp(0) - math.log(len(log_p))
            results[f"predictive {m.name}"] = score.masked_fill(given.present[:, i], math.nan)
    missing = [n for n in subject.images if not given.present[:, given.names.index(n)].all()]
    if not missing or not drawn.keys() >= {*missing}:
        return results
    means = {
        name: model.modality(name).distribution.expected(p)[:PICTURES]
        for name, p in drawn.items()
        if name in subject.images
    }
    pictures = completed(model.modalities, given, means)  # (N, B, C, H, W)
    words = {m.name: drawn[m.name] for m in subject.named if m.name in drawn}
    tiles = "+".join(missing)
    right = coherent(subject, situation, given, whole, pictures, words)
    if right is not None:
        results[f"coherence {tiles}"] = right
    apart = torch.stack([torch.pdist(of.flatten(1)).mean() for of in pictures.unbind(1)])
    results[f"diversity {tiles}"] = apart / distances(subject, situation, whole)
    return results


def coherent(
    subject: Subject,
    situation: Situation,
    given: Batch,
    whole: Batch,
    pictures: Tensor,
    words: Mapping[str, Distribution],
) -> Tensor | None:
    """Say how far what a classifier sees agrees with what it should see, ``(B,)``."""
    if subject.classifier is None:
        return None
    named = subject.classifier.named
    there = {m.name: given.present[:, given.names.index(m.name)] for m in named}
    # Where nothing is said in words all of it counts that is known of the sample.
    silent = ~torch.stack(list(there.values())).any(0)
    counted = {name: x | silent for name, x in there.items()}
    wanted = {m.name: whole.values[m.name] for m in named}
    if not situation.key:
        if any(m.name not in words for m in named):
            return None
        wanted = {
            m.name: likeliest(m, m.distribution.expected(words[m.name]))[: len(pictures)]
            for m in named
        }
    found = subject.classifier.name(pictures.flatten(0, 1))
    seen = {name: x.unflatten(0, pictures.shape[:2]) for name, x in found.items()}
    return coherence(named, seen, wanted, counted).mean(0)


def entropy(subject: Subject, situation: Situation, batch: Batch) -> Tensor:
    """Give the entropy of the belief, exactly or by draws; NaN where there is none."""
    if not subject.believes(situation):
        return torch.full((len(batch),), math.nan)
    assert isinstance(subject.model, LatentModel)
    q = subject.model.posterior(situation.of(batch))
    if isinstance(q, Gaussian):
        return q.entropy()
    z = q.sample(subject.draws, torch.Generator().manual_seed(subject.seed))
    return -q.log_prob(z).mean(0)


def distances(subject: Subject, situation: Situation, batch: Batch) -> Tensor:
    """Give the mean pairwise distance of real pictures of each sample's label, ``(B,)``."""
    label = subject.label
    pictures = completed(subject.model.modalities, subject.test, {})[0].flatten(1)
    if label is None or not situation.key:
        return torch.pdist(pictures[:REAL]).mean().expand(len(batch))
    labels = subject.test.values[label.name]
    each = [torch.pdist(pictures[labels == c][:REAL]).mean() for c in range(label.shape[0])]
    return torch.stack(each)[batch.values[label.name]]


@torch.no_grad()
def name_real(subject: Subject, _: torch.Generator) -> dict[str, Tensor]:
    """Say how far the classifier names real pictures right: more than that nobody can reach."""
    assert subject.classifier is not None
    pictures = completed(subject.model.modalities, subject.test, {})[0]
    return {"value": subject.classifier.right(pictures, subject.test.values)}
