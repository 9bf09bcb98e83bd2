"""Proposals: posteriors of validation examples with the same label, tags or text."""

from __future__ import annotations

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.distributions.gaussian import Gaussian
from mvae.distributions.mixture import Mixture
from mvae.evaluation.context import EvaluationContext
from mvae.models.base import LatentModel

__all__ = ["matching_posteriors"]

#: Largest number of validation examples whose posteriors serve as proposals for a sample.
EXAMPLES = 20


def matching_posteriors(context: EvaluationContext, evidence: Batch) -> Mixture | None:
    """Return, for each sample, a mixture of posteriors of validation examples like it.

    Examples are alike if their evidence is the same. The posterior given a label has a mode for
    each way of drawing it, and no single Gaussian covers them all. Images and vectors are not
    matched.

    Args:
        context: an evaluation of a model with posteriors.
        evidence: B samples.

    Returns:
        Mixture: ``(B, D)``, without components for a sample that no example matches; None if the
        evidence includes an image or a vector, or if no sample has a match.
    """
    model, evidence = context.model, evidence.align(context.model.modalities)
    annotations = {m.name for m in context.annotations}
    supplied = [name for name in evidence.names if evidence.there(name).any()]
    if not isinstance(model, LatentModel) or not supplied or not annotations.issuperset(supplied):
        return None
    valid = context.valid()
    same = torch.stack([_same(evidence, valid, name) for name in supplied]).all(0)  # (B, V)
    matches = [row.nonzero().flatten()[:EXAMPLES] for row in same]
    if not any(len(r) for r in matches):
        return None
    with torch.no_grad():
        posteriors = model.proposal(valid[torch.cat(matches)])
    # The overall mean and standard deviation, if posteriors are mixtures.
    mean, std = posteriors.mean, posteriors.std
    size = (EXAMPLES, len(evidence), model.latents)
    components = Gaussian(mean.new_zeros(size), mean.new_zeros(size))
    present = torch.zeros(len(evidence), EXAMPLES, dtype=torch.bool)
    counts = [len(r) for r in matches]
    for b, (m, s) in enumerate(zip(mean.split(counts), std.split(counts), strict=True)):
        components.mean[: len(m), b], components.logvar[: len(m), b] = m, 2 * s.log()
        present[b, : len(m)] = True
    return Mixture(components, present)


def _same(evidence: Batch, valid: Batch, name: str) -> Tensor:
    """Whether samples and validation examples have the same value, bool ``(B, V)``."""
    evidence_values, valid_values = (
        batch.filled(name).reshape(len(batch), -1).double() for batch in (evidence, valid)
    )
    distance = torch.cdist(evidence_values, valid_values, p=float("inf"))
    return (distance == 0) & evidence.there(name)[:, None] & valid.there(name)
