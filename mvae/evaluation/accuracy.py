"""What a model says in words, and how far it agrees with what is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor
from torch.distributions import Distribution

from mvae.kinds.registry import annotation_of
from mvae.modality import Modality

__all__ = ["agreement", "coherence", "likeliest", "told"]


def likeliest(m: Modality, expected: Tensor) -> Tensor:
    """Turn probabilities ``(..., *shape)`` into the likeliest data ``(..., *event shape)``.

    Of a label the likeliest category, of tags those that are likelier than not, of a text the
    tokens of the path that the probabilities are of, ``(..., L, V)`` to ``(..., L)``.
    """
    return annotation_of(m.kind).likeliest(expected)


def agreement(m: Modality, one: Tensor, other: Tensor) -> Tensor:
    """Say how far two data of a named modality agree, from 0 to 1, ``(..., *event shape)``.

    A label or a text agrees or not; of tags it is the share that is the same in both.

    Example:
        >>> tags = Modality(name="tags", kind="tags", shape=(2,), likelihood="bernoulli",
        ...                 categories=("red", "round"))
        >>> agreement(tags, torch.tensor([1.0, 0.0]), torch.tensor([1.0, 1.0])).item()
        0.5
    """
    return annotation_of(m.kind).agreement(one, other)


def told(m: Modality, p: Distribution) -> Tensor:
    r"""Give what a model says of B samples, by N draws of what is hidden, ``(B, *event shape)``.

    .. math:: \hat x = \arg\max_x \frac1N \sum_n p(x|h_n)

    For a text the maximum is over those that are the likeliest ones of a draw.

    Args:
        m: a label, tags or a text.
        p: p(x|h), of batch shape ``(N, B)``.
    """
    return annotation_of(m.kind).predict(m, p)


def coherence(
    annotations: Iterable[Modality],
    seen: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    counted: Mapping[str, Tensor],
) -> Tensor:
    """Average over named modalities how far what is seen in pictures agrees with what is wanted.

    Args:
        annotations: labels, tags and texts.
        seen: in each of N draws for B samples, ``(N, B, *event shape)`` by modality.
        wanted: the same or without N, ``(B, *event shape)``.
        counted: whether a sample's modality counts, bool ``(B,)``; at least one of them.

    Returns:
        Tensor: from 0 to 1, ``(N, B)``.

    Raises:
        ValueError: if nothing counts for a sample.
    """
    total, weight = torch.zeros(()), torch.zeros(())
    for m in annotations:
        counts = counted[m.name].float()
        total = total + counts * agreement(m, seen[m.name], wanted[m.name])
        weight = weight + counts
    if not (weight > 0).all():
        raise ValueError("a sample has nothing that counts: there is nothing to agree with")
    return total / weight
