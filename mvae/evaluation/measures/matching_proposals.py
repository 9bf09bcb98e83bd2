"""Posteriors of validation examples with the same label, tags or text, as proposals."""

from __future__ import annotations

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.distributions.gaussian import Gaussian
from mvae.distributions.mixture import Mixture
from mvae.evaluation.measures.base import EvaluationContext
from mvae.models.base import LatentModel

__all__ = ["posteriors_alike"]

#: Validation examples behind the proposals of a sample, at most.
EXAMPLES = 20


def posteriors_alike(context: EvaluationContext, evidence: Batch) -> Mixture | None:
    """Mix, for each sample, the posteriors of validation examples with the same evidence.

    The posterior given a label has a lobe for each way to draw it, and no single Gaussian reaches
    them all. What images or numbers are alike is not asked: None where evidence has any of them,
    and a sample without an example has no components.

    Args:
        context: whose model has posteriors.
        evidence: B samples.
    """
    model, evidence = context.model, evidence.align(context.model.modalities)
    annotations = {m.name for m in context.annotations}
    given = [name for name in evidence.names if evidence.there(name).any()]
    if not isinstance(model, LatentModel) or not given or not annotations.issuperset(given):
        return None
    valid = context.valid()
    same = torch.stack([_same(evidence, valid, name) for name in given]).all(0)  # (B, V)
    rows = [row.nonzero().flatten()[:EXAMPLES] for row in same]
    if not any(len(r) for r in rows):
        return None
    with torch.no_grad():
        each = model.proposal(valid[torch.cat(rows)])
    mean, std = each.mean, each.std  # of a mixture, those of the whole
    size = (EXAMPLES, len(evidence), model.latents)
    whole = Gaussian(mean.new_zeros(size), mean.new_zeros(size))
    there = torch.zeros(len(evidence), EXAMPLES, dtype=torch.bool)
    counts = [len(r) for r in rows]
    for b, (m, s) in enumerate(zip(mean.split(counts), std.split(counts), strict=True)):
        whole.mean[: len(m), b], whole.logvar[: len(m), b] = m, 2 * s.log()
        there[b, : len(m)] = True
    return Mixture(whole, there)


def _same(evidence: Batch, valid: Batch, name: str) -> Tensor:
    """Whether samples and validation examples have the same value, bool ``(B, V)``."""
    ours, theirs = (
        batch.filled(name).reshape(len(batch), -1).double() for batch in (evidence, valid)
    )
    apart = torch.cdist(ours, theirs, p=float("inf"))
    return (apart == 0) & evidence.there(name)[:, None] & valid.there(name)
