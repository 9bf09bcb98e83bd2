"""Predicted labels, tags and texts, and how well they agree with the known ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor
from torch.distributions import Distribution

from mvae.kinds.registry import annotation_of
from mvae.modality import Modality

__all__ = ["agreement", "coherence", "most_probable", "predict_value"]


def most_probable(m: Modality, expected: Tensor) -> Tensor:
    """Return the most probable value, given probabilities ``(..., *shape)``.

    The result has shape ``(..., *event shape)``: for a label it is the most probable category, for
    tags every tag with a probability above ½, and for a text ``(..., L, V)`` the most probable
    token at each position, ``(..., L)``.
    """
    return annotation_of(m.kind).most_probable(expected)


def agreement(m: Modality, first: Tensor, second: Tensor) -> Tensor:
    """Return how well two values agree, from 0 to 1, ``(..., *event shape)`` to ``(...)``.

    Labels and texts either agree or do not; for tags it is the fraction that is equal in both.

    Example:
        >>> tags = Modality(name="tags", kind="tags", shape=(2,), likelihood="bernoulli",
        ...                 categories=("red", "round"))
        >>> agreement(tags, torch.tensor([1.0, 0.0]), torch.tensor([1.0, 1.0])).item()
        0.5
    """
    return annotation_of(m.kind).agreement(first, second)


def predict_value(m: Modality, p: Distribution) -> Tensor:
    r"""Return the value that a model predicts for B samples, ``(B, *event shape)``.

    .. math:: \hat x = \arg\max_x \frac1N \sum_n p(x|h_n)

    For a text, the maximum is taken over the most probable text of each draw.

    Args:
        m: a label, tags or a text.
        p: p(x|h) for N draws of the hidden variables, with batch shape ``(N, B)``.
    """
    return annotation_of(m.kind).predict(m, p)


def coherence(
    annotations: Iterable[Modality],
    predicted: Mapping[str, Tensor],
    target: Mapping[str, Tensor],
    mask: Mapping[str, Tensor],
) -> Tensor:
    """Average the agreement of predicted annotations with target ones, for every draw and sample.

    Args:
        annotations: labels, tags and texts.
        predicted: annotations predicted from the pictures of N draws for B samples, by modality,
            ``(N, B, *event shape)`` each.
        target: values to agree with, of the same shape or without N, ``(B, *event shape)``.
        mask: whether a modality counts for a sample, bool ``(B,)``; at least one must.

    Returns:
        Tensor: from 0 to 1, ``(N, B)``.

    Raises:
        ValueError: if there is a sample for which no modality counts.
    """
    total, weight = torch.zeros(()), torch.zeros(())
    for m in annotations:
        included = mask[m.name].float()
        total = total + included * agreement(m, predicted[m.name], target[m.name])
        weight = weight + included
    if not (weight > 0).all():
        raise ValueError("no annotation counts for some sample, so its coherence is undefined")
    return total / weight
